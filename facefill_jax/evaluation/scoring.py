"""From fills to numbers: a jitted scorer of batches, and a tally of all fills.

A batch is a dict: photo uint8 (b, h, w, 3), labels uint8 (b, h, w), mask bool (b, h, w, 1), True =
hole; other entries are lists of b. All have one size but the last, which is padded, so that
networks and metrics compile once.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from facefill_jax import images
from facefill_jax.evaluation import measures, statistics
from facefill_jax.labels import NUM_CLASSES
from facefill_jax.pretrained_nets import inception

FillFn = Callable[[Mapping], Mapping]
"""batch -> {"whole": uint8 (b, h, w, 3), "layout": class ids (b, h, w) or None}.

It sees the hidden pixels too, and must not look."""
_INCEPTION = "inception_fid"


class Scorer:
  """Scores fills of one size, on all devices of a mesh if there is one.

  Attributes:
    reasons: key -> why it is not computed.
    keys: the per-photo metrics that are.
  """

  def __init__(
    self,
    judges: Mapping[str, Mapping],
    side: int,
    *,
    layouts: bool,
    labels: bool,
    missing: Callable[[str], str] = "weights of {} are not given".format,
    put: Callable[[Mapping], Mapping] = dict,
    replicate: Callable = lambda tree: tree,
  ):
    """Args:
    judges: kind -> parameters of the networks that measure.
    side: of the square pictures.
    layouts, labels, missing: see `measures.left_out`.
    put: brings a batch of arrays to the devices; replicate: parameters, to each of them.
    """
    self.reasons = measures.left_out(side, judges, missing, layouts=layouts, labels=labels)
    self._metrics = tuple(
      metric for metric in measures.METRICS if metric.by_photo and metric.key not in self.reasons
    )
    self.keys = tuple(metric.key for metric in self._metrics)
    self._layouts = layouts and labels
    needed = {_INCEPTION, *(metric.judge for metric in self._metrics)}
    self._judges = replicate({kind: judges[kind] for kind in judges if kind in needed})
    self._put = put
    self._score = jax.jit(partial(_score, self._metrics))

  def __call__(self, batch: Mapping, result: Mapping) -> dict[str, np.ndarray]:
    """Scores of a padded batch and its fills: key -> (b,); "confusion" (b, 20, 20) and "features"
    (b, 2048) if they can be had. NaN where a photo has no value.

    Raises:
      ValueError: fills of another shape or type.
    """
    whole, photo = result["whole"], batch["photo"]
    if whole.shape != photo.shape or whole.dtype != np.uint8:
      raise ValueError(
        f"a fill must be uint8 {photo.shape} like its photos, got {whole.dtype} {whole.shape}"
      )
    arrays = {"whole": whole, "truth": photo, "mask": batch["mask"]}
    if self._layouts:
      arrays |= {"labels": batch["labels"], "layout": result["layout"]}
    found = jax.device_get(self._score(self._judges, self._put(arrays)))
    hidden = found.pop("hole_pixels") > 0
    for metric in self._metrics:
      if metric.region == measures.HOLE:
        found[metric.key] = np.where(hidden, found[metric.key], np.nan)
    return found


class Tally:
  """The scores of n fills, and the metrics over all or some of them.

  Attributes:
    values: key -> float64 (n,), NaN where there is none; and the `parts_of` ratios.
    hole_ratio, seconds: float64 (n,).
    skin_angle: float64 (n,), in degrees, see `metrics.skin_tone`; NaN where it is not known.
    bins: list of n names; photos: list of n names, the clusters of the bootstrap.
    confusions: int32 (n, 20, 20), or None.
  """

  def __init__(self, count: int, keys: Sequence[str], directory: str | None = None):
    """directory: where to keep what is too large for memory."""
    ratios = [key for key in keys if measures.find(key).parts]
    columns = (*keys, *(part for key in ratios for part in parts_of(key)))
    self.values = {key: np.full(count, np.nan) for key in columns}
    self.hole_ratio, self.seconds, self.skin_angle = np.full((3, count), np.nan)
    self.bins: list[str] = []
    self.photos: list[str] = []
    self.confusions, self._count, self._directory = None, count, directory

  def __len__(self) -> int:
    return len(self.bins)

  def add(self, scores: Mapping, bins: Sequence[str], photos: Sequence[str]) -> range:
    """Takes in the first len(bins) rows of scores; returns their places."""
    start, number = len(self), len(bins)
    rows = range(start, start + number)
    if rows.stop > self._count:
      raise ValueError(f"{rows.stop} fills, {self._count} were announced")
    self.hole_ratio[start : rows.stop] = scores["hole_ratio"][:number]
    for key, column in self.values.items():
      column[start : rows.stop] = scores[key][:number]
    if "confusion" in scores:
      if self.confusions is None:
        self.confusions = array_on_disk(
          self._directory, "confusions", (self._count, NUM_CLASSES, NUM_CLASSES), np.int32
        )
      self.confusions[start : rows.stop] = scores["confusion"][:number]
    self.bins += bins
    self.photos += photos
    return rows

  def statistic(self, key: str, rows: np.ndarray) -> statistics.Statistic | None:
    """A metric over the fills in `rows`, as `statistics` wants it; None without layouts."""
    metric = measures.find(key)
    if metric.pooled:
      return None if self.confusions is None else metric.pooled(self.confusions[rows])
    if metric.parts:
      top, bottom = (self.values[part][rows] for part in parts_of(key))
      nothing = bottom == 0  # nothing to compare with, say a smooth truth
      return statistics.ratio(*(np.where(nothing, np.nan, x) for x in (top, bottom)))
    return statistics.mean(self.values[key][rows])

  def value(self, key: str, rows: np.ndarray | None = None) -> float | None:
    """A metric over the fills in `rows`, or all, without an interval; None if none has a value."""
    rows = np.arange(len(self)) if rows is None else rows
    statistic = self.statistic(key, rows)
    value = np.nan if statistic is None else statistic(np.ones(len(rows)))
    return None if np.isnan(value) else value

  def means(self, reasons: Mapping[str, str], rows: np.ndarray | None = None) -> dict[str, float]:
    """The metrics that have a value over the fills in `rows`, or all; no intervals.

    Also photos (how many) and hole_ratio (mean). Metrics in `reasons` and those of sets are left
    out.
    """
    rows = np.arange(len(self)) if rows is None else rows
    keys = (metric.key for metric in measures.METRICS if not metric.of_set)
    means = {key: self.value(key, rows) for key in keys if key not in reasons}
    found = {key: value for key, value in means.items() if value is not None}
    return {"photos": len(rows), "hole_ratio": float(self.hole_ratio[rows].mean()), **found}


def score_all(
  fill: FillFn, batches: Sequence[Mapping], scorer: Scorer, size: int | None = None
) -> Tally:
  """Fills and scores batches that are in memory; see `Tally.means`.

  Args:
    size: to which batches are padded, a multiple of the devices; None: that of the first.
  """
  count = sum(len(batch["photo"]) for batch in batches)
  if not count:
    raise ValueError("there is nothing to evaluate: no batches, or empty ones")
  tally, size = Tally(count, scorer.keys), size or len(batches[0]["photo"])
  for batch in batches:
    padded = pad_batch(batch, size)
    nameless = [""] * len(batch["photo"])
    tally.add(scorer(padded, fill(padded)), nameless, nameless)
  return tally


def array_on_disk(directory: str | None, name: str, shape: tuple, dtype) -> np.ndarray:
  """An array in a file of `directory`; in memory without one."""
  if directory is None:
    return np.zeros(shape, dtype)
  path = os.path.join(directory, f"{name}.npy")
  return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)


def pad_batch(batch: Mapping, size: int) -> dict:
  """The batch, its last row repeated up to `size` rows. ValueError if it has more."""
  missing = size - len(batch["photo"])
  if missing < 0:
    raise ValueError(f"a batch of {len(batch['photo'])} photos follows one of {size}")
  if not missing:
    return dict(batch)
  return {
    name: np.concatenate([x, np.repeat(x[-1:], missing, axis=0)])
    if isinstance(x, np.ndarray) else [*x, *x[-1:] * missing]
    for name, x in batch.items()
  }  # fmt: skip


def slices(batch: Mapping, size: int) -> Iterator[dict]:
  """One large batch as several of `size` photos; the last may be smaller."""
  for start in range(0, len(batch["photo"]), size):
    yield {name: value[start : start + size] for name, value in batch.items()}


def parts_of(key: str) -> tuple[str, str]:
  """Names of the two parts of a metric that is a ratio."""
  return f"{key}/top", f"{key}/bottom"


def _score(
  metrics: Sequence[measures.Metric], judges: Mapping, arrays: Mapping
) -> dict[str, jax.Array]:
  """Scores of a batch, by key, and what is summed or kept beside them."""
  fills = measures.FilledBatch(
    whole=images.to_float(arrays["whole"]), truth=images.to_float(arrays["truth"]),
    mask=arrays["mask"], layout=arrays.get("layout"), labels=arrays.get("labels"), judges=judges,
  )  # fmt: skip
  found = {"hole_pixels": fills.mask.sum((1, 2, 3)), "hole_ratio": fills.mask.mean((1, 2, 3))}
  for metric in metrics:
    if metric.parts:
      top, bottom = metric.parts(fills)
      found |= dict(zip(parts_of(metric.key), (top, bottom), strict=True))
      found[metric.key] = jnp.where(bottom > 0, top / jnp.where(bottom > 0, bottom, 1), jnp.nan)
    else:
      found[metric.key] = metric.value(fills)
  if fills.layout is not None:
    found["confusion"] = fills.confusion
  if _INCEPTION in judges:
    found["features"] = inception.features(judges[_INCEPTION], fills.whole)
  return found
