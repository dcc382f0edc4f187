"""FaceFillPipeline: a model from disk, a photo and a mask in, the whole photo out."""

import os

import numpy as np

from facefill_jax.filling.filler import Filled, Filler, Request
from facefill_jax.filling.frame import Frame
from facefill_jax.labels import check_labels


class FaceFillPipeline:
  """Fills holes in photos with one model. Compiles at the first photo, for that resolution."""

  def __init__(self, filler: Filler):
    self._filler = filler

  @classmethod
  def from_directory(
    cls, directory: str | os.PathLike, *, few_photos: bool = False
  ) -> "FaceFillPipeline":
    """Reads and checks a model directory.

    Args:
      directory: local or gs://.
      few_photos: see `Filler`: the first fill comes sooner, those after it later.

    Raises:
      model_files.ModelError: it cannot be used; the message says which file and why.
    """
    return cls(Filler.from_directory(directory, few_photos=few_photos))

  @property
  def config(self) -> dict:
    """The model's config.json."""
    return self._filler.config

  @property
  def resolution(self) -> int:
    """Side in pixels of what the networks see."""
    return self._filler.resolution

  def __call__(
    self,
    photo: np.ndarray,
    mask: np.ndarray,
    *,
    seed: int = 0,
    layout: np.ndarray | None = None,
    square: Frame | None = None,
  ) -> Filled:
    """Fills the hole. The same photo, mask and seed give the same bytes.

    Args:
      photo: uint8 (h, w, 3); what is under the mask has no influence.
      mask: bool (h, w), True = hole.
      seed: another seed is another answer.
      layout: uint8 (h, w), class ids that the hole must follow; void where the model may choose.
        Outside the hole it is not looked at.
      square: where the face is; None takes `square_frame`'s choice.

    Raises:
      ValueError: wrong shapes or types, no hole, a label outside 0..19, a hole outside the square.
    """
    _check(photo, mask, layout)
    return self._filler.fill_many([Request(photo, mask, layout, seed, square)])[0]


def _check(photo: np.ndarray, mask: np.ndarray, layout: np.ndarray | None) -> None:
  if photo.ndim != 3 or photo.shape[-1] != 3 or photo.dtype != np.uint8:
    raise ValueError(f"photo must be uint8 (h, w, 3), got {photo.dtype} {photo.shape}")
  if mask.shape != photo.shape[:2] or mask.dtype != np.bool_:
    raise ValueError(f"mask must be bool {photo.shape[:2]}, got {mask.dtype} {mask.shape}")
  if not mask.any():
    raise ValueError("nothing to fill: the mask has no hole (True = hole)")
  if layout is not None:
    if layout.shape != photo.shape[:2] or layout.dtype != np.uint8:
      raise ValueError(f"layout must be uint8 {photo.shape[:2]}, got {layout.dtype} {layout.shape}")
    check_labels(layout, "layout")
