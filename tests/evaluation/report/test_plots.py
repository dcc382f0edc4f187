"""Plots: ticks and places by hand, far dots, what is said of them."""

import numpy as np
import pytest
from parsed import Page

from facefill_jax.evaluation.report import plots
from facefill_jax.evaluation.report.plots import Point, Series


def drawn(series, **options):
  svg, beyond = plots.by_hole_ratio(series, "PSNR", 1, **options)
  return Page(str(svg)), beyond


@pytest.mark.parametrize(
  ("low", "high", "ticks"),
  [
    (0.0, 10.0, [0, 2, 4, 6, 8, 10]),
    (12.0, 24.0, [12, 14, 16, 18, 20, 22, 24]),
    (-0.13, 0.11, [-0.1, -0.05, 0, 0.05, 0.1]),
    (0.0004, 0.0031, [0.0005, 0.001, 0.0015, 0.002, 0.0025, 0.003]),
  ],
)
def test_ticks_are_round_and_inside(low, high, ticks):
  assert plots.nice_ticks(low, high) == pytest.approx(ticks)


def test_places_by_hand():
  points = [Point("10–20 %", 0.1, 10.0, None, None), Point("20–30 %", 0.2, 20.0, 15.0, 20.0)]
  page, beyond = drawn([Series("", points)])
  # The frame: ratios .1 to .2, values 9.6 to 20.4 (four hundredths more at each end), 176 high.
  first, second = (g["transform"] for g in page.all("g"))
  assert first == "translate(44 177.5)" and second == "translate(352 14.5)"
  trend = next(path for path in page.all("path") if path.get("class") == "trend")
  assert trend["d"] == "M44 177.5 352 14.5"
  whiskers = [path["d"] for path in page.all("path") if path.get("class") == "whisker"]
  assert whiskers == ["M352 96V14.5"]
  assert beyond == 0
  assert page.all("svg")[0]["aria-label"] == (
    "PSNR by hole ratio. Means: 10–20 % 10.0, 20–30 % 20.0."
  )


def test_one_far_dot_does_not_decide():
  rng = np.random.default_rng(0)
  dots = np.stack([rng.uniform(0, 0.6, 200), rng.uniform(20, 30, 200)], axis=1)
  page, beyond = drawn([Series("", [], dots)])
  assert beyond == 0
  far = np.append(dots, [[0.3, 5000.0]], axis=0)
  page, beyond = drawn([Series("", [], far)])
  assert beyond == 1
  path = next(path["d"] for path in page.all("path") if path.get("class") == "dots")
  assert path.count("M") == 200
  heights = [float(dot.split("h")[0].split()[1]) for dot in path.split("M")[1:]]
  assert min(heights) >= plots.TOP and max(heights) <= plots.HEIGHT - plots.BOTTOM
  assert max(heights) - min(heights) > 0.3 * (plots.HEIGHT - plots.TOP - plots.BOTTOM)


def test_many_dots_stay_small():
  rng = np.random.default_rng(0)
  svg, _ = plots.by_hole_ratio([Series("", [], rng.uniform(0, 1, (100_000, 2)))], "x", 2)
  assert len(svg) < 40_000


def test_natural_and_alike_values():
  page, _ = drawn([Series("", [Point("all", 0.25, 0.5, 0.5, 0.5)])], natural=1.0)
  line = next(x for x in page.all("line") if x["class"] == "natural")
  assert float(line["y1"]) < 20  # 1 is near the top
  drawn([Series("", [Point("all", 0.0, 0.0, None, None)])])  # no height of its own, at 0


def test_series_differ_without_colour():
  names = ["a", "b", "<c>"]
  page = Page(str(plots.legend(names)))
  outlines = [path["d"] for path in page.all("path") if path.get("class") != "trend"]
  assert len(set(outlines)) == 3 and page.text == "ab<c>"
  series = [Series(name, [Point("10–20 %", 0.15, 1.0, 0.5, 1.5)]) for name in names]
  page, _ = drawn(series)
  assert "b: 10–20 % 1.0." in page.all("svg")[0]["aria-label"]
  assert len({g["transform"] for g in page.all("g")}) == 3  # beside each other
