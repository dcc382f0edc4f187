"""What runs differ in, on the fills that all of them have: numbers of `compare`.

Fills are pairs if photo and mask are the same, by `id` and `mask` of per_image.csv. What makes a
photo hard is in all runs alike and cancels in the difference, so a difference can be sure where
the scores' own intervals overlap widely.
"""

import collections
import dataclasses
import os
from collections.abc import Sequence

import numpy as np

from facefill_jax.evaluation import statistics, wording
from facefill_jax.evaluation.results import NO_VALUE, Run, read_run

SAME_RATIO = 1e-4  # hole ratios of a pair may differ by so much: tables round them

ALONE = "of a whole set: no pairs, each run's own fills"
UNLIKE = "implementations differ: no difference is taken"


@dataclasses.dataclass(frozen=True)
class Comparison:
  """What is known of some runs.

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
  metrics = {key: _metric(key, names, runs, rows, seed) for key in keys}
  return Comparison(names, runs, rows, metrics)


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


def _metric(key: str, names: list[str], runs: list[Run], rows: list, seed: int) -> dict:
  """One entry of Comparison.metrics."""
  has = [key in run.metrics and not run.metrics[key]["not_computed"] for run in runs]
  entries = [run.metrics[key] for run in runs if key in run.metrics]
  said = {run.metrics[key]["implementation"] for run, ok in zip(runs, has, strict=True) if ok}
  by_fill = all(key in run.values for run, ok in zip(runs, has, strict=True) if ok)
  note = None if by_fill and len(said) <= 1 else UNLIKE if len(said) > 1 else ALONE
  entry = {name: entries[0][name] for name in ("unit", "better", "region")}
  judged = [
    n for n, run in zip(names, runs, strict=True) if run.metrics.get(key, {}).get("trained_on")
  ]
  entry |= {"trained_on": judged, "note": note, "runs": {}, "differences": {}, "bins": {}}
  photos = np.asarray(runs[0].names["photo"])[rows[0]]
  nothing = np.full(len(photos), np.nan)
  # Without pairs each run speaks for itself, with what it wrote.
  values = [
    run.values[key][row] if ok and not note else nothing
    for run, row, ok in zip(runs, rows, has, strict=True)
  ]
  for name, run, ok, mine in zip(names, runs, has, values, strict=True):
    own = NO_VALUE | run.metrics[key]["all"] if ok else NO_VALUE
    entry["runs"][name] = own if note else _score(mine, photos, seed)
    entry["differences"][name] = None
    if name != names[0] and not note:
      entry["differences"][name] = _difference(mine, values[0], photos, seed)
  if not note:
    bins = np.asarray(runs[0].names["bin"])[rows[0]]
    entry["bins"] = {
      each: {
        name: _score(mine[bins == each], photos[bins == each], seed)
        for name, mine in zip(names, values, strict=True)
      }
      for each in runs[0].bins if (bins == each).any()
    }  # fmt: skip
  return entry


def _score(values: np.ndarray, photos: np.ndarray, seed: int) -> dict:
  return dataclasses.asdict(statistics.bootstrap(statistics.mean(values), photos, seed=seed))


def _difference(values: np.ndarray, first: np.ndarray, photos: np.ndarray, seed: int) -> dict:
  found = dataclasses.asdict(statistics.paired(values, first, photos, seed=seed))
  sure = found["low"] is not None and (found["low"] > 0 or found["high"] < 0)
  return found | {"excludes_zero": sure}


def _names(runs: Sequence[Run]) -> list[str]:
  """The runs' names; with their directories where two agree, numbered if these agree, too."""
  names = [run.name for run in runs]
  names = [
    name if names.count(name) == 1 else f"{name} ({run.directory})"
    for name, run in zip(names, runs, strict=True)
  ]
  return [name if names.count(name) == 1 else f"{name} #{i}" for i, name in enumerate(names, 1)]
