"""TIFFs of 8 or 16 bits a channel with a colour profile and EXIF.

Pillow writes neither 16 bits in colour, nor EXIF's directories into a compressed TIFF.
"""

import io
import zlib

import numpy as np
from PIL import Image, TiffImagePlugin

_TAGS = {
  "width": 256, "height": 257, "bits": 258, "compression": 259, "photometric": 262, "strips": 273,
  "channels": 277, "rows": 278, "bytes": 279, "planes": 284, "extra": 338, "icc": 34675,
}  # fmt: skip
_DEFLATE, _UNASSOCIATED_ALPHA = 8, 2
_GREY, _RGB, _CMYK = 1, 2, 5  # photometric
_DIRECTORIES = (0x8769, 0x8825)  # of EXIF: the camera's and the place
_BYTES = 7  # a type


def encode(
  pixels: np.ndarray, is_cmyk: bool, icc_profile: bytes | None, exif: bytes | None
) -> bytes:
  """A TIFF of one deflated strip.

  Args:
    pixels: uint8 or uint16 (h, w, c): grey, grey and alpha, RGB, RGBA or CMYK.
    is_cmyk: which of the two forms of 4 channels it is.
    icc_profile: of its colours, or None.
    exif: as Pillow's Exif.tobytes gives it, or None.
  """
  height, width, channels = pixels.shape
  data = zlib.compress(np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("<"))))
  tags = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
  for tag, value in _exif_tags(exif) if exif else ():
    tags[tag] = value
  values = {
    "width": width, "height": height, "bits": (8 * pixels.itemsize,) * channels,
    "compression": _DEFLATE, "photometric": _CMYK if is_cmyk else _GREY if channels < 3 else _RGB,
    "strips": (0,), "channels": channels, "rows": height, "bytes": (len(data),), "planes": 1,
  }  # fmt: skip
  if channels in (2, 4) and not is_cmyk:
    values["extra"] = (_UNASSOCIATED_ALPHA,)
  for name, value in values.items():
    tags[_TAGS[name]] = value
  if icc_profile:
    tags.tagtype[_TAGS["icc"]] = _BYTES
    tags[_TAGS["icc"]] = icc_profile
  file = io.BytesIO()
  tags.save(file)  # moves the offsets of the strips behind the tags
  file.write(data)
  return file.getvalue()


def _exif_tags(exif: bytes) -> list[tuple]:
  found = Image.Exif()
  found.load(exif)
  plain = [(tag, value) for tag, value in found.items() if tag not in _DIRECTORIES]
  directories = [(tag, dict(found.get_ifd(tag))) for tag in _DIRECTORIES]
  return plain + [(tag, directory) for tag, directory in directories if directory]
