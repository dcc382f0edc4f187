"""Runs side by side: which fills are pairs, differences by hand, files, pages and exit codes."""

import csv
import json

import numpy as np
import pytest
from parsed import Page, check_page

from facefill_jax.cli.eval_compare import compare as command
from facefill_jax.evaluation import paired_runs, statistics
from facefill_jax.evaluation.compare import compare
from facefill_jax.evaluation.paired_runs import ALONE, UNLIKE, measure

PHOTOS = [f"{i}.png" for i in range(12)]
FILLS = [(photo, f"{b}/{i}.png", b) for b in ("10-20", "20-30") for i, photo in enumerate(PHOTOS)]


def score(value):
  return {"value": value, "low": value, "high": value, "count": 24}


def metric(better="higher", region="hole", said="as it is", value=1.0, **changes):
  return {
    "unit": "dB" if better == "higher" else "", "better": better, "region": region,
    "implementation": said, "trained_on": False, "not_computed": None, "all": score(value),
    "bins": {},
  } | changes  # fmt: skip


def write(directory, psnr, fills=FILLS, ratio=0.2, metrics=(), run=(), columns=()):
  """A run whose fill k has hole_psnr psnr[k], None for no value."""
  directory.mkdir()
  columns = {"hole_psnr": psnr} | dict(columns)
  with open(directory / "per_image.csv", "w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    writer.writerow(["id", "photo", "mask", "bin", "hole_ratio", "seconds", *columns])
    for k, (photo, mask, name) in enumerate(fills):
      writer.writerow([photo, photo, mask, name, ratio, 0.1, *(x[k] for x in columns.values())])
  content = {
    "format": 1, "run": {"name": directory.name, "size": 64, "method": "telea"} | dict(run),
    "bins": ["10-20", "20-30"], "metrics": {"hole_psnr": metric()} | dict(metrics), "checks": {},
  }  # fmt: skip
  (directory / "metrics.json").write_text(json.dumps(content), encoding="utf-8")
  return directory


@pytest.fixture
def values():
  rng = np.random.default_rng(0)
  hard = np.tile(rng.normal(20, 4, 12), 2)
  return hard, hard + 0.5 + rng.normal(0, 0.2, 24)


def test_differences_are_of_pairs_with_their_interval(tmp_path, values):
  a, b = write(tmp_path / "a", values[0]), write(tmp_path / "b", values[1])
  found = measure([a, b])
  entry = found.metrics["hole_psnr"]
  assert (found.pairs, found.photos, entry["note"]) == (24, 12, None)
  photos = [photo for photo, _, _ in FILLS]
  wanted = statistics.paired(values[1], values[0], photos)
  assert entry["differences"]["a"] is None
  got = entry["differences"]["b"]
  assert (got["value"], got["low"], got["high"]) == (wanted.value, wanted.low, wanted.high)
  assert got["value"] == pytest.approx((values[1] - values[0]).mean()) and got["excludes_zero"]
  alone = entry["runs"]["a"]
  assert alone["value"] == pytest.approx(values[0].mean()) and alone["high"] > values[1].mean()
  assert entry["bins"]["20-30"]["b"]["value"] == pytest.approx(values[1][12:].mean())
  assert not measure([a, a]).metrics["hole_psnr"]["differences"][f"a ({a}) #2"]["excludes_zero"]


def test_pairs_are_those_that_all_have_whatever_the_order(tmp_path, values):
  order = [5, 3, 17, 2, 20]
  a = write(tmp_path / "a", values[0])
  b = write(tmp_path / "b", values[1][order], [FILLS[k] for k in order])
  few = [FILLS[2], FILLS[17], ("x.png", "10-20/0.png", "10-20")]
  c = write(tmp_path / "c", [1.0, None, 3.0], few)
  found = measure([a, b, c])
  assert [rows.tolist() for rows in found.rows] == [[2, 17], [3, 2], [0, 1]]
  entry = found.metrics["hole_psnr"]
  assert entry["runs"]["b"]["value"] == pytest.approx(values[1][[2, 17]].mean())
  assert entry["runs"]["c"]["count"] == entry["differences"]["c"]["count"] == 1
  assert entry["differences"]["c"]["value"] == pytest.approx(1.0 - values[0][2])
  assert entry["differences"]["c"]["low"] is None  # one photo
  assert not entry["differences"]["c"]["excludes_zero"]


def test_a_photo_may_meet_a_mask_twice(tmp_path):
  fills = [FILLS[0], FILLS[0], FILLS[1]]
  a, b = write(tmp_path / "a", [1.0, 2.0, 3.0], fills), write(tmp_path / "b", [1.5, 2.5], fills[:2])
  found = measure([a, b])
  assert found.pairs == 2 and found.photos == 1
  assert found.metrics["hole_psnr"]["differences"]["b"]["value"] == 0.5


def test_what_cannot_be_paired_says_so(tmp_path, values):
  sets = {"fid": metric("lower", "", value=12.0)}
  none = {"kid": metric("lower", "", not_computed="too few", all=score(None))}
  a = write(tmp_path / "a", values[0], metrics=sets | none | {"hole_l1": metric("lower")},
            columns={"hole_l1": values[0]})  # fmt: skip
  b = write(
    tmp_path / "b", values[1], metrics={"fid": metric("lower", "", value=9.0)} | none
    | {"hole_l1": metric("lower", said="another one", value=2.0)}, columns={"hole_l1": values[1]},
  )  # fmt: skip
  metrics = measure([a, b]).metrics
  assert metrics["fid"]["note"] == ALONE and metrics["hole_l1"]["note"] == UNLIKE
  for key in ("fid", "hole_l1"):
    assert metrics[key]["differences"] == {"a": None, "b": None} and metrics[key]["bins"] == {}
  assert metrics["fid"]["runs"]["b"] == score(9.0)
  assert metrics["hole_l1"]["runs"]["b"]["value"] == 2.0  # its own
  text = compare([a, b], tmp_path / "out")
  assert "hole_l1 ↓  (implementations differ: no difference is taken)" in text
  assert "kid ↓\n  a  not computed\n  b  not computed" in text
  page = Page((tmp_path / "out" / "compare.html").read_text(encoding="utf-8"))
  assert "Hole L1 : a: as it is; b: another one. Implementations differ" in page.text
  assert "Not computed for any run KID : too few" in page.text


def test_a_metric_that_one_run_lacks(tmp_path, values):
  a = write(tmp_path / "a", values[0])
  b = write(
    tmp_path / "b", values[1], metrics={"identity": metric()}, columns={"identity": values[1]}
  )
  found = measure([a, b]).metrics["identity"]
  assert found["runs"]["a"]["value"] is None and found["differences"]["b"]["value"] is None
  assert found["runs"]["b"]["value"] == pytest.approx(values[1].mean())
  compare([a, b], tmp_path)
  page = Page((tmp_path / "compare.html").read_text(encoding="utf-8"))
  assert "Not computed for a: the run has no such score" in page.text


@pytest.mark.parametrize(
  ("changes", "said"),
  [
    ({"run": {"size": 128}}, "scored at different sizes: a at 64 px, b at 128 px"),
    ({"ratio": 0.3}, "b: 24 masks of a's have another hole there, 10-20/0.png the first"),
    ({"fills": [(p, f"x{m}", b) for p, m, b in FILLS]}, "is in all runs (a 24, b 24): nothing"),
  ],
)
def test_runs_that_are_no_match(tmp_path, values, changes, said):
  a, b = write(tmp_path / "a", values[0]), write(tmp_path / "b", values[1], **changes)
  with pytest.raises(ValueError) as caught:
    compare([a, b], tmp_path / "out")
  assert said in str(caught.value) and not (tmp_path / "out").exists()
  with pytest.raises(ValueError, match="two runs or more wanted, got 1"):
    compare([a])


def test_files_and_page(tmp_path, values):
  name = "<b>&b</b>"
  seen = {"hole_psnr": metric(trained_on=True), "hole_l1": metric("lower")}
  a = write(tmp_path / "a", values[0], metrics={"hole_l1": metric("lower")},
            columns={"hole_l1": values[0]})  # fmt: skip
  b = write(tmp_path / "b", values[1], run={"name": name}, metrics=seen,
            columns={"hole_l1": values[1]})  # fmt: skip
  c = write(tmp_path / "c", values[0], metrics={"hole_l1": metric("lower")},
            columns={"hole_l1": values[0]})  # fmt: skip
  text = compare([a, b, c], tmp_path / "out")
  assert text.startswith("24 fills of 12 photos in all runs; differences to a")
  content = json.loads((tmp_path / "out" / "compare.json").read_text())
  assert (content["first"], content["pairs"], list(content["runs"])) == ("a", 24, ["a", name, "c"])
  assert content["metrics"]["hole_psnr"]["differences"][name]["excludes_zero"]
  page = Page((tmp_path / "out" / "compare.html").read_text(encoding="utf-8"))
  check_page(page)
  heads = next(row for row in page.rows if row[0] == "Metric")
  assert heads[:4] == ["Metric", "a", name, f"difference of {name} to a"] and len(heads) == 6
  rows = {key: row for row in page.rows for key in ("hole_psnr", "hole_l1") if key in row[0]}
  assert rows["hole_psnr"][3].startswith("▲ better +0.")
  assert rows["hole_l1"][3].startswith("▼ worse +0.")  # more L1 is worse
  assert rows["hole_psnr"][5] == "0.000 0.000 to 0.000"
  assert f"Hole PSNR of {name}: the network behind took part" in page.text
  assert len([svg for svg in page.all("svg") if "role" in svg]) == 1


def test_names_stay_apart(tmp_path, values):
  (tmp_path / "x").mkdir()
  a = write(tmp_path / "a", values[0])
  b = write(tmp_path / "x" / "a", values[1])
  names = measure([a, b]).names
  assert names == [f"a ({a})", f"a ({b})"]
  assert paired_runs.measure([a, write(tmp_path / "b", values[1])]).names == ["a", "b"]


def test_the_command(tmp_path, values, capsys):
  a, b = (str(write(tmp_path / name, x)) for name, x in zip("ab", values, strict=True))
  out = tmp_path / "out"

  def run(*words):
    return command.main(list(words), standalone_mode=False, obj={"verbose": False})

  run(a, b)
  assert "hole_psnr dB ↑" in capsys.readouterr().out and not out.exists()
  run(a, b, "--out", str(out))
  assert "compare.html" in capsys.readouterr().err
  with pytest.raises(Exception, match="exists; give --overwrite") as caught:
    run(a, b, "--out", str(out))
  assert caught.value.exit_code == 3
  run(a, b, "--out", str(out), "--overwrite")
  with pytest.raises(Exception, match="two runs or more") as caught:
    run(a)
  assert caught.value.exit_code == 2
  with pytest.raises(Exception, match="json: is not there") as caught:
    run(a, str(tmp_path / "nowhere"))
  assert caught.value.exit_code == 3
