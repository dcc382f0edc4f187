"""Fills that learn nothing: what a network has to beat. OpenCV's two, and a flat colour.

All take a photo uint8 (h, w, 3) and a mask bool (h, w), True = hole, and return uint8 (h, w, 3)
with the known pixels as they were. Hidden pixels are blanked first: nothing can peek at them.
"""

from collections.abc import Callable

import cv2
import numpy as np

RADIUS = 3  # pixels; OpenCV's examples and most papers that compare against it use 3

Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]


def telea(photo: np.ndarray, mask: np.ndarray) -> np.ndarray:
  """Fast marching; Telea, "An image inpainting technique based on the fast marching method"."""
  return _opencv(photo, mask, cv2.INPAINT_TELEA)


def navier_stokes(photo: np.ndarray, mask: np.ndarray) -> np.ndarray:
  """Isophotes as flow; Bertalmio et al., "Navier-Stokes, fluid dynamics, and image inpainting"."""
  return _opencv(photo, mask, cv2.INPAINT_NS)


def mean_colour(photo: np.ndarray, mask: np.ndarray) -> np.ndarray:
  """The mean colour of the known pixels, mid-grey if there are none: detail 0, error moderate."""
  blank = _blank(photo, mask)
  known = photo[np.logical_not(mask)]
  if len(known):
    blank[mask] = np.round(known.mean(axis=0)).astype(np.uint8)
  return blank


METHODS: dict[str, Fill] = {
  "telea": telea,
  "navier_stokes": navier_stokes,
  "mean_colour": mean_colour,
}


def choose(name: str) -> Fill:
  """The method of that name; ValueError naming all of them if there is none."""
  if name not in METHODS:
    raise ValueError(f"baseline {name!r} is unknown; valid: {', '.join(METHODS)}")
  return METHODS[name]


def batched(name: str):
  """A method for batches.

  Returns:
    A function of photo uint8 (b, h, w, 3) and mask bool (b, h, w, 1) that returns
    {"whole": uint8 (b, h, w, 3), "layout": None}: these methods read no layout.
  """
  method = choose(name)

  def fill_fn(photo: np.ndarray, mask: np.ndarray) -> dict:
    rows = [method(p, m) for p, m in zip(photo, mask[..., 0], strict=True)]
    return {"whole": np.stack(rows), "layout": None}

  return fill_fn


def _opencv(photo: np.ndarray, mask: np.ndarray, method: int) -> np.ndarray:
  # Channels are filled one by one, so that RGB or BGR is the same.
  blank = _blank(photo, mask)
  return cv2.inpaint(blank, mask.astype(np.uint8), RADIUS, method) if mask.any() else blank


def _blank(photo: np.ndarray, mask: np.ndarray) -> np.ndarray:
  """A copy with mid-grey in the hole; ValueError unless photo and mask are as the file says."""
  if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[-1] != 3:
    raise ValueError(f"photo must be uint8 (h, w, 3), got {photo.dtype} {photo.shape}")
  if mask.dtype != np.bool_ or mask.shape != photo.shape[:2]:
    raise ValueError(f"mask must be bool {photo.shape[:2]}, got {mask.dtype} {mask.shape}")
  return np.where(mask[..., None], np.uint8(128), photo)
