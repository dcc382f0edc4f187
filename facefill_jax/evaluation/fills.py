"""What makes the fills that are scored: a model, pictures from elsewhere, or a classical method.

Each is a `scoring.FillFn`: a batch in, {"whole": uint8 (b, h, w, 3), "layout": ids or None} out.
"""

import io
import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image

from facefill_jax.data.decoding import DAMAGED, ENDINGS, read_photo, reason
from facefill_jax.data.file_tree import Files
from facefill_jax.data.pairing import pair
from facefill_jax.filling import classical
from facefill_jax.filling.filler import Filler, Request
from facefill_jax.filling.frame import Frame
from facefill_jax.models.networks import TEXTURE

_log = logging.getLogger(__name__)
METHODS = {"telea": "telea", "ns": "navier_stokes", "mean_colour": "mean_colour"}
IDENTITY = "identity"
"""The photo itself, hidden pixels included: what a perfect fill scores."""
METHOD_NAMES = (*METHODS, IDENTITY)


def fill_batch(filler: Filler, batch: Mapping, seed: int = 0) -> dict:
  """Square photos, of which the networks see the whole, filled by a model; see FillFn.

  Layouts are those of `Frame.paste_layout`; another seed is another answer. Without a texture
  network the photos come back as they are.
  """
  frame = Frame(0, 0, batch["photo"].shape[1])
  if TEXTURE not in filler.params:
    found = filler.read_many(batch["photo"], [frame] * len(batch["photo"]), batch["mask"][..., 0])
    return {"whole": batch["photo"], "layout": np.stack([ids for ids, _ in found])}
  requests = [
    Request(photo, mask, seed=seed, frame=frame)
    for photo, mask in zip(batch["photo"], batch["mask"][..., 0], strict=True)
  ]
  found = filler.fill_many(requests, smooth=True)
  return {name: np.stack([getattr(one, name) for one in found]) for name in ("whole", "layout")}


class Outputs:
  """Anybody's pictures, matched to the fills by name; see `pairs` for the names."""

  def __init__(self, path: str, names: Sequence[str], size: int):
    """Finds all pictures, and looks at their headers.

    Args:
      path: a directory or a .zip.
      names: of the fills, without endings.
      size: that they must have.

    Raises:
      ValueError: some are missing, two have one name, or one has another size; one line.
    """
    self._files, self._size = Files(path, ENDINGS, "outputs"), size
    found = pair(names, self._files.names, "outputs", with_ending=False)
    self._file_of = found.file_of
    if found.alone:
      raise ValueError(
        f"outputs: {len(found.alone)} of {len(names)} are missing in {path}, for example "
        f"{found.alone[0]} (with an ending of {', '.join(ENDINGS)}); found {self._files.names[0]} "
        "and the like"
      )
    if found.spare:
      _log.warning("outputs: %s", found.remark("picture", self._files.path, ""))
    for name in names:
      self._read(name, decode=False)

  def __call__(self, batch: Mapping) -> dict:
    """See FillFn; the pictures as they are."""
    return {"whole": np.stack([self._read(p.id) for p in batch["pair"]]), "layout": None}

  def _read(self, name: str, decode: bool = True) -> np.ndarray | None:
    file = self._file_of[name]
    where = self._files.where(file)
    try:
      data = self._files.read(file)
      with Image.open(io.BytesIO(data)) as picture:
        width, height = picture.size
      pixels = read_photo(data)[0] if decode else None
    except DAMAGED as error:
      raise ValueError(f"outputs: {where} cannot be read: {reason(error)}") from error
    if (width, height) != (self._size, self._size):
      raise ValueError(
        f"outputs: {where} is {width} x {height}, scored are {self._size} x {self._size}: give "
        "--size, or resize it"
      )
    return pixels


def method(name: str) -> Callable[[Mapping], dict]:
  """A method that learns nothing, by its name; ValueError naming all of them if there is none."""
  if name == IDENTITY:
    return lambda batch: {"whole": batch["photo"], "layout": None}
  if name not in METHODS:
    raise ValueError(f"method {name!r} is unknown; valid: {', '.join(METHOD_NAMES)}")
  fill = classical.batched(METHODS[name])
  return lambda batch: fill(batch["photo"], batch["mask"])
