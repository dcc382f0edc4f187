"""CelebA (Liu et al., ICCV 2015) as TFDS's own builder `celeb_a` prepares it: 178 x 218.

TFDS keeps no file names: ids are places in TFDS's order, the same for the same version of it. Its
splits are CelebA's partition. Prepare it once with TFDS (which downloads it):

    tfds.builder("celeb_a", file_format="array_record").download_and_prepare()
"""

import numpy as np

from facefill_jax.data.bad_records import BadRecordError
from facefill_jax.data.decoding import DAMAGED, read_photo
from facefill_jax.data.sets.prepared import Prepared
from facefill_jax.labels import VOID

POINTS = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")  # left as seen


class TfdsFaces:
  """The photos of a set that TFDS prepared, as a source; see `data.builders`. All unlabelled."""

  def __init__(self, path: str, name: str):
    """path: a prepared directory. ValueError: it holds no set, or one of another name."""
    self._records = Prepared(path)
    if self._records.name != name:
      raise ValueError(f"{path}: holds the TFDS set {self._records.name!r}, not {name!r}")
    self.ids = self._records.ids
    self.numbers = [0] * len(self.ids)
    self.official = [""] * len(self.ids)

  def __len__(self) -> int:
    return len(self.ids)

  def __getitem__(self, index: int) -> dict:
    """Decodes one photo; ValueError names shard, position and id if that cannot be done."""
    features, where = self._records.features(index)
    try:
      photo, size = read_photo(features["image"][0])
    except DAMAGED as error:
      raise BadRecordError(f"{where} cannot be decoded: {str(error).splitlines()[0]}") from error
    item = {"photo": photo, "labels": np.full(size, VOID, np.uint8), "id": self.ids[index]}
    return item | _landmarks(features)


class CelebA(TfdsFaces):
  """TFDS's celeb_a."""

  def __init__(self, path: str):
    """path: the prepared directory, such as ~/tensorflow_datasets/celeb_a/2.1.0."""
    super().__init__(path, "celeb_a")
    self.official = self._records.splits


def _landmarks(features: dict) -> dict:
  names = [f"landmarks/{point}_{axis}" for point in POINTS for axis in "xy"]
  if not all(name in features for name in names):
    return {}
  values = np.array([features[name][0] for name in names], np.float32)
  return {"landmarks": values.reshape(5, 2)}
