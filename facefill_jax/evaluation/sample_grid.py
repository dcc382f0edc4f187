"""Sample grids: a row a face, masked photo | predicted layout | filled | truth."""

import numpy as np
from PIL import Image

from facefill_jax import files
from facefill_jax.labels import colourise

HIDDEN = 0.5  # how much of the photo's light a hole shows in a sample grid


def sample_grid(
  photo: np.ndarray, mask: np.ndarray, layout: np.ndarray, whole: np.ndarray
) -> np.ndarray:
  """A picture with a row a face: masked photo | predicted layout | filled | truth.

  Args:
    photo, whole: uint8 (b, h, w, 3).
    mask: bool (b, h, w, 1), True = hole.
    layout: integer (b, h, w), 0..19.

  Returns:
    uint8 (b * h, 4 * w, 3).
  """
  masked = np.where(mask, np.uint8(255 * HIDDEN), photo)
  columns = np.concatenate([masked, colourise(layout), whole, photo], axis=2)
  b, h, w, c = columns.shape
  return columns.reshape(b * h, w, c)


def save_picture(path: files.PathLike, picture: np.ndarray) -> None:
  """uint8 (h, w, 3) to a PNG; folders are made."""
  path = files.to_path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  with files.replacing(path) as part:
    Image.fromarray(picture).save(part, format="PNG")
