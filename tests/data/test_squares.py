"""What is done fast against the same done plainly."""

import cv2
import numpy as np
import pytest

from facefill_jax.data import squares
from facefill_jax.labels import NUM_CLASSES, flip_labels


def test_mirroring_is_flip_labels():
  rng = np.random.default_rng(0)
  photo = rng.integers(0, 256, (33, 64, 3), np.uint8)
  labels = rng.integers(0, NUM_CLASSES, (33, 64), np.uint8)
  turned, ids = squares.mirror(photo, labels)
  np.testing.assert_array_equal(turned, photo[:, ::-1])
  np.testing.assert_array_equal(ids, flip_labels(labels))
  assert turned.flags.c_contiguous and ids.flags.c_contiguous and ids.dtype == np.uint8


@pytest.mark.parametrize("side", [65, 90, 120, 128, 150, 192, 301])
def test_shrinking_is_the_mean_over_areas(side):
  rng = np.random.default_rng(side)
  photo = cv2.GaussianBlur(rng.integers(0, 256, (side, side, 3), np.uint8), (0, 0), side / 64)
  found = squares.cut(photo, np.zeros((side, side), np.uint8), (0, 0, side), 64)[0]
  plain = cv2.resize(photo, (64, 64), interpolation=cv2.INTER_AREA)
  difference = np.abs(found.astype(int) - plain)
  assert difference.mean() < 3 and abs(found.mean() - photo.mean()) < 0.5
  if side % 64 == 0:
    assert not difference.any()


def test_shrinking_does_not_alias():
  """Lines one pixel wide and one apart become grey, whatever the ratio."""
  for side in (100, 110, 127, 200):
    photo = np.zeros((side, side, 3), np.uint8)
    photo[:, ::2] = 255
    found = squares.cut(photo, np.zeros((side, side), np.uint8), (0, 0, side), 64)[0]
    plain = cv2.resize(photo, (64, 64), interpolation=cv2.INTER_AREA)
    assert found.std() <= plain.std() + 2
