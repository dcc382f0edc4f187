"""Plots: what they say to those who cannot see them, far dots, size, colours of the page."""

import re

import numpy as np
from parsed import Page

from facefill_jax.evaluation.report import plots
from facefill_jax.evaluation.report.plots import Point, Series


def drawn(series, **options):
  svg, beyond = plots.by_hole_ratio(series, "PSNR", 1, **options)
  return Page(str(svg)), beyond


def test_what_is_said_and_written():
  points = [Point("10–20 %", 0.1, 10.0, None, None), Point("20–30 %", 0.2, 20.0, 15.0, 20.0)]
  page, beyond = drawn([Series("", points)])
  assert beyond == 0
  assert page.all("svg")[0]["aria-label"] == (
    "PSNR by hole ratio. Means: 10–20 % 10.0, 20–30 % 20.0."
  )
  assert page.text == "10 20 hole, % of the picture 10 12 14 16 18 20"  # it is text, not shapes


def test_one_far_dot_does_not_decide():
  rng = np.random.default_rng(0)
  dots = np.stack([rng.uniform(0, 0.6, 200), rng.uniform(20, 30, 200)], axis=1)
  assert drawn([Series("", [], dots)])[1] == 0
  page, beyond = drawn([Series("", [], np.append(dots, [[0.3, 5000.0]], axis=0))])
  assert beyond == 1 and " 5000" not in page.text


def test_many_dots_stay_small():
  rng = np.random.default_rng(0)
  svg, _ = plots.by_hole_ratio([Series("", [], rng.uniform(0, 1, (100_000, 2)))], "x", 2)
  assert len(svg) < 80_000


def test_a_natural_value_is_in_the_frame():
  page, _ = drawn([Series("", [Point("all", 0.25, 0.5, 0.5, 0.5)])], natural=1.0)
  assert "1.0" in page.text.split()
  drawn([Series("", [Point("all", 0.0, 0.0, None, None)])])  # no height of its own, at 0


def test_series_differ_without_colour_and_colours_are_the_pages():
  names = ["a", "b", "<c>"]
  assert len({sign for sign, _, _ in plots.legend(names)}) == 3
  series = [Series(name, [Point("10–20 %", 0.15, 1.0, 0.5, 1.5)]) for name in names]
  svg, _ = plots.by_hole_ratio(series, "PSNR", 1)
  page = Page(str(svg))
  assert "b: 10–20 % 1.0." in page.all("svg")[0]["aria-label"]
  assert {"var(--s0)", "var(--s1)", "var(--s2)", "var(--line)"} <= {*re.findall(r"var\(.*?\)", svg)}
  assert not re.search(r"#[0-9a-f]{6}\b|font", svg)
  assert len({use["xlink:href"] for use in page.all("use") if "s0" in str(use)}) >= 1
