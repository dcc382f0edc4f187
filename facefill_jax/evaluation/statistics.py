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
from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np

LEVEL = 0.95  # share of the draws between low and high
DRAWS = 1000

_CELLS = 2**21  # weights held at a time: 16 MB, and twice that on the way


@dataclasses.dataclass(frozen=True)
class Interval:
  """A score and its interval.

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
  """A number made of sums over n fills; a sum weighs each fill by how often its photo is drawn.

  Attributes:
    present: bool (n,), the fills that have a value. Photos without one are never drawn.
    terms: float64 (n, k), what is summed; 0 for fills that are not present.
    of: sums float64 (d, k), a row a draw -> float64 (d,), NaN where it is not defined.
  """

  present: np.ndarray
  terms: np.ndarray
  of: Callable[[np.ndarray], np.ndarray]

  def __call__(self, weights: np.ndarray) -> float:
    """The number for one weight a fill, (n,); NaN where it is not defined."""
    return float(self.of((np.asarray(weights, np.float64) @ self.terms)[None])[0])


def mean(values: Sequence) -> Statistic:
  """The mean over fills. values: n numbers; None and NaN are absent.

  Raises:
    ValueError: not one axis of numbers, or an infinite one.
  """
  values = _numbers(values)
  return ratio(values, np.ones(len(values)))


def ratio(top: Sequence, bottom: Sequence) -> Statistic:
  """Sum of `top` over sum of `bottom`, of the fills that have both; as `mean` otherwise."""
  top, bottom = _same_length(_numbers(top), _numbers(bottom))
  present = np.isfinite(top) & np.isfinite(bottom)
  terms = np.where(present[:, None], np.stack([top, bottom], axis=1), 0.0)
  return Statistic(present, terms, lambda sums: _divide(sums[:, 0], sums[:, 1]))


def pooled_miou(confusions: np.ndarray, void: int | None = 19) -> Statistic:
  """mIoU of the summed confusion: see `metrics.layout.miou`, which it equals.

  Args:
    confusions: (n, k, k) pixel counts of each fill, row = true class; a fill without any true
      pixel is absent.
    void: the class whose true pixels are ignored, or None.

  Raises:
    ValueError: another shape.
  """
  counts = _confusions(confusions, void)
  k = confusions.shape[1]

  def of(sums):
    pooled = sums.reshape(-1, k, k)
    hits, true = np.einsum("dii->di", pooled), pooled.sum(axis=2)
    union = true + pooled.sum(axis=1) - hits
    return _divide((hits / np.maximum(union, 1.0)).sum(axis=1), (true > 0).sum(axis=1))

  return Statistic(counts.any(axis=1), counts, of)


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
  return bootstrap_all({"": statistic}, groups, draws, seed)[""]


def bootstrap_all(
  statistics: Mapping[str, Statistic], groups: Sequence[Hashable], draws: int = DRAWS, seed: int = 0
) -> dict[str, Interval]:
  """`bootstrap` of several statistics of the same fills: the same numbers, in less time."""
  if draws < 1:
    raise ValueError(f"draws must be 1 or more, got {draws}")
  alike = {}  # those with values of the same fills share their draws
  for name, statistic in statistics.items():
    if len(groups) != len(statistic.present):
      raise ValueError(f"{len(groups)} groups given for {len(statistic.present)} fills")
    alike.setdefault(statistic.present.tobytes(), []).append(name)
  groups, found = np.asarray(list(groups)), {}
  for names in alike.values():
    chosen = [statistics[name] for name in names]
    photo_of, photos = _numbered(groups, chosen[0].present)
    drawn = np.full((len(names), draws), np.nan)
    if photos >= 2:
      drawn = _draw(chosen, photo_of, photos, draws, np.random.default_rng(seed))
    found |= dict(zip(names, map(_interval, chosen, drawn), strict=True))
  return {name: found[name] for name in statistics}


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


def _interval(statistic: Statistic, drawn: np.ndarray) -> Interval:
  """drawn: (draws,), NaN where a draw has no value."""
  count = int(np.count_nonzero(statistic.present))
  value = statistic(np.ones(len(statistic.present))) if count else np.nan
  if np.isnan(value):
    return Interval(None, None, None, count)
  drawn, tail = drawn[np.isfinite(drawn)], (1.0 - LEVEL) / 2.0
  ends = np.quantile(drawn, (tail, 1.0 - tail)).tolist() if len(drawn) else (None, None)
  return Interval(value, *ends, count)


def _draw(
  statistics: Sequence[Statistic], photo_of: np.ndarray, photos: int, draws: int, rng
) -> np.ndarray:
  """float64 (statistics, draws): those of each draw of the photos, some draws at a time."""
  terms = _of_photos(np.concatenate([each.terms for each in statistics], axis=1), photo_of, photos)
  ends = np.cumsum([each.terms.shape[1] for each in statistics])[:-1]
  rows, found = max(1, _CELLS // photos), []
  for start in range(0, draws, rows):
    d = min(rows, draws - start)
    picked = rng.integers(photos, size=(d, photos)) + photos * np.arange(d)[:, None]
    times = np.bincount(picked.ravel(), minlength=d * photos).reshape(d, photos)
    sums = np.split(times.astype(np.float64) @ terms, ends, axis=1)
    found.append([each.of(each_sums) for each, each_sums in zip(statistics, sums, strict=True)])
  return np.concatenate(found, axis=1)


def _of_photos(terms: np.ndarray, photo_of: np.ndarray, photos: int) -> np.ndarray:
  """Sums of (n, k) over the fills of each photo: (photos, k)."""
  order = np.argsort(photo_of, kind="stable")
  starts = np.searchsorted(photo_of[order], np.arange(photos + 1))
  order = order[: starts[-1]]
  return np.add.reduceat(terms[order], starts[:-1], axis=0)


def _numbered(groups: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, int]:
  """(int (n,): each fill's photo, of those that have a value, how many of these there are).

  All other fills get that number, which is no photo's.
  """
  names, inverse = np.unique(groups, return_inverse=True)
  has_value = np.zeros(len(names), bool)
  has_value[inverse[present]] = True
  photos = int(np.count_nonzero(has_value))
  return np.where(has_value, np.cumsum(has_value) - 1, photos)[inverse], photos


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


def _confusions(confusions: np.ndarray, void: int | None) -> np.ndarray:
  """float64 (n, k k), true void left out."""
  shape = np.shape(confusions)
  if len(shape) != 3 or shape[1] != shape[2]:
    raise ValueError(f"confusions must be (n, k, k), got {shape}")
  counts = np.array(confusions, np.float64)
  if void is not None:
    counts[:, void] = 0.0
  return counts.reshape(shape[0], -1)


def _divide(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
  """NaN where the divisor is 0."""
  return np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom != 0)
