"""A run that has to be done in time: a machine is lent for minutes, or a queue's limit is near."""

import math
import time

DECAY = 0.25
"""Share of the time of training, at its end, in which the learning rates fall."""
FINAL = 0.05
"""What they fall to, as a factor."""
_MODEL = 5.0  # seconds
_UNKNOWN = 60.0  # seconds kept for the end while nobody knows what an evaluation and a save take


class Deadline:
  """When to stop, and how the learning rates fall towards that.

  A last evaluation and checkpoint fit in before it, if they take no longer than those before them,
  and writing a model no longer than `_MODEL`. The first evaluation compiles: let a run have two.
  """

  def __init__(self, minutes: float, now: float | None = None):
    """minutes: from `now` on (`time.monotonic`); 0: there is none.

    Raises:
      ValueError: minutes is negative.
    """
    if minutes < 0:
      raise ValueError(f"config.stop_after_minutes is {minutes}: give minutes, or 0 for no limit")
    self._end = self._now(now) + 60.0 * minutes if minutes else math.inf
    self._reserve, self._first = None, None

  @property
  def is_set(self) -> bool:
    """Whether there is one."""
    return self._end < math.inf

  def took(self, seconds: float) -> None:
    """An evaluation did, with its checkpoint: a quarter more is kept for the last, and `_MODEL`."""
    self._reserve = 1.25 * seconds + _MODEL

  def over(self, now: float | None = None) -> bool:
    """Whether it is time for the last evaluation."""
    return self._now(now) >= self._last()

  def rate(self, now: float | None = None) -> float:
    """What the learning rates are multiplied with.

    1, and in the last quarter of the time since the first call a cosine down to `FINAL`.
    """
    if not self.is_set:
      return 1.0
    now = self._now(now)
    self._first = now if self._first is None else self._first
    way = (now - self._first) / max(self._last() - self._first, 1e-9)
    way = min(max((way - 1.0 + DECAY) / DECAY, 0.0), 1.0)
    return FINAL + (1.0 - FINAL) * 0.5 * (1.0 + math.cos(math.pi * way))

  def _last(self) -> float:
    return self._end - (_UNKNOWN if self._reserve is None else self._reserve)

  @staticmethod
  def _now(now: float | None) -> float:
    return time.monotonic() if now is None else now
