"""A run that has to be done in time: when it ends, and how its learning rates fall before."""

import numpy as np
import pytest

from facefill_jax.training.deadline import FINAL, Deadline


def test_without_minutes_there_is_no_end():
  deadline = Deadline(0, now=0.0)
  assert not deadline.is_set and not deadline.over(1e12) and deadline.rate(1e12) == 1


def test_the_last_evaluation_fits_in():
  deadline = Deadline(10, now=100.0)
  assert not deadline.over(639) and deadline.over(640)  # a minute is kept while nobody knows
  deadline.took(80.0)  # it compiled
  assert not deadline.over(594) and deadline.over(595)
  deadline.took(8.0)
  assert not deadline.over(684) and deadline.over(685)  # 10 s, and 5 for the model


def test_the_rates_fall_in_the_last_quarter():
  deadline = Deadline(10, now=0.0)
  deadline.took(12.0)  # 20 s are kept
  rates = [deadline.rate(now) for now in (180.0, 300.0, 480.0, 530.0, 580.0, 600.0)]
  np.testing.assert_allclose(rates, [1, 1, 1, (1 + FINAL) / 2, FINAL, FINAL])  # 180 .. 580


def test_minutes_are_not_negative():
  with pytest.raises(ValueError, match="stop_after_minutes is -1"):
    Deadline(-1.0)
