"""How sure a score is: percentile intervals from a bootstrap over photos. NumPy only.

Fills of one photo resemble each other, so a photo's fills are drawn together: photos are the
clusters, and n fills of g photos say as much as g draws, not n.

Sources: Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 13 (percentile
intervals); Davison & Hinkley, "Bootstrap Methods and their Application", 1997, sec. 3.8, and Field
& Welsh, "Bootstrapping clustered data", JRSS B 69(3), 2007 (whole clusters, drawn with
replacement). Such intervals are a little short for few photos: 95 % hold the truth about 93 times
in 100 with 20 photos.
"""

import dataclasses
from collections.abc import Callable, Hashable, Sequence

import numpy as np

LEVEL = 0.95  # share of the draws between low and high
DRAWS = 1000

_CELLS = 2**22  # weights held at a time: 32 MB


@dataclasses.dataclass(frozen=True)
class Interval:
  """A score and what it may be, too.

  Attributes:
    value: of all fills; None if there is nothing to measure.
    low, high: where 95 % of the draws lie; None if fewer than two photos have a value.
    count: fills that have a value.
  """

  value: float | None
  low: float | None
  high: float | None
  count: int


@dataclasses.dataclass(frozen=True)
class Statistic:
  """A number made of n fills, each of a weight.

  Attributes:
    present: bool (n,), the fills that have a value. Photos without one are never drawn.
    of: weights float64 (d, n), a row a draw -> float64 (d,), NaN where it is not defined. A weight
      is how often the fill's photo was drawn: 0, 1, 2, ...
  """

  present: np.ndarray
  of: Callable[[np.ndarray], np.ndarray]

  def __call__(self, weights: np.ndarray) -> float:
    """The number for one row of weights, (n,); NaN where it is not defined."""
    return float(self.of(np.asarray(weights, np.float64)[None])[0])


def mean(values: Sequence) -> Statistic:
  """The mean over fills. values: n numbers; None and NaN are absent.

  Raises:
    ValueError: not one axis of numbers, or an infinite one.
  """
  values = _numbers(values)
  present = np.isfinite(values)
  filled = np.where(present, values, 0.0)
  return Statistic(present, lambda w: _divide(w @ filled, w @ present))


def ratio(top: Sequence, bottom: Sequence) -> Statistic:
  """Sum of `top` over sum of `bottom`, of the fills that have both; as `mean` otherwise."""
  top, bottom = _same_length(_numbers(top), _numbers(bottom))
  present = np.isfinite(top) & np.isfinite(bottom)
  top, bottom = (np.where(present, x, 0.0) for x in (top, bottom))
  return Statistic(present, lambda w: _divide(w @ top, w @ bottom))


def pooled_miou(confusions: np.ndarray, void: int | None = 19) -> Statistic:
  """mIoU of the summed confusion: see `metrics.layout.miou`, which it equals.

  Args:
    confusions: (n, k, k) pixel counts of each fill, row = true class; a fill without any true
      pixel is absent.
    void: the class whose true pixels are ignored, or None.

  Raises:
    ValueError: another shape.
  """
  counts, present = _confusions(confusions, void)
  k = confusions.shape[1]

  def of(weights):
    pooled = (weights @ counts).reshape(-1, k, k)
    hits, true = np.einsum("dii->di", pooled), pooled.sum(axis=2)
    union = true + pooled.sum(axis=1) - hits
    return _divide((hits / np.maximum(union, 1.0)).sum(axis=1), (true > 0).sum(axis=1))

  return Statistic(present, of)


def pooled_accuracy(confusions: np.ndarray, void: int | None = 19) -> Statistic:
  """Share of pixels read right in the summed confusion; as `pooled_miou` otherwise."""
  counts, _ = _confusions(confusions, void)
  hits = counts[:, :: confusions.shape[1] + 1].sum(axis=1)
  total = counts.sum(axis=1)
  absent = total == 0
  return ratio(np.where(absent, np.nan, hits), np.where(absent, np.nan, total))


def bootstrap(
  statistic: Statistic, groups: Sequence[Hashable], draws: int = DRAWS, seed: int = 0
) -> Interval:
  """The statistic of all fills and its 95 % percentile interval.

  Args:
    statistic: of n fills.
    groups: n names: the photo of each fill. Photos are drawn with replacement, as many as there
      are with a value; a drawn photo brings all of its fills.
    draws: how many times.
    seed: of the draws; the same seed and number of photos give the same draws, so that the
      order of the fills does not matter.

  Raises:
    ValueError: `groups` is not one name a fill, or there are no draws.
  """
  present = statistic.present
  if len(groups) != len(present):
    raise ValueError(f"{len(groups)} groups given for {len(present)} fills")
  if draws < 1:
    raise ValueError(f"draws must be 1 or more, got {draws}")
  count = int(np.count_nonzero(present))
  value = statistic(np.ones(len(present))) if count else np.nan
  if np.isnan(value):
    return Interval(None, None, None, count)
  number, of_fill = _numbered(np.asarray(list(groups)), present)
  if number < 2:
    return Interval(value, None, None, count)
  drawn = _draw(statistic, number, of_fill, draws, np.random.default_rng(seed))
  tail = (1.0 - LEVEL) / 2.0
  low, high = np.nanquantile(drawn, (tail, 1.0 - tail)) if np.isfinite(drawn).any() else (None,) * 2
  return Interval(value, *(None if x is None else float(x) for x in (low, high)), count)


def paired(
  values_a: Sequence, values_b: Sequence, groups: Sequence[Hashable],
  draws: int = DRAWS, seed: int = 0,
) -> Interval:  # fmt: skip
  """Mean of a - b over the fills that have both, and its interval; see `mean` and `bootstrap`.

  What makes a photo hard is in both and cancels: this interval is shorter, often much, than the
  distance of the two means' own intervals suggests.
  """
  a, b = _same_length(_numbers(values_a), _numbers(values_b))
  return bootstrap(mean(a - b), groups, draws, seed)


def _draw(statistic, number: int, of_fill: np.ndarray, draws: int, rng) -> np.ndarray:
  """float64 (draws,): the statistic of each draw of `number` photos, some draws at a time."""
  rows = max(1, _CELLS // max(len(of_fill), number))
  found = []
  for start in range(0, draws, rows):
    d = min(rows, draws - start)
    picked = rng.integers(number, size=(d, number))
    cells = (picked + number * np.arange(d)[:, None]).ravel()
    times = np.bincount(cells, minlength=d * number).reshape(d, number)
    # A column of zeros for fills of photos that are never drawn.
    times = np.pad(times, ((0, 0), (0, 1))).astype(np.float64)
    found.append(statistic.of(times[:, of_fill]))
  return np.concatenate(found)


def _numbered(groups: np.ndarray, present: np.ndarray) -> tuple[int, np.ndarray]:
  """(photos that have a value, int (n,): each fill's photo, the number itself for all others)."""
  names, inverse = np.unique(groups, return_inverse=True)
  has_value = np.zeros(len(names), bool)
  has_value[inverse[present]] = True
  number = int(np.count_nonzero(has_value))
  places = np.where(has_value, np.cumsum(has_value) - 1, number)
  return number, places[inverse]


def _numbers(values: Sequence) -> np.ndarray:
  """float64 (n,), None as NaN."""
  if not isinstance(values, np.ndarray):
    values = [np.nan if value is None else value for value in values]
  values = np.asarray(values, np.float64)
  if values.ndim != 1:
    raise ValueError(f"one number a fill wanted, got {values.shape}")
  if np.isinf(values).any():
    raise ValueError(f"fill {int(np.argmax(np.isinf(values)))} has an infinite value")
  return values


def _same_length(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  if len(a) != len(b):
    raise ValueError(f"values of the same fills wanted, got {len(a)} and {len(b)}")
  return a, b


def _confusions(confusions: np.ndarray, void: int | None) -> tuple[np.ndarray, np.ndarray]:
  """float64 (n, k k), true void left out; bool (n,), whether anything is left."""
  shape = np.shape(confusions)
  if len(shape) != 3 or shape[1] != shape[2]:
    raise ValueError(f"confusions must be (n, k, k), got {shape}")
  counts = np.array(confusions, np.float64)
  if void is not None:
    counts[:, void] = 0.0
  counts = counts.reshape(shape[0], -1)
  return counts, counts.any(axis=1)


def _divide(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
  """NaN where the divisor is 0."""
  return np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom != 0)
