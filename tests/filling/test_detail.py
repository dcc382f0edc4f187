"""Detail of a hole: alike where the photo is alike, as strong, and never from what is hidden."""

import cv2
import numpy as np
import pytest

from facefill_jax.filling.detail import fine_detail
from facefill_jax.filling.frame import Frame

R, K = 32, 4


def textured():
  """Left half dark with stripes across, right half light with noise: uint8 (128, 128, 3)."""
  rng = np.random.default_rng(0)
  photo = np.full((R * K, R * K, 3), 60.0)
  photo[:, 64:] = 190
  photo[:, :64] += 25 * np.sign(np.sin(np.arange(R * K) * np.pi / 2 + 0.1))[:, None, None]
  photo[:, 64:] += rng.normal(0, 20, (R * K, 64, 1))
  return np.clip(photo, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def example():
  photo, hole = textured(), np.zeros((R * K, R * K), bool)
  hole[40:80, 12:40] = hole[40:80, 90:118] = True
  painted = cv2.resize(photo, (R, R), interpolation=cv2.INTER_AREA)
  return np.where(hole[..., None], np.uint8(0), photo), hole, painted, np.zeros((R, R), np.uint8)


def test_what_enlarging_took_comes_back(example):
  photo, hole, painted, ids = example
  detail = fine_detail(photo, hole, painted, ids)
  assert detail.shape == photo.shape and not detail[~hole].any()
  truth = textured().astype(np.float32)
  missing = truth - cv2.resize(painted, (R * K, R * K), interpolation=cv2.INTER_CUBIC)
  for columns in (slice(14, 38), slice(92, 116)):
    part = (slice(42, 78), columns)
    assert 0.7 < detail[part].std() / missing[part].std() < 1.5
  # Stripes lie across, as those beside them: rows differ, columns do not.
  stripes = detail[44:76, 16:36, 0]
  assert np.abs(np.diff(stripes, axis=0)).mean() > 3 * np.abs(np.diff(stripes, axis=1)).mean()


def test_hidden_pixels_have_no_say(example):
  photo, hole, painted, ids = example
  noise = np.random.default_rng(1).integers(0, 256, photo.shape, np.uint8)
  other = np.where(hole[..., None], noise, photo)
  np.testing.assert_array_equal(
    fine_detail(other, hole, painted, ids), fine_detail(photo, hole, painted, ids)
  )


def test_cells_of_another_class_are_not_taken(example):
  photo, hole, painted, _ = example
  grey = np.full_like(painted, 128)  # colours tell nothing: classes do
  ids = np.zeros((R, R), np.uint8)
  ids[:, 16:] = 1
  detail = fine_detail(photo, hole, grey, ids)
  assert detail[44:76, 16:36].mean() < -50 and detail[44:76, 94:114].mean() > 40


def test_nothing_known_no_detail(example):
  photo, _, painted, ids = example
  assert not fine_detail(photo, np.ones(photo.shape[:2], bool), painted, ids).any()
  assert not fine_detail(photo, np.zeros(photo.shape[:2], bool), painted, ids).any()


@pytest.mark.parametrize("frame", [Frame(0, 0, 128), Frame(10, 12, 90, 20.0), Frame(-20, -20, 170)])
def test_an_enlarged_square_gets_it_and_one_that_is_not_does_not(example, frame):
  photo, hole, _, _ = example
  photo, hole = textured(), hole & frame.region(hole.shape)
  filled = frame.crop(photo, np.zeros_like(hole), 32)[0]
  ids = np.zeros((32, 32), np.uint8)
  plain, fine = frame.paste(photo, hole, filled), frame.paste(photo, hole, filled, None, ids)
  np.testing.assert_array_equal(fine[~hole], photo[~hole])
  roughness = [
    np.abs(cv2.Laplacian(w.astype(np.float32), cv2.CV_32F))[hole].mean() for w in (plain, fine)
  ]
  assert roughness[1] > 1.5 * roughness[0]
  same = frame.crop(photo, np.zeros_like(hole), frame.size)[0]
  np.testing.assert_array_equal(
    frame.paste(photo, hole, same, None, np.zeros(same.shape[:2], np.uint8)),
    frame.paste(photo, hole, same),
  )
