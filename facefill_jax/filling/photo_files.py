"""Photos, masks and layouts in files: read, checked, written.

What comes in may be anything, so every error is a PhotoError of one line that names the file.
At this edge white = hole; inside, masks are bool and True = hole. No jax here.
"""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from facefill_jax import labels as face_labels

PIXEL_CAP = 100_000_000
LOSSLESS = {
  ".png": {"format": "PNG", "compress_level": 4},  # a third of level 6's time, 5 % larger
  ".tif": {"format": "TIFF", "compression": "tiff_deflate"},
  ".tiff": {"format": "TIFF", "compression": "tiff_deflate"},
  ".bmp": {"format": "BMP"},
  ".webp": {"format": "WEBP", "lossless": True, "exact": True},
}
LOSSY = {
  ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
  ".jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
}
_READ_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")  # no EPS, PDF or PSD
_ORIENTATION = 0x0112  # the EXIF tag
_GREY_VALUES = 64  # a mask with more is a picture


class PhotoError(ValueError):
  """A file that cannot be used, in one line that says which and why."""


class PhotoWarning(UserWarning):
  """A file that can be used, but perhaps not as its owner thinks."""


@dataclass(frozen=True)
class PhotoFile:
  """A decoded photo, and what is needed to write it back.

  Attributes:
    path: where it was.
    pixels: uint8 (h, w, 3), upright, in the colour space of `icc_profile`.
    mode: Pillow's mode in the file ("L", "RGBA", "I;16", ...).
    orientation: the EXIF orientation that was applied, 1..8; 1 is upright.
    icc_profile: None unless it describes RGB pixels.
  """

  path: Path
  pixels: np.ndarray
  mode: str
  orientation: int
  icc_profile: bytes | None


def read_photo(path: str | os.PathLike) -> PhotoFile:
  """Reads a photo of any common format and mode; EXIF orientation is applied.

  Grey becomes equal channels, alpha is dropped, 16-bit grey keeps its upper 8 bits (rounded).

  Raises:
    PhotoError: no such file, not an image, truncated, or more than PIXEL_CAP pixels by its header.
  """
  image, orientation = _open(path)
  profile = image.info.get("icc_profile") if image.mode in ("RGB", "RGBA", "P") else None
  return PhotoFile(Path(path), _rgb(image, path), image.mode, orientation, profile)


def read_mask(path: str | os.PathLike, size: tuple[int, int]) -> np.ndarray:
  """Reads a mask, white = hole (from mid-grey up; alpha is not looked at).

  Args:
    path: a picture with at most 64 grey values; more than two are warned about.
    size: (height, width) of the upright photo.

  Returns:
    bool (h, w), True = hole.

  Raises:
    PhotoError: as `read_photo`; another size than the photo's; not a mask; see `check_hole`.
  """
  image, _ = _open(path)
  _check_size(path, image, size, "mask")
  grey = cv2.cvtColor(_rgb(image, path), cv2.COLOR_RGB2GRAY)
  values = np.flatnonzero(cv2.calcHist([grey], [0], None, [256], [0, 256]))
  if len(values) > _GREY_VALUES:
    raise PhotoError(
      f"{path}: has {len(values)} grey values: not a mask. Paint the hole white and the rest "
      f"black, and save it as PNG"
    )
  if not set(values.tolist()) <= {0, 255}:
    _warn(f"{path}: has greys between black and white; 128 and above is taken as hole")
  mask = grey >= 128
  check_hole(mask, str(path))
  return mask


def check_hole(mask: np.ndarray, where: str) -> None:
  """Refuses a mask without a hole, or one that looks inverted: bool (h, w), True = hole.

  Raises:
    PhotoError: no hole; more than 95 % hole.
  """
  share = float(mask.mean())
  if not mask.any():
    raise PhotoError(f"{where}: nothing to fill: the mask has no white pixel (white = hole)")
  if share > 0.95:
    raise PhotoError(
      f"{where}: {100 * share:.1f} % of the photo is hole; white = hole here: invert the mask if "
      f"yours is the other way round"
    )
  border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
  if share > 0.6 and border.mean() >= 0.8:
    _warn(
      f"{where}: {100 * share:.1f} % of the photo and most of its border are hole; "
      f"white = hole here: is the mask the other way round?"
    )


def describe_hole(mask: np.ndarray) -> str:
  """ "hole: 23.4 % of the photo, 2 regions"; pixels that touch at a corner are one region."""
  count = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1
  plural = "region" if count == 1 else "regions"
  return f"hole: {100 * mask.mean():.1f} % of the photo, {count} {plural}"


def read_layout(path: str | os.PathLike, size: tuple[int, int]) -> np.ndarray:
  """Reads a layout that `write_layout` wrote and a person may have edited.

  Grey pictures hold class ids; pictures in colour hold the colours of `labels.PALETTE`, also when
  an editor has reordered the palette. A palette with any other colour is read by its indices.

  Args:
    path: 8-bit grey, palette or RGB picture.
    size: (height, width) of the upright photo.

  Returns:
    uint8 (h, w), class ids 0..19; 19 (void) says: no wish here.

  Raises:
    PhotoError: as `read_photo`; another size than the photo's; an id or a colour of no class.
  """
  image, _ = _open(path)
  _check_size(path, image, size, "layout")
  if image.mode == "L":
    ids = np.array(image)
  else:
    ids, stray = _ids_of_colours(_rgb(image, path))
    if stray is not None and image.mode == "P":
      ids = np.array(image)
    elif stray is not None:
      raise PhotoError(f"{path}: colour {stray} is that of no class; see labels.json of the model")
  try:
    face_labels.check_labels(ids, str(path))
  except ValueError as error:
    raise PhotoError(str(error)) from error
  return ids


def write_photo(
  path: str | os.PathLike, pixels: np.ndarray, icc_profile: bytes | None = None
) -> None:
  """Writes uint8 (h, w, 3) in the format of the suffix, whole or not at all.

  JPEG brings a PhotoWarning: it cannot keep known pixels as they were.

  Raises:
    PhotoError: an unknown suffix (all valid ones are named), or it could not be written.
  """
  check_output(path)
  suffix = Path(path).suffix.lower()
  options = {**LOSSLESS, **LOSSY}[suffix]
  if suffix in LOSSY:
    _warn(f"{path}: JPEG changes every pixel a little; only PNG, TIFF, BMP and WebP keep them")
  if icc_profile and suffix != ".bmp":
    options = {**options, "icc_profile": icc_profile}
  _save(Image.fromarray(pixels), Path(path), options)


def write_layout(path: str | os.PathLike, ids: np.ndarray) -> None:
  """Writes class ids, uint8 (h, w), as a PNG whose palette shows them in colour.

  Raises:
    PhotoError: not a .png, or it could not be written.
  """
  if Path(path).suffix.lower() != ".png":
    raise PhotoError(f"{path}: layouts are written as .png")
  image = Image.fromarray(ids)
  image.putpalette(face_labels.PALETTE.tobytes())
  _save(image, Path(path), {"format": "PNG"})


def check_output(path: str | os.PathLike) -> None:
  """Raises PhotoError unless a photo can be written under this suffix."""
  valid = [*LOSSLESS, *LOSSY]
  if Path(path).suffix.lower() not in valid:
    raise PhotoError(f"{path}: cannot write {Path(path).suffix!r}; valid: {', '.join(valid)}")


def _open(path: str | os.PathLike) -> tuple[Image.Image, int]:
  """A decoded, upright picture in the file's own mode, and its EXIF orientation."""
  try:
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")  # Pillow's, on its own pixel limit and on damaged EXIF
      with Image.open(path, formats=_READ_FORMATS) as image:
        if image.width * image.height > PIXEL_CAP:
          raise PhotoError(_too_large(path, f"{image.width} x {image.height}"))
        orientation = image.getexif().get(_ORIENTATION, 1)
        return ImageOps.exif_transpose(image), orientation
  except PhotoError:
    raise
  except FileNotFoundError as error:
    raise PhotoError(f"{path}: no such file") from error
  except UnidentifiedImageError as error:
    raise PhotoError(f"{path}: not an image; valid: {', '.join(_READ_FORMATS)}") from error
  except Image.DecompressionBombError as error:
    raise PhotoError(_too_large(path, "it")) from error
  except Exception as error:  # decoders raise whatever comes to them at damaged bytes
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    raise PhotoError(f"{path}: damaged, truncated or unreadable: {reason}") from error


def _too_large(path: str | os.PathLike, what: str) -> str:
  return f"{path}: {what} is over the limit of {PIXEL_CAP // 1_000_000} megapixels"


def _rgb(image: Image.Image, path: str | os.PathLike) -> np.ndarray:
  """uint8 (h, w, 3). Pillow's own conversion of 16-bit grey would clip it to white."""
  if image.mode.startswith("I"):
    grey = np.asarray(image).astype(np.int64)
    if grey.size and (grey.min() < 0 or grey.max() > 65535):
      raise PhotoError(f"{path}: grey values beyond 16 bits are not supported")
    grey = ((grey + 128) // 257).astype(np.uint8)  # 65535 -> 255, to nearest
    return np.repeat(grey[..., None], 3, axis=-1)
  if image.mode == "F":
    raise PhotoError(f"{path}: floating-point pictures are not supported; save it as 8 or 16 bits")
  try:
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")
      return np.array(image.convert("RGB"))
  except ValueError as error:
    raise PhotoError(f"{path}: colour mode {image.mode} is not supported") from error


def _ids_of_colours(rgb: np.ndarray) -> tuple[np.ndarray, tuple[int, ...] | None]:
  """Class ids of palette colours, and the first colour that is none (None if all are)."""

  def packed(x):
    return x[..., 0].astype(np.int32) << 16 | x[..., 1].astype(np.int32) << 8 | x[..., 2]

  codes, ids = packed(rgb), np.full(rgb.shape[:2], 255, np.uint8)
  for i, code in enumerate(packed(face_labels.PALETTE)):
    ids[codes == code] = i
  stray = np.argwhere(ids == 255)
  return ids, tuple(int(v) for v in rgb[tuple(stray[0])]) if len(stray) else None


def _check_size(
  path: str | os.PathLike, image: Image.Image, size: tuple[int, int], what: str
) -> None:
  if (image.height, image.width) != tuple(size):
    raise PhotoError(
      f"{path}: the {what} is {image.width} x {image.height}, the photo {size[1]} x {size[0]} "
      f"(width x height, upright); they must be equal"
    )


def _save(image: Image.Image, path: Path, options: dict) -> None:
  """Writes beside `path` and renames, so that a full disk leaves no half picture."""
  part = path.with_name(f".{path.name}.part")
  try:
    image.save(part, **options)
    part.replace(path)
  except (OSError, ValueError) as error:
    part.unlink(missing_ok=True)
    raise PhotoError(f"{path}: could not be written: {error}") from error


def _warn(message: str) -> None:
  warnings.warn(message, PhotoWarning, stacklevel=3)
