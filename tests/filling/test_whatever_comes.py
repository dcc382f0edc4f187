"""Photos and masks of any kind: the known pixels come back, or one line says why not."""

import io

import numpy as np
import pytest
import tiny_model
from PIL import Image

from facefill_jax.cli.demo import PORTRAITS
from facefill_jax.filling import deep_pictures, photo_files, photo_output
from facefill_jax.filling.photo_filler import Job, PhotoFiller

MODES = ("RGB", "RGBA", "L", "LA", "P", "CMYK", "1", "I;16", "RGB;16")
FORMATS = {"RGB;16": "PNG", "I;16": "PNG", "CMYK": "TIFF", "LA": "PNG", "1": "PNG"}
MASKS = ("box", "strokes", "specks", "half", "border")


@pytest.fixture(scope="module")
def filler():
  return PhotoFiller(tiny_model.filler(few_photos=True))


def picture(rng, mode, size):
  """The content of a file, of any mode, 16 bits included."""
  pixels = rng.integers(0, 256, (*size, 3), np.uint8)
  if mode == "RGB;16":
    return deep_pictures.encode_png(rng.integers(0, 65536, (*size, 3), np.uint16), None, None)
  image = Image.fromarray(pixels)
  if mode in ("RGBA", "LA"):
    image.putalpha(Image.fromarray(rng.integers(0, 256, size, np.uint8)))
  if mode == "I;16":
    image = Image.fromarray(rng.integers(0, 65536, size, np.uint16))
  elif mode != image.mode:
    image = image.convert(mode)
  content, exif = io.BytesIO(), Image.Exif()
  exif[0x0112] = int(rng.integers(1, 9))
  image.save(content, FORMATS.get(mode, "PNG"), exif=exif)
  return content.getvalue()


def hole(rng, kind, size):
  mask = np.zeros(size, bool)
  h, w = size
  if kind == "specks":
    mask = rng.random(size) < 0.02
  elif kind == "half":
    mask[:, : w // 2] = True
  elif kind == "border":
    mask[: max(1, h // 8)] = mask[:, -max(1, w // 8) :] = True
  else:
    for _ in range(1 if kind == "box" else 4):
      y, x = rng.integers(0, h), rng.integers(0, w)
      dy, dx = (h // 3, w // 3) if kind == "box" else (max(1, h // 40), w)
      mask[y : y + dy + 1, x : x + dx + 1] = True
  mask[rng.integers(h), rng.integers(w)] = True
  if mask.mean() > 0.9:
    mask[:] = False
    mask[0, 0] = True
  return mask


def run(filler, number, tmp_path, largest):
  """One photo of a kind that the number says; nothing known has changed, in the file."""
  rng = np.random.default_rng(number)
  mode, kind = MODES[number % len(MODES)], MASKS[number // len(MODES) % len(MASKS)]
  size = tuple(int(2 ** rng.uniform(0, np.log2(largest))) for _ in range(2))
  photo = photo_files.read_photo(picture(rng, mode, size), [].append)
  mask = hole(rng, kind, photo.pixels.shape[:2])
  if mask.all():  # a photo of one pixel
    return 0
  [[answer]] = filler.fill_many([Job(photo.pixels, mask)])
  ending = "tif" if mode == "CMYK" else "png"
  path = tmp_path / f"{number}.{ending}"
  photo_output.write_like(path, photo, answer.whole, mask, [].append)
  back = photo_files.read_photo(path, [].append)
  assert back.original.dtype == photo.original.dtype, (mode, size)
  assert back.original.shape == photo.original.shape, (mode, size)
  np.testing.assert_array_equal(back.original[~mask], photo.original[~mask], err_msg=str(number))
  path.unlink()
  return 1


def test_known_pixels_come_back_of_any_kind_of_photo(filler, tmp_path):
  assert sum(run(filler, number, tmp_path, 100) for number in range(45)) >= 40


@pytest.mark.slow
def test_known_pixels_come_back_a_thousand_times(filler, tmp_path):
  assert sum(run(filler, number, tmp_path, 3000) for number in range(1000)) >= 950


@pytest.mark.parametrize("number", range(9))
def test_what_is_hidden_in_the_file_changes_no_byte(filler, tmp_path, number):
  rng = np.random.default_rng(number)
  size = tuple(int(n) for n in rng.integers(40, 160, 2))
  mask = hole(rng, MASKS[number % 5], size)
  photo = rng.integers(0, 256, (*size, 3), np.uint8)
  if number >= 6:  # with a face to be found
    face = np.array(Image.open(PORTRAITS / "eye.jpg"))
    size = (280, 320)
    photo, mask = rng.integers(0, 60, (*size, 3), np.uint8), hole(rng, MASKS[number % 2], size)
    photo[20:276, 40:296] = face
  other = np.where(mask[..., None], rng.integers(0, 256, (*size, 3), np.uint8), photo)
  written = []
  for pixels in (photo, other):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    read = photo_files.read_photo(content.getvalue())
    [[answer]] = filler.fill_many([Job(read.pixels, mask)])
    photo_output.write_like(tmp_path / "x.png", read, answer.whole, mask)
    written.append((tmp_path / "x.png").read_bytes())
  assert written[0] == written[1]
