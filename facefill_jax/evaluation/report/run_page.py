"""report.html: one page about one run, complete in itself. Its layout is templates/run.html."""

import dataclasses
import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from facefill_jax import files
from facefill_jax.evaluation import measures
from facefill_jax.evaluation.report import page, plots, sheets, wording
from facefill_jax.evaluation.results import NO_VALUE, REPORT, Run, read_run

_METHODS = {
  "model": "a model of facefill_jax",
  "outputs": "pictures made elsewhere",
  "telea": "Telea's fast marching (OpenCV)",
  "ns": "Navier–Stokes filling (OpenCV)",
  "mean_colour": "the mean colour of what is known",
  "identity": "no filling: the photo itself",
}
_CHECKS = {
  "known_pixels": "Known pixels are identical",
  "layout_from_known_only": "Layouts come from known pixels only",
  "layout_adherence": "The layout given is the layout painted",
  "diversity": "Seeds give different fills",
}
_MOST_FIGURES, _MOST_PLOTS = 4, 8
_SHARES = ("share", "accuracy")  # how keys of checks end that are read in percent


@dataclasses.dataclass(frozen=True)
class Figure:
  """A number at the top of the page."""

  title: str
  value: str
  unit: str
  below: str = ""


@dataclasses.dataclass(frozen=True)
class Check:
  """A check as it is shown. kind: "good", "bad" or "" for neither."""

  title: str
  kind: str
  verdict: str
  text: str


def write_report(directory: str | os.PathLike) -> Path:
  """Writes report.html into a run's directory, from what lies there; replaces an older one.

  Args:
    directory: as `facefill eval` writes it; see `results`. Examples may be missing.

  Returns:
    The page's path. It fetches nothing, and runs no script.

  Raises:
    ValueError: a file is missing or damaged; one line.
  """
  run = read_run(directory)
  checks = _checks(run)
  method, model = str(run.about.get("method", "")), run.about.get("model")
  config = model.get("config") if isinstance(model, Mapping) else None
  text = page.render(
    "run.html",
    run=run,
    size=run.about.get("size"),
    method=_METHODS.get(method, method) or "a method without a name",
    digest=wording.digest(run),
    headline=_headline(run),
    checks=checks,
    failed=sum(check.kind == "bad" for check in checks),
    groups=wording.by_region(run.metrics),
    not_computed=wording.by_reason(run.metrics),
    judged=[wording.full_title(k, e["region"]) for k, e in run.metrics.items() if e["trained_on"]],
    no_value=NO_VALUE,
    tones=_tones(run),
    toned=[m.key for m in measures.shown() if run.metrics.get(m.key, {}).get("skin_tones")],
    plots=[_plot(run, key) for key in _plotted(run)],
    sheets=sheets.read(run),
    facts=_facts(run.about),
    command=command(run),
    config=json.dumps(config, indent=2, ensure_ascii=False) if config else "",
  )
  path = Path(directory) / REPORT
  files.write_text(path, text)
  return path


def _headline(run: Run) -> list[Figure]:
  """The few numbers that are asked for first; none of a network that trained the model."""

  def is_fair(key):
    entry = run.metrics.get(key)
    return bool(entry) and not entry["trained_on"] and _value(entry) is not None

  figures = []
  for key in [*measures.leading(is_fair).values()][:_MOST_FIGURES]:
    entry = run.metrics[key]
    score, places = entry["all"], wording.places(entry)
    sign, _ = wording.BETTER.get(entry["better"], ("", ""))
    interval = wording.span(score.get("low"), score.get("high"), places)
    figures.append(Figure(
      f"{wording.full_title(key, entry['region'])}\N{NO-BREAK SPACE}{sign}",
      wording.number(score["value"], places), entry["unit"],
      f"95 %: {interval}" if interval else "",
    ))  # fmt: skip
  seconds = run.about.get("seconds_per_photo")
  if isinstance(seconds, int | float):
    figures.append(Figure("Time per photo", *wording.duration(seconds)))
  return figures


def _tones(run: Run) -> dict[str, int]:
  """Name of a group by skin tone -> its fills."""
  tones = run.metrics.get("frame_l1", {}).get("skin_tones", {})
  return {name: score["count"] for name, score in tones.items()}


def _checks(run: Run) -> list[Check]:
  names = [*_CHECKS, *(name for name in run.checks if name not in _CHECKS)]
  found = {name: run.checks.get(name) for name in names}
  return [
    Check(_CHECKS.get(name, name.replace("_", " ")), *_verdict(name, check))
    for name, check in ((n, x if isinstance(x, Mapping) else {}) for n, x in found.items())
  ]


def _verdict(name: str, found: Mapping) -> tuple[str, str, str]:
  """(kind, verdict, text) of a check: passed, failed, what was measured, or why it was not."""
  if found.get("not_computed"):
    return "", "not run", str(found["not_computed"])
  text = str(found.get("detail") or "")
  numbers = {key: value for key, value in found.items() if _is_number(value)}
  if name == "layout_adherence" and {"pixels", "given_share", "predicted_share"} <= {*numbers}:
    text = _adherence(numbers, bool(found.get("trained_on")))
  elif numbers:
    words = ", ".join(f"{key.replace('_', ' ')} {_measure(key, x)}" for key, x in numbers.items())
    text = f"{text.rstrip('.')}: {words}" if text else words
  if found.get("passed") is None:
    return ("", "measured", text) if text else ("", "not run", "This run has no such check.")
  return ("good", "passed", text) if found["passed"] else ("bad", "failed", text)


def _adherence(found: Mapping, trained_on: bool) -> str:
  given, predicted = (_measure(key, found[key]) for key in ("given_share", "predicted_share"))
  text = (
    f"Given another photo's layout, the parser reads the given class on {given} and the predicted "
    f"one on {predicted} of the {found['pixels']:,.0f} hole pixels where the two differ."
  )
  if "parser_accuracy" in found:
    right = _measure("parser_accuracy", found["parser_accuracy"])
    text += f" It reads {right} of the pixels of real photos right."
  return text + " The parser is the model's own: not an independent judge." * trained_on


def _is_number(value) -> bool:
  return isinstance(value, int | float) and not isinstance(value, bool)


def _measure(key: str, value: float) -> str:
  if key.endswith(_SHARES):
    return f"{100 * value:.1f} %"
  return (
    f"{value:,}" if isinstance(value, int) else wording.number(value, wording.decimals([value]))
  )


def _plotted(run: Run) -> list[str]:
  """The main metrics that fills have values of, those of the hole first."""
  found = [
    metric.key for metric in measures.shown()
    if metric.key in run.metrics and np.isfinite(run.values.get(metric.key, np.nan)).any()
  ]  # fmt: skip
  return found[:_MOST_PLOTS]


def _plot(run: Run, key: str) -> plots.Plot:
  entry, ratios, values = run.metrics[key], run.values["hole_ratio"], run.values[key]
  known = np.isfinite(values) & np.isfinite(ratios)
  dots = np.stack([ratios[known], values[known]], axis=1)
  series = plots.Series("", points_of(run, key, ratios), dots)
  return plots.of_metric(key, entry, [series], wording.places(entry))


def points_of(run: Run, key: str, ratios: np.ndarray) -> list[plots.Point]:
  """Means of the bins that metrics.json has, each at its fills' mean hole ratio."""
  points, bins = [], np.asarray(run.names["bin"])
  for name in run.bins:
    score, here = run.metrics[key]["bins"].get(name) or {}, bins == name
    if score.get("value") is None or not here.any():
      continue
    x = float(np.nanmean(ratios[here]))
    title = wording.bin_title(name)
    points.append(plots.Point(title, x, score["value"], score.get("low"), score.get("high")))
  return points


def _facts(about: Mapping) -> list[tuple[str, str]]:
  judges = about.get("judges")
  judges = judges if isinstance(judges, Mapping) else {}
  return [
    ("Photos", _plain(about.get("photos"))),
    ("Mask protocol" if about.get("protocol") else "Masks",
     _plain(about.get("protocol") or about.get("masks"))),
    ("Masks per photo", _plain(about.get("masks_per_photo"))),
    ("Seed", _plain(about.get("seed"))),
    ("Size", f"{about['size']} px" if about.get("size") else ""),
    ("Intervals", "95 %, percentile bootstrap over photos: a photo's fills are drawn together"),
    ("Weights of judges", _plain({kind: str(x)[:12] for kind, x in judges.items()})),
    ("Hardware", _plain(about.get("hardware"))),
    ("Versions", _plain(about.get("versions"))),
  ]  # fmt: skip


def command(run: Run) -> str:
  """The command line that makes such a run; from "command" where the run has it."""
  about = run.about
  if about.get("command"):
    given = about["command"]
    return given if isinstance(given, str) else shlex.join(map(str, given))
  method = str(about.get("method", ""))
  words = ["facefill", "eval"]
  words += [f"--{method}", "DIR"] if method in ("model", "outputs") else ["--method", method]
  for option in ("photos", "masks", "protocol", "seed", "masks_per_photo", "size"):
    if about.get(option) not in (None, ""):
      words += [f"--{option.replace('_', '-')}", str(about[option])]
  return shlex.join([*words, "--out", str(run.directory)])


def _value(entry: Mapping) -> float | None:
  return None if entry.get("not_computed") else entry["all"].get("value")


def _plain(value) -> str:
  """Numbers, text, and "key value, key value" of a dict."""
  if isinstance(value, Mapping):
    return ", ".join(f"{key} {_plain(x)}".strip() for key, x in value.items())
  if isinstance(value, list | tuple):
    return ", ".join(map(_plain, value))
  return "" if value is None else str(value)
