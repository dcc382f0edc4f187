"""Intervals: closed forms, photos drawn whole, absent values, how often they hold the truth."""

import time

import numpy as np
import pytest

from facefill_jax.evaluation import statistics
from facefill_jax.evaluation.statistics import Interval, bootstrap, mean, paired, ratio
from facefill_jax.metrics import layout


def test_the_interval_of_a_mean_is_the_normal_one():
  values = np.random.default_rng(0).normal(5.0, 2.0, 400)
  found = bootstrap(mean(values), np.arange(400), draws=4000)
  error = 1.959964 * values.std() / np.sqrt(400)  # the bootstrap's own variance: 1/n, not 1/(n-1)
  assert found.value == pytest.approx(values.mean(), abs=1e-12) and found.count == 400
  assert found.low == pytest.approx(values.mean() - error, abs=0.06 * error)
  assert found.high == pytest.approx(values.mean() + error, abs=0.06 * error)


def test_two_photos_by_hand():
  # Draws: both the first (1), one each (2 of 4), both the second (3); quantiles are the ends.
  found = bootstrap(mean([1.0, 3.0]), ["a", "b"], draws=2000)
  assert found == Interval(2.0, 1.0, 3.0, 2)


def test_fills_of_a_photo_are_drawn_together():
  photos = np.repeat(np.arange(30), 10)
  values = np.random.default_rng(1).normal(size=30)[photos]  # ten fills that say the same
  together = bootstrap(mean(values), photos)
  alone = bootstrap(mean(values), np.arange(300))
  once = bootstrap(mean(values[::10]), np.arange(30))
  assert together.low == pytest.approx(once.low) and together.high == pytest.approx(once.high)
  ratio_of_widths = (together.high - together.low) / (alone.high - alone.low)
  assert ratio_of_widths == pytest.approx(np.sqrt(10), rel=0.15)


def test_95_of_100_intervals_hold_the_truth():
  rng = np.random.default_rng(2)
  photos = np.repeat(np.arange(40), 4)
  held = {"photos": 0, "fills": 0}
  for trial in range(200):
    values = rng.normal(size=40)[photos] + 0.5 * rng.normal(size=160)
    for name, groups in (("photos", photos), ("fills", np.arange(160))):
      found = bootstrap(mean(values), groups, draws=300, seed=trial)
      held[name] += found.low <= 0.0 <= found.high
  assert 180 <= held["photos"] <= 198
  assert held["fills"] < 160  # fills taken for independent promise too much


def test_a_ratio_is_of_sums():
  top, bottom = [1.0, 9.0, None, 4.0], [2.0, 3.0, 5.0, np.nan]
  assert bootstrap(ratio(top, bottom), list("abcd")) == Interval(2.0, 0.5, 3.0, 2)


def test_a_ratio_over_nothing_has_no_value():
  assert bootstrap(ratio([1.0, 2.0], [0.0, 0.0]), "ab") == Interval(None, None, None, 2)
  # Draws of the second photo alone have no value, and are left out.
  found = bootstrap(ratio([1.0, 0.0], [1.0, 0.0]), "ab")
  assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_pooled_scores_are_those_of_the_summed_confusion():
  counts = np.random.default_rng(3).integers(0, 50, (6, 20, 20))
  counts[:, 7] = 0  # a class that no photo has, but that is predicted
  counts[2] = 0  # a fill without a label
  counts[3, :19] = 0  # a fill whose true pixels are all void
  weights = np.array([1, 3, 5, 2, 0, 1])
  pooled = np.einsum("n,nij->ij", weights, counts)
  miou = statistics.pooled_miou(counts)
  assert miou(weights) == pytest.approx(layout.miou(pooled), rel=1e-12)
  found = bootstrap(miou, np.arange(6))
  assert found.count == 4 and found.low < found.value < found.high
  none = statistics.pooled_miou(np.zeros((2, 20, 20), np.int32))
  assert bootstrap(none, "ab") == Interval(None, None, None, 0)


def test_several_at_once_are_the_same():
  rng = np.random.default_rng(8)
  photos, values = np.repeat(np.arange(10), 2), rng.normal(size=20)
  some = np.where(np.arange(20) % 3 == 0, np.nan, values)
  statistic = {"mean": mean(values), "some": mean(some), "ratio": ratio(values, values**2)}
  found = statistics.bootstrap_all(statistic, photos, draws=100, seed=4)
  assert list(found) == ["mean", "some", "ratio"]
  for name, each in statistic.items():
    assert found[name] == bootstrap(each, photos, draws=100, seed=4)


def test_absent_values_and_their_photos_do_not_count():
  values = np.random.default_rng(4).normal(size=20)
  photos = np.arange(20)
  holes = np.insert(values, [0, 10, 20], np.nan)
  found = bootstrap(mean(holes.tolist()), np.insert(photos, [0, 10, 20], [-1, 30, 40]))
  alone = bootstrap(mean(values), photos)
  assert found.count == 20
  for key in ("value", "low", "high"):
    assert getattr(found, key) == pytest.approx(getattr(alone, key), rel=1e-12)
  assert bootstrap(mean([None, 2.0, None]), "abc") == Interval(2.0, None, None, 1)
  assert bootstrap(mean([2.0, 4.0]), "aa") == Interval(3.0, None, None, 2)  # one photo
  assert bootstrap(mean([None, None]), "ab") == Interval(None, None, None, 0)
  assert bootstrap(mean([]), []) == Interval(None, None, None, 0)


def test_the_seed_decides_and_order_does_not(monkeypatch):
  rng = np.random.default_rng(5)
  values, photos = rng.normal(size=60), np.repeat(np.arange(20), 3)
  first = bootstrap(mean(values), photos, seed=1)
  assert bootstrap(mean(values), photos, seed=1) == first
  assert bootstrap(mean(values), photos, seed=2).low != first.low
  order = rng.permutation(60)
  moved = bootstrap(mean(values[order]), photos[order], seed=1)
  monkeypatch.setattr(statistics, "_CELLS", 7 * 60)  # seven draws at a time
  pieces = bootstrap(mean(values), photos, seed=1)
  for other in (moved, pieces):
    assert other.low == pytest.approx(first.low, rel=1e-12)
    assert other.high == pytest.approx(first.high, rel=1e-12)


def test_pairs_cancel_what_photos_have_in_common():
  rng = np.random.default_rng(6)
  hard = rng.normal(20.0, 4.0, 50)
  a, b = hard + 0.3 + rng.normal(0, 0.1, 50), hard + rng.normal(0, 0.1, 50)
  found = paired(a, b, np.arange(50))
  assert found.value == pytest.approx((a - b).mean())
  assert 0.2 < found.low < 0.3 < found.high < 0.4
  assert bootstrap(mean(a), np.arange(50)).low < b.mean()  # unpaired says nothing
  assert paired([1.0, None, 3.0], [0.5, 1.0, None], "abc") == Interval(0.5, None, None, 1)


def test_refuses():
  with pytest.raises(ValueError, match="3 groups given for 2 fills"):
    bootstrap(mean([1.0, 2.0]), "abc")
  with pytest.raises(ValueError, match="draws must be 1 or more, got 0"):
    bootstrap(mean([1.0, 2.0]), "ab", draws=0)
  with pytest.raises(ValueError, match="fill 1 has an infinite value"):
    mean([1.0, np.inf])
  with pytest.raises(ValueError, match=r"one number a fill wanted, got \(2, 2\)"):
    mean(np.ones((2, 2)))
  with pytest.raises(ValueError, match="same fills wanted, got 1 and 2"):
    ratio([1.0], [1.0, 2.0])
  with pytest.raises(ValueError, match="same fills wanted, got 2 and 1"):
    paired([1.0, 2.0], [1.0], "ab")
  with pytest.raises(ValueError, match=r"confusions must be \(n, k, k\)"):
    statistics.pooled_miou(np.ones((20, 20)))


def test_ten_thousand_fills_take_seconds():
  values = np.random.default_rng(7).normal(size=10_000)
  start = time.process_time()
  bootstrap(mean(values), np.arange(10_000))
  assert time.process_time() - start < 5.0
