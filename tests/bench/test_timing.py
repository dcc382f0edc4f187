"""Samples, spreads and ratios: by hand."""

import numpy as np
import pytest

from facefill_jax.bench import prepared, timing
from facefill_jax.bench.timing import Sample


def test_spread():
  values = [4.0, 1.0, 3.0, 2.0]
  found = timing.spread(values)
  assert found["median"] == 2.5 and found["least"] == 1 and found["most"] == 4
  assert found["count"] == 4
  for name, share in (("p25", 0.25), ("p75", 0.75), ("p95", 0.95)):
    assert found[name] == pytest.approx(np.quantile(values, share))
  assert timing.spread([7.0])["p95"] == 7


def test_collect():
  assert len(timing.collect(lambda: Sample(1, 1), 0.0, least=3)) == 3
  one = timing.timed(lambda: sum(range(1000)))
  assert 0 < one.wall < 1 and 0 <= one.cpu < 1
  assert (Sample(1, 2) + Sample(3, 4)) * 0.5 == Sample(2, 3)


def test_in_turn():
  order = []

  def collector(name):
    return lambda seconds: order.append((name, seconds)) or [Sample(1, 1)]

  found = timing.in_turn({"a": collector("a"), "b": collector("b")}, 2, 3.0)
  assert order == [("a", 1.5), ("b", 1.5)] * 2
  assert [len(rounds) for rounds in found.values()] == [2, 2]


def test_ratio():
  """Of each round's medians, a photo: B has batches of two."""
  a = [[Sample(1, 4), Sample(3, 4), Sample(2, 4)], [Sample(4, 4)]]
  b = [[Sample(8, 2)], [Sample(8, 2)]]
  found = prepared.ratio(a, b, (1, 2))
  assert found == {"median": 1.5, "least": 1.0, "most": 2.0, "rounds": 2}
  assert prepared.ratio(a, b, (1, 2), "cpu")["median"] == 0.25


def test_a_row(monkeypatch):
  best = {"gflops": 100.0, "gflop_per_cpu_s": 50.0}
  monkeypatch.setattr(prepared.peak, "matmul", lambda dtype: best)
  facts = {"photos": 2, "gflop_per_photo": 5.0, "dtype": "float32"}
  found = prepared.row(facts, [[Sample(0.5, 0.8)], [Sample(0.5, 0.8)]])
  assert found["photos_per_second"] == 4 and found["ms"]["median"] == 500
  assert found["gflops"] == pytest.approx(20) and found["share_of_peak"] == pytest.approx(0.2)
  assert found["cpu_s_per_photo"]["median"] == pytest.approx(0.4)
  assert found["share_of_core_peak"] == pytest.approx(0.25)
