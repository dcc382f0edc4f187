"""FID, KID and the IDS scores: by hand, then what is refused. Reference values: tests/parity."""

import sys

import numpy as np
import pytest

from facefill_jax.metrics import frechet


def moments(features):
  found = frechet.Moments(features.shape[1])
  found.add(features)
  return found


def test_moments_in_batches_are_numpys():
  x = 1000.0 + np.random.default_rng(0).normal(size=(57, 6))  # far from 0: cancellation would show
  found = frechet.Moments(6)
  for part in np.split(x, (1, 20, 20, 50)):  # one of them is empty
    found.add(part.astype(np.float64))
  assert found.count == 57
  np.testing.assert_allclose(found.mean, x.mean(axis=0), rtol=1e-12)
  np.testing.assert_allclose(found.covariance, np.cov(x, rowvar=False), rtol=1e-9, atol=1e-12)


def test_fid_of_one_feature_by_hand():
  a, b = np.array([[0.0], [2.0]]), np.array([[5.0], [9.0], [13.0]])
  # (m - m')^2 + (s - s')^2 with s^2 = 2 and 16
  want = (1 - 9) ** 2 + (np.sqrt(2) - 4) ** 2
  np.testing.assert_allclose(frechet.frechet_distance(moments(a), moments(b)), want)


def test_fid_of_the_same_is_nothing_also_when_singular():
  x = np.random.default_rng(0).normal(size=(5, 20))  # five pictures: rank 4 of 20
  assert 0 <= frechet.frechet_distance(moments(x), moments(x)) < 1e-6
  shifted = frechet.frechet_distance(moments(x), moments(x + 1))
  np.testing.assert_allclose(shifted, 20, rtol=1e-6)


def test_kid_by_hand():
  a, b = np.array([[1.0], [2.0]]), np.array([[0.0], [-1.0]])
  # k(x, y) = (x y + 1)^3: 27 between the a's, 1 between the b's; a with b: 1, 0, 1, -1
  want = 27 + 1 - 2 * (1 + 0 + 1 - 1) / 4
  np.testing.assert_allclose(frechet.kid(a, b, subsets=3), want)


def test_kid_depends_on_its_seed_alone():
  x, y = np.random.default_rng(0).normal(size=(2, 40, 3))
  draw = [frechet.kid(x, y, subsets=4, subset_size=10, seed=seed) for seed in (0, 0, 1)]
  assert draw[0] == draw[1] != draw[2]


def test_ids_at_the_ends():
  pytest.importorskip("sklearn")
  real, more = np.random.default_rng(0).normal(size=(2, 200, 3))
  assert frechet.ids(real, real + 50) == (0.0, 0.0)  # told apart without an error
  p_ids, u_ids = frechet.ids(real, more)  # of one kind: hardly better than guessing
  assert 0.35 < u_ids < 0.55 and 0.35 < p_ids < 0.55


def test_ids_without_scikit_learn_says_what_to_install(monkeypatch):
  monkeypatch.setitem(sys.modules, "sklearn", None)
  monkeypatch.setitem(sys.modules, "sklearn.svm", None)
  with pytest.raises(ModuleNotFoundError, match=r"pip install 'facefill_jax\[eval\]'"):
    frechet.ids(np.zeros((2, 2)), np.zeros((2, 2)))


def test_rejects():
  x = np.zeros((3, 4))
  with pytest.raises(ValueError, match=r"\(n, 4\), got \(3, 5\)"):
    moments(x).add(np.zeros((3, 5)))
  with pytest.raises(ValueError, match="not finite"):
    moments(x).add(np.full((1, 4), np.nan))
  with pytest.raises(ValueError, match="two vectors or more, got 1"):
    frechet.frechet_distance(moments(x[:1]), moments(x))
  with pytest.raises(ValueError, match="widths 4 and 2"):
    frechet.frechet_distance(moments(x), moments(x[:, :2]))
  with pytest.raises(ValueError, match="two pictures or more of each kind, got 1 and 3"):
    frechet.kid(x[:1], x)


def test_ids_rejects_what_are_no_pairs():
  pytest.importorskip("sklearn")
  with pytest.raises(ValueError, match="as many fills as photos, got 2 and 3"):
    frechet.ids(np.zeros((3, 4)), np.zeros((2, 4)))
