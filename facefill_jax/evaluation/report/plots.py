"""Plots of a score by hole ratio, as inline SVG: a dot a fill, and means of bins with intervals.

Text in them is 11 px or more on a phone. Colours are those of the page.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from facefill_jax.evaluation.report.elements import Markup, el
from facefill_jax.evaluation.report.wording import number

WIDTH, HEIGHT = 360, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 8, 36  # of the frame
COLOURS = 6  # then they start over
_DOTS = 1500  # drawn at most, evenly chosen: pages must stay small
_TICKS = 6
_CORE = (0.02, 0.98)  # quantiles of the dots: far ones do not decide how large the frame is
_OUTLINES = (  # of the points: series differ without colour, too
  "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", "M-3.6-3.6h7.2v7.2h-7.2z", "M0-4.8L4.6 3.4H-4.6z",
  "M0-5L5 0L0 5L-5 0z", "M0 4.8L-4.6-3.4H4.6z", "M-5-1.5h10v3h-10z",
)  # fmt: skip


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


def by_hole_ratio(
  series: Sequence[Series], title: str, places: int, natural: float | None = None
) -> tuple[Markup, int]:
  """The plot, and how many dots lie beyond its frame.

  Args:
    series: at least one point or dot between them.
    title: said to those who cannot see it.
    places: after the point, in what is said.
    natural: a value with a line of its own.
  """
  low, high = _range(series, natural)
  ticks = nice_ticks(low, high)
  frame = _Frame(*_across(series), min(low, ticks[0]), max(high, ticks[-1]))
  drawn = [_axes(frame, ticks)]
  if natural is not None:
    drawn.append(_line("natural", LEFT, frame.y(natural), WIDTH - RIGHT, frame.y(natural)))
  drawn += [_dots(frame, each.dots, i) for i, each in enumerate(series)]
  drawn += [_trend(frame, each, i, len(series)) for i, each in enumerate(series)]
  label = f"{title} by hole ratio. " + " ".join(_said(each, places) for each in series)
  size = f"0 0 {WIDTH} {HEIGHT}"
  drawing = el("svg", drawn, viewBox=size, role="img", aria_label=label.strip())
  return drawing, sum(int((~frame.holds(each.dots)).sum()) for each in series)


def legend(names: Sequence[str]) -> Markup:
  """A list of what each colour and outline stands for."""
  rows = []
  for i, name in enumerate(names):
    swatch = [
      el("path", class_="trend", d="M0 8H36", style=_stroke(i)),
      _point(18, 8, i, None),
    ]
    rows.append(el("li", el("svg", swatch, viewBox="0 0 36 16", aria_hidden="true"), name))
  return el("ul", rows, class_="legend")


def nice_ticks(low: float, high: float, about: int = _TICKS) -> list[float]:
  """Round numbers, 1, 2 or 5 times a power of ten apart, that lie in low..high or just around."""
  step = 10.0 ** math.floor(math.log10((high - low) / about))
  step = next(step * k for k in (1, 2, 5, 10) if (high - low) / (step * k) <= about)
  first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
  return [k * step for k in range(first, last + 1)]


@dataclasses.dataclass(frozen=True)
class _Frame:
  """Data to picture: hole ratios left..right, values bottom..top."""

  left: float
  right: float
  bottom: float
  top: float

  def x(self, ratio: float) -> float:
    share = (ratio - self.left) / (self.right - self.left)
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

  def y(self, value: float) -> float:
    share = (value - self.bottom) / (self.top - self.bottom)
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

  def holds(self, dots: np.ndarray) -> np.ndarray:
    """bool (n,): the dots that lie between bottom and top."""
    return (dots[:, 1] >= self.bottom) & (dots[:, 1] <= self.top)


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


def _axes(frame: _Frame, ticks: list[float]) -> list[Markup]:
  step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
  places = max(0, -math.floor(math.log10(step) + 1e-9))
  drawn = []
  for tick in ticks:
    y = frame.y(tick)
    drawn.append(_line("grid", LEFT, y, WIDTH - RIGHT, y))
    drawn.append(el("text", number(tick, places), x=LEFT - 7, y=y + 3.8, text_anchor="end"))
  floor = HEIGHT - BOTTOM
  drawn.append(_line("axis", LEFT, floor, WIDTH - RIGHT, floor))
  tenths = round((frame.right - frame.left) * 10)
  for k in range(tenths + 1):
    ratio = frame.left + k / 10
    drawn.append(_line("axis", frame.x(ratio), floor, frame.x(ratio), floor + 4))
    drawn.append(
      el("text", f"{100 * ratio:.0f}", x=frame.x(ratio), y=floor + 16, text_anchor="middle")
    )
  middle = (LEFT + WIDTH - RIGHT) / 2
  drawn.append(el("text", "hole, % of the picture", x=middle, y=HEIGHT - 4, text_anchor="middle"))
  return drawn


def _dots(frame: _Frame, dots: np.ndarray, index: int) -> Markup | None:
  """One path of round specks; those outside the frame are left out."""
  inside = dots[frame.holds(dots)]
  if not len(inside):
    return None
  picked = inside[np.linspace(0, len(inside) - 1, min(_DOTS, len(inside))).astype(int)]
  path = "".join(f"M{frame.x(x):g} {frame.y(y):g}h0" for x, y in picked)
  return el("path", class_="dots", d=path, style=_stroke(index))


def _trend(frame: _Frame, series: Series, index: int, number_of_series: int) -> list[Markup]:
  """Means joined by a line, each with its interval; series stand a little beside each other."""
  points = sorted(series.points, key=lambda p: p.x)
  aside = 5 * (index - (number_of_series - 1) / 2)
  at = [round(frame.x(p.x) + aside, 1) for p in points]
  joined = " ".join(f"{x:g} {frame.y(p.value):g}" for x, p in zip(at, points, strict=True))
  drawn = [el("path", class_="trend", d=f"M{joined}", style=_stroke(index))] if points else []
  for x, p in zip(at, points, strict=True):
    if p.low is not None and p.high is not None:
      whisker = f"M{x:g} {frame.y(p.low):g}V{frame.y(p.high):g}"
      drawn.append(el("path", class_="whisker", d=whisker, style=_stroke(index)))
    drawn.append(_point(x, frame.y(p.value), index, f"{series.name} {p.name}".strip()))
  return drawn


def _point(x: float, y: float, index: int, title: str | None) -> Markup:
  outline = el("path", d=_OUTLINES[index % len(_OUTLINES)])
  place = f"translate({x:g} {y:g})"
  inside = [el("title", title) if title else None, outline]
  return el("g", inside, class_="point", transform=place, style=_stroke(index))


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
  return el("line", class_=kind, x1=x1, y1=y1, x2=x2, y2=y2)


def _stroke(index: int) -> str:
  return f"stroke:var(--s{index % COLOURS})"


def _said(series: Series, places: int) -> str:
  points = ", ".join(f"{p.name} {number(p.value, places)}" for p in series.points)
  return f"{series.name}: {points}." if series.name else f"Means: {points}."
