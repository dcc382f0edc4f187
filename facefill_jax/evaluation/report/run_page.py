"""report.html: one page about one run, complete in itself."""

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from facefill_jax import files
from facefill_jax.evaluation.report import elements, plots, sheets, tables, wording
from facefill_jax.evaluation.report.elements import Markup, Section, el
from facefill_jax.evaluation.results import Run, read_run

REPORT = "report.html"

_METHODS = {
  "model": "a model of facefill_jax",
  "outputs": "pictures made elsewhere",
  "telea": "Telea's fast marching (OpenCV)",
  "ns": "Navier–Stokes filling (OpenCV)",
  "navier_stokes": "Navier–Stokes filling (OpenCV)",
  "mean_colour": "the mean colour of what is known",
  "identity": "no filling: the photo itself",
}
_HEADLINE = (  # of each line the first that has a value; four in all
  ("hole_psnr",),
  ("hole_ssim",),
  ("hole_lpips_alex", "hole_lpips_vgg", "hole_lpips_squeeze", "hole_squeezenet"),
  ("fid",),
  ("identity",),
  ("layout_miou",),
  ("frame_psnr",),
)
_PLOTTED = (
  "hole_psnr", "hole_ssim", "hole_lpips_alex", "hole_lpips_vgg", "hole_lpips_squeeze",
  "hole_squeezenet", "identity", "rim_error", "laplacian_ratio", "layout_accuracy", "frame_psnr",
  "frame_ssim", "frame_squeezenet",
)  # fmt: skip
_MOST_PLOTS = 8
_CHECKS = {
  "known_pixels": "Known pixels are identical",
  "layout_from_known_only": "Layouts come from known pixels only",
  "layout_adherence": "The layout given is the layout painted",
  "diversity": "Seeds give different fills",
}
_ADHERENCE = ("pixels", "given_share", "predicted_share")
_SHARES = ("share", "accuracy")  # how keys of checks end that are read in percent


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
  text = elements.document(
    f"{run.name}: evaluation of face inpainting", _header(run), _headline(run), _checks(run),
    _scores(run), _plots(run), sheets.section(run), _method(run),
  )  # fmt: skip
  path = Path(directory) / REPORT
  files.write_text(path, text)
  return path


def _header(run: Run) -> list[Markup]:
  method = str(run.about.get("method", ""))
  size = run.about.get("size")
  scored = f", scored at {size} × {size} pixels" if size else ""
  lead = (
    f"{wording.count(run.fills, 'fill')} of {wording.count(run.photos, 'photo')}{scored}. "
    f"Filled by {_METHODS.get(method, method) or 'a method without a name'}"
  )
  digest = _digest(run)
  model = [", SHA-256 ", el("code", digest[:12]), "."] if digest else ["."]
  return [
    el("p", "Face inpainting, evaluated", class_="eyebrow"),
    el("h1", run.name),
    el("p", lead, model, class_="lead"),
  ]


def _headline(run: Run) -> Markup | None:
  """The few numbers that are asked for first."""
  cells = []
  fair = [key for key, entry in run.metrics.items() if not entry["trained_on"]]
  found = [
    [k for k in each if k in fair and _value(run.metrics[k]) is not None] for each in _HEADLINE
  ]
  keys = [each[0] for each in found if each]
  for key in keys[:4]:
    entry = run.metrics[key]
    score, places = entry["all"], wording.places(entry)
    sign, _ = wording.BETTER.get(entry["better"], ("", ""))
    interval = wording.span(score.get("low"), score.get("high"), places)
    cells.append(_figure(
      f"{wording.full_title(key, entry['region'])}\N{NO-BREAK SPACE}{sign}",
      wording.number(score["value"], places), entry["unit"],
      f"95 %: {interval}" if interval else "",
    ))  # fmt: skip
  seconds = run.about.get("seconds_per_photo")
  if isinstance(seconds, int | float):
    cells.append(_figure("Time per photo", *wording.duration(seconds), ""))
  return el("dl", cells, class_="figures") if cells else None


def _figure(name: str, value: str, unit: str, below: str) -> Markup:
  unit = el("small", f" {unit}") if unit else None
  # The empty line keeps figures without an interval in line with the others.
  shown = [
    el("span", value, unit, class_="big"),
    el("br"),
    el("small", below or "\N{NO-BREAK SPACE}"),
  ]
  return el("div", el("dt", name), el("dd", shown))


def _checks(run: Run) -> Section:
  names = [*_CHECKS, *(name for name in run.checks if name not in _CHECKS)]
  rows, failed = [], 0
  for name in names:
    found = run.checks.get(name)
    found = found if isinstance(found, Mapping) else {}
    kind, word, text = _verdict(name, found)
    failed += kind == "bad"
    rows.append(el(
      "li", el("span", word, class_=f"tag {kind}"),
      el("div", el("h3", _CHECKS.get(name, name.replace("_", " "))), el("p", text)),
    ))  # fmt: skip
  heading = f"Checks: {failed} failed" if failed else "Checks"
  return elements.section("checks", heading, el("ul", rows, class_="checks"))


def _verdict(name: str, found: Mapping) -> tuple[str, str, str]:
  """(class, word, text) of a check: passed or failed, or what was measured, or why it was not."""
  if found.get("not_computed"):
    return "", "not run", str(found["not_computed"])
  text = str(found.get("detail") or "")
  numbers = {key: value for key, value in found.items() if _is_number(value)}
  if name == "layout_adherence" and {*_ADHERENCE} <= {*numbers}:
    text = _adherence(numbers, bool(found.get("trained_on")))
  elif numbers:
    words = ", ".join(f"{key.replace('_', ' ')} {_measure(key, x)}" for key, x in numbers.items())
    text = f"{text.rstrip('.')}: {words}" if text else words
  if found.get("passed") is None:
    return ("", "measured", text) if text else ("", "not run", "This run did not look at it.")
  return ("good", "passed", text) if found["passed"] else ("bad", "failed", text)


def _adherence(found: Mapping, trained_on: bool) -> str:
  given, predicted = (_measure(key, found[key]) for key in ("given_share", "predicted_share"))
  text = (
    f"Given another photo's layout, the parser reads the given class on {given} and the predicted "
    f"one on {predicted} of the {found['pixels']:,.0f} hole pixels where the two differ."
  )
  if "parser_accuracy" in found:
    right = _measure("parser_accuracy", found["parser_accuracy"])
    text += f" Of the pixels of real photos it reads {right} right."
  return text + " The parser is the model's own: no independent judge." * trained_on


def _is_number(value) -> bool:
  return isinstance(value, int | float) and not isinstance(value, bool)


def _measure(key: str, value: float) -> str:
  if key.endswith(_SHARES):
    return f"{100 * value:.1f} %"
  return (
    f"{value:,}" if isinstance(value, int) else wording.number(value, wording.decimals([value]))
  )


def _scores(run: Run) -> Section:
  return elements.section(
    "scores", "Scores",
    el(
      "p", "Means over fills unless a note says otherwise; below each, a 95 % percentile interval "
      "from a bootstrap over photos.",
    ),
    tables.judged_note(run.metrics),
    tables.scores(run),
    tables.footnotes(run.metrics),
  )  # fmt: skip


def _plots(run: Run) -> Section | None:
  figures = [_plot(run, key) for key in _PLOTTED if _has_dots(run, key)][:_MOST_PLOTS]
  if not figures:
    return None
  return elements.section(
    "plots", "By hole ratio",
    el("p", "Each dot is a fill; circles are the means of the bins, lines through them their "
            "95 % intervals."),
    el("div", figures, class_="plots"),
  )  # fmt: skip


def _has_dots(run: Run, key: str) -> bool:
  return key in run.metrics and key in run.values and bool(np.isfinite(run.values[key]).any())


def _plot(run: Run, key: str) -> Markup:
  entry, ratios, values = run.metrics[key], run.values["hole_ratio"], run.values[key]
  known = np.isfinite(values) & np.isfinite(ratios)
  series = plots.Series(
    "", points_of(run, key, ratios), np.stack([ratios[known], values[known]], axis=1)
  )
  name = wording.full_title(key, entry["region"])
  unit = f", {entry['unit']}" if entry["unit"] else ""
  _, direction = wording.BETTER.get(entry["better"], ("", ""))
  natural = 1.0 if entry["better"] == "one" else None
  drawing, beyond = plots.by_hole_ratio([series], name, wording.places(entry), natural)
  outside = f"; {wording.count(beyond, 'dot')} beyond the frame" if beyond else ""
  caption = [el("h3", f"{name}{unit}"), el("small", f"{direction}{outside}")]
  return el("figure", el("figcaption", caption), drawing)


def points_of(run: Run, key: str, ratios: np.ndarray) -> list[plots.Point]:
  """Means of the bins that metrics.json has, each at its fills' mean hole ratio."""
  points, bins = [], np.asarray(run.names["bin"])
  for name in run.bins:
    score, here = run.metrics[key]["bins"].get(name), bins == name
    if _value({"all": score or {}}) is None or not here.any():
      continue
    low, high = score.get("low"), score.get("high")
    x = float(np.nanmean(ratios[here]))
    points.append(plots.Point(wording.bin_title(name), x, score["value"], low, high))
  return points


def _method(run: Run) -> Section:
  about, digest = run.about, _digest(run)
  masks, judges = about.get("protocol") or about.get("masks"), about.get("judges")
  judges = judges if isinstance(judges, Mapping) else {}
  pairs = [
    ("Photos", _plain(about.get("photos"))),
    ("Mask protocol" if about.get("protocol") else "Masks", _plain(masks)),
    ("Masks per photo", _plain(about.get("masks_per_photo"))),
    ("Seed", _plain(about.get("seed"))),
    ("Size", f"{about['size']} px" if about.get("size") else ""),
    ("Intervals", "95 %, percentile bootstrap over photos: a photo's fills are drawn together"),
    ("Model, SHA-256", el("code", digest) if digest else ""),
    ("Weights of judges", _plain({kind: str(x)[:12] for kind, x in judges.items()})),
    ("Hardware", _plain(about.get("hardware"))),
    ("Versions", _plain(about.get("versions"))),
  ]
  model = about.get("model")
  config = model.get("config") if isinstance(model, Mapping) else None
  shown = json.dumps(config, indent=2, ensure_ascii=False) if config else ""
  return elements.section(
    "method", "How it was measured", elements.facts(pairs),
    el("h3", "To do it again"), el("pre", el("code", command(run))),
    el("details", el("summary", "Configuration of the model"), el("pre", shown)) if shown else None,
  )  # fmt: skip


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


def _digest(run: Run) -> str:
  model = run.about.get("model")
  return str(model.get("sha256") or "") if isinstance(model, Mapping) else ""


def _value(entry: Mapping | None) -> float | None:
  return None if not entry or entry.get("not_computed") else entry["all"].get("value")


def _plain(value) -> str:
  """Numbers, text, and "key value, key value" of a dict."""
  if isinstance(value, Mapping):
    return ", ".join(f"{key} {_plain(x)}".strip() for key, x in value.items())
  if isinstance(value, list | tuple):
    return ", ".join(map(_plain, value))
  return "" if value is None else str(value)
