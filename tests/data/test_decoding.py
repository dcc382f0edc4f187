"""Colour modes that are easily got wrong, each against values worked out by hand."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from facefill_jax.data.decoding import read_labels, read_photo


def png(width, depth, colour_type, pixels, transparent=b""):
  """One row in a PNG, as a bare file says it: Pillow writes few of these kinds itself."""

  def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

  head = struct.pack(">IIBBBBB", width, 1, depth, colour_type, 0, 0, 0)
  return b"".join([
    b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head), chunk(b"tRNS", transparent) if transparent else b"",
    chunk(b"IDAT", zlib.compress(b"\0" + pixels)), chunk(b"IEND", b""),
  ])  # fmt: skip


def row(data):
  photo, size = read_photo(data)
  assert photo.dtype == np.uint8 and photo.shape == (1, size[1], 3) == (*size, 3)
  return photo[0].tolist()


def words(*values):
  return struct.pack(f">{len(values)}H", *values)


GREY, RGB, GREY_ALPHA, RGBA = 0, 2, 4, 6


def test_sixteen_bits():
  # 257 k is k exactly; other values to the nearest (grey) or by their upper byte (colour).
  assert row(png(3, 16, GREY, words(0, 257 * 9, 65535))) == [[0] * 3, [9] * 3, [255] * 3]
  colour = words(257 * 7, 0x80FF, 65535, 0, 257 * 200, 0x7F00)
  assert row(png(2, 16, RGB, colour)) == [[7, 128, 255], [0, 200, 127]]
  assert row(png(2, 16, RGBA, words(257 * 7, 0, 65535, 65535, 1, 2, 3, 0))) == [
    [7, 0, 255], [128] * 3,
  ]  # fmt: skip
  pair = words(257 * 9, 65535, 257 * 9, 0)
  assert row(png(2, 16, GREY_ALPHA, pair)) == [[9] * 3, [128] * 3]


def test_alpha_lies_over_mid_grey():
  half = png(3, 8, GREY_ALPHA, bytes([100, 255, 100, 128, 100, 0]))
  assert row(half) == [[100] * 3, [114] * 3, [128] * 3]  # 100 * 128/255 + 128 * 127/255
  assert row(png(2, 8, GREY, bytes([10, 20]), words(20))) == [[10] * 3, [128] * 3]
  colours = png(2, 8, RGB, bytes([1, 2, 3, 4, 5, 6]), words(4, 5, 6))
  assert row(colours) == [[1, 2, 3], [128] * 3]
  palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
  palette.putpalette([10, 20, 30, 40, 50, 60, 200, 100, 0])
  buffer = io.BytesIO()
  palette.save(buffer, "PNG", transparency=bytes([255, 0, 128]))
  assert row(buffer.getvalue()) == [[10, 20, 30], [128] * 3, [164, 114, 64]]


def cmyk(inks, transform):
  """A JPEG of one colour by Pillow: inks inverted, as Adobe's programs store them."""
  picture = Image.fromarray(np.full((16, 16, 4), inks, np.uint8), "CMYK")
  buffer = io.BytesIO()
  picture.save(buffer, "JPEG", quality=100)
  data = bytearray(buffer.getvalue())
  marker = data.index(b"Adobe")
  data[marker + 11] = transform  # 0: CMYK, 2: YCCK
  return bytes(data), bytes(data[: marker - 4] + data[marker + 12 :])


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
def test_cmyk():
  # Red is (255 - cyan) * (255 - black) / 255, and so on.
  expected = [225 * 191 / 255, 135 * 191 / 255, 55 * 191 / 255]
  for data in cmyk((30, 120, 200, 64), transform=0):  # with Adobe's marker, and without
    assert Image.open(io.BytesIO(data)).mode == "CMYK"
    np.testing.assert_allclose(read_photo(data)[0][8, 8], expected, atol=2)
  # The same numbers read as Y'CbCr = 225, 135, 55 are 255 minus the inks as stored (JFIF's matrix:
  # 122.7, 274.7, 237.4), which K' = 191 then darkens.
  inks = 255 - np.clip(np.array([122.7, 274.7, 237.4]), 0, 255)
  data, _ = cmyk((30, 120, 200, 64), transform=2)
  np.testing.assert_allclose(read_photo(data)[0][8, 8], inks * 191 / 255, atol=3)


def test_labels_of_any_bit_depth():
  assert read_labels(png(3, 8, GREY, bytes([0, 18, 19]))).tolist() == [[0, 18, 19]]
  assert read_labels(png(4, 4, GREY, bytes([0x01, 0x2F]))).tolist() == [[0, 1, 2, 15]]
  assert read_labels(png(4, 2, GREY, bytes([0b00011011]))).tolist() == [[0, 1, 2, 3]]
  with pytest.raises(ValueError, match="mode I;16; labels must be 8-bit grey or palette"):
    read_labels(png(1, 16, GREY, words(3)))
