"""Names and numbers as people read them."""

import pytest

from facefill_jax.evaluation.report import wording


def test_numbers():
  assert wording.number(-0.1234, 2) == "\N{MINUS SIGN}0.12"
  assert wording.number(0.1234, 2, signed=True) == "+0.12"
  assert wording.number(-0.001, 2) == "0.00"  # no minus before nothing
  assert wording.number(None, 2) == wording.number(float("nan"), 2) == "–"
  assert wording.span(1.0, 2.0, 1) == "1.0–2.0"
  assert wording.span(-1.0, 2.0, 1, signed=True) == "\N{MINUS SIGN}1.0 to +2.0"
  assert wording.span(None, 2.0, 1) == ""


@pytest.mark.parametrize(
  ("values", "unit", "places"),
  [
    ([17.0, 22.0], "dB", 2),
    ([0.85, 0.9], "", 3),
    ([0.012, 0.5, None, 0.0], "", 4),
    ([1e-7], "", 5),
    ([123.0], "", 2),
    ([None], "", 2),
  ],
)
def test_places_show_three_figures_of_the_smallest(values, unit, places):
  assert wording.decimals(values, unit) == places


def test_titles():
  assert wording.full_title("hole_psnr", "hole") == "Hole PSNR"
  assert wording.full_title("frame_lpips_vgg", "frame") == "Frame LPIPS, VGG"
  assert wording.full_title("frame_ssim_grey_51", "frame") == "Frame SSIM, grey 51"
  assert wording.full_title("rim_error", "hole") == "Rim error"
  assert wording.full_title("some_new_one", "") == "some new one"
  assert wording.bin_title("10-20") == "10–20 %" and wording.bin_title("01-10") == "1–10 %"
  assert wording.bin_title("1-10") == "1–10 %" and wording.bin_title("60+") == "60+ %"
  assert wording.bin_title("thick") == "thick" and wording.bin_title("a-b") == "a-b"


def test_times_and_counts():
  assert wording.duration(0.0041) == ("4.1", "ms")
  assert wording.duration(1.234) == ("1.23", "s")
  assert wording.duration(0.9999) == ("1", "s")
  assert wording.duration(150.0) == ("2.5", "min")
  assert wording.count(1, "photo") == "1 photo" and wording.count(10_000, "fill") == "10,000 fills"


def test_what_is_missing_is_told_by_reason():
  missing = {"region": "hole", "not_computed": "no weights"}
  there = {"region": "hole", "not_computed": None}
  entries = {"hole_l1": missing, "b": there, "kid": missing | {"region": ""}, "d": there}
  assert wording.by_region(entries) == {"hole": ["b", "d"]}
  assert wording.by_reason(entries) == {"no weights": ["Hole L1", "KID"]}


def test_groups_keep_unknown_regions():
  entries = {"a": {"region": "frame"}, "b": {"region": "rim"}, "c": {"region": "hole"}}
  assert wording.by_region(entries) == {"hole": ["c"], "frame": ["a"], "": ["b"]}
