"""Decoding picture files: photos, label maps, brightness; what is accepted; nearest resizing."""

import io
import re
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image, ImageOps

MID_GREY = 128
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
"""What is read, in Pillow's words. No EPS, PDF or PSD."""
ENDINGS = (
  ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".tif", ".tiff", ".bmp",
  ".gif", ".ppm", ".pgm", ".pbm", ".pnm",
)  # fmt: skip
"""The endings of such files, in lower case."""
PIXEL_CAP = 100_000_000
"""A picture with more pixels by its header is not decoded."""
ORIENTATION = 0x0112
"""The EXIF tag."""

# What Pillow and zipfile raise for a damaged file, depending on where the damage is.
DAMAGED = (
  OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError,
  struct.error, zlib.error, zipfile.BadZipFile, Image.DecompressionBombError,
)  # fmt: skip


def reason(error: Exception) -> str:
  """Why a file could not be decoded, in one line, from an exception of DAMAGED."""
  # Pillow names the stream it was given, which helps nobody.
  first = re.sub(r"\s*<_io\.BytesIO[^>]*>", "", str(error).split("\n")[0])
  return first or type(error).__name__


def read_photo(data: bytes, min_size: int | None = None) -> tuple[np.ndarray, tuple[int, int]]:
  """Decodes a photo upright, as 8-bit RGB; ICC profiles are not applied.

  Alpha is laid over mid-grey, 16-bit values are divided by 257.

  Args:
    data: the content of a file that Pillow can read.
    min_size: see Folder.

  Returns:
    uint8 (h, w, 3), and (height, width) of the upright photo at full size.
  """
  with _open(data) as image:
    turned = image.getexif().get(ORIENTATION, 1)
    width, height = image.size
    if min_size is not None:
      image.draft(None, (min_size, min_size))  # a no-op unless the file is a JPEG
    image.load()
    if turned in range(2, 9):
      image = ImageOps.exif_transpose(image)
    if turned in (5, 6, 7, 8):
      width, height = height, width
    return np.ascontiguousarray(_to_rgb(image)), (height, width)


def read_labels(data: bytes) -> np.ndarray:
  """Decodes class ids from a grey or palette picture of up to 8 bits: uint8 (h, w), not checked."""
  with _open(data) as image:
    if image.mode not in ("L", "P"):
      raise ValueError(f"mode {image.mode}; labels must be 8-bit grey or palette pictures of ids")
    step = _grey_step(data)
    return np.array(image) if step == 1 else np.array(image) // step


def _grey_step(data: bytes) -> int:
  """What Pillow multiplies the numbers of this file by: 17 and 85 in grey PNGs of 4 and 2 bits."""
  depth, kind = data[24:26]  # of the first chunk, see the PNG specification, 11.2.2
  small = data.startswith(b"\x89PNG") and kind == 0 and depth < 8
  return 255 // (2**depth - 1) if small else 1


def read_grey(data: bytes) -> np.ndarray:
  """Decodes brightness: uint8 (h, w); 16-bit values are divided by 257, alpha is ignored."""
  with _open(data) as image:
    if image.mode.startswith(("I", "F")):
      return from_16_bits(image)
    return np.array(image.convert("L"))


def resize_nearest(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """(h, w) -> (height, width) of `size`, sampled at pixel centres; the same array if equal."""
  if array.shape == tuple(size):
    return array
  rows, columns = (
    (np.arange(new) * 2 + 1) * old // (2 * new) for old, new in zip(array.shape, size, strict=True)
  )
  # Whole rows, then whole columns: four times as fast as both at once.
  return array.take(rows, axis=0).take(columns, axis=1)


def _open(data: bytes) -> Image.Image:
  """A picture of FORMATS, not yet decoded; ValueError if its header tells of too many pixels."""
  image = Image.open(io.BytesIO(data), formats=FORMATS)
  check_pixels(image)
  return image


def check_pixels(image: Image.Image) -> None:
  """Raises ValueError if a picture has more pixels than PIXEL_CAP; nothing is decoded."""
  if image.width * image.height > PIXEL_CAP:
    raise ValueError(
      f"{image.width} x {image.height} is over the limit of {PIXEL_CAP // 1_000_000} megapixels"
    )


def from_16_bits(image: Image.Image) -> np.ndarray:
  """A picture of mode I or I;16, 0..65535 -> uint8 (h, w), to nearest. ValueError for others."""
  if image.mode == "F":
    raise ValueError("floating-point pictures are not supported; save it as 8 or 16 bits")
  values = np.asarray(image).astype(np.int64)
  if values.size and (values.min() < 0 or values.max() > 65535):
    raise ValueError("grey values beyond 16 bits are not supported")
  return ((values + 128) // 257).astype(np.uint8)


def _to_rgb(image: Image.Image) -> np.ndarray:
  if image.mode.startswith(("I", "F")):
    return np.repeat(from_16_bits(image)[..., None], 3, axis=-1)
  if image.has_transparency_data:
    image = image.convert("RGBA")
    backdrop = Image.new("RGBA", image.size, (MID_GREY, MID_GREY, MID_GREY, 255))
    image = Image.alpha_composite(backdrop, image)
  return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
