"""Filled photos are written as their files were; what is lost is said."""

import warnings
from functools import partial

import numpy as np
import pytest
from pictures import noise, refused, save
from PIL import Image

from facefill_jax.filling import deep_pictures, photo_files, photo_output, tiff_files
from facefill_jax.filling.photo_files import PhotoWarning


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp"])
def test_lossless_files_come_back_byte_for_byte(tmp_path, suffix):
  pixels = noise(13, 17, 3)
  photo_output.write_photo(tmp_path / f"a{suffix}", pixels)
  np.testing.assert_array_equal(photo_files.read_photo(tmp_path / f"a{suffix}").pixels, pixels)
  assert [p.name for p in tmp_path.iterdir()] == [f"a{suffix}"]


def test_jpeg_is_written_with_a_warning(tmp_path):
  with pytest.warns(PhotoWarning, match="JPEG changes"):
    photo_output.write_photo(tmp_path / "a.JPG", np.full((8, 8, 3), 90, np.uint8))
  read = photo_files.read_photo(tmp_path / "a.JPG").pixels
  assert np.abs(read.astype(int) - 90).max() <= 2


SIZE = (9, 13)
MASK = np.zeros(SIZE, bool)
MASK[2:6, 3:9] = True


def photo_of(path, mode):
  """A file of a mode, and its pixels: uint8 or uint16 (h, w, c)."""
  rng = np.random.default_rng(0)
  name, _, bits = mode.partition("-")
  channels = len(name) if name != "L" else 1
  pixels = rng.integers(0, 65536 if bits else 256, (*SIZE, channels), np.uint16)
  if name.endswith("A"):
    pixels[::2, :, -1] = 0  # hidden colours
  if bits:
    encode = partial(tiff_files.encode, is_cmyk=False)
    encode = encode if path.suffix == ".tif" else deep_pictures.encode_png
    path.write_bytes(encode(pixels, icc_profile=PROFILE, exif=None))
    return pixels
  pixels = pixels.astype(np.uint8)
  photo_files.image_of(pixels, name == "CMYK").save(path, icc_profile=PROFILE)
  return pixels


PROFILE = b"a colour profile"
MODES = ("L", "LA", "RGB", "RGBA", "L-16", "RGB-16", "RGBA-16")


def filled(tmp_path, mode, source, target):
  """Writes a photo of a mode with its hole painted; what its file held, what the new one holds."""
  pixels = photo_of(tmp_path / f"in{source}", mode)
  photo = photo_files.read_photo(tmp_path / f"in{source}")
  np.testing.assert_array_equal(photo.original, pixels)
  paint = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), np.uint8)
  whole = np.where(MASK[..., None], paint, photo.pixels)
  photo_output.write_like(tmp_path / f"out{target}", photo, whole, MASK)
  assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
  return photo, whole, photo_files.read_photo(tmp_path / f"out{target}")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_known_pixels_come_back_in_their_mode(tmp_path, mode, suffix):
  photo, whole, new = filled(tmp_path, mode, suffix, suffix)
  assert (new.original.dtype, new.mode) == (photo.original.dtype, photo.mode)
  np.testing.assert_array_equal(new.original[~MASK], photo.original[~MASK])
  assert new.icc_profile == PROFILE
  if "RGB" in mode:
    np.testing.assert_array_equal(new.pixels[MASK], whole[MASK])
  else:
    grey = np.array(Image.fromarray(whole).convert("L"))
    np.testing.assert_array_equal(new.pixels[MASK], np.repeat(grey[MASK][:, None], 3, axis=1))
  if photo.has_alpha:  # what is painted shows
    assert (new.original[MASK][:, -1] == np.iinfo(new.original.dtype).max).all()


def test_inks_come_back(tmp_path):
  photo, whole, new = filled(tmp_path, "CMYK", ".tif", ".tif")
  assert new.is_cmyk and new.icc_profile == PROFILE
  np.testing.assert_array_equal(new.original[~MASK], photo.original[~MASK])
  np.testing.assert_allclose(new.pixels[MASK], whole[MASK], atol=1)
  with pytest.warns(PhotoWarning) as warned:
    _, whole, new = filled(tmp_path, "CMYK", ".tif", ".png")
  said = sorted(str(each.message).partition(": ")[2] for each in warned)
  assert said == [
    "PNG does not hold the photo's colour profile",
    "PNG holds no CMYK: written as RGB",
  ]
  np.testing.assert_array_equal(new.original, whole)


@pytest.mark.parametrize(
  ("mode", "suffix", "words"),
  [
    ("RGBA", ".jpg", ["JPEG changes", "no transparency"]),
    ("RGBA", ".bmp", ["no transparency", "colour profile"]),
    ("LA", ".jpg", ["JPEG changes", "no transparency"]),
    ("LA", ".webp", ["colour profile"]),
    ("RGB-16", ".jpg", ["JPEG changes", "8 bits"]),
    ("RGB-16", ".webp", ["8 bits"]),
    ("RGBA-16", ".bmp", ["8 bits", "no transparency", "colour profile"]),
    ("L-16", ".bmp", ["8 bits", "colour profile"]),
    ("RGBA", ".webp", []),
    ("RGB", ".webp", []),
  ],
)
def test_what_is_lost_is_one_line_each(tmp_path, mode, suffix, words):
  with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    photo, _, new = filled(tmp_path, mode, ".png", suffix)
  said = [str(each.message) for each in warned]
  assert len(said) == len(words) and all("\n" not in line for line in said)
  for line, word in zip(said, words, strict=True):
    assert word in line and f"out{suffix}" in line, said
  assert new.original.dtype == np.uint8
  if suffix != ".jpg":
    same = photo.pixels if suffix == ".bmp" else photo_files.in_8_bits(photo.original)
    if mode == "LA" or suffix == ".bmp":
      np.testing.assert_array_equal(new.pixels[~MASK], photo.pixels[~MASK])
    else:
      np.testing.assert_array_equal(new.original[~MASK], same[~MASK])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("mode", ["RGB", "RGB-16"])
def test_exif_is_kept_without_what_shows_the_photo_as_it_was(tmp_path, suffix, mode):
  tags = Image.Exif()
  tags[0x0112], tags[0x010F] = 6, "Camera"
  tags[0x8769] = {0x9003: "2020:01:01 10:00:00", 0x927C: b"thumbnail", 0xA002: 13, 0xA003: 9}
  tags[0x8825] = {1: "N"}
  pixels = photo_of(tmp_path / "in.png", mode)
  if mode == "RGB":
    Image.fromarray(pixels).save(tmp_path / "in.png", exif=tags)
  else:
    (tmp_path / "in.png").write_bytes(deep_pictures.encode_png(pixels, None, tags.tobytes()))
  photo = photo_files.read_photo(tmp_path / "in.png")
  assert photo.orientation == 6 and photo.pixels.shape == (13, 9, 3)
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    photo_output.write_like(tmp_path / f"o{suffix}", photo, photo.pixels, np.rot90(MASK, -1))
  with Image.open(tmp_path / f"o{suffix}") as image:
    found = image.getexif()
    assert found.get(0x0112, 1) == 1 and found[0x010F] == "Camera" and image.size == (9, 13)
    assert found.get_ifd(0x8769) == {0x9003: "2020:01:01 10:00:00", 0xA002: 9, 0xA003: 13}
    assert found.get_ifd(0x8825) == {1: "N"}


def test_exif_that_cannot_be_kept_is_said(tmp_path):
  tags = Image.Exif()
  tags[0x010F] = "Camera"
  photo = photo_files.read_photo(save(tmp_path / "a.png", noise(4, 4, 3), exif=tags))
  with pytest.warns(PhotoWarning, match="BMP holds no EXIF"):
    photo_output.write_like(tmp_path / "a.bmp", photo, photo.pixels, np.zeros((4, 4), bool))


def test_a_colour_profile_travels(tmp_path):
  save(tmp_path / "a.png", noise(4, 4, 3), icc_profile=b"a profile")
  read = photo_files.read_photo(tmp_path / "a.png")
  photo_output.write_photo(tmp_path / "b.png", read.pixels, read.icc_profile)
  assert photo_files.read_photo(tmp_path / "b.png").icc_profile == b"a profile"


def test_too_large_for_the_format(tmp_path):
  refused(lambda: photo_output.check_output("a.webp", (4, 17000)), "16383 pixels", "not 17000")
  photo_output.check_output("a.png", (4, 17000))


def test_outputs_that_cannot_be_written(tmp_path):
  pixels = noise(4, 4, 3)
  refused(lambda: photo_output.write_photo(tmp_path / "a.gif", pixels), "'.gif'", ".png", ".jpg")
  refused(
    lambda: photo_output.write_photo(tmp_path / "no" / "a.png", pixels), "could not be written"
  )
