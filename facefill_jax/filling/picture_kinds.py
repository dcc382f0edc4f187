"""What a file is that is not read here, from how it begins: for an error that helps."""

import io
import os

from PIL import TiffImagePlugin

_HEAD = 4096
_FLOAT = 3  # TIFF's SampleFormat
_SAMPLE_FORMAT, _BITS = 339, 258  # TIFF's tags
_BRANDS = (  # of ISO media files, in their first box
  ((b"avif", b"avis"), "an AVIF picture"),
  ((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"), "a HEIC picture"),
  ((b"crx ",), "a camera's raw file"),
)
_BEGINNINGS = (
  ((b"\x00\x00\x00\x0cJXL ", b"\xff\x0a"), "a JPEG XL picture"),
  ((b"\x00\x00\x00\x0cjP  ", b"\xff\x4f\xff\x51"), "a JPEG 2000 picture"),
  ((b"8BPS",), "a Photoshop file"),
  ((b"%PDF",), "a PDF"),
  ((b"v/1\x01", b"#?RADIANCE", b"#?RGBE"), "a picture of floating-point numbers"),
  ((b"FUJIFILMCCD-RAW", b"IIRO", b"IIU\x00"), "a camera's raw file"),
)


def kind_of(source: str | os.PathLike | bytes) -> str:
  """ "an AVIF picture", ...; "" if the beginning of a file, or of its content, says nothing."""
  with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
    head = file.read(_HEAD)
    if head[:4] in (b"II*\x00", b"MM\x00*"):
      return _kind_of_tiff(file)
  if head[4:8] == b"ftyp":
    brands = head[8 : int.from_bytes(head[:4], "big")]
    named = [kind for names, kind in _BRANDS if any(name in brands for name in names)]
    return named[0] if named else "a video"
  for beginnings, kind in _BEGINNINGS:
    if head.startswith(beginnings):
      return kind
  text = head.lstrip().lower()
  if b"<svg" in text:
    return "an SVG drawing"
  return "a web page" if text.startswith((b"<!doctype", b"<html")) else ""


def _kind_of_tiff(file: io.BufferedIOBase) -> str:
  """From the first directory of a TIFF that Pillow does not take."""
  try:
    file.seek(0)
    tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
    file.seek(tags.next)
    tags.load(file)
    bits, formats = tags.get(_BITS, (1,)), tags.get(_SAMPLE_FORMAT, (1,))
  except Exception:  # the parser raises whatever comes to it at damaged bytes: it is no TIFF then
    return ""
  if _FLOAT in formats:
    return "a floating-point TIFF"
  return f"a TIFF of a kind ({len(bits)} channels of {bits[0]} bits)"
