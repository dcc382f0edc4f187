"""Photo files come in as they should, and whatever is wrong with one is said in one line."""

import io
import struct
import warnings
import zlib
from functools import partial

import cv2
import numpy as np
import pytest
from pictures import noise, refused, save
from PIL import Image

from facefill_jax.filling import deep_pictures, exif, photo_files, tiff_files
from facefill_jax.filling.photo_files import PhotoWarning


def white_box(path, size=(20, 30), box=(5, 10, 5, 15)):
  array = np.zeros(size, np.uint8)
  array[box[0] : box[1], box[2] : box[3]] = 255
  return save(path, array), array > 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(tmp_path, orientation):
  # What the tag says of the stored rows and columns: which edge of the scene each of them is.
  undo = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
  }[orientation]
  stored = noise(5, 9, 3)
  tags = Image.Exif()
  tags[0x0112] = orientation
  save(tmp_path / "a.png", stored, exif=tags)
  read = photo_files.read_photo(tmp_path / "a.png")
  np.testing.assert_array_equal(read.pixels, undo(stored))
  assert read.orientation == orientation


def test_modes(tmp_path):
  grey, rgb = noise(6, 7), noise(6, 7, 3)
  same = np.repeat(grey[..., None], 3, -1)

  def read(name):
    return photo_files.read_photo(tmp_path / name)

  save(tmp_path / "grey.png", grey)
  np.testing.assert_array_equal(read("grey.png").pixels, same)
  save(tmp_path / "deep.png", grey.astype(np.uint16) * 257)
  np.testing.assert_array_equal(read("deep.png").pixels, same)
  assert read("deep.png").mode.startswith("I")
  alpha = np.where(grey < 128, 0, 255).astype(np.uint8)
  save(tmp_path / "alpha.png", np.dstack([rgb, alpha]))
  seen = np.where(alpha[..., None] == 0, 128, rgb)  # what is hidden is grey, as in training
  np.testing.assert_array_equal(read("alpha.png").pixels, seen)
  np.testing.assert_array_equal(read("alpha.png").original, np.dstack([rgb, alpha]))
  save(tmp_path / "la.png", np.dstack([grey, alpha]))
  np.testing.assert_array_equal(read("la.png").pixels[..., 1], np.where(alpha == 0, 128, grey))
  save(tmp_path / "key.png", rgb, transparency=tuple(map(int, rgb[0, 0])))
  np.testing.assert_array_equal(read("key.png").pixels[0, 0], [128] * 3)
  save(tmp_path / "one.png", grey > 100)
  np.testing.assert_array_equal(read("one.png").pixels[..., 0], np.where(grey > 100, 255, 0))
  few = np.array([[255, 0, 0], [0, 128, 9]], np.uint8)[grey % 2]
  Image.fromarray(few).quantize(2).save(tmp_path / "palette.png")
  np.testing.assert_array_equal(read("palette.png").pixels, few)
  save(tmp_path / "print.jpg", np.full((8, 8, 3), 200, np.uint8), "CMYK", quality=95)
  assert np.abs(read("print.jpg").pixels.astype(int) - 200).max() <= 3
  save(tmp_path / "float.tif", grey.astype(np.float32))
  refused(lambda: read("float.tif"), "float.tif", "floating-point", "8 or 16 bits")


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_are_read_whole(tmp_path, suffix, channels):
  encode = (
    deep_pictures.encode_png if suffix == ".png" else partial(tiff_files.encode, is_cmyk=False)
  )
  deep = np.random.default_rng(0).integers(0, 65536, (5, 9, channels), np.uint16)
  (tmp_path / f"a{suffix}").write_bytes(encode(deep, icc_profile=None, exif=None))
  read = photo_files.read_photo(tmp_path / f"a{suffix}")
  np.testing.assert_array_equal(read.original, deep)
  if channels != 4:
    near = np.abs(read.pixels.astype(float) - deep / 257)
    assert near.max() <= 0.5 + 1e-9
  tags = Image.Exif()
  tags[0x0112] = 6
  turned = tmp_path / f"turned{suffix}"
  turned.write_bytes(encode(deep, icc_profile=None, exif=tags.tobytes()))
  read = photo_files.read_photo(turned)
  assert read.orientation == 6
  np.testing.assert_array_equal(read.original, np.rot90(deep, -1))


def test_16_bits_of_netpbm(tmp_path):
  deep = np.random.default_rng(0).integers(0, 65536, (5, 9, 3), np.uint16)
  (tmp_path / "a.ppm").write_bytes(b"P6\n# mine\n9 5\n65535\n" + deep.astype(">u2").tobytes())
  np.testing.assert_array_equal(photo_files.read_photo(tmp_path / "a.ppm").original, deep)


def test_16_bits_that_cannot_be_read_whole_are_warned_about(tmp_path, monkeypatch):
  deep = np.random.default_rng(0).integers(0, 65536, (5, 9, 3), np.uint16)
  (tmp_path / "a.png").write_bytes(deep_pictures.encode_png(deep, None, None))
  monkeypatch.setattr(deep_pictures, "read", lambda data, image: None)
  with pytest.warns(PhotoWarning, match="16 bits a channel are not read"):
    read = photo_files.read_photo(tmp_path / "a.png")
  np.testing.assert_array_equal(read.original, deep >> 8)


def test_frames_but_the_first_are_warned_about(tmp_path):
  first, second = noise(8, 8, 3), noise(8, 8, 3, seed=1)
  frames = {"save_all": True, "append_images": [Image.fromarray(second)], "lossless": True}
  save(tmp_path / "a.webp", first, **frames)
  with pytest.warns(PhotoWarning, match="has 2 frames; only the first is used"):
    read = photo_files.read_photo(tmp_path / "a.webp")
  np.testing.assert_array_equal(read.pixels, first)


def test_damaged_exif_is_warned_about(tmp_path, monkeypatch):
  def damaged(image, size):
    raise struct.error("unpack requires a buffer of 4 bytes")

  monkeypatch.setattr(exif, "kept", damaged)
  with pytest.warns(PhotoWarning, match="EXIF data is damaged and is not kept: unpack"):
    assert photo_files.read_photo(save(tmp_path / "a.png", noise(4, 4, 3))).exif is None


@pytest.mark.parametrize(
  ("name", "content", "kind"),
  [
    ("x.jpg", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miafMA1B", "an AVIF picture"),
    ("x.jpg", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "a HEIC picture"),
    ("x.png", b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "a video"),
    ("x.png", b"\n<!DOCTYPE html>", "a web page"),
    ("x.svg", b"<?xml version='1.0'?><svg/>", "an SVG drawing"),
    ("x.psd", b"8BPS\0\x01", "a Photoshop file"),
    ("x.jxl", b"\xff\x0a\0\0", "a JPEG XL picture"),
  ],
)
def test_what_is_not_read_is_named(tmp_path, name, content, kind):
  (tmp_path / name).write_bytes(content + bytes(60))
  refused(lambda: photo_files.read_photo(tmp_path / name), name, f"is {kind}", "save it as PNG")


def test_a_floating_point_tiff_in_colour_is_named(tmp_path):
  encoded = cv2.imencode(".tiff", np.zeros((4, 4, 3), np.float32))[1]
  (tmp_path / "a.tif").write_bytes(encoded.tobytes())
  refused(lambda: photo_files.read_photo(tmp_path / "a.tif"), "is a floating-point TIFF", "16 bits")
  (tmp_path / "b.tif").write_bytes(b"II*\0\xff\xff\xff\x7f")
  refused(lambda: photo_files.read_photo(tmp_path / "b.tif"), "b.tif")


def test_a_name_that_is_too_long(tmp_path):
  refused(lambda: photo_files.read_photo(tmp_path / ("x" * 256)), "unreadable: File name too long")


def test_what_is_no_photo_is_refused(tmp_path):
  def read(name):
    return lambda: photo_files.read_photo(tmp_path / name)

  refused(read("none.png"), "none.png", "no such file")
  (tmp_path / "a.txt").write_text("dear sir\nor madam")
  refused(read("a.txt"), "a.txt", "not an image", "PNG")
  (tmp_path / "empty.jpg").touch()
  refused(read("empty.jpg"), "not an image")
  refused(read(""), "unreadable")
  (tmp_path / "a.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
  refused(read("a.eps"), "not an image")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".gif", ".tif"])
def test_truncated_files_are_refused(tmp_path, suffix):
  stream = io.BytesIO()
  kind = {".jpg": "JPEG", ".tif": "TIFF"}.get(suffix, suffix[1:].upper())
  Image.fromarray(noise(64, 64, 3)).save(stream, kind)
  path = tmp_path / f"cut{suffix}"
  path.write_bytes(stream.getvalue()[: len(stream.getvalue()) // 2])
  refused(lambda: photo_files.read_photo(path), f"cut{suffix}")


@pytest.mark.parametrize("side", [10_001, 12_000, 60_000])
def test_a_huge_picture_is_refused_by_its_header(tmp_path, side):
  def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

  header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
  path = tmp_path / "bomb.png"
  path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b""))
  refused(lambda: photo_files.read_photo(path), "bomb.png", "100 megapixels")


def test_mask(tmp_path):
  path, expected = white_box(tmp_path / "m.png")
  mask = photo_files.read_mask(path, (20, 30))
  assert mask.dtype == bool
  np.testing.assert_array_equal(mask, expected)
  assert photo_files.describe_hole(mask) == "hole: 8.3 % of the photo, 1 region"
  mask[0, 0] = mask[1, 1] = True  # they touch
  assert photo_files.describe_hole(mask).endswith("2 regions")


def test_mask_with_soft_edges_is_cut_at_the_middle_with_a_warning(tmp_path):
  soft = np.zeros((8, 8), np.uint8)
  soft[2:4] = [[0, 60, 127, 128, 200, 255, 255, 255]] * 2
  with pytest.warns(PhotoWarning, match="greys"):
    mask = photo_files.read_mask(save(tmp_path / "m.png", soft), (8, 8))
  np.testing.assert_array_equal(mask, soft >= 128)


def test_bad_masks_are_refused(tmp_path):
  def read(array, size=(20, 30)):
    save(tmp_path / "m.png", array)
    return lambda: photo_files.read_mask(tmp_path / "m.png", size)

  refused(read(np.zeros((20, 30), np.uint8)), "m.png", "nothing to fill")
  inverted = np.full((20, 30), 255, np.uint8)
  inverted[3, 4] = 0
  refused(read(inverted), "99.8 %", "invert")
  refused(read(np.zeros((30, 20), np.uint8)), "mask is 20 x 30", "photo 30 x 20")
  refused(read(noise(20, 30, 3)), "black or white", "not a mask")


def test_a_mask_that_may_be_inverted_is_warned_about(tmp_path):
  array = np.full((20, 30), 255, np.uint8)
  array[5:15, 5:25] = 0
  with pytest.warns(PhotoWarning, match="other way round"):
    assert photo_files.read_mask(save(tmp_path / "m.png", array), (20, 30)).mean() > 0.6
  with warnings.catch_warnings():
    warnings.simplefilter("error")
    columns = np.arange(100).reshape(10, 10) % 10 < 7  # 70 %, little border
    photo_files.read_mask(save(tmp_path / "c.png", columns), (10, 10))


def test_a_mask_with_transparency_is_laid_over_black(tmp_path):
  strokes = np.zeros((20, 30, 4), np.uint8)
  strokes[..., :3] = 255
  strokes[5:10, 5:15, 3] = 255
  mask = photo_files.read_mask(save(tmp_path / "m.png", strokes), (20, 30))
  np.testing.assert_array_equal(mask, strokes[..., 3] > 0)
  strokes[..., 3] = 0
  save(tmp_path / "m.png", strokes)
  refused(lambda: photo_files.read_mask(tmp_path / "m.png", (20, 30)), "m.png", "transparency")


def test_a_mask_of_the_photo_as_it_was_stored_is_turned_with_it(tmp_path):
  path, expected = white_box(tmp_path / "m.png")
  with pytest.warns(PhotoWarning, match="orientation"):
    mask = photo_files.read_mask(path, (30, 20), orientation=6)
  np.testing.assert_array_equal(mask, np.rot90(expected, -1))
