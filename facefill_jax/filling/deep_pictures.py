"""Pictures of 16 bits a channel in colour, of which Pillow reads 8 and writes none: by OpenCV."""

import contextlib
import re
import struct
import zlib
from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image

_TIFF_BITS = 258  # a tag
_CHUNKS = (b"IHDR", b"tRNS", b"IDAT", b"IEND")
_HEADER_BYTES = 26  # of a PNG, with the bit depth


def is_deep(image: Image.Image, head: bytes) -> bool:
  """Whether an opened picture has 16 bits a channel that Pillow reads as 8.

  Args:
    image: as Pillow opened it.
    head: the beginning of its file, 64 bytes or more.
  """
  if image.mode not in ("RGB", "RGBA", "RGBX", "LA", "CMYK"):
    return False
  if image.format == "PNG":
    return head[_HEADER_BYTES - 2] == 16
  if image.format == "TIFF":
    return max(image.tag_v2.get(_TIFF_BITS, (8,))) == 16
  netpbm = re.match(rb"P6(?:\s+(?:#[^\n]*\n)?)+\d+\s+\d+\s+(\d+)\s", head)
  return bool(netpbm) and int(netpbm[1]) > 255


def read(data: bytes, shallow: Image.Image) -> np.ndarray | None:
  """The pixels in full depth; None if OpenCV does not find the picture that Pillow found.

  Args:
    data: the whole file.
    shallow: as Pillow loaded it; its orientation is not applied unless loading did that.

  Returns:
    uint16 (h, w, 3) or (h, w, 4): RGB or RGBA.
  """
  if shallow.format == "PNG":
    data = _bare_png(data)
  with _silent():
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
  if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
    return None
  channels = pixels.shape[-1]
  if shallow.mode == "CMYK" or channels not in (3, 4):
    return None
  pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB if channels == 3 else cv2.COLOR_BGRA2RGBA)
  other = np.asarray(shallow.convert("RGB" if channels == 3 else "RGBA"))
  if other.shape != pixels.shape or np.abs(other.astype(np.int16) - (pixels >> 8)).max() > 1:
    return None
  return pixels


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
  """Applies an EXIF orientation to (h, w, c)."""
  if orientation in (5, 6, 7, 8):
    pixels = pixels.transpose(1, 0, 2)
  if orientation in (2, 3, 6, 7):
    pixels = pixels[:, ::-1]
  if orientation in (3, 4, 7, 8):
    pixels = pixels[::-1]
  return np.ascontiguousarray(pixels)


def encode_png(pixels: np.ndarray, icc_profile: bytes | None, exif: bytes | None) -> bytes:
  """uint16 (h, w, 1), (h, w, 3) or (h, w, 4) as a PNG."""
  order = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}.get(pixels.shape[-1])
  _, encoded = cv2.imencode(".png", pixels if order is None else cv2.cvtColor(pixels, order))
  data, chunks = encoded.tobytes(), b""
  if icc_profile:
    chunks += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc_profile))
  if exif:
    chunks += _chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
  end = 8 + 25  # of the signature and the header's chunk
  return data[:end] + chunks + data[end:]


def _bare_png(data: bytes) -> bytes:
  """Without what is not of the pixels, about which libpng may write to stderr."""
  bare, at = data[:8], 8
  while at + 12 <= len(data):
    (length,) = struct.unpack_from(">I", data, at)
    if data[at + 4 : at + 8] in _CHUNKS:
      bare += data[at : at + 12 + length]
    at += 12 + length
  return bare


def _chunk(name: bytes, data: bytes) -> bytes:
  """A chunk of a PNG: its length, name, content and checksum."""
  return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@contextlib.contextmanager
def _silent() -> Iterator[None]:
  """Keeps OpenCV from writing its remarks on unusual tags to stderr."""
  logging = cv2.utils.logging
  level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
  try:
    yield
  finally:
    logging.setLogLevel(level)
