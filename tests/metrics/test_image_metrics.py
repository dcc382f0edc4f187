"""Image metrics against their definitions in NumPy, and by hand."""

import jax
import numpy as np
import pytest

from facefill_jax.metrics import image


def photos(rng, side=20):
  truth = rng.uniform(-1, 1, (2, side, side, 3)).astype(np.float32)
  whole = np.clip(truth + rng.normal(0, 0.2, truth.shape), -1, 1).astype(np.float32)
  mask = np.zeros((2, side, side, 1), bool)
  mask[0, 4:14, 6:16] = True
  mask[1, :9] = True
  return whole, truth, mask


def window():
  x = np.arange(-5, 6)
  taps = np.exp(-(x**2) / (2 * 1.5**2))
  weights = np.outer(taps, taps)
  return weights / weights.sum()


def numpy_ssim(a, b):
  """SSIM of two (h, w) planes at each position of the window, by its definition, on 0..255."""
  weights, size = window(), a.shape[0] - 10
  a, b = ((x.astype(float) + 1) * 127.5 for x in (a, b))
  c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
  out = np.zeros((size, size))
  for i in range(size):
    for j in range(size):
      p, q = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
      mp, mq = (weights * p).sum(), (weights * q).sum()
      vp, vq = (weights * (p - mp) ** 2).sum(), (weights * (q - mq) ** 2).sum()
      cov = (weights * (p - mp) * (q - mq)).sum()
      out[i, j] = (2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2))
  return out


def test_l1_and_psnr_over_hole_and_frame():
  whole, truth, mask = photos(np.random.default_rng(0))
  for where in (None, mask):
    l1, psnr = jax.jit(image.l1)(whole, truth, where), jax.jit(image.psnr)(whole, truth, where)
    for i in range(2):
      hole = np.ones(mask.shape[1:3], bool) if where is None else mask[i, ..., 0]
      difference = (whole[i] - truth[i])[hole].astype(float)
      np.testing.assert_allclose(l1[i], np.abs(difference).mean(), rtol=1e-5)
      # On 0..255, as papers state it: the ratio is the same.
      error = np.square(difference * 127.5).mean()
      np.testing.assert_allclose(psnr[i], 10 * np.log10(255**2 / error), rtol=1e-5)


def test_perfect_and_empty():
  whole, truth, mask = photos(np.random.default_rng(0))
  nothing = np.zeros_like(mask)
  for a, where in ((truth, mask), (truth, None), (whole, nothing)):
    np.testing.assert_array_equal(image.l1(a, truth, where), 0.0)
    np.testing.assert_allclose(image.psnr(a, truth, where), image.PSNR_CAP, rtol=1e-5)
    np.testing.assert_allclose(image.ssim(a, truth, where), 1.0, atol=1e-5)


def test_ssim_against_its_definition():
  whole, truth, mask = photos(np.random.default_rng(1), side=18)
  got = np.asarray(jax.jit(image.ssim_map)(whole, truth))
  assert got.shape == (2, 8, 8, 3)
  want = np.zeros_like(got, dtype=float)
  for i in range(2):
    for c in range(3):
      want[i, ..., c] = numpy_ssim(whole[i, ..., c], truth[i, ..., c])
  np.testing.assert_allclose(got, want, atol=2e-5)
  np.testing.assert_allclose(image.ssim(whole, truth), want.mean((1, 2, 3)), atol=1e-5)
  hole_mean = [want[i][mask[i, 5:-5, 5:-5, 0]].mean() for i in range(2)]
  np.testing.assert_allclose(image.ssim(whole, truth, mask), hole_mean, atol=1e-5)


def test_ssim_of_flat_pictures_by_hand():
  shape = (1, 12, 12, 3)
  a, b = np.full(shape, 0.5, np.float32), np.full(shape, -0.25, np.float32)
  # 0.75 and 0.375 with black at 0; variances are 0.
  want = (2 * 0.75 * 0.375 + 1e-4) / (0.75**2 + 0.375**2 + 1e-4)
  np.testing.assert_allclose(image.ssim(a, b), want, rtol=1e-3)


def test_laplacian_energy_by_hand():
  photo = np.zeros((1, 8, 8, 3), np.float32)
  photo[0, 3, 3] = 1.0  # a grey dot: -4 at its centre, 1 at each neighbour
  everywhere = np.ones((1, 8, 8, 1), bool)
  np.testing.assert_allclose(image.laplacian_energy(photo, everywhere), 16 + 4, rtol=1e-5)
  square = np.zeros_like(everywhere)
  square[0, 2:5, 2:5] = True  # only its centre keeps all four neighbours
  np.testing.assert_allclose(image.laplacian_energy(photo, square), 16, rtol=1e-5)
  square[0, 3, 4] = False
  np.testing.assert_array_equal(image.laplacian_energy(photo, square), 0.0)


def test_laplacian_energy_does_not_see_the_rim_of_the_hole():
  rng = np.random.default_rng(2)
  hole = np.zeros((1, 16, 16, 1), bool)
  hole[:, 4:12, 4:12] = True
  flat = np.where(hole, 0.3, rng.uniform(-1, 1, (1, 16, 16, 3))).astype(np.float32)
  np.testing.assert_allclose(image.laplacian_energy(flat, hole), 0.0, atol=1e-10)


@pytest.mark.parametrize("metric", [image.l1, image.psnr, image.ssim])
def test_rejects_what_would_broadcast(metric):
  whole, truth, mask = photos(np.random.default_rng(0))
  with pytest.raises(ValueError, match="one shape"):
    metric(whole[:1], truth, mask)
  with pytest.raises(ValueError, match="mask must be bool"):
    metric(whole, truth, mask[:1])
  with pytest.raises(ValueError, match="mask must be bool"):
    metric(whole, truth, mask.astype(np.float32))


def test_ssim_rejects_pictures_smaller_than_its_window():
  small = np.zeros((1, 10, 12, 3), np.float32)
  with pytest.raises(ValueError, match="at least 11"):
    image.ssim(small, small)
