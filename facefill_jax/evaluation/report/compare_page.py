"""compare.html: runs side by side, as a page that fetches nothing."""

from collections.abc import Mapping

import numpy as np

from facefill_jax.evaluation.comparison import UNLIKE, Comparison
from facefill_jax.evaluation.report import elements, plots, tables, wording
from facefill_jax.evaluation.report.elements import Markup, Section, el
from facefill_jax.evaluation.results import Run

_PLOTTED = (
  "hole_psnr", "hole_ssim", "hole_lpips_alex", "hole_lpips_vgg", "hole_lpips_squeeze",
  "hole_squeezenet", "frame_squeezenet", "identity", "rim_error", "laplacian_ratio",
  "layout_accuracy",
)  # fmt: skip
_MOST_PLOTS = 6
_LONGEST = 60  # letters of a heading; the table below it names all runs


def page_of(found: Comparison) -> str:
  """The whole page."""
  return elements.document(
    f"{_listed(found.names)}: runs compared", _header(found), _runs(found), _scores(found),
    _plots(found),
  )  # fmt: skip


def _header(found: Comparison) -> list[Markup]:
  names, size = _listed(found.names), found.runs[0].about.get("size")
  scored = f", scored at {size} × {size} pixels" if size else ""
  lead = (
    f"{wording.count(found.pairs, 'fill')} of {wording.count(found.photos, 'photo')} that all "
    f"runs have{scored}. Differences are to {found.names[0]}, fill by fill."
  )
  return [
    el("p", "Face inpainting, runs compared", class_="eyebrow"),
    el("h1", names if len(names) <= _LONGEST else f"{len(found.names)} runs"),
    el("p", lead, class_="lead"),
  ]


def _runs(found: Comparison) -> Section:
  heads = ("Run", "Method", "Fills", "Photos", "Seed", "Time per photo", "Checks", "Model, SHA-256")
  rows = [_run(name, run) for name, run in zip(found.names, found.runs, strict=True)]
  table = el(
    "table", el("thead", el("tr", [el("th", head, scope="col") for head in heads])),
    el("tbody", rows),
  )  # fmt: skip
  return elements.section("runs", "Runs", elements.scroller(table, "Runs"))


def _run(name: str, run: Run) -> Markup:
  failed = [
    check.replace("_", " ") for check, entry in run.checks.items()
    if isinstance(entry, Mapping) and entry.get("passed") is False
  ]  # fmt: skip
  checks = el("span", f"failed: {', '.join(failed)}", class_="tag bad") if failed else "none failed"
  seconds, model = run.about.get("seconds_per_photo"), run.about.get("model")
  digest = str(model.get("sha256") or "") if isinstance(model, Mapping) else ""
  cells = (
    str(run.about.get("method", "")), f"{run.fills:,}", f"{run.photos:,}",
    str(run.about.get("seed", "")),
    " ".join(wording.duration(seconds)) if isinstance(seconds, int | float) else "–",
    checks, el("code", digest[:12]) if digest else "–",
  )  # fmt: skip
  return el("tr", el("th", name, scope="row"), [el("td", cell) for cell in cells])


def _scores(found: Comparison) -> Section:
  intro = (
    "Means over the fills that all runs have; below each, a 95 % interval from a bootstrap over "
    "photos. Where a run's own report gives sums over sums, as for fine detail, here too it is the "
    "mean over fills."
  )
  marks = [
    el("span", "▲ better", class_="better"), " and ", el("span", "▼ worse", class_="worse"),
    ": the interval of the difference excludes 0. Where nothing differs, one in twenty is marked "
    "by chance.",
  ]  # fmt: skip
  first, *others = found.names
  heads = [el("th", "Metric", scope="col"), el("th", first, scope="col")]
  for name in others:
    heads.append(el("th", name, scope="col"))
    heads.append(el("th", "difference", elements.hidden(f" of {name} to {first}"), scope="col"))
  regions = wording.by_region(found.metrics)
  keys = [key for group in regions.values() for key in group]
  bodies = []
  for region, group in regions.items():
    columns = 2 * len(found.names)
    head = el("tr", el("th", wording.GROUPS[region], scope="rowgroup", colspan=columns))
    bodies.append(el("tbody", head, [_row(found, key, keys.index(key) + 1) for key in group]))
  table = el("table", el("thead", el("tr", heads)), bodies)
  return elements.section(
    "scores", "Scores", el("p", intro), el("p", marks), _judged(found),
    elements.scroller(table, "Scores of the runs"), _footnotes(found, keys),
  )  # fmt: skip


def _row(found: Comparison, key: str, note: int) -> Markup:
  entry, places = found.metrics[key], wording.places(found.metrics[key])
  head, cells = tables.metric_head(key, entry, note), []
  if all(score["value"] is None for score in entry["runs"].values()):
    why = el("span", "not computed for any run; the note says why")
    return el("tr", head, el("td", why, colspan=2 * len(found.names) - 1, class_="none"))
  for name in found.names:
    score = entry["runs"][name]
    if score["value"] is None:
      cells.append(el("td", "not computed", class_="soft"))
    else:
      cells.append(tables.score_cell(score, places, "whole" if name == found.names[0] else None))
    if name != found.names[0]:
      cells.append(_difference(entry["differences"][name], entry["better"], places))
  return el("tr", head, cells)


def _difference(score: Mapping | None, better: str, places: int) -> Markup:
  if score is None or score["value"] is None:
    return el("td", "–", class_="soft")
  places += 1  # differences are smaller than what differs
  value = wording.number(score["value"], places, signed=True)
  interval = wording.span(score["low"], score["high"], places, signed=True)
  word, class_ = "", "soft"
  if score["excludes_zero"] and better in ("higher", "lower"):
    good = (score["value"] > 0) == (better == "higher")
    word, class_ = ("▲ better", "better") if good else ("▼ worse", "worse")
  elif score["excludes_zero"]:
    word, class_ = "◆ differs", "differs"
  mark = el("span", f"{word} ", class_="mark") if word else None
  return el("td", mark, value, el("small", interval) if interval else None, class_=class_)


def _judged(found: Comparison) -> Markup | None:
  """A warning if a judge took part in training any of the models."""
  words = [
    f"{wording.full_title(key, entry['region'])} of {_listed(entry['trained_on'])}"
    for key, entry in found.metrics.items() if entry["trained_on"]
  ]  # fmt: skip
  if not words:
    return None
  text = "the network behind took part in training that model."
  return el("p", el("b", "Not a fair judge. "), f"{'; '.join(words)}: {text}", class_="note")


def _footnotes(found: Comparison, keys: list[str]) -> Markup:
  rows = []
  for i, key in enumerate(keys, start=1):
    entry = found.metrics[key]
    said = {
      name: run.metrics[key]["implementation"]
      for name, run in zip(found.names, found.runs, strict=True) if key in run.metrics
    }  # fmt: skip
    if entry["note"] == UNLIKE:
      text = "; ".join(f"{name}: {words}" for name, words in said.items())
    else:
      text = str(next(iter(said.values())) or "no implementation is named")
    why = _reasons(found, key)
    words = [f": {text}", f". {entry['note'].capitalize()}" if entry["note"] else "", why]
    name = el("b", wording.full_title(key, entry["region"]))
    rows.append(el("li", name, words, id=f"note-{i}"))
  return el("ol", rows, class_="footnotes")


def _reasons(found: Comparison, key: str) -> str:
  """Why runs have no value, or ""; in one sentence where all say the same."""
  why = {}
  for name, run in zip(found.names, found.runs, strict=True):
    reason = run.metrics[key]["not_computed"] if key in run.metrics else "the run has no such score"
    if reason:
      why.setdefault(str(reason), []).append(name)
  of = {x: "any run" if len(each) == len(found.names) else _listed(each) for x, each in why.items()}
  return "".join(f". Not computed for {who}: {reason}" for reason, who in of.items())


def _plots(found: Comparison) -> Section | None:
  keys = [key for key in _PLOTTED if found.metrics.get(key, {}).get("bins")]
  figures = [figure for key in keys if (figure := _plot(found, key)) is not None][:_MOST_PLOTS]
  if not figures:
    return None
  return elements.section(
    "plots", "By hole ratio",
    el("p", "Means of the bins with their 95 % intervals."),
    plots.legend(found.names), el("div", figures, class_="plots"),
  )  # fmt: skip


def _plot(found: Comparison, key: str) -> Markup | None:
  entry, run, rows = found.metrics[key], found.runs[0], found.rows[0]
  bins, ratios = np.asarray(run.names["bin"])[rows], run.values["hole_ratio"][rows]
  series = [plots.Series(name, []) for name in found.names]
  for each, scores in entry["bins"].items():
    x = float(ratios[bins == each].mean())
    for one in series:
      score = scores[one.name]
      if score["value"] is not None:
        title = wording.bin_title(each)
        one.points.append(plots.Point(title, x, score["value"], score["low"], score["high"]))
  if not any(one.points for one in series):
    return None
  name = wording.full_title(key, entry["region"])
  natural = 1.0 if entry["better"] == "one" else None
  drawing, _ = plots.by_hole_ratio(series, name, wording.places(entry), natural)
  unit = f", {entry['unit']}" if entry["unit"] else ""
  _, direction = wording.BETTER.get(entry["better"], ("", ""))
  caption = el("figcaption", el("h3", f"{name}{unit}"), el("small", direction))
  return el("figure", caption, drawing)


def _listed(names: list[str]) -> str:
  """ "A", "A and B", "A, B and C"."""
  return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
