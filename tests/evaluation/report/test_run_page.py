"""The report of a run: all that was measured is there, nothing is fetched, nothing is markup."""

import json
import shutil

import fake_run
import pytest
from parsed import Page, check_page
from PIL import Image

from facefill_jax.evaluation.report import wording
from facefill_jax.evaluation.report.run_page import command, write_report
from facefill_jax.evaluation.results import read_run

HOSTILE = "<img src=http://x onerror=alert(1)>\"'&amp;.png"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
  where = tmp_path_factory.mktemp("runs") / "telea"
  return fake_run.build(where, photos=4, name="<script>alert(1)</script>", photo_name=HOSTILE)


@pytest.fixture
def run(made, tmp_path):
  return shutil.copytree(made, tmp_path / "run")


def change(directory, /, **changes):
  content = json.loads((directory / "metrics.json").read_text())
  for key, value in changes.items():
    content[key] = content[key] | value if isinstance(value, dict) else value
  (directory / "metrics.json").write_text(json.dumps(content))


def page_of(run) -> Page:
  return Page(write_report(run).read_text(encoding="utf-8"))


def row_of(page, key):
  found = [row for row in page.rows if row and row[0].endswith(key)]
  assert len(found) == 1, (key, page.rows)
  return found[0]


def test_every_metric_is_in_the_table(run):
  page, content = page_of(run), json.loads((run / "metrics.json").read_text())
  check_page(page)
  heads = next(row for row in page.rows if row[0] == "Metric")
  assert heads[1:3] == ["All holes n = 24", "1–10 % n = 4"] and len(heads) == 2 + len(
    content["bins"]
  )
  for key, entry in content["metrics"].items():
    if entry["not_computed"]:
      name = wording.full_title(key, entry["region"])
      assert f"{name} : {entry['not_computed']}" in page.text
      continue
    row = row_of(page, f"{key} seen in training" if entry["trained_on"] else key)
    places = wording.places(entry)
    for cell, score in zip(row[1:], [entry["all"], *entry["bins"].values()], strict=True):
      value, low, high = (f"{score[name]:.{places}f}" for name in ("value", "low", "high"))
      assert cell == f"{value} {low}–{high}"
    assert entry["implementation"] in page.text
  assert "Not independent. Frame SqueezeNet distance" in page.text


def test_groups_by_skin_tone(run):
  assert "By skin tone" not in page_of(run).text  # a run of an older version
  content = json.loads((run / "metrics.json").read_text())
  score = {"value": 20.25, "low": 19.5, "high": 21.0, "count": 12}
  for key in ("frame_l1", "hole_psnr"):
    content["metrics"][key]["skin_tones"] = {"light": score, "dark": score | {"value": 19.75}}
  change(run, metrics=content["metrics"])
  page = page_of(run)
  check_page(page)
  assert ["Metric", "Light n = 12", "Dark n = 12"] in page.rows
  assert ["Hole PSNR", "20.25 19.50–21.00", "19.75 19.50–21.00"] in page.rows


def test_the_first_numbers_are_of_fair_judges(run):
  text = page_of(run).text
  names = ["Hole PSNR", "Hole SSIM", "Hole LPIPS, VGG", "Identity similarity", "Time per photo"]
  places = [text.index(name) for name in names]
  assert places == sorted(places) and places[-1] < text.index("Known pixels")
  content = json.loads((run / "metrics.json").read_text())
  content["metrics"]["hole_lpips_vgg"]["trained_on"] = True
  change(run, metrics=content["metrics"])
  assert page_of(run).text.index("LPIPS, VGG") > text.index("Known pixels")


def test_names_are_text(run):
  change(run, checks={"known_pixels": {"passed": True, "detail": "</p><script>alert(2)</script>"}})
  source = write_report(run).read_text(encoding="utf-8")
  page = Page(source)
  check_page(page)
  assert len(page.all("img")) == 3 and "<script" not in source and "onerror=alert(1)>" not in source
  assert "<script>alert(1)</script>" in page.text and "<script>alert(2)</script>" in page.text
  assert HOSTILE in page.text  # it is one of the worst, the median or the best four of 24


def test_checks_say_what_they_found(run):
  text = page_of(run).text
  assert "Checks: 1 failed" in text
  assert "passed Known pixels are identical 0 of 1,093,632 known values" in text
  assert "failed Layouts come from known pixels only 3 of 8" in text
  assert "given class on 66.0 % and the predicted one on 26.0 % of the 20,210 hole pixels" in text
  assert "not run Seeds give different fills This run has no such check." in text
  change(run, checks={
    "diversity": {"passed": None, "seeds": 4, "mean_distance": 0.0123},
    "layout_from_known_only": {"not_computed": "Telea reads no layout"},
    "layout_adherence": {"passed": True, "detail": "in short", "pixels": 10, "given_share": 0.5,
                         "predicted_share": 0.25, "parser_accuracy": 0.9, "trained_on": True},
    "another": {"passed": True, "detail": "all well", "share": 0.5},
  })  # fmt: skip
  text = page_of(run).text
  assert "Checks: 1 failed" not in text
  assert "measured Seeds give different fills seeds 4, mean distance 0.0123" in text
  assert "not run Layouts come from known pixels only Telea reads no layout" in text
  assert "It reads 90.0 % of the pixels of real photos right. The parser is the model's own" in text
  assert "passed another all well: share 50.0 %" in text


def test_a_retired_check_is_not_believed(run):
  change(run, checks={"guidance": {"passed": True, "ratio": 3.4}})
  content = json.loads((run / "metrics.json").read_text())
  del content["checks"]["layout_adherence"]
  (run / "metrics.json").write_text(json.dumps(content))
  checks = read_run(run).checks
  assert "guidance" not in checks and checks["layout_adherence"]["passed"] is None
  assert "evaluate the model again" in page_of(run).text


def test_plots_and_sheets(run):
  page = page_of(run)
  labels = [svg["aria-label"] for svg in page.all("svg")]
  assert labels[0].startswith("Hole PSNR by hole ratio. Means: 1–10 % ") and len(labels) == 7
  sheets = [image["alt"] for image in page.all("img")]
  assert sheets[0].startswith("Best fills, a row each: masked, layout, filled, truth. Row 1: ")
  assert all(alt.count("Row ") == 4 and " dB." in alt for alt in sheets)
  # Without layouts a sheet is three faces wide.
  for name in ("best", "median", "worst"):
    Image.new("RGB", (3 * 48, 4 * 48)).save(run / "examples" / f"{name}.png")
  assert "masked, filled, truth." in page_of(run).all("img")[0]["alt"]


def test_a_page_is_the_same_bytes_each_time(run):
  first = write_report(run).read_bytes()
  assert write_report(run).read_bytes() == first and b"<dc:" not in first


def test_wide_sheets_are_shrunk(run):
  Image.new("RGB", (2048, 2048), "red").save(run / "examples" / "best.png")
  first = page_of(run).all("img")[0]
  assert (first["width"], first["height"]) == ("1024", "1024")


def test_how_to_do_it_again(run):
  words = command(read_run(run)).split()
  assert words[:6] == ["facefill", "eval", "--method", "telea", "--photos", "faces"]
  assert words[6:10] == ["--masks", "masks/nvidia", "--seed", "0"]
  change(run, run={"method": "model", "model": {"sha256": "ab" * 32, "config": {"size": "small"}}})
  assert command(read_run(run)).startswith("facefill eval --model DIR --photos faces")
  text = page_of(run).text
  assert "SHA-256 abababababab ." in text and "ab" * 32 in text and '"size": "small"' in text
  change(run, run={"judges": {"lpips_vgg": "0123456789abcdef"}})
  assert "Weights of judges lpips_vgg 0123456789ab" in page_of(run).text
  change(run, run={"command": ["facefill", "eval", "--photos", "my faces"]})
  assert "facefill eval --photos 'my faces'" in page_of(run).text


def test_a_run_of_little(run):
  shutil.rmtree(run / "examples")
  content = {"format": 1, "run": {}, "bins": [], "metrics": {}, "checks": {}}
  (run / "metrics.json").write_text(json.dumps(content))
  page = page_of(run)
  check_page(page)
  assert page.all("svg") == page.all("img") == []
  assert "24 fills of 4 photos" in page.text


@pytest.mark.parametrize(
  ("file", "content", "said"),
  [
    ("metrics.json", None, "metrics.json: is not there; give the --out directory"),
    ("metrics.json", "{", "metrics.json: is no JSON"),
    ("metrics.json", '{"format": 2}', "is not of format 1"),
    ("metrics.json", '{"format": 1, "run": []}', "'run' must be a dict"),
    (
      "metrics.json",
      '{"format": 1, "run": {}, "bins": [], "checks": {}, "metrics": {"a": {"all": {"low": "x"}}}}',
      "metric 'a': low must be a number or null, got 'x'",
    ),
    ("per_image.csv", None, "per_image.csv: is not there"),
    ("per_image.csv", "", "per_image.csv: is empty"),
    ("per_image.csv", "id,photo,mask\n", "needs one column bin"),
    ("per_image.csv", "id,photo,mask,bin,hole_ratio\na,b,c,d\n", "line 2 has 4 cells"),
    ("per_image.csv", "id,photo,mask,bin,hole_ratio\na,b,c,d,e\n", "hole_ratio is no number: 'e'"),
    ("per_image.csv", "id,photo,mask,bin,hole_ratio\na,b,c,d,inf\n", "hole_ratio is infinite"),
    ("examples/best.png", "none", "best.png: cannot be read as a PNG"),
    ("examples/examples.json", "[]", "examples.json: must be a dict of lists"),
    ("examples/examples.json", '{"best": [1]}', "'best' must be a list of dicts"),
  ],
)
def test_damage_is_one_line(run, file, content, said):
  (run / file).unlink()
  if content is not None:
    (run / file).write_text(content)
  with pytest.raises(ValueError) as caught:
    write_report(run)
  assert said in str(caught.value) and "\n" not in str(caught.value)
  assert not (run / "report.html").exists()
