"""Runs beside each other, on the fills that all of them have: the numbers of `compare`.

Fills are pairs if photo and mask are the same, by `id` and `mask` of per_image.csv. What makes a
photo hard is in all runs alike and cancels in the difference, so a difference can be sure where
the scores' own intervals overlap widely.
"""

import collections
import dataclasses
import os
from collections.abc import Sequence

import numpy as np

from facefill_jax.evaluation import statistics
from facefill_jax.evaluation.report import wording
from facefill_jax.evaluation.results import NO_VALUE, Run, read_run

SAME_RATIO = 1e-4  # hole ratios of a pair may differ by so much: tables round them

ALONE = "of a whole set: no pairs, each run's own fills"
UNLIKE = "implementations differ: no difference is taken"


@dataclasses.dataclass(frozen=True)
class Comparison:
  """Some runs, and their scores on the fills that all of them have.

  Attributes:
    names: of the runs, no two alike; the first is the one that others are compared with.
    runs: in the same order.
    rows: for each run its rows of the fills that all have, int (n,); row k is of the same fill.
    metrics: key -> unit, better, region, trained_on (run names), note (or None), and
      runs: name -> score; differences: name -> score (run minus first) with excludes_zero, None
      for the first and where none is taken; bins: bin -> name -> score. A score is value, low,
      high, count, over those fills; in a row with a note it is each run's own.
  """

  names: list[str]
  runs: list[Run]
  rows: list[np.ndarray]
  metrics: dict[str, dict]

  @property
  def pairs(self) -> int:
    return len(self.rows[0])

  @property
  def photos(self) -> int:
    return len({self.runs[0].names["photo"][row] for row in self.rows[0]})


def measure(directories: Sequence[str | os.PathLike], seed: int = 0) -> Comparison:
  """The numbers of `compare`."""
  if len(directories) < 2:
    raise ValueError(f"two runs or more wanted, got {len(directories)}")
  runs = [read_run(directory) for directory in directories]
  names = _names(runs)
  sizes = {name: run.about.get("size") for name, run in zip(names, runs, strict=True)}
  if len(set(sizes.values())) > 1:
    each = ", ".join(f"{name} at {size} px" for name, size in sizes.items())
    raise ValueError(f"runs were scored at different sizes: {each}; give all the same --size")
  rows = match(runs, names)
  keys = dict.fromkeys(key for run in runs for key in run.metrics)
  metrics = {key: _entry(key, names, runs) for key in keys}
  paired = [key for key, entry in metrics.items() if not entry["note"]]
  scores = _paired_scores(paired, names, runs, rows, seed)
  return Comparison(names, runs, rows, {key: metrics[key] | scores.get(key, {}) for key in keys})


def match(runs: Sequence[Run], names: Sequence[str]) -> list[np.ndarray]:
  """For each run its rows of the fills that all runs have, in the order of the first.

  If a photo meets a mask more than once in a run, its first meeting goes with the others' first,
  and so on.

  Raises:
    ValueError: there are none, or masks of one name have other holes.
  """
  places = []
  for run in runs:
    seen, place = collections.Counter(), {}
    for row, key in enumerate(zip(run.names["id"], run.names["mask"], strict=True)):
      place[*key, seen[key]] = row
      seen[key] += 1
    places.append(place)
  shared = [key for key in places[0] if all(key in place for place in places[1:])]
  if not shared:
    each = ", ".join(f"{name} {run.fills}" for name, run in zip(names, runs, strict=True))
    raise ValueError(f"no fill, by id and mask, is in all runs ({each}): nothing to compare")
  rows = [np.array([place[key] for key in shared]) for place in places]
  ratios = [run.values["hole_ratio"][row] for run, row in zip(runs, rows, strict=True)]
  for name, other in zip(names[1:], ratios[1:], strict=True):
    unlike = np.abs(other - ratios[0]) > SAME_RATIO
    if unlike.any():
      raise ValueError(
        f"{name}: {wording.count(int(unlike.sum()), 'mask')} of {names[0]}'s have another hole "
        f"there, {shared[int(unlike.argmax())][1]} the first: same names, other masks"
      )
  return rows


def _entry(key: str, names: list[str], runs: list[Run]) -> dict:
  """One entry of Comparison.metrics as far as it needs no pairs: each run's own scores."""
  metrics = {n: run.metrics[key] for n, run in zip(names, runs, strict=True) if key in run.metrics}
  scored = [n for n, metric in metrics.items() if not metric["not_computed"]]
  by_fill = all(key in run.values for n, run in zip(names, runs, strict=True) if n in scored)
  alike = len({metrics[name]["implementation"] for name in scored}) <= 1
  first = next(iter(metrics.values()))
  return {name: first[name] for name in ("unit", "better", "region")} | {
    "trained_on": [name for name, metric in metrics.items() if metric["trained_on"]],
    "note": UNLIKE if not alike else None if by_fill else ALONE,
    "runs": {n: NO_VALUE | (metrics[n]["all"] if n in scored else {}) for n in names},
    "differences": dict.fromkeys(names),
    "bins": {},
  }


def _paired_scores(
  keys: list[str], names: list[str], runs: list[Run], rows: list[np.ndarray], seed: int
) -> dict[str, dict]:
  """Key -> runs, differences and bins of its entry, over the fills that all runs have."""
  photos, bins = (np.asarray(runs[0].names[name])[rows[0]] for name in ("photo", "bin"))
  nothing, values = np.full(len(photos), np.nan), {}
  for key in keys:
    for name, run, row in zip(names, runs, rows, strict=True):
      scored = key in run.metrics and not run.metrics[key]["not_computed"]
      values[key, name] = run.values[key][row] if scored else nothing

  def scores(columns: dict, where) -> dict:
    means = {k: statistics.mean(column[where]) for k, column in columns.items()}
    found = statistics.bootstrap_all(means, photos[where], seed=seed)
    return {k: dataclasses.asdict(interval) for k, interval in found.items()}

  first, everywhere = names[0], np.ones(len(photos), bool)
  own = scores(values, everywhere)
  others = {pair: x - values[pair[0], first] for pair, x in values.items() if pair[1] != first}
  differences = {pair: _judge(found) for pair, found in scores(others, everywhere).items()}
  binned = {name: scores(values, bins == name) for name in runs[0].bins if (bins == name).any()}
  return {
    key: {
      "runs": {name: own[key, name] for name in names},
      "differences": {name: differences.get((key, name)) for name in names},
      "bins": {each: {name: found[key, name] for name in names} for each, found in binned.items()},
    }
    for key in keys
  }


def _judge(score: dict) -> dict:
  sure = score["low"] is not None and (score["low"] > 0 or score["high"] < 0)
  return score | {"excludes_zero": sure}


def _names(runs: Sequence[Run]) -> list[str]:
  """The runs' names; with their directories where two agree, numbered if these agree, too."""
  names = [run.name for run in runs]
  names = [
    name if names.count(name) == 1 else f"{name} ({run.directory})"
    for name, run in zip(names, runs, strict=True)
  ]
  return [name if names.count(name) == 1 else f"{name} #{i}" for i, name in enumerate(names, 1)]
