"""Layouts in files: PNGs of class ids whose palette shows them, read back after an edit."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from facefill_jax import labels as face_labels
from facefill_jax.filling import photo_files, photo_output
from facefill_jax.filling.photo_files import PhotoError


def read_layout(
  source: str | os.PathLike | bytes | Image.Image, size: tuple[int, int]
) -> np.ndarray:
  """Reads a layout that `write_layout` wrote and a person may have edited.

  Grey pictures hold class ids; pictures in colour hold the colours of `labels.PALETTE`, also when
  an editor has reordered the palette. A palette with any other colour is read by its indices.

  Args:
    source: 8-bit grey, palette or RGB picture: its path, its file's content, or itself.
    size: (height, width) of the upright photo.

  Returns:
    uint8 (h, w), class ids 0..19; 19 (void) says: no wish here.

  Raises:
    PhotoError: as `read_photo`; another size than the photo's; an id or a colour of no class.
  """
  path = photo_files.name_of(source, "the layout")
  image = source if isinstance(source, Image.Image) else photo_files.open_upright(source)
  if (image.height, image.width) != tuple(size):
    raise PhotoError(
      f"{path}: the layout is {image.width} x {image.height}, the photo {size[1]} x {size[0]} "
      f"(width x height, upright); they must be equal"
    )
  if image.mode == "L":
    ids = np.array(image)
  else:
    ids, stray = _ids_of_colours(np.array(image.convert("RGB")))
    if stray is not None and image.mode == "P":
      ids = np.array(image)
    elif stray is not None:
      raise PhotoError(f"{path}: colour {stray} is that of no class; see labels.json of the model")
  try:
    face_labels.check_labels(ids, str(path))
  except ValueError as error:
    raise PhotoError(str(error)) from error
  return ids


def write_layout(path: str | os.PathLike, ids: np.ndarray) -> None:
  """Writes class ids, uint8 (h, w), as a PNG whose palette shows them in colour.

  Raises:
    PhotoError: not a .png, or it could not be written.
  """
  if Path(path).suffix.lower() != ".png":
    raise PhotoError(f"{path}: layouts are written as .png")
  image = Image.fromarray(ids)
  image.putpalette(face_labels.PALETTE.tobytes())
  photo_output.save_image(image, path, {"format": "PNG"})


def _ids_of_colours(rgb: np.ndarray) -> tuple[np.ndarray, tuple[int, ...] | None]:
  """Class ids of palette colours, and the first colour that is none (None if all are)."""

  def packed(x):
    return x[..., 0].astype(np.int32) << 16 | x[..., 1].astype(np.int32) << 8 | x[..., 2]

  codes, ids = packed(rgb), np.full(rgb.shape[:2], 255, np.uint8)
  for i, code in enumerate(packed(face_labels.PALETTE)):
    ids[codes == code] = i
  stray = np.argwhere(ids == 255)
  return ids, tuple(int(v) for v in rgb[tuple(stray[0])]) if len(stray) else None
