"""Clocks: warm-up, samples, and what is said of them."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

WARM_UP = 1
"""Samples that are thrown away, beside the first call: caches fill, threads start."""
LEAST = 3
"""Samples that are taken in any case, however long they take."""


@dataclass(frozen=True)
class Sample:
  """Seconds of one call: of the wall's clock, and of CPU time of all threads of the process."""

  wall: float
  cpu: float

  def __add__(self, other: "Sample") -> "Sample":
    return Sample(self.wall + other.wall, self.cpu + other.cpu)

  def __mul__(self, factor: float) -> "Sample":
    return Sample(self.wall * factor, self.cpu * factor)


def timed(function: Callable[[], object]) -> Sample:
  """One call; `function` returns once its result is there."""
  wall, cpu = time.perf_counter(), time.process_time()
  function()
  return Sample(time.perf_counter() - wall, time.process_time() - cpu)


def collect(sample: Callable[[], Sample], seconds: float, least: int = LEAST) -> list[Sample]:
  """Samples for so many seconds, at least `least`; see `warm_up` for what comes first."""
  found, end = [], time.perf_counter() + seconds
  while len(found) < least or time.perf_counter() < end:
    found.append(sample())
  return found


def warm_up(sample: Callable[[], Sample]) -> None:
  """Takes samples that do not count."""
  for _ in range(WARM_UP):
    sample()


def quantile(values: Sequence[float], share: float) -> float:
  """Linear between neighbours, as numpy.quantile; values must not be empty."""
  ordered = sorted(values)
  at = share * (len(ordered) - 1)
  low = math.floor(at)
  high = min(low + 1, len(ordered) - 1)
  return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def spread(values: Iterable[float]) -> dict[str, float]:
  """{"median", "p25", "p75", "p95", "least", "most", "count"} of some numbers."""
  values = list(values)
  return {
    "median": quantile(values, 0.5), "p25": quantile(values, 0.25), "p75": quantile(values, 0.75),
    "p95": quantile(values, 0.95), "least": min(values), "most": max(values), "count": len(values),
  }  # fmt: skip


def in_turn(
  collectors: Mapping[str, Callable[[float], list[Sample]]], rounds: int, seconds: float
) -> dict[str, list[list[Sample]]]:
  """Samples of several things, A B A B ...: a slow minute of the machine hits all of them.

  Args:
    collectors: name -> function of seconds, which returns samples.
    rounds: how often each has its turn.
    seconds: of each thing, over all rounds.

  Returns:
    Name -> the samples of each round.
  """
  found = {name: [] for name in collectors}
  for _ in range(rounds):
    for name, collector in collectors.items():
      found[name].append(collector(seconds / rounds))
  return found
