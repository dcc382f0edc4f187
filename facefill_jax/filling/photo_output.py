"""Photos to files: known pixels as they were, with all that the format can hold.

What it cannot hold is one remark each. Files appear whole or not at all.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from facefill_jax import files
from facefill_jax.filling import deep_pictures, tiff_files
from facefill_jax.filling.photo_files import (
  PhotoError,
  PhotoFile,
  image_of,
  in_8_bits,
  warn,
)


@dataclass(frozen=True)
class Format:
  """A format that photos are written in.

  Attributes:
    options: for Pillow.
    lossless: pixels come back as they were.
    alpha, deep, grey, cmyk: it holds transparency, 16 bits a channel, grey alone, inks.
    metadata: it holds colour profiles and EXIF.
    side: the longest possible side, in pixels.
  """

  options: dict
  lossless: bool = True
  alpha: bool = True
  deep: bool = True
  grey: bool = True
  cmyk: bool = False
  metadata: bool = True
  side: int = 1 << 31

  @property
  def name(self) -> str:
    return self.options["format"]


_PNG = Format({"format": "PNG", "compress_level": 4})  # a third of level 6's time, 5 % larger
_TIFF = Format({"format": "TIFF"}, cmyk=True)
_BMP = Format({"format": "BMP"}, alpha=False, deep=False, metadata=False)
_WEBP = Format({"format": "WEBP", "lossless": True, "exact": True}, deep=False, grey=False,
               side=16383)  # fmt: skip
_JPEG = Format({"format": "JPEG", "quality": 95, "subsampling": 0}, lossless=False, alpha=False,
               deep=False, cmyk=True, side=65500)  # fmt: skip
FORMATS = {
  ".png": _PNG, ".tif": _TIFF, ".tiff": _TIFF, ".bmp": _BMP, ".webp": _WEBP,
  ".jpg": _JPEG, ".jpeg": _JPEG,
}  # fmt: skip


def write_like(
  path: str | os.PathLike,
  photo: PhotoFile,
  whole: np.ndarray,
  mask: np.ndarray,
  remark: Callable[[str], None] = warn,
) -> None:
  """Writes a filled photo as its file was: mode, depth, colour profile and EXIF.

  Known pixels are those of the file; painted ones are opaque. What the format of the suffix cannot
  hold is a remark each.

  Args:
    path: of the new file.
    photo: as it was read.
    whole: uint8 (h, w, 3): `photo.pixels` with the hole painted.
    mask: bool (h, w), True = hole.
    remark: takes what its owner should know.

  Raises:
    PhotoError: see `check_output`; or it could not be written.
  """
  form = check_output(path, mask.shape)
  pixels, is_cmyk = painted(photo, whole, mask), photo.is_cmyk
  profile, exif = photo.icc_profile, photo.exif
  if not form.lossless:
    remark(f"{path}: JPEG changes every pixel a little; only PNG, TIFF, BMP and WebP keep them")
  if pixels.dtype == np.uint16 and not form.deep:
    remark(f"{path}: {form.name} holds 8 bits a channel, of the photo's 16")
    pixels = in_8_bits(pixels)
  if photo.has_alpha and not form.alpha:
    remark(f"{path}: {form.name} holds no transparency: it is laid over grey")
    pixels = of_channels(whole, pixels.shape[-1] - 1)
  if is_cmyk and not form.cmyk:
    remark(f"{path}: {form.name} holds no CMYK: written as RGB")
    pixels, is_cmyk = whole, False
  if pixels.shape[-1] < 3 and not form.grey:
    pixels = np.concatenate([pixels[..., :1]] * 3 + [pixels[..., 1:]], axis=-1)
  same_space = _space(pixels, is_cmyk) == _space(photo.original, photo.is_cmyk)
  if profile and not (form.metadata and same_space):
    remark(f"{path}: {form.name} does not hold the photo's colour profile")
    profile = None
  if exif and not form.metadata:
    remark(f"{path}: {form.name} holds no EXIF data: the photo's is not kept")
    exif = None
  _write(path, form, pixels, is_cmyk, profile, exif)


def write_photo(
  path: str | os.PathLike, pixels: np.ndarray, icc_profile: bytes | None = None
) -> None:
  """Writes uint8 (h, w, 3) in the format of the suffix.

  JPEG brings a PhotoWarning: it cannot keep known pixels as they were.

  Raises:
    PhotoError: see `check_output`; or it could not be written.
  """
  mask = np.zeros(pixels.shape[:2], bool)
  photo = PhotoFile(Path(path), pixels, pixels, False, "RGB", 1, icc_profile, None)
  write_like(path, photo, pixels, mask)


def check_output(path: str | os.PathLike, size: tuple[int, int] = (1, 1)) -> Format:
  """The format of a suffix, if a photo of this (height, width) can be written in it.

  Raises:
    PhotoError: an unknown suffix (all valid ones are named), or too large for the format.
  """
  suffix = Path(path).suffix.lower()
  if suffix not in FORMATS:
    raise PhotoError(f"{path}: cannot write {suffix!r}; valid: {', '.join(FORMATS)}")
  form = FORMATS[suffix]
  if max(size) > form.side:
    raise PhotoError(
      f"{path}: {form.name} holds at most {form.side} pixels a side, not {max(size)}; give .png"
    )
  return form


def save_image(image: Image.Image, path: str | os.PathLike, options: dict) -> None:
  """Writes a picture as Pillow does, whole or not at all. PhotoError if it cannot be written."""
  try:
    with files.replacing(path) as part:
      image.save(part, **options)
  except (OSError, ValueError) as error:
    raise PhotoError(f"{path}: could not be written: {_why(error)}") from error


def _write(path, form: Format, pixels, is_cmyk: bool, profile, exif) -> None:
  if form is _TIFF:
    _write_bytes(path, tiff_files.encode(pixels, is_cmyk, profile, exif))
  elif pixels.dtype == np.uint16:
    _write_bytes(path, deep_pictures.encode_png(pixels, profile, exif))
  else:
    extra = {"icc_profile": profile, "exif": exif}
    options = form.options | {key: value for key, value in extra.items() if value}
    save_image(image_of(pixels, is_cmyk), path, options)


def _write_bytes(path, content: bytes) -> None:
  try:
    files.write_bytes(path, content)
  except OSError as error:
    raise PhotoError(f"{path}: could not be written: {_why(error)}") from error


def painted(photo: PhotoFile, whole: np.ndarray, mask: np.ndarray) -> np.ndarray:
  """`photo.original` with the hole of `whole`, in its own depth and channels; opaque there.

  Args:
    photo: as it was read.
    whole: uint8 (h, w, 3).
    mask: bool (h, w), True = hole.
  """
  pixels = photo.original.copy()
  colours = 4 if photo.is_cmyk else pixels.shape[-1] - photo.has_alpha
  deep = pixels.dtype == np.uint16
  if photo.is_cmyk:
    paint = np.array(Image.fromarray(whole).convert("CMYK"))
  else:
    paint = of_channels(whole, colours)
  pixels[mask, :colours] = paint[mask].astype(pixels.dtype) * (257 if deep else 1)
  if photo.has_alpha:
    pixels[mask, -1] = np.iinfo(pixels.dtype).max
  return pixels


def of_channels(rgb: np.ndarray, channels: int) -> np.ndarray:
  """uint8 (h, w, 3) as it is for 3 channels, as grey (h, w, 1) for 1."""
  return rgb if channels == 3 else np.array(Image.fromarray(rgb).convert("L"))[..., None]


def _space(pixels: np.ndarray, is_cmyk: bool) -> str:
  """What kind of colours a profile of these pixels describes."""
  return "CMYK" if is_cmyk else "grey" if pixels.shape[-1] < 3 else "RGB"


def _why(error: Exception) -> str:
  return getattr(error, "strerror", None) or str(error)
