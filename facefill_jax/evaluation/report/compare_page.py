"""compare.html: runs side by side. Its layout is templates/compare.html."""

from collections.abc import Mapping

import numpy as np

from facefill_jax.evaluation import measures
from facefill_jax.evaluation.paired_runs import UNLIKE, Comparison
from facefill_jax.evaluation.report import page, plots, wording
from facefill_jax.evaluation.results import Run

_MOST_PLOTS = 6


def page_of(found: Comparison) -> str:
  """The whole page."""
  metrics = {key: entry for key, entry in found.metrics.items() if _has_value(entry)}
  return page.render(
    "compare.html",
    found=found,
    size=found.runs[0].about.get("size"),
    runs=[_run(name, run) for name, run in zip(found.names, found.runs, strict=True)],
    groups=wording.by_region(metrics),
    not_computed=_not_computed(found),
    judged=[
      f"{wording.full_title(key, entry['region'])} of {wording.listed(entry['trained_on'])}"
      for key, entry in metrics.items() if entry["trained_on"]
    ],
    verdicts={
      (key, name): _verdict(difference, entry["better"])
      for key, entry in metrics.items() for name, difference in entry["differences"].items()
      if difference
    },
    notes={key: _notes(found, key) for key in metrics},
    plots=_plots(found),
    legend=plots.legend(found.names),
  )  # fmt: skip


def _has_value(entry: Mapping) -> bool:
  return any(score["value"] is not None for score in entry["runs"].values())


def _not_computed(found: Comparison) -> dict[str, list[str]]:
  """Why metrics have no value in any run -> what these are called."""
  reasons = {}
  for key, entry in found.metrics.items():
    if not _has_value(entry):
      why = "; ".join(_reasons(found, key)) or "no fill has a value"
      reasons.setdefault(why, []).append(wording.full_title(key, entry["region"]))
  return reasons


def _run(name: str, run: Run) -> dict:
  """A row of the table of runs."""
  checks, seconds = run.checks.items(), run.about.get("seconds_per_photo")
  return {
    "name": name,
    "method": run.about.get("method", ""),
    "fills": f"{run.fills:,}",
    "photos": f"{run.photos:,}",
    "seed": run.about.get("seed", ""),
    "time": " ".join(wording.duration(seconds)) if isinstance(seconds, int | float) else "–",
    "failed": [
      check.replace("_", " ") for check, entry in checks
      if isinstance(entry, Mapping) and entry.get("passed") is False
    ],
    "digest": wording.digest(run),
  }  # fmt: skip


def _verdict(score: Mapping, better: str) -> tuple[str, str]:
  """(mark, class) of a difference."""
  if not score["excludes_zero"]:
    return "", "soft"
  if better not in ("higher", "lower"):
    return "◆ differs", "differs"
  good = (score["value"] > 0) == (better == "higher")
  return ("▲ better", "better") if good else ("▼ worse", "worse")


def _notes(found: Comparison, key: str) -> list[str]:
  """Sentences: the implementation, what is not paired, why runs have no value."""
  entry = found.metrics[key]
  named = list(zip(found.names, found.runs, strict=True))
  said = {name: run.metrics[key]["implementation"] for name, run in named if key in run.metrics}
  if entry["note"] == UNLIKE:
    notes = ["; ".join(f"{name}: {words}" for name, words in said.items())]
  else:
    notes = [str(next(iter(said.values())) or "no implementation is named")]
  if entry["note"]:
    notes.append(entry["note"].capitalize())
  for why, names in _reasons(found, key).items():
    notes.append(f"Not computed for {wording.listed(names)}: {why}")
  return notes


def _reasons(found: Comparison, key: str) -> dict[str, list[str]]:
  """Why a metric is not computed -> for which runs."""
  without = {}
  for name, run in zip(found.names, found.runs, strict=True):
    entry = run.metrics.get(key, {"not_computed": "the run has no such score"})
    if entry["not_computed"]:
      without.setdefault(str(entry["not_computed"]), []).append(name)
  return without


def _plots(found: Comparison) -> list[plots.Plot]:
  keys = [metric.key for metric in measures.shown()]
  keys = [key for key in keys if found.metrics.get(key, {}).get("bins")]
  drawn = [(key, _series(found, key)) for key in keys]
  return [
    plots.of_metric(key, found.metrics[key], series, wording.places(found.metrics[key]))
    for key, series in drawn if any(each.points for each in series)
  ][:_MOST_PLOTS]  # fmt: skip


def _series(found: Comparison, key: str) -> list[plots.Series]:
  """Means of the bins, a series a run."""
  run, rows = found.runs[0], found.rows[0]
  bins, ratios = np.asarray(run.names["bin"])[rows], run.values["hole_ratio"][rows]
  series = [plots.Series(name, []) for name in found.names]
  for bin_name, scores in found.metrics[key]["bins"].items():
    x, title = float(ratios[bins == bin_name].mean()), wording.bin_title(bin_name)
    for each in series:
      score = scores[each.name]
      if score["value"] is not None:
        each.points.append(plots.Point(title, x, score["value"], score["low"], score["high"]))
  return series
