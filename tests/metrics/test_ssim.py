"""SSIM in its three forms: against its definition in NumPy, scikit-image's numbers, and by hand."""

import jax
import numpy as np
import pytest

from facefill_jax import images
from facefill_jax.metrics import ssim

# Of scikit-image 0.26.0 for `photos()`: structural_similarity with data_range=255, channel_axis=-1
# (gaussian_11: gaussian_weights=True, sigma=1.5, use_sample_covariance=False), and of rgb2gray of
# both with win_size=51, data_range=1.
SCIKIT_IMAGE = {"gaussian_11": 0.8131244, "uniform_7": 0.8458257, "grey_51": 0.9814526}


def photos(height=60, width=56):
  """Two photos uint8 (1, h, w, 3) that arithmetic alone makes, so that anybody can make them."""
  y, x = np.mgrid[:height, :width]
  planes = [(3 * x + 5 * y + 40 * k + (x * y) % 37) % 256 for k in range(3)]
  truth = np.stack(planes, axis=-1)
  whole = np.clip(truth + (x * 7 + y * 13)[..., None] % 41 - 20, 0, 255)
  return whole[None].astype(np.uint8), truth[None].astype(np.uint8)


def definition(a, b, weights, factor):
  """SSIM of two (h, w) planes on 0..255 at every pixel, mirrored at the edges, as it is defined."""
  r = len(weights) // 2
  h, w = a.shape
  a, b = (np.pad(x.astype(float), r, mode="symmetric") for x in (a, b))
  c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
  out = np.zeros((h, w))
  for i in range(h):
    for j in range(w):
      p, q = a[i : i + 2 * r + 1, j : j + 2 * r + 1], b[i : i + 2 * r + 1, j : j + 2 * r + 1]
      mp, mq = (weights * p).sum(), (weights * q).sum()
      vp, vq = (factor * (weights * (z - m) ** 2).sum() for z, m in ((p, mp), (q, mq)))
      cov = factor * (weights * (p - mp) * (q - mq)).sum()
      out[i, j] = (2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2))
  return out


def windows(name):
  if name == "uniform_7":
    return np.full((7, 7), 1 / 49), 49 / 48
  taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
  return np.outer(taps, taps) / np.outer(taps, taps).sum(), 1.0


@pytest.mark.parametrize("name", ["gaussian_11", "uniform_7"])
def test_against_its_definition(name):
  whole, truth = (x[:, :18, :16] for x in photos())
  a, b = (np.asarray(images.to_float(x)) for x in (whole, truth))
  want = np.stack(
    [definition(whole[0, ..., c], truth[0, ..., c], *windows(name)) for c in range(3)], axis=-1
  )
  got = np.asarray(jax.jit(ssim.ssim_map, static_argnums=2)(a, b, name))
  np.testing.assert_allclose(got[0], want, atol=5e-5)
  r = ssim.VARIANTS[name].radius
  frame = want[r:-r, r:-r].mean()
  np.testing.assert_allclose(ssim.ssim(a, b, None, name), frame, atol=2e-5)
  hole = np.zeros((1, 18, 16, 1), bool)
  hole[0, 2:9, 5:15] = True
  np.testing.assert_allclose(ssim.ssim(a, b, hole, name), want[hole[0, ..., 0]].mean(), atol=2e-5)


@pytest.mark.parametrize("name", list(SCIKIT_IMAGE))
def test_against_scikit_image(name):
  whole, truth = (images.to_float(x) for x in photos())
  np.testing.assert_allclose(ssim.ssim(whole, truth, None, name), SCIKIT_IMAGE[name], atol=1e-5)


def test_a_hole_of_one_pixel_at_the_corner_has_a_value():
  whole, truth = (images.to_float(x[:, :14, :14]) for x in photos())
  hole = np.zeros((1, 14, 14, 1), bool)
  hole[0, 0, 0] = True
  want = ssim.ssim_map(whole, truth)[0, 0, 0].mean()
  np.testing.assert_allclose(ssim.ssim(whole, truth, hole), want, rtol=1e-5)
  assert want < 0.99


def test_flat_pictures_by_hand():
  shape = (1, 12, 12, 3)
  a, b = np.full(shape, 0.5, np.float32), np.full(shape, -0.25, np.float32)
  # 0.75 and 0.375 with black at 0; variances are 0.
  want = (2 * 0.75 * 0.375 + 1e-4) / (0.75**2 + 0.375**2 + 1e-4)
  np.testing.assert_allclose(ssim.ssim(a, b), want, rtol=1e-3)


def test_perfect_and_empty():
  whole, truth = (images.to_float(x) for x in photos())
  nothing = np.zeros((1, *truth.shape[1:3], 1), bool)
  for name in ssim.VARIANTS:
    np.testing.assert_allclose(ssim.ssim(truth, truth, None, name), 1.0, atol=1e-5)
  np.testing.assert_array_equal(ssim.ssim(whole, truth, nothing), 1.0)


def test_rejections():
  small, large = np.zeros((1, 10, 12, 3), np.float32), np.zeros((1, 50, 60, 3), np.float32)
  with pytest.raises(ValueError, match="at least 11"):
    ssim.ssim(small, small)
  with pytest.raises(ValueError, match="at least 51"):
    ssim.ssim(large, large, None, "grey_51")
  with pytest.raises(ValueError, match="valid: gaussian_11, uniform_7, grey_51"):
    ssim.ssim(large, large, None, "psnr")
  with pytest.raises(ValueError, match="one shape"):
    ssim.ssim(large, small)
  with pytest.raises(ValueError, match="mask must be bool"):
    ssim.ssim(large, large, np.ones((1, 50, 60, 1), np.float32))
