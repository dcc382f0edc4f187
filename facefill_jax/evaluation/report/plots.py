"""Plots of a score by hole ratio as inline SVG: a dot a fill, and means of bins with intervals.

Drawn by Matplotlib in stand-in colours that become those of the page, light or dark. The text in
them stays text, 12 px at a width of 360. The same numbers give the same bytes.
"""

import dataclasses
import io
import math
import re
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator, MultipleLocator

from facefill_jax.evaluation.report.wording import full_title, number

WIDTH, HEIGHT = 360, 220  # px
LEFT, RIGHT, TOP, BOTTOM = 48, 8, 8, 38  # of the frame
COLOURS = 6  # then they start over
MARKERS = "os^Dv_"  # series differ without colour, too
SIGNS = "●■▲◆▼▬"  # the same in a legend
_DOTS = 1500  # drawn at most, evenly chosen: pages must stay small
_CORE = (0.02, 0.98)  # quantiles of the dots: far ones do not decide how large the frame is

_SOFT, _LINE, _PAPER = "#000001", "#000002", "#000003"
_SERIES = [f"#0000{i + 16:02x}" for i in range(COLOURS)]
_VARIABLES = {_SOFT: "soft", _LINE: "line", _PAPER: "paper"} | {
  colour: f"s{i}" for i, colour in enumerate(_SERIES)
}
_STYLE = {
  "svg.fonttype": "none", "font.size": 12, "path.simplify": False, "axes.axisbelow": True,
  "axes.edgecolor": _SOFT, "axes.spines.left": False, "axes.spines.right": False,
  "axes.spines.top": False, "axes.grid": True, "axes.grid.axis": "y", "grid.color": _LINE,
  "grid.linewidth": 1, "xtick.color": _SOFT, "xtick.labelcolor": "black", "ytick.left": False,
  "figure.facecolor": "none", "axes.facecolor": "none", "axes.formatter.useoffset": False,
  "lines.linewidth": 1.6,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Point:
  """Mean of a bin: at hole ratio `x` in 0..1; low and high may be None."""

  name: str
  x: float
  value: float
  low: float | None
  high: float | None


@dataclasses.dataclass(frozen=True)
class Series:
  """What is drawn in one colour. dots: float64 (n, 2), hole ratio and value, without NaN."""

  name: str
  points: Sequence[Point]
  dots: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 2)))


@dataclasses.dataclass(frozen=True)
class Plot:
  """A plot and its caption; beyond: how many dots lie outside its frame."""

  title: str
  better: str
  drawing: Markup
  beyond: int


def of_metric(key: str, entry: Mapping, series: Sequence[Series], places: int) -> Plot:
  """A metric by hole ratio. entry: its unit, better and region; places: after the point."""
  name = full_title(key, entry["region"])
  natural = 1.0 if entry["better"] == "one" else None
  drawing, beyond = by_hole_ratio(series, name, places, natural)
  title = f"{name}, {entry['unit']}" if entry["unit"] else name
  return Plot(title, entry["better"], drawing, beyond)


def by_hole_ratio(
  series: Sequence[Series], title: str, places: int, natural: float | None = None
) -> tuple[Markup, int]:
  """The plot, and how many dots lie beyond its frame.

  Args:
    series: at least one point or dot between them.
    title: said to those who cannot see it; no other plot of the page has it.
    places: after the point, in what is said.
    natural: a value with a line of its own.
  """
  low, high = _range(series, natural)
  left, right = _across(series)
  with matplotlib.rc_context(_STYLE | {"svg.hashsalt": title}):
    figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72))  # an SVG has 72 px an inch
    axes = figure.add_axes((
      LEFT / WIDTH, BOTTOM / HEIGHT, 1 - (LEFT + RIGHT) / WIDTH, 1 - (TOP + BOTTOM) / HEIGHT,
    ))  # fmt: skip
    axes.set(xlim=(100 * left, 100 * right), ylim=(low, high), xlabel="hole, % of the picture")
    axes.xaxis.set_major_locator(MultipleLocator(10))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    if natural is not None:
      axes.axhline(natural, color=_SOFT, linewidth=1, linestyle=":")
    aside = 100 * (right - left) * 5 / (WIDTH - LEFT - RIGHT)
    for i, each in enumerate(series):
      _draw(axes, each, i, aside * (i - (len(series) - 1) / 2))
    file = io.StringIO()
    FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
  said = f"{title} by hole ratio. " + " ".join(_said(each, places) for each in series)
  beyond = sum(int(((x.dots[:, 1] < low) | (x.dots[:, 1] > high)).sum()) for x in series)
  return _inline(file.getvalue(), said.strip()), beyond


def legend(names: Sequence[str]) -> list[tuple[str, str, str]]:
  """(sign, colour, name) of each series."""
  return [(SIGNS[i % len(SIGNS)], f"var(--s{i % COLOURS})", name) for i, name in enumerate(names)]


def _draw(axes, series: Series, index: int, aside: float) -> None:
  """Dots; means joined by a line, each with its interval. Series stand beside each other."""
  colour = _SERIES[index % COLOURS]
  if len(series.dots):
    count = len(series.dots)
    picked = series.dots[np.linspace(0, count - 1, min(_DOTS, count)).astype(int)]
    # One path of strokes without a length, whose round ends are the dots: a tenth of the bytes.
    ends = np.repeat(picked * (100, 1), 2, axis=0)
    path = Path(ends, np.tile([Path.MOVETO, Path.LINETO], len(picked)))
    axes.add_patch(PathPatch(
      path, fill=False, edgecolor=colour, linewidth=3.2, alpha=0.3, capstyle="round",
    ))  # fmt: skip
  points = sorted(series.points, key=lambda point: point.x)
  x = [100 * point.x + aside for point in points]
  for at, point in zip(x, points, strict=True):
    if point.low is not None and point.high is not None:
      axes.plot([at, at], [point.low, point.high], color=colour)
  axes.plot(
    x, [point.value for point in points], color=colour, marker=MARKERS[index % len(MARKERS)],
    markersize=7, markerfacecolor=_PAPER, markeredgecolor=colour, markeredgewidth=1.8,
  )  # fmt: skip


def _inline(svg: str, said: str) -> Markup:
  """An SVG file as an element of a page: no ids but those in use, the page's colours and fonts."""
  svg = svg[svg.index("<svg") :]
  for what in (r"<metadata>.*?</metadata>", r"<style.*?</style>", r"<!--.*?-->"):
    svg = re.sub(what, "", svg, flags=re.DOTALL)
  svg = re.sub(r'<g id="[^"]*"', "<g", svg)
  svg = re.sub(r"font(-\w+)?: [^;\"]*;? ?", "", svg)
  svg = re.sub(r"(\.\d\d)\d+", r"\1", svg)
  svg = re.sub(r"#0000[01]\w", lambda found: f"var(--{_VARIABLES[found[0]]})", svg)
  head = Markup('<svg role="img" aria-label="{}" viewBox="0 0 {} {}" xmlns:xlink="{}">').format(
    said, WIDTH, HEIGHT, "http://www.w3.org/1999/xlink"
  )
  return head + Markup(svg[svg.index(">") + 1 :].strip())


def _range(series: Sequence[Series], natural: float | None) -> tuple[float, float]:
  """Values from which the frame goes to which: all points, and all dots but far ones."""
  values = [x for each in series for p in each.points for x in (p.value, p.low, p.high)]
  values = [x for x in values if x is not None]
  dots = np.concatenate([each.dots[:, 1] for each in series])
  if len(dots):
    values += np.quantile(dots, _CORE).tolist()
  low, high = min(values), max(values)
  if len(dots):
    reach = high - low
    low, high = (float(np.clip(x, low - reach, high + reach)) for x in (dots.min(), dots.max()))
    low, high = min(low, *values), max(high, *values)
  if natural is not None:
    low, high = min(low, natural), max(high, natural)
  pad = 0.04 * (high - low) or max(abs(low), 1.0) * 0.05
  return low - pad, high + pad


def _across(series: Sequence[Series]) -> tuple[float, float]:
  """Hole ratios from which the frame goes to which: tenths."""
  ratios = [p.x for each in series for p in each.points]
  ratios += [float(x) for each in series for x in each.dots[:, 0]]
  left = math.floor(min(ratios) * 10) / 10
  return left, max(math.ceil(max(ratios) * 10 - 1e-6) / 10, left + 0.1)


def _said(series: Series, places: int) -> str:
  points = ", ".join(f"{p.name} {number(p.value, places)}" for p in series.points)
  return f"{series.name}: {points}." if series.name else f"Means: {points}."
