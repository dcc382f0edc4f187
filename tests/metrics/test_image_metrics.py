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


def test_rim_error_by_hand():
  truth = np.zeros((1, 6, 6, 3), np.float32)
  mask = np.zeros((1, 6, 6, 1), bool)
  mask[0, 2:4, 2:4] = True  # eight pairs of neighbours lie across its edge
  np.testing.assert_array_equal(image.rim_error(truth, truth, mask), 0.0)
  lifted = np.where(mask, np.float32(0.5), truth)
  np.testing.assert_allclose(image.rim_error(lifted, truth, mask), 0.25)  # of 0..1: a seam
  np.testing.assert_allclose(image.rim_error(truth, lifted, mask), 0.25)  # the truth has a step
  np.testing.assert_array_equal(image.rim_error(-lifted, lifted, mask), 0.0)  # as strong a step
  corner = truth.copy()
  corner[0, 2, 2, 0] = 1.0  # one channel of the one pixel of four that two pairs meet in
  np.testing.assert_allclose(image.rim_error(corner, truth, mask), 1 / 2 * 2 / 8 / 3)
  inner = np.zeros((1, 9, 9, 3), np.float32)
  hole = np.zeros((1, 9, 9, 1), bool)
  hole[0, 3:6, 3:6] = True
  inner[0, 4, 4] = 1.0  # within the hole, not at its edge
  np.testing.assert_array_equal(image.rim_error(inner, np.zeros_like(inner), hole), 0.0)
  for no_edge in (np.zeros_like(mask), np.ones_like(mask)):
    np.testing.assert_array_equal(image.rim_error(lifted, truth, no_edge), 0.0)


@pytest.mark.parametrize("metric", [image.l1, image.psnr, image.rim_error])
def test_rejects_what_would_broadcast(metric):
  whole, truth, mask = photos(np.random.default_rng(0))
  with pytest.raises(ValueError, match="one shape"):
    metric(whole[:1], truth, mask)
  with pytest.raises(ValueError, match="mask must be bool"):
    metric(whole, truth, mask[:1])
  with pytest.raises(ValueError, match="mask must be bool"):
    metric(whole, truth, mask.astype(np.float32))
