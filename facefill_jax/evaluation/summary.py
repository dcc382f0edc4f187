"""From a tally to the entries of metrics.json: values with intervals, by bin and over all fills."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from facefill_jax.evaluation import measures, statistics
from facefill_jax.evaluation.feature_set import FeatureSet
from facefill_jax.evaluation.pairs import in_order
from facefill_jax.evaluation.results import NO_VALUE
from facefill_jax.evaluation.scoring import Tally
from facefill_jax.metrics import skin_tone

ALL = "all"


def metrics(
  tally: Tally, reasons: Mapping[str, str], features: FeatureSet | None, config: Mapping | None,
  about: Mapping[str, str],
) -> dict[str, dict]:  # fmt: skip
  """Key -> its entry in metrics.json; a metric that is not computed has values of None.

  Args:
    tally: all fills.
    reasons: key -> why it is not computed.
    features: of the pictures, for FID and its like; None without weights.
    config: the model's, if it is one.
    about: key -> an implementation line in place of the usual one.
  """
  bins, entries, names = in_order(tally.bins), {}, np.asarray(tally.bins)
  places = {name: np.flatnonzero(names == name) for name in bins} | {ALL: np.arange(len(names))}
  tones = skin_tones(tally)
  groups = np.unique(tally.photos, return_inverse=True)[1]
  sets = {} if features is None else {name: features.at(rows) for name, rows in places.items()}
  for metric in measures.METRICS:
    reason = reasons.get(metric.key)
    if metric.of_set:
      reason = reason or measures.too_few(metric, len(set(groups)), len(tally))
    scores = dict.fromkeys(places, NO_VALUE)
    for name, rows in () if reason else places.items():
      if not metric.of_set:
        scores[name] = _interval(tally, metric.key, groups[rows], rows)
      elif not measures.too_few(metric, len(set(groups[rows])), len(rows)):
        # Without an interval: a resample repeats pictures, and is no such set.
        scores[name] = NO_VALUE | {"value": metric.of_set(sets[name]), "count": len(rows)}
    toned = {} if reason or metric.of_set else tones
    entries[metric.key] = {
      "unit": metric.unit,
      "better": metric.better,
      "region": metric.region,
      "implementation": about.get(metric.key, metric.implementation),
      "trained_on": measures.trained_on(metric, config),
      "not_computed": reason,
      "all": scores.pop(ALL),
      "bins": scores,
      "skin_tones": {
        name: _interval(tally, metric.key, groups[rows], rows) for name, rows in toned.items()
      },
    }
  return entries


def skin_tones(tally: Tally) -> dict[str, np.ndarray]:
  """Name of a group of `metrics.skin_tone` -> its fills, the lightest first; those that occur."""
  names = np.array([skin_tone.group(angle) for angle in tally.skin_angle])
  found = {name: np.flatnonzero(names == name) for name, _ in skin_tone.LIGHTEST_FIRST}
  return {name: rows for name, rows in found.items() if len(rows)}


def _interval(tally: Tally, key: str, groups: np.ndarray, rows: np.ndarray) -> dict:
  statistic = tally.statistic(key, rows)
  if statistic is None:
    return NO_VALUE
  return dataclasses.asdict(statistics.bootstrap(statistic, groups))


def table(content: Mapping) -> str:
  """Bins, and groups by skin tone, by main metrics, as text for a terminal.

  content: of metrics.json.
  """
  entries = content["metrics"]
  keys = [metric.key for metric in measures.shown()]
  shown = [key for key in keys if entries[key]["all"]["value"] is not None]
  tones = entries["frame_l1"]["skin_tones"]
  width = max(len("known skin"), *map(len, content["bins"])) + 2

  def line(name, scores):
    cells = (f"  {_cell(scores[key]['value'], key):>{max(10, len(key))}}" for key in shown)
    return f"{name:<{width}}{scores['frame_l1']['count']:>6}" + "".join(cells)

  lines = [f"{'hole, %':<{width}}{'fills':>6}" + "".join(f"  {key:>10}" for key in shown)]
  for name in content["bins"]:
    lines.append(line(name, {key: entry["bins"][name] for key, entry in entries.items()}))
  lines.append(line(ALL, {key: entry["all"] for key, entry in entries.items()}))
  if tones:
    lines += ["", "known skin"]
  for name in tones:
    scores = {key: entry["skin_tones"].get(name, NO_VALUE) for key, entry in entries.items()}
    lines.append(line(name, scores))
  return "\n".join(lines)


def finite(content):
  """The content with None in place of NaN and infinities, which JSON does not have."""
  if isinstance(content, Mapping):
    return {key: finite(value) for key, value in content.items()}
  if isinstance(content, Sequence) and not isinstance(content, str):
    return [finite(value) for value in content]
  if isinstance(content, float) and not math.isfinite(content):
    return None
  return content


def _cell(value: float | None, key: str) -> str:
  return "-" if value is None else f"{value:.2f}" if key.endswith("psnr") else f"{value:.4f}"
