"""facefill eval on the command line: what it prints and writes, and every mistake."""

import json
import shutil

import numpy as np
import pytest
import tiny_model
from drawn_sets import save

from facefill_jax.cli import main
from facefill_jax.filling import model_files

SIDE = 64


@pytest.fixture
def data(tmp_path):
  """Two photos of 64 px with labels, two masks, and where a run goes; no weights by default."""
  rng = np.random.default_rng(0)
  for i in range(2):
    save(tmp_path / "photos" / f"{i}.png", rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
    save(tmp_path / "labels" / f"{i}.png", np.full((SIDE, SIDE), i, np.uint8))
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[10 : 20 + i] = 255
    save(tmp_path / "masks" / f"{i}.png", mask)
  return tmp_path


@pytest.fixture(autouse=True)
def no_weights(monkeypatch, tmp_path):
  monkeypatch.setenv("FACEFILL_WEIGHTS", str(tmp_path / "weights"))


def arguments(data, **changes):
  """The words of a command that works; None drops an option."""
  options = {
    "method": "telea", "photos": data / "photos", "masks": data / "masks", "size": SIDE,
    "out": data / "run",
  } | changes  # fmt: skip
  words = ["eval"]
  for name, value in options.items():
    words += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
  return words


def test_a_run_and_its_table(data, capsys):
  assert main(arguments(data)) == 0
  told = capsys.readouterr()
  table = told.out.splitlines()
  assert table[0].split()[:5] == ["hole,", "%", "fills", "hole_psnr", "hole_ssim"]
  assert [line.split()[:2] for line in table[1:]] == [["10-20", "2"], ["all", "2"]]
  content = json.loads((data / "run" / "metrics.json").read_text())
  value = content["metrics"]["hole_psnr"]["all"]["value"]
  assert table[-1].split()[2] == f"{value:.2f}"
  assert content["run"]["name"] == "telea" and content["run"]["masks"] == str(data / "masks")
  assert sorted(p.name for p in (data / "run").iterdir()) == [
    "examples", "metrics.json", "per_image.csv", "report.html",
  ]  # fmt: skip
  assert "facefill weights convert" in told.err and "layout_miou" in told.err
  assert "CHECK FAILED" not in told.err
  assert not [p for p in data.iterdir() if p.name.startswith(".")]

  # Once more: not without --overwrite, and what is there stays until the new one is whole.
  before = (data / "run" / "per_image.csv").read_bytes()
  assert main(arguments(data)) == 2
  assert "--overwrite" in capsys.readouterr().err
  (data / "photos" / "1.png").write_bytes(b"nothing")
  assert main([*arguments(data), "--overwrite"]) == 3
  assert (data / "run" / "per_image.csv").read_bytes() == before
  assert not [p for p in data.iterdir() if p.name.startswith(".")]
  save(data / "photos" / "1.png", np.zeros((SIDE, SIDE, 3), np.uint8))
  assert main([*arguments(data, name="mine"), "--overwrite"]) == 0
  assert json.loads((data / "run" / "metrics.json").read_text())["run"]["name"] == "mine"


def test_failed_checks_are_loud_but_no_error(data, capsys):
  assert main(arguments(data, method="identity")) == 0
  assert "CHECK FAILED: layout from known only: 2 of 2 fills" in capsys.readouterr().err


def test_runs_are_compared(data, capsys):
  for method in ("telea", "ns"):
    assert main(arguments(data, method=method, out=data / method)) == 0
  capsys.readouterr()
  assert main(["eval", "compare", str(data / "telea"), str(data / "ns")]) == 0
  assert "telea" in capsys.readouterr().out
  assert main(["eval", "compare", str(data / "telea"), str(data / "nowhere")]) == 3


MISTAKES = {
  "two methods": ({"outputs": "x"}, 2, "one of --model, --outputs and --method"),
  "no masks": ({"masks": None}, 2, "one of --masks and --protocol"),
  "no photos": ({"photos": None}, 2, "--photos is required"),
  "unknown protocol": ({"masks": None, "protocol": "lama"}, 2, "valid names are lama_thin"),
  "unknown method": ({"method": "lama"}, 2, "telea"),
  "small": ({"size": 8}, 2, "--size"),
  "out nowhere": ({"out": "nowhere/at/all"}, 2, "no such folder"),
  "a long name": ({"out": "x" * 256}, 3, "256 bytes"),
  "no bucket": ({"out": "gs://bucket/run"}, 2, "must be a local path"),
  "photos nowhere": ({"photos": "nowhere"}, 3, "photos: nowhere does not exist"),
  "masks nowhere": ({"masks": "nowhere"}, 3, "masks: nowhere does not exist"),
  "outputs nowhere": ({"method": None, "outputs": "nowhere"}, 3, "outputs: nowhere does not"),
  "model nowhere": ({"method": None, "model": "nowhere"}, 4, "no such model directory"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_line_and_a_code(data, capsys, name, monkeypatch):
  monkeypatch.chdir(data)
  changes, code, said = MISTAKES[name]
  assert main(arguments(data, **changes)) == code
  told = capsys.readouterr().err
  assert said in told and told.count("\n") == 1 and "Traceback" not in told
  assert not (data / "run").exists()


def test_bad_files_are_one_line_and_exit_code_3(data, capsys):
  def fails(said, **changes):
    assert main(arguments(data, **changes)) == 3
    told = capsys.readouterr().err
    assert said in told.splitlines()[-1] and "Traceback" not in told
    assert not (data / "run").exists() and not (data / ".run.new").exists()

  save(data / "black" / "m.png", np.zeros((8, 8), np.uint8))  # named as no photo: for all of them
  fails("m.png: nothing to fill", masks=data / "black")
  wide = np.zeros((8, 16), np.uint8)
  wide[:, 5:9] = 255
  save(data / "wide" / "m.png", wide)
  fails("must be square, or of its photo's size", masks=data / "wide")
  save(data / "short" / "0.png", np.zeros((8, 8), np.uint8))
  fails("two sizes must be equal", labels=data / "short")
  save(data / "theirs" / "0.png", np.zeros((SIDE, SIDE, 3), np.uint8))
  fails("1 of 2 are missing", method=None, outputs=data / "theirs")
  save(data / "theirs" / "1.png", np.zeros((32, 32, 3), np.uint8))
  fails("1.png is 32 x 32", method=None, outputs=data / "theirs")
  (data / "weights").mkdir()
  (data / "weights" / "lpips_alex.safetensors").write_bytes(b"half a file")
  fails("lpips_alex")


def test_only_a_run_of_ours_is_replaced_and_only_its_files(data, capsys, monkeypatch):
  monkeypatch.delenv("FACEFILL_WEIGHTS")
  monkeypatch.setenv("HOME", "")  # no home directory: no judges, and no error
  run = data / "run"
  run.mkdir()
  (run / "metrics.json").write_text('{"loss": 1}')  # as of any other program
  (run / "examples").mkdir()
  assert main([*arguments(data), "--overwrite"]) == 2
  assert "holds no run" in capsys.readouterr().err and (run / "examples").is_dir()
  shutil.rmtree(run)
  assert main(arguments(data)) == 0
  (run / "diary.txt").write_text("mine")
  assert main([*arguments(data, name="again"), "--overwrite"]) == 0
  assert (run / "diary.txt").read_text() == "mine" and "again" in (run / "metrics.json").read_text()


def test_a_folder_that_holds_no_run_is_not_replaced(data, capsys):
  (data / "run").mkdir()
  (data / "run" / "diary.txt").write_text("mine")
  assert main([*arguments(data), "--overwrite"]) == 2
  assert "holds no run" in capsys.readouterr().err
  assert (data / "run" / "diary.txt").read_text() == "mine"


def test_a_model_of_another_resolution(data, capsys):
  config = tiny_model.CONFIG | {"perceptual": "squeezenet"}
  model_files.save_model(data / "best" / "model", tiny_model.random_params(), config)
  options = {"method": None, "model": data / "best" / "model", "labels": data / "labels"}
  assert main(arguments(data, size=96, **options)) == 0
  content = json.loads((data / "run" / "metrics.json").read_text())
  assert content["run"]["name"] == "best" and content["run"]["size"] == 96
  assert content["run"]["model"]["config"]["resolution"] == 64
  assert content["checks"]["known_pixels"]["passed"] is True
  assert content["checks"]["layout_from_known_only"]["passed"] is True
  assert content["metrics"]["layout_accuracy"]["all"]["count"] == 2
  assert "layout_miou" in capsys.readouterr().out
