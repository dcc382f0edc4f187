"""FaceFillPipeline: whatever kind a photo comes in, it goes out so, with its known pixels."""

import io

import numpy as np
import pytest
import tiny_model
from PIL import Image

import facefill_jax
from facefill_jax.filling import model_directory, model_files
from facefill_jax.filling.photo_files import PhotoError
from facefill_jax.filling.pipeline import FaceFillPipeline
from facefill_jax.labels import PALETTE, VOID

RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (80, 100, 3), np.uint8)
MASK = np.zeros((80, 100), bool)
MASK[20:50, 30:70] = True


@pytest.fixture(scope="module")
def pipe():
  return FaceFillPipeline(tiny_model.filler())


@pytest.fixture(scope="module")
def filled(pipe):
  return pipe(PHOTO, MASK).images[0]


def test_arrays_come_back_as_arrays(filled):
  assert filled.shape == PHOTO.shape and filled.dtype == np.uint8
  np.testing.assert_array_equal(filled[~MASK], PHOTO[~MASK])
  assert (filled[MASK] != PHOTO[MASK]).mean() > 0.5


def as_png(array, mode=None):
  content = io.BytesIO()
  Image.fromarray(array, mode).save(content, format="PNG")
  return content.getvalue()


@pytest.mark.parametrize("kind", ["path", "bytes", "pillow"])
@pytest.mark.parametrize("mask_kind", ["path", "bytes", "pillow", "uint8", "float"])
def test_paths_bytes_and_pictures_are_the_same(pipe, filled, tmp_path, kind, mask_kind):
  def given(array, how):
    (tmp_path / "x.png").write_bytes(as_png(array))
    return {
      "path": lambda: str(tmp_path / f"{array.ndim}.png"), "bytes": lambda: as_png(array),
      "pillow": lambda: Image.fromarray(array), "uint8": lambda: array.astype(np.uint8) * 255,
      "float": lambda: array.astype(np.float32),
    }[how]()  # fmt: skip

  (tmp_path / "3.png").write_bytes(as_png(PHOTO))
  (tmp_path / "2.png").write_bytes(as_png(MASK))
  [picture] = pipe(given(PHOTO, kind), given(MASK, mask_kind)).images
  assert isinstance(picture, Image.Image) and picture.mode == "RGB"
  np.testing.assert_array_equal(np.array(picture), filled)


GREY = PHOTO[..., 0]
ARRAYS = {
  "grey": GREY,
  "grey, one channel": GREY[..., None],
  "16 bits": PHOTO.astype(np.uint16) * 257 + 3,
  "16 bits, grey": GREY.astype(np.uint16) * 257 + 3,
  "alpha": np.dstack([PHOTO, GREY]),
  "floats": PHOTO.astype(np.float32) / 255 + np.float32(1e-4) * (PHOTO < 255),
  "doubles, grey": GREY / 255 * 0.999,
}


@pytest.mark.parametrize("name", ARRAYS)
def test_what_goes_in_comes_out(pipe, name):
  array = np.minimum(ARRAYS[name], 1) if ARRAYS[name].dtype.kind == "f" else ARRAYS[name]
  before = array.copy()
  [whole] = pipe(array, MASK).images
  assert whole.shape == array.shape and whole.dtype == array.dtype
  np.testing.assert_array_equal(whole[~MASK], before[~MASK])
  np.testing.assert_array_equal(array, before)
  assert (whole[MASK] != before[MASK]).mean() > 0.5
  if name == "alpha":
    assert (whole[MASK][:, 3] == 255).all()
  if array.dtype.kind == "f":
    assert whole.min() >= 0 and whole.max() <= 1 and len(np.unique(whole[MASK])) > 20


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "CMYK", "1", "I;16"])
def test_pictures_keep_their_mode(pipe, mode):
  picture = Image.fromarray(PHOTO).convert("L" if mode == "I;16" else mode)
  if mode == "I;16":
    picture = Image.fromarray(np.array(picture).astype(np.uint16) * 256)
  [whole] = pipe(picture, MASK).images
  expected = {"P": "RGB", "1": "L"}.get(mode, mode)
  assert whole.mode == expected
  known = picture.convert(expected) if mode in "P1" else picture
  np.testing.assert_array_equal(np.array(whole)[~MASK], np.array(known)[~MASK])


def test_the_kind_that_goes_out_may_be_chosen(pipe, filled):
  assert isinstance(pipe(PHOTO, MASK, output_type="pil").images[0], Image.Image)
  np.testing.assert_array_equal(pipe(as_png(PHOTO), MASK, output_type="np").images[0], filled)


def test_several_photos_seeds_and_what_is_said(pipe, filled):
  told = []
  other = np.ascontiguousarray(PHOTO[:, ::-1])
  out = pipe(
    [PHOTO, other], [MASK, MASK], seed=4, num_images=2, callback=lambda *at: told.append(at)
  )
  assert out.seeds == [4, 5, 4, 5] and len(out.images) == len(out.layouts) == len(out.boxes) == 4
  assert told[-1] == (2, 2)
  np.testing.assert_array_equal(out.images[1], pipe(PHOTO, MASK, seed=5).images[0])
  np.testing.assert_array_equal(out.images[2][~MASK], other[~MASK])
  assert all("no face was found" in said[-1] for said in out.warnings)


def test_a_layout_is_predicted_edited_and_followed(pipe):
  layout = pipe.predict_layout(PHOTO, MASK)
  assert layout.shape == MASK.shape and layout.dtype == np.uint8
  wish = np.full_like(layout, VOID)
  wish[25:45, 35:65] = 13
  followed = pipe(PHOTO, MASK, layout=wish)
  assert (followed.layouts[0][28:42, 38:62] == 13).all()
  painted = Image.fromarray(PALETTE[wish])
  again = pipe(PHOTO, MASK, layout=painted)
  np.testing.assert_array_equal(again.images[0], followed.images[0])


@pytest.mark.parametrize(
  ("image", "mask", "options", "error", "message"),
  [
    (7, MASK, {}, PhotoError, "the photo is a int; valid: a path, bytes"),
    (PHOTO[None], MASK, {}, PhotoError, r"shape \(1, 80, 100, 3\)"),
    (PHOTO.astype(np.int64), MASK, {}, PhotoError, "int64; valid: uint8, uint16, floats"),
    (PHOTO.astype(np.float32), MASK, {}, PhotoError, "not all of them in 0..1"),
    (b"no picture", MASK, {}, PhotoError, "the photo: not an image"),
    ("nowhere.png", MASK, {}, PhotoError, "nowhere.png: no such file"),
    (PHOTO, MASK[:40], {}, PhotoError, "the mask: the mask is 100 x 40, the photo 100 x 80"),
    (PHOTO, None, {}, PhotoError, "the mask is a NoneType"),
    (PHOTO, np.dstack([MASK] * 3), {}, PhotoError, r"the mask is an array of bool \(80, 100, 3\)"),
    (PHOTO, MASK[None].astype(np.uint8), {}, PhotoError, "the mask is an array of uint8"),
    (PHOTO, np.zeros((0, 4)), {}, PhotoError, "the mask is an array of float64"),
    (PHOTO, ~MASK & False, {}, PhotoError, "nothing to fill"),
    (PHOTO, MASK, {"mask_convention": "red"}, ValueError, "not one of white_hole, black_hole"),
    (PHOTO, MASK, {"output_type": "pt"}, ValueError, "not one of pil, np"),
    (PHOTO, MASK, {"num_images": 0}, ValueError, "num_images"),
    (PHOTO, MASK, {"layout": PHOTO[..., 0] / 255}, PhotoError, "the layout is float64"),
    (PHOTO, MASK, {"layout": np.full(MASK.shape, 77)}, PhotoError, "label 77"),
    ([PHOTO, PHOTO], MASK, {}, ValueError, "mask_image: 1 for 2 photos"),
  ],
)
def test_errors_name_what_came_and_what_is_accepted(pipe, image, mask, options, error, message):
  with pytest.raises(error, match=message):
    pipe(image, mask, **options)


def test_from_pretrained_and_back(pipe, filled, tmp_path, monkeypatch):
  model_files.save_model(tmp_path / "m", tiny_model.random_params(), tiny_model.CONFIG, "a card")
  loaded = FaceFillPipeline.from_pretrained(tmp_path / "m")
  assert loaded.config == tiny_model.CONFIG and loaded.resolution == 64
  np.testing.assert_array_equal(loaded(PHOTO, MASK).images[0], filled)
  loaded.save_pretrained(tmp_path / "copy")
  for file in (tmp_path / "m").iterdir():
    assert (tmp_path / "copy" / file.name).read_bytes() == file.read_bytes()
  pipe.save_pretrained(tmp_path / "new")
  assert model_files.load_model(tmp_path / "new")[0] == tiny_model.CONFIG
  monkeypatch.setenv("FACEFILL_MODEL", str(tmp_path / "m"))
  assert FaceFillPipeline.from_pretrained().config == tiny_model.CONFIG
  monkeypatch.delenv("FACEFILL_MODEL")
  assert str(model_directory.default()) == str(facefill_jax.PRETRAINED)


@pytest.mark.parametrize("stage", ["layout", "texture"])
def test_a_model_of_one_stage_cannot_fill(tmp_path, stage):
  params = {stage: tiny_model.random_params()[stage]}
  model_files.save_model(tmp_path / "m", params, {**tiny_model.CONFIG, "stages_trained": [stage]})
  other = {"layout": "texture", "texture": "layout"}[stage]
  with pytest.raises(model_files.ModelError, match=f"no {other} network"):
    FaceFillPipeline.from_pretrained(tmp_path / "m")


def turned(picture, orientation):
  exif, content = Image.Exif(), io.BytesIO()
  exif[0x0112] = orientation
  picture.save(content, "PNG", exif=exif)
  return Image.open(io.BytesIO(content.getvalue()))


def test_pictures_in_memory_are_taken_as_they_lie_and_their_masks_too(pipe, filled):
  photo, mask = Image.fromarray(PHOTO), Image.fromarray(MASK)
  whole = pipe(turned(photo, 3), turned(mask, 3)).images[0]
  np.testing.assert_array_equal(np.array(whole), filled)
  whole = pipe(turned(photo, 6), turned(mask, 6)).images[0]
  np.testing.assert_array_equal(np.array(whole), filled)


def test_a_truncated_picture_is_a_photo_error(pipe):
  content = as_png(PHOTO)
  with pytest.raises(PhotoError, match="the photo: damaged, truncated"):
    pipe(Image.open(io.BytesIO(content[: len(content) // 2])), MASK)
