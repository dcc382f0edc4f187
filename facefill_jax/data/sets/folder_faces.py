"""Your own set: any folder or .zip of photos, with or without label maps."""

import numpy as np

from facefill_jax.data.sources import Folder


class FolderFaces(Folder):
  """A Folder as a set: ids are relative paths, and nothing is known of parts or CelebA."""

  def __init__(self, path: str, labels: str = "", *, size: int):
    """See Folder. size: large JPEGs may be decoded smaller, but with no side below this."""
    super().__init__(path, labels, min_size=size)
    self.numbers, self.official = [0] * len(self), [""] * len(self)

  def __getitem__(self, index: int) -> dict:
    item = super().__getitem__(index)
    return item | {"labels": np.ascontiguousarray(item["labels"])}
