"""A run's directory, as `facefill eval` writes it and as reports and comparisons read it.

    metrics.json           format 1: run, bins, metrics, checks
    per_image.csv          id, photo, mask, bin, hole_ratio, seconds, skin_angle (degrees), then a
                           column a metric
    examples/*.png         best, median and worst fills, and examples.json that says which they are
    report.html            all of it as a page

metrics.json, format 1:

    format      1
    run         name, method ("model", "outputs" or a method's name), model (null, or sha256 and
                config), photos, photo_count, labels, masks or protocol, seed, masks_per_photo,
                size (pixels scored at), fills, seconds_per_photo, hardware, versions, judges
                (kind -> SHA-256 of its weights), command
    bins        names of the hole bins that occur, in order, percent of the photo
    metrics     KEY -> unit, better ("higher", "lower" or "one": the closer to 1 the better),
                region ("hole", "frame" or ""), implementation (network, variant, source),
                trained_on (its network took part in training the model), not_computed (null, or
                why), all and bins (BIN -> the same): value, low and high of the 95 % bootstrap
                interval over photos, count of fills; null where there is none; and skin_tones, the
                same by groups of photos (`metrics.skin_tone`) that occur. Older runs have none
    checks      NAME -> passed (true, false, or null: not run, or nothing to pass), detail or
                not_computed, and a check's own numbers. Runs of older versions have "guidance" in
                place of "layout_adherence"; it is read as one that was not made (see RETIRED)

Whoever reads a run may not have made it, so all of it is checked.
"""

import csv
import dataclasses
import json
import os
from pathlib import Path

import numpy as np

FORMAT = 1
METRICS, TABLE, EXAMPLES = "metrics.json", "per_image.csv", "examples"
REPORT = "report.html"
NAMES = ("id", "photo", "mask", "bin")  # columns of text
NO_VALUE = {"value": None, "low": None, "high": None, "count": 0}

RETIRED = {
  "guidance": (
    "layout_adherence",
    "counted with layouts of the same photo, by an older version: evaluate the model again",
  ),
}
"""Checks that are no longer believed -> the check in their place, and why."""

_DEFAULTS = {
  "unit": "", "better": "", "region": "", "implementation": "", "trained_on": False,
  "not_computed": None, "all": NO_VALUE, "bins": {}, "skin_tones": {},
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Run:
  """What a directory holds.

  Attributes:
    directory: where it was read from.
    about: "run" of metrics.json.
    bins: names of the hole bins, in order.
    metrics: key -> its entry, with all keys of the format there.
    checks: as in metrics.json.
    names: column -> strings, of NAMES; a row a fill.
    values: column -> float64, NaN where the file has nothing.
  """

  directory: Path
  about: dict
  bins: list[str]
  metrics: dict[str, dict]
  checks: dict[str, dict]
  names: dict[str, list[str]]
  values: dict[str, np.ndarray]

  @property
  def name(self) -> str:
    return str(self.about.get("name") or self.directory.resolve().name)

  @property
  def fills(self) -> int:
    return len(self.names["id"])

  @property
  def photos(self) -> int:
    return len(set(self.names["photo"]))


def read_run(directory: str | os.PathLike) -> Run:
  """Reads and checks a run.

  Raises:
    ValueError: a file is missing, is none of ours, or holds what it must not; one line.
  """
  directory = Path(directory)
  content = _metrics(directory / METRICS)
  names, values = _table(directory / TABLE)
  metrics = {key: _DEFAULTS | entry for key, entry in content["metrics"].items()}
  return Run(
    directory, content["run"], [str(name) for name in content["bins"]], metrics,
    _checks(content["checks"]), names, values,
  )  # fmt: skip


def _checks(found: dict) -> dict:
  """The checks of a run, those that are RETIRED as not computed under their new names."""
  checks = {name: check for name, check in found.items() if name not in RETIRED}
  for name in found.keys() & RETIRED.keys():
    new, why = RETIRED[name]
    checks.setdefault(new, {"passed": None, "not_computed": why})
  return checks


def _metrics(path: Path) -> dict:
  try:
    content = json.loads(path.read_bytes())
  except FileNotFoundError as error:
    raise ValueError(
      f"{path}: is not there; give the --out directory of `facefill eval`"
    ) from error
  except (ValueError, RecursionError) as error:
    raise ValueError(f"{path}: is no JSON: {error}") from error
  if not isinstance(content, dict) or content.get("format") != FORMAT:
    raise ValueError(f"{path}: is not of format {FORMAT}, the one that is read here")
  kinds = {"run": dict, "bins": list, "metrics": dict, "checks": dict}
  for key, kind in kinds.items():
    if not isinstance(content.get(key), kind):
      raise ValueError(f"{path}: {key!r} must be a {kind.__name__}")
  for key, entry in content["metrics"].items():
    _check_metric(entry, f"{path}: metric {key!r}")
  return content


def _check_metric(entry, where: str) -> None:
  names = ("bins", "skin_tones")
  parts = [entry.get(name, {}) for name in names] if isinstance(entry, dict) else [None]
  if not all(isinstance(part, dict) for part in parts):
    raise ValueError(f"{where} must be a dict with bins")
  for score in (entry.get("all", NO_VALUE), *(x for part in parts for x in part.values())):
    if not isinstance(score, dict):
      raise ValueError(f"{where}: a score must be value, low, high and count; got {score!r}")
    for key in NO_VALUE:
      value = score.get(key)
      if not isinstance(value, int | float | None) or isinstance(value, bool):
        raise ValueError(f"{where}: {key} must be a number or null, got {value!r}")


def _table(path: Path) -> tuple[dict[str, list[str]], dict[str, np.ndarray]]:
  try:
    with open(path, encoding="utf-8", newline="") as file:
      header, *rows = [row for row in csv.reader(file) if row] or [None]
  except FileNotFoundError as error:
    raise ValueError(
      f"{path}: is not there; give the --out directory of `facefill eval`"
    ) from error
  except (ValueError, csv.Error) as error:
    raise ValueError(f"{path}: cannot be read as a table: {error}") from error
  if header is None:
    raise ValueError(f"{path}: is empty; a heading and a line a fill are wanted")
  missing = [name for name in (*NAMES, "hole_ratio") if name not in header]
  if missing or len(set(header)) < len(header):
    raise ValueError(f"{path}: needs one column {missing[0] if missing else 'of each name'}")
  for line, row in enumerate(rows, start=2):
    if len(row) != len(header):
      raise ValueError(f"{path}: line {line} has {len(row)} cells, the heading {len(header)}")
  columns = {name: [row[i] for row in rows] for i, name in enumerate(header)}
  names = {name: columns.pop(name) for name in NAMES}
  return names, {name: _numbers(cells, name, path) for name, cells in columns.items()}


def _numbers(cells: list[str], name: str, path: Path) -> np.ndarray:
  """float64 (n,); empty cells are NaN."""
  values = np.full(len(cells), np.nan)
  for i, cell in enumerate(cells):
    try:
      values[i] = float(cell) if cell else np.nan
    except ValueError as error:
      raise ValueError(f"{path}: line {i + 2}: {name} is no number: {cell!r}") from error
  if np.isinf(values).any():
    raise ValueError(f"{path}: line {int(np.isinf(values).argmax()) + 2}: {name} is infinite")
  return values
