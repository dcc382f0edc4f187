"""Squares of photos and of their layouts. Light: what builds data sets needs no grain for it."""

import cv2
import numpy as np

from facefill_jax.data.sources import resize_nearest


def random_square(size, zoom, rng: np.random.Generator) -> tuple[int, int, int]:
  """(top, left, side) of a square within a photo of (height, width); see `zoom` in `batches`."""
  short = min(size)
  if zoom == (1.0, 1.0):
    return (size[0] - short) // 2, (size[1] - short) // 2, short
  side = max(round(short * rng.uniform(*zoom)), 1)
  top, left = (int(rng.integers(0, extent - side + 1)) for extent in size)
  return top, left, side


def cut(photo: np.ndarray, labels: np.ndarray, square, resolution: int):
  """Cuts a square and resizes it: photo by area (cubic if it grows), labels by nearest.

  Args:
    photo: uint8 (h, w, 3).
    labels: uint8 (h, w).
    square: (top, left, side) in pixels.
    resolution: side of the result.

  Returns:
    uint8 (resolution, resolution, 3) and uint8 (resolution, resolution).
  """
  top, left, side = square
  window = np.s_[top : top + side, left : left + side]
  photo, labels = photo[window], labels[window]
  if side != resolution:
    how = cv2.INTER_AREA if side > resolution else cv2.INTER_CUBIC
    photo = cv2.resize(np.ascontiguousarray(photo), (resolution, resolution), interpolation=how)
  return np.ascontiguousarray(photo), resize_nearest(labels, (resolution, resolution))
