"""The baselines: known pixels stay, hidden ones are never looked at, and by hand where possible."""

import numpy as np
import pytest

from facefill_jax.filling import classical


def example():
  rng = np.random.default_rng(0)
  photo = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
  mask = np.zeros((24, 24), bool)
  mask[6:15, 8:20] = True
  return photo, mask


@pytest.mark.parametrize("name", classical.METHODS)
def test_known_pixels_stay_and_hidden_ones_do_not_matter(name):
  photo, mask = example()
  fill = classical.choose(name)
  whole = fill(photo, mask)
  assert whole.dtype == np.uint8
  np.testing.assert_array_equal(whole[~mask], photo[~mask])
  changed = photo.copy()
  changed[mask] = 255 - changed[mask]
  np.testing.assert_array_equal(fill(changed, mask), whole)


@pytest.mark.parametrize("name", classical.METHODS)
def test_flat_photos_are_restored_and_empty_holes_change_nothing(name):
  photo, mask = example()
  fill = classical.choose(name)
  np.testing.assert_array_equal(fill(photo, np.zeros_like(mask)), photo)
  flat = np.full_like(photo, (10, 120, 240))
  # OpenCV's Telea extrapolates with gradients and overshoots by up to 4 even here.
  np.testing.assert_allclose(fill(flat, mask).astype(int), flat, atol=5)


def test_mean_colour_by_hand():
  photo = np.zeros((2, 2, 3), np.uint8)
  photo[0] = [(10, 0, 200), (20, 0, 100)]
  mask = np.array([[False, False], [True, True]])
  np.testing.assert_array_equal(classical.mean_colour(photo, mask)[1], [(15, 0, 150)] * 2)
  np.testing.assert_array_equal(classical.mean_colour(photo, np.ones((2, 2), bool)), 128)


def test_batched_fills_each_photo_by_itself():
  photo, mask = example()
  photos, masks = np.stack([photo, photo[::-1]]), np.stack([mask, mask.T])[..., None]
  result = classical.batched("telea")(photos, masks)
  assert result["layout"] is None
  for i in range(2):
    want = classical.telea(photos[i], masks[i, ..., 0])
    np.testing.assert_array_equal(result["whole"][i], want)


def test_rejections():
  photo, mask = example()
  with pytest.raises(ValueError, match="'lama' is unknown; valid: telea, navier_stokes, mean_colo"):
    classical.choose("lama")
  with pytest.raises(ValueError, match="photo must be uint8"):
    classical.telea(photo.astype(np.float32), mask)
  with pytest.raises(ValueError, match="mask must be bool"):
    classical.telea(photo, mask[..., None])
