"""Photos as they are, on real (tiny, untrained) networks: what is promised whatever they paint."""

import numpy as np
import pytest
import tiny_model

from facefill_jax.filling import photo_filler
from facefill_jax.filling.frame import Frame
from facefill_jax.filling.passes import Pass
from facefill_jax.filling.photo_filler import Job, PhotoFiller
from facefill_jax.labels import VOID


@pytest.fixture(scope="module")
def filler():
  return PhotoFiller(tiny_model.filler())


@pytest.fixture(scope="module")
def pipeline(filler):
  """One answer to one job."""

  def fill(photo, mask, *, seed=0, **options):
    [[answer]] = filler.fill_many([Job(photo, mask, seeds=(seed,), **options)])
    return answer

  return fill


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
  assert (filled.layout[mask] < 20).all() and len(filled.passes) >= 1


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


def test_the_layout_that_is_read_is_that_which_guides(filler, pipeline, example):
  photo, mask = example
  np.testing.assert_array_equal(filler.read_layout(Job(*example)), pipeline(*example).layout)
  whole = filler.read_layout(Job(photo, np.zeros_like(mask)))
  assert whole.shape == mask.shape and (whole[:, 40:90] != VOID).mean() > 0.8


def test_many_jobs_and_seeds_are_those_of_one_each(filler, pipeline, example):
  square = noise(90, 90, 3, seed=4), box(90, 90, 30, 50, 10, 80)
  jobs = [Job(*example, seeds=(3, 5)), Job(*square, seeds=(1,))]
  (first, second), (third,) = filler.fill_many(jobs, batch_size=1)
  np.testing.assert_array_equal(first.whole, pipeline(*example, seed=3).whole)
  np.testing.assert_array_equal(second.whole, pipeline(*example, seed=5).whole)
  np.testing.assert_array_equal(third.whole, pipeline(*square, seed=1).whole)
  pairs = filler.fill_many(jobs, batch_size=3)
  for one, other in zip((first, second, third), [*pairs[0], *pairs[1]], strict=True):
    away = np.abs(one.whole.astype(int) - other.whole)
    assert away.max() <= 1 and (away > 0).mean() <= 0.001


def test_without_alignment_the_largest_square_is_taken(pipeline, example):
  [one] = pipeline(*example, align="none").passes
  assert one.frame == Frame(0, 17, 97)


def test_eyes_that_are_given_make_the_frame(pipeline, example):
  first, *_ = pipeline(*example, eyes=((50, 40), (80, 44))).passes
  assert first.is_face and first.frame.angle == pytest.approx(7.6, abs=0.1)
  assert first.frame.size == round(np.hypot(30, 4) / 0.243)
  boxed, *_ = pipeline(*example, face_box=(40, 20, 90, 80)).passes
  assert boxed.is_face


def framed(filler, monkeypatch, misfit):
  monkeypatch.setattr(photo_filler.align, "misfit", lambda layout: misfit)
  searched = []
  monkeypatch.setattr(
    photo_filler, "plan_passes",
    lambda *given: searched.append(1) or ([Pass(Frame(0, 0, 90), None, False)], ["none"]),
  )  # fmt: skip
  photo, mask = noise(90, 90, 3), box(90, 90, 30, 60, 30, 60)
  [[answer]] = filler.fill_many([Job(photo, mask)])
  return answer, searched


def test_a_photo_framed_as_in_training_is_one_square(filler, monkeypatch):
  answer, searched = framed(filler, monkeypatch, 0.05)
  assert [one.frame for one in answer.passes] == [Frame(0, 0, 90)] and not searched
  assert answer.passes[0].is_face and not answer.remarks


def test_a_photo_framed_otherwise_is_searched(filler, monkeypatch):
  answer, searched = framed(filler, monkeypatch, 0.2)
  assert searched and answer.remarks == ("none",) and not answer.passes[0].is_face


def test_what_is_dilated_is_not_seen_and_not_painted(pipeline):
  photo, mask = noise(90, 90, 3), box(90, 90, 30, 60, 30, 60)
  ring = box(90, 90, 29, 61, 29, 61) & ~mask
  hidden = np.where(ring[..., None], 255 - photo, photo)
  one, other = (pipeline(p, mask, dilate=3, align="none").whole for p in (photo, hidden))
  np.testing.assert_array_equal(one[mask], other[mask])
  np.testing.assert_array_equal(one[~mask], photo[~mask])
  assert (one[mask] != pipeline(photo, mask, align="none").whole[mask]).any()


@pytest.mark.parametrize(
  ("photo", "mask", "options", "message"),
  [
    (noise(8, 8), box(8, 8, 1, 2, 1, 2), {}, "photo must be"),
    (noise(8, 8, 3), box(8, 9, 1, 2, 1, 2), {}, "mask must be"),
    (noise(8, 8, 3), noise(8, 8), {}, "mask must be bool"),
    (noise(8, 8, 3), box(8, 8, 0, 0, 0, 0), {}, "nothing to fill"),
    (noise(8, 8, 3), box(8, 8, 1, 2, 1, 2), {"layout": noise(8, 9)}, "layout must be"),
    (noise(8, 8, 3), box(8, 8, 1, 2, 1, 2), {"layout": np.full((8, 8), 20, np.uint8)}, "label 20"),
    (noise(8, 8, 3), box(8, 8, 1, 2, 1, 2), {"align": "x"}, "align 'x' is not one of auto, none"),
    (noise(8, 8, 3), box(8, 8, 1, 2, 1, 2), {"dilate": -1}, "dilate"),
    (
      noise(8, 8, 3), box(8, 8, 1, 2, 1, 2),
      {"eyes": ((1, 2), (3, 2)), "face_box": (1, 1, 2, 2)}, "not both",
    ),
    (noise(8, 8, 3), box(8, 8, 1, 2, 1, 2), {"eyes": ((1, 2), (1, 2))}, "less than 4 pixels apart"),
    (noise(8, 8, 3), box(8, 8, 1, 2, 1, 2), {"face_box": (6, 1, 1, 7)}, "less than 4 pixels apart"),
    (noise(8, 8, 3), box(8, 8, 1, 2, 1, 2), {"eyes": ((1, 2), (np.nan, 2))}, "four numbers"),
    (noise(8, 8, 3), box(8, 8, 1, 2, 1, 2), {"eyes": ((90, 2), (99, 2))}, "outside the photo"),
    (
      noise(8, 8, 3), box(8, 8, 1, 2, 1, 2), {"eyes": ((1, 2), (7, 2)), "align": "none"},
      "looks for no face",
    ),
  ],
)  # fmt: skip
def test_bad_jobs_are_refused(pipeline, photo, mask, options, message):
  with pytest.raises(ValueError, match=message):
    pipeline(photo, mask, **options)
