"""Photo files come in as they should, and whatever is wrong with one is said in one line."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from facefill_jax import labels
from facefill_jax.filling import photo_files
from facefill_jax.filling.photo_files import PhotoError, PhotoWarning


def noise(*shape, seed=0):
  return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def save(path, array, mode=None, **options):
  image = Image.fromarray(array)
  (image.convert(mode) if mode else image).save(path, **options)
  return path


def refused(read, *words):
  with pytest.raises(PhotoError) as error:
    read()
  said = str(error.value)
  assert "\n" not in said
  for word in words:
    assert word in said, said


def white_box(path, size=(20, 30), box=(5, 10, 5, 15)):
  array = np.zeros(size, np.uint8)
  array[box[0] : box[1], box[2] : box[3]] = 255
  return save(path, array), array > 0


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp"])
def test_lossless_files_come_back_byte_for_byte(tmp_path, suffix):
  pixels = noise(13, 17, 3)
  photo_files.write_photo(tmp_path / f"a{suffix}", pixels)
  np.testing.assert_array_equal(photo_files.read_photo(tmp_path / f"a{suffix}").pixels, pixels)
  assert [p.name for p in tmp_path.iterdir()] == [f"a{suffix}"]


def test_jpeg_is_written_with_a_warning(tmp_path):
  with pytest.warns(PhotoWarning, match="JPEG changes"):
    photo_files.write_photo(tmp_path / "a.JPG", np.full((8, 8, 3), 90, np.uint8))
  read = photo_files.read_photo(tmp_path / "a.JPG").pixels
  assert np.abs(read.astype(int) - 90).max() <= 2


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
  exif = Image.Exif()
  exif[0x0112] = orientation
  save(tmp_path / "a.png", stored, exif=exif)
  read = photo_files.read_photo(tmp_path / "a.png")
  np.testing.assert_array_equal(read.pixels, undo(stored))
  assert read.orientation == orientation


def test_modes(tmp_path):
  grey, rgb = noise(6, 7), noise(6, 7, 3)
  same = np.repeat(grey[..., None], 3, -1)
  read = lambda name: photo_files.read_photo(tmp_path / name)  # noqa: E731
  save(tmp_path / "grey.png", grey)
  np.testing.assert_array_equal(read("grey.png").pixels, same)
  save(tmp_path / "deep.png", grey.astype(np.uint16) * 257)
  np.testing.assert_array_equal(read("deep.png").pixels, same)
  assert read("deep.png").mode.startswith("I")
  save(tmp_path / "alpha.png", np.dstack([rgb, grey]))
  np.testing.assert_array_equal(read("alpha.png").pixels, rgb)
  save(tmp_path / "one.png", grey > 100)
  np.testing.assert_array_equal(read("one.png").pixels[..., 0], np.where(grey > 100, 255, 0))
  few = np.array([[255, 0, 0], [0, 128, 9]], np.uint8)[grey % 2]
  Image.fromarray(few).quantize(2).save(tmp_path / "palette.png")
  np.testing.assert_array_equal(read("palette.png").pixels, few)
  save(tmp_path / "print.jpg", np.full((8, 8, 3), 200, np.uint8), "CMYK", quality=95)
  assert np.abs(read("print.jpg").pixels.astype(int) - 200).max() <= 3
  save(tmp_path / "float.tif", grey.astype(np.float32))
  refused(lambda: read("float.tif"), "float.tif", "floating-point")


def test_a_colour_profile_travels(tmp_path):
  save(tmp_path / "a.png", noise(4, 4, 3), icc_profile=b"a profile")
  save(tmp_path / "grey.png", noise(4, 4), icc_profile=b"of greys")
  read = photo_files.read_photo(tmp_path / "a.png")
  photo_files.write_photo(tmp_path / "b.png", read.pixels, read.icc_profile)
  assert photo_files.read_photo(tmp_path / "b.png").icc_profile == b"a profile"
  assert photo_files.read_photo(tmp_path / "grey.png").icc_profile is None


def test_what_is_no_photo_is_refused(tmp_path):
  read = lambda name: lambda: photo_files.read_photo(tmp_path / name)  # noqa: E731
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
  refused(read(noise(20, 30, 3)), "grey values", "not a mask")


def test_a_mask_that_may_be_inverted_is_warned_about(tmp_path):
  array = np.full((20, 30), 255, np.uint8)
  array[5:15, 5:25] = 0
  with pytest.warns(PhotoWarning, match="other way round"):
    assert photo_files.read_mask(save(tmp_path / "m.png", array), (20, 30)).mean() > 0.6
  with warnings.catch_warnings():
    warnings.simplefilter("error")
    photo_files.check_hole(
      np.arange(100).reshape(10, 10) % 10 < 7, "columns"
    )  # 70 %, little border


def test_layout_round_trip_keeps_ids_and_shows_colours(tmp_path):
  ids = np.random.default_rng(0).integers(0, 20, (9, 11), np.uint8)
  path = tmp_path / "l.png"
  photo_files.write_layout(path, ids)
  np.testing.assert_array_equal(photo_files.read_layout(path, (9, 11)), ids)
  with Image.open(path) as image:
    assert image.mode == "P"
    np.testing.assert_array_equal(np.asarray(image), ids)
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), labels.colourise(ids))


def test_layouts_as_editors_save_them(tmp_path):
  ids = np.random.default_rng(0).integers(0, 20, (9, 11), np.uint8)
  read = lambda: photo_files.read_layout(tmp_path / "l.png", (9, 11))  # noqa: E731
  save(tmp_path / "l.png", labels.colourise(ids))  # flattened to RGB
  np.testing.assert_array_equal(read(), ids)
  reordered = Image.fromarray(19 - ids)
  reordered.putpalette(labels.PALETTE[::-1].tobytes())
  reordered.save(tmp_path / "l.png")
  np.testing.assert_array_equal(read(), ids)
  save(tmp_path / "l.png", ids)  # grey: plain ids
  np.testing.assert_array_equal(read(), ids)
  other = Image.fromarray(ids)
  other.putpalette(np.arange(60, dtype=np.uint8).tobytes())  # colours of somebody else
  other.save(tmp_path / "l.png")
  np.testing.assert_array_equal(read(), ids)


def test_bad_layouts_are_refused(tmp_path):
  read = lambda size=(4, 4): photo_files.read_layout(tmp_path / "l.png", size)  # noqa: E731
  save(tmp_path / "l.png", np.full((4, 4), 20, np.uint8))
  refused(read, "l.png", "label 20", "0..19")
  refused(lambda: read((4, 5)), "layout is 4 x 4", "photo 5 x 4")
  save(tmp_path / "l.png", np.full((4, 4, 3), 77, np.uint8))
  refused(read, "colour (77, 77, 77)", "no class")


def test_outputs_that_cannot_be_written(tmp_path):
  pixels = noise(4, 4, 3)
  refused(lambda: photo_files.write_photo(tmp_path / "a.gif", pixels), "'.gif'", ".png", ".jpg")
  refused(lambda: photo_files.write_layout(tmp_path / "a.jpg", pixels[..., 0]), ".png")
  refused(
    lambda: photo_files.write_photo(tmp_path / "no" / "a.png", pixels), "could not be written"
  )
