"""Integers that stand for randomness, sines and normal deviates, against known values and libm."""

import math
import statistics

import numpy as np
import pytest

from facefill_jax.data.masks import fixed_point

MASK = 2**64 - 1


def splitmix(state):
  """The published generator, one word at a time, in Python's integers."""
  while True:
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    yield z ^ (z >> 31)


def test_words_are_splitmix64_started_by_a_hash():
  # SHA-256("") starts e3b0c442 98fc1c14; SplitMix64 from 0 starts with e220a8397b1dcdaf.
  assert next(splitmix(0)) == 0xE220A8397B1DCDAF
  expected = splitmix(0xE3B0C44298FC1C14)
  assert fixed_point.words("", 50).tolist() == [next(expected) for _ in range(50)]


def test_a_longer_call_only_adds_words_and_another_key_changes_all():
  np.testing.assert_array_equal(fixed_point.words("a", 9)[:5], fixed_point.words("a", 5))
  assert not np.any(fixed_point.words("a", 100) == fixed_point.words("b", 100))
  assert fixed_point.words("a", 0).shape == (0,)


def test_below_takes_the_upper_half():
  word = np.array([0, 2**32 - 1, 2**63, 2**64 - 1], np.uint64)
  assert fixed_point.below(word, 10).tolist() == [0, 0, 5, 9]
  assert fixed_point.below(word, np.array([1, 2, 3, 2**31])).tolist() == [0, 0, 1, 2**31 - 1]


def test_below_is_even():
  counts = np.bincount(fixed_point.below(fixed_point.words("even", 60_000), 6), minlength=6)
  assert counts.sum() == 60_000 and np.abs(counts - 10_000).max() < 400  # 4 deviations


def test_exact_sines_are_rounded_right():
  for numerator, denominator in ((0, 1), (1, 100), (101, 100), (201, 100), (301, 100), (1, 3)):
    angle = numerator / denominator
    expected = round(math.sin(angle) * 2**30), round(math.cos(angle) * 2**30)
    assert fixed_point.exact_sine(numerator, denominator) == expected
  assert fixed_point.exact_sine(1, 100)[0] == 10737239


def test_sines_of_a_whole_turn():
  angle = np.arange(-(2**32), 2**33, 999_983)
  radians = angle / 2**32 * 2 * math.pi
  for ours, theirs in ((fixed_point.sine, np.sin), (fixed_point.cosine, np.cos)):
    assert np.abs(ours(angle) / 2**30 - theirs(radians)).max() < 3e-7
  quarters = np.arange(4) * 2**30
  assert fixed_point.sine(quarters).tolist() == [0, 2**30, 0, -(2**30)]
  assert fixed_point.cosine(quarters).tolist() == [2**30, 0, -(2**30), 0]


def test_the_normal_table_is_the_normal_distribution():
  table, normal = fixed_point._normal_table(), statistics.NormalDist()
  assert table[0] == 0 and table[-1] == 2**32 and np.all(np.diff(table) >= 0)
  for k in range(0, len(table), 7):
    assert table[k] / 2**32 == pytest.approx(2 * normal.cdf(k / 128) - 1, abs=3e-9)


def test_normal_deviates():
  one = 1 << fixed_point.NORMAL_SHIFT
  word = np.array([0, 1, MASK, MASK - 1], np.uint64)
  assert fixed_point.normal(word[:2]).tolist() == [0, 0]
  assert -6 * one <= fixed_point.normal(word)[2] < -5 * one
  assert 6 * one >= fixed_point.normal(word)[3] > 5 * one
  values = np.sort(fixed_point.normal(fixed_point.words("normal", 40_000)) / one)
  reached = np.array([statistics.NormalDist().cdf(value) for value in values])
  assert np.abs(reached - (np.arange(40_000) + 0.5) / 40_000).max() < 0.0082  # 1 % critical value
