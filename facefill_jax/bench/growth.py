"""bench growth: the cost of a fill as pictures and batches grow, as a plot.

It takes what `bench inference --json` wrote. Each panel has a dashed line of constant cost, a pixel
or a photo: what grows faster than the pixels, or what a larger batch saves, shows as an angle.
"""

import io
import itertools
import math
from collections.abc import Iterable, Sequence

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "growth", "font.size": 10, "axes.grid": True,
          "grid.color": "#dddddd", "axes.spines.top": False, "axes.spines.right": False,
          "axes.axisbelow": True}  # fmt: skip
_SOLID, _LINE = "#1f5fa8", "#999999"


def seconds(row: dict) -> float:
  """Of a photo: CPU-seconds where they were measured, else of the clock."""
  if "cpu_s_per_photo" in row:
    return row["cpu_s_per_photo"]["median"]
  return row["ms"]["median"] / 1e3 / row["batch"]


def by_side(rows: Iterable[dict]) -> list[dict]:
  """The rows with batch 1, by resolution; the first of those alike."""
  found = {}
  for row in rows:
    if row["batch"] == 1:
      found.setdefault(row["resolution"], row)
  return [found[side] for side in sorted(found)]


def by_batch(rows: Iterable[dict]) -> list[dict]:
  """The rows of the resolution that has most batch sizes, by batch; the first of those alike."""
  found = {}
  for row in rows:
    found.setdefault(row["resolution"], {}).setdefault(row["batch"], row)
  side = max(found, key=lambda each: (len(found[each]), -each))
  return [found[side][batch] for batch in sorted(found[side])]


def exponent(rows: Sequence[dict]) -> list[float]:
  """From one row to the next: e of cost = pixels ** e; 1 is linear in pixels."""
  return [
    math.log(seconds(b) / seconds(a)) / (2 * math.log(b["resolution"] / a["resolution"]))
    for a, b in itertools.pairwise(rows)
  ]


def summary(rows: Sequence[dict]) -> dict:
  """What the plot shows, in numbers."""
  sides, batches = by_side(rows), by_batch(rows)
  return {
    "by_side": [
      {"resolution": row["resolution"], "seconds": seconds(row), "peak_mib": row["peak_mib"],
       "gflop": row["gflop_per_photo"]} for row in sides
    ],
    "exponents": exponent(sides),
    "by_batch": [
      {"batch": row["batch"], "seconds": seconds(row), "peak_mib": row["peak_mib"]}
      for row in batches
    ],
    "batch_resolution": batches[0]["resolution"],
  }  # fmt: skip


def svg(rows: Sequence[dict], title: str, unit: str) -> str:
  """The plot, text as text; the same rows give the same bytes.

  Args:
    rows: of `inference`, of one network; with batch 1 at several resolutions, and at one of them
      with several batches.
    title: of the whole; unit: of the cost of a photo, such as "CPU-seconds".
  """
  sides, batches = by_side(rows), by_batch(rows)
  with matplotlib.rc_context(_STYLE):
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    figure.suptitle(title)
    _panel(left, [row["resolution"] for row in sides], sides, 2.0, "linear in pixels")
    left.set(xlabel="side, px (batch 1)", ylabel=f"{unit} a photo")
    _panel(right, [row["batch"] for row in batches], batches, 0.0, "no gain from a batch")
    right.set(xlabel=f"photos a batch ({batches[0]['resolution']} px)")
    out = io.StringIO()
    FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None})
  return out.getvalue()


def _panel(axes, xs: list[int], rows: Sequence[dict], power: float, said: str) -> None:
  """Points with their quartiles, and the line that x ** power gives through the first of them."""
  ys = [seconds(row) for row in rows]
  spreads = [row.get("cpu_s_per_photo") or row["ms"] for row in rows]
  low = [y * s["p25"] / s["median"] for y, s in zip(ys, spreads, strict=True)]
  high = [y * s["p75"] / s["median"] for y, s in zip(ys, spreads, strict=True)]
  axes.plot(xs, [ys[0] * (x / xs[0]) ** power for x in xs], color=_LINE, linestyle="--", label=said)
  axes.plot(xs, ys, color=_SOLID, marker="o", label="measured, with quartiles")
  axes.vlines(xs, low, high, color=_SOLID, linewidth=3, alpha=0.4)
  axes.set_xscale("log", base=2)
  if power:
    axes.set_yscale("log")
  else:
    axes.set_ylim(0, 1.2 * max(high))
  axes.set_xticks(xs, [str(x) for x in xs])
  axes.minorticks_off()
  axes.legend(frameon=False, fontsize=8)
