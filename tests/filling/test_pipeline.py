"""The pipeline on real (tiny, untrained) networks: what it promises whatever the weights are."""

import numpy as np
import pytest
import tiny_model

from facefill_jax.filling import model_files
from facefill_jax.filling.frame import Frame
from facefill_jax.filling.pipeline import FaceFillPipeline
from facefill_jax.labels import VOID


@pytest.fixture(scope="module")
def pipeline():
  return FaceFillPipeline(tiny_model.filler())


def noise(*shape, seed=0):
  return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def box(height, width, top, bottom, left, right):
  mask = np.zeros((height, width), bool)
  mask[top:bottom, left:right] = True
  return mask


@pytest.fixture(scope="module")
def example():
  return noise(97, 131, 3), box(97, 131, 20, 61, 40, 90)


@pytest.mark.parametrize(
  ("size", "hole"),
  [
    ((97, 131), (20, 61, 40, 90)),
    ((131, 97), (0, 40, 50, 97)),
    ((33, 45), (5, 20, 7, 30)),  # smaller than the model's resolution
    ((64, 64), (10, 30, 10, 30)),
    ((50, 151), (10, 40, 3, 140)),  # a hole wider than the short side
    ((1, 200), (0, 1, 30, 60)),
  ],
)
def test_known_pixels_are_untouched_and_the_hole_is_filled(pipeline, size, hole):
  photo, mask = noise(*size, 3), box(*size, *hole)
  filled = pipeline(photo, mask)
  assert filled.whole.shape == photo.shape and filled.whole.dtype == np.uint8
  np.testing.assert_array_equal(filled.whole[~mask], photo[~mask])
  assert (filled.whole[mask] != photo[mask]).mean() > 0.5
  assert filled.layout.shape == size and filled.layout.dtype == np.uint8
  assert (filled.layout[mask] < 20).all() and filled.resolution == 64
  assert filled.frame.contains(mask)


def test_hidden_pixels_change_no_byte(pipeline, example):
  photo, mask = example
  other = np.where(mask[..., None], noise(*photo.shape, seed=5), photo)
  a, b = pipeline(photo, mask), pipeline(other, mask)
  np.testing.assert_array_equal(a.whole, b.whole)
  np.testing.assert_array_equal(a.layout, b.layout)


def test_the_seed_is_the_answer(pipeline, example):
  first = pipeline(*example, seed=3)
  np.testing.assert_array_equal(first.whole, pipeline(*example, seed=3).whole)
  other = pipeline(*example, seed=4)
  assert (first.whole != other.whole).any()
  np.testing.assert_array_equal(first.layout, other.layout)


def test_a_given_layout_is_followed_in_the_hole_only(pipeline, example):
  photo, mask = example
  free = pipeline(photo, mask)
  wish = np.full(mask.shape, 13, np.uint8)
  given = pipeline(photo, mask, layout=wish)
  assert (given.layout[mask] == 13).all()
  assert (free.whole[mask] != given.whole[mask]).any()
  far = ~box(97, 131, 18, 63, 38, 92)  # cells that hold a hole pixel follow it too
  np.testing.assert_array_equal(given.layout[far], free.layout[far])
  np.testing.assert_array_equal(given.whole[~mask], photo[~mask])
  outside = np.where(mask, wish, np.uint8(4))
  np.testing.assert_array_equal(pipeline(photo, mask, layout=outside).layout[far], free.layout[far])


def test_void_in_a_given_layout_leaves_the_choice_to_the_model(pipeline, example):
  photo, mask = example
  free = pipeline(photo, mask)
  wish = np.full(mask.shape, VOID, np.uint8)
  wish[20:40] = 13
  given = pipeline(photo, mask, layout=wish)
  below = mask & (np.arange(97)[:, None] > 43)
  np.testing.assert_array_equal(given.layout[below], free.layout[below])
  assert (given.layout[20:38][mask[20:38]] == 13).all()


def test_a_given_square_is_used(pipeline, example):
  photo, mask = example
  square = Frame(-5, 20, 90)
  assert pipeline(photo, mask, square=square).frame == square
  with pytest.raises(ValueError, match="does not contain"):
    pipeline(photo, mask, square=Frame(0, 0, 50))


def test_from_directory_gives_the_same_answers(pipeline, example, tmp_path):
  model_files.save_model(tmp_path / "m", tiny_model.random_params(), tiny_model.CONFIG)
  loaded = FaceFillPipeline.from_directory(tmp_path / "m")
  assert loaded.config == tiny_model.CONFIG
  np.testing.assert_array_equal(loaded(*example).whole, pipeline(*example).whole)


@pytest.mark.parametrize("stage", ["layout", "texture"])
def test_a_model_of_one_stage_cannot_fill(tmp_path, stage):
  params = {stage: tiny_model.random_params()[stage]}
  model_files.save_model(tmp_path / "m", params, {**tiny_model.CONFIG, "stages_trained": [stage]})
  other = {"layout": "texture", "texture": "layout"}[stage]
  with pytest.raises(model_files.ModelError, match=f"no {other} network"):
    FaceFillPipeline.from_directory(tmp_path / "m")


@pytest.mark.parametrize(
  ("photo", "mask", "layout", "message"),
  [
    (noise(8, 8), box(8, 8, 1, 2, 1, 2), None, "photo must be"),
    (noise(8, 8, 3), box(8, 9, 1, 2, 1, 2), None, "mask must be"),
    (noise(8, 8, 3), noise(8, 8), None, "mask must be bool"),
    (noise(8, 8, 3), box(8, 8, 0, 0, 0, 0), None, "nothing to fill"),
    (noise(8, 8, 3), box(8, 8, 1, 2, 1, 2), noise(8, 9), "layout must be"),
    (noise(8, 8, 3), box(8, 8, 1, 2, 1, 2), np.full((8, 8), 20, np.uint8), "label 20"),
  ],
)
def test_bad_arrays_are_refused(pipeline, photo, mask, layout, message):
  with pytest.raises(ValueError, match=message):
    pipeline(photo, mask, layout=layout)
