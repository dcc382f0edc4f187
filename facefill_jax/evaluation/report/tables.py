"""The table of a run's scores, and the notes under it."""

import itertools
from collections.abc import Mapping

import numpy as np

from facefill_jax.evaluation.report import elements, wording
from facefill_jax.evaluation.report.elements import Markup, el
from facefill_jax.evaluation.results import NO_VALUE, Run

JUDGED = "seen in training"


def scores(run: Run) -> Markup:
  """Metrics down, hole bins across; a value and its interval a cell."""
  bins = np.asarray(run.names["bin"])
  heads = [_head("All holes", run.fills)]
  heads += [_head(wording.bin_title(name), int((bins == name).sum())) for name in run.bins]
  regions, bodies = wording.by_region(run.metrics), []
  notes = {key: i for i, key in enumerate(itertools.chain(*regions.values()), start=1)}
  for region, keys in regions.items():
    group = el("th", wording.GROUPS[region], scope="rowgroup", colspan=len(heads) + 1)
    rows = [_row(key, run.metrics[key], run.bins, notes[key]) for key in keys]
    bodies.append(el("tbody", el("tr", group), rows))
  head = el("thead", el("tr", el("th", "Metric", scope="col"), heads))
  return elements.scroller(el("table", head, bodies), "Scores by hole ratio")


def metric_head(key: str, entry: Mapping, note: int | None = None) -> Markup:
  """The heading of a metric's row: name, direction, unit, key, and a note's number."""
  sign, meaning = wording.BETTER.get(entry["better"], ("", ""))
  unit = f", {entry['unit']}" if entry["unit"] else ""
  link = el("sup", el("a", str(note), href=f"#note-{note}", aria_label=f"note {note}"))
  direction = [
    "\N{NO-BREAK SPACE}",
    el("span", sign, aria_hidden="true"),
    elements.hidden(f", {meaning}"),
  ]
  judged = el("small", el("span", JUDGED, class_="tag care")) if entry["trained_on"] else None
  return el(
    "th", f"{wording.title(key)}{unit}", link if note else None, direction if sign else None,
    el("small", key, class_="key"), judged, scope="row",
  )  # fmt: skip


def footnotes(metrics: Mapping[str, Mapping]) -> Markup:
  """Which implementation each metric is of; numbered as in the table."""
  rows = []
  for i, key in enumerate(itertools.chain(*wording.by_region(metrics).values()), start=1):
    entry = metrics[key]
    name = wording.full_title(key, entry["region"])
    text = str(entry["implementation"] or "no implementation is named")
    judged = ". It took part in training this model" if entry["trained_on"] else ""
    rows.append(el("li", el("b", name), f": {text}{judged}", id=f"note-{i}"))
  return el("ol", rows, class_="footnotes")


def judged_note(metrics: Mapping[str, Mapping]) -> Markup | None:
  """A warning if a judge took part in training."""
  names = [
    wording.full_title(key, entry["region"])
    for key, entry in metrics.items() if entry["trained_on"]
  ]  # fmt: skip
  if not names:
    return None
  text = f"{', '.join(names)}: the network behind took part in training this model, so it is no "
  return el("p", el("b", "Not a fair judge. "), f"{text}independent witness.", class_="note")


def score_cell(score: Mapping, places: int, class_: str | None = None) -> Markup:
  """A value, and its interval below."""
  interval = wording.span(score.get("low"), score.get("high"), places)
  value = wording.number(score.get("value"), places)
  return el("td", value, el("small", interval) if interval else None, class_=class_)


def _row(key: str, entry: Mapping, bins: list[str], note: int) -> Markup:
  head, class_ = metric_head(key, entry, note), "judged" if entry["trained_on"] else None
  if entry["not_computed"]:
    why = el("span", f"not computed: {entry['not_computed']}")
    return el("tr", head, el("td", why, colspan=len(bins) + 1, class_="none"), class_=class_)
  places = wording.places(entry)
  cells = [score_cell(entry["bins"].get(name, NO_VALUE), places) for name in bins]
  return el("tr", head, score_cell(entry["all"], places, "whole"), cells, class_=class_)


def _head(title: str, number: int) -> Markup:
  return el("th", title, el("small", f"n = {number:,}"), scope="col")
