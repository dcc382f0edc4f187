"""`facefill data` from download to verified set: what it prints, exit codes, one line a mistake."""

import subprocess
import sys
from pathlib import Path

import drawn_sets
import pytest

from facefill_jax.cli import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """The current folder: a drawn download in `from`."""
  drawn_sets.celebamask_hq_tree(tmp_path / "from", ids=(0, 1, 10))
  monkeypatch.chdir(tmp_path)
  return tmp_path


BUILD = ["data", "build", "celebamask_hq", "--from", "from", "--to", "set", "--size", "64"]
ONE = ["--workers", "1"]


def failed(capsys, code, argv, *words):
  assert main(argv) == code
  captured = capsys.readouterr()
  last = captured.err.strip().splitlines()[-1]
  assert last.startswith("facefill: ") and "Traceback" not in captured.err
  for word in words:
    assert word in last, last


def test_build_and_verify(folder, capsys):
  assert main([*BUILD, *ONE]) == 0
  captured = capsys.readouterr()
  assert captured.out == ""
  assert (
    "celebamask_hq: 3 photos of 64 px (the whole set has 30000); 3 with a layout" in captured.err
  )
  assert captured.err.endswith("ready: set\n")
  assert main(["data", "verify", "set", *ONE]) == 0
  out = capsys.readouterr().out.splitlines()
  assert out[-1] == "all 3 records are as they were built"
  (skin,) = (line.split() for line in out if line.startswith("skin"))
  assert skin[2] == "100.0%"


def test_verify_names_what_is_damaged(folder, capsys):
  assert main([*BUILD, *ONE]) == 0
  (shard,) = Path("set").glob("*array_record*")
  shard.write_bytes(shard.read_bytes()[:100])
  capsys.readouterr()
  assert main(["data", "verify", "set", *ONE]) == 3
  err = capsys.readouterr().err
  assert f"{shard}: has 100 bytes instead of" in err and "records 0..2 (ids 0 .. 10)" in err
  assert "facefill: set: 1 problems, 3 of 3 records are damaged" in err


def test_splits(folder, capsys):
  assert main(["data", "splits"]) == 0
  out = capsys.readouterr().out
  assert [line.split(":")[0] for line in out.splitlines()] == [
    "all", "celeba", "ffhq", "hash", "lama"
  ]  # fmt: skip
  assert main([*BUILD, *ONE]) == 0
  assert main(["data", "splits", "celeba", "--in", "set"]) == 0
  assert "  1 train, 2 validation, 0 test" in capsys.readouterr().out
  failed(capsys, 3, ["data", "splits", "ffhq", "--in", "set"], "photo '0' is not one of")
  failed(capsys, 2, ["data", "splits", "bogus"], "'bogus' is not one of all, celeba")


def test_mistakes(folder, capsys):
  failed(capsys, 2, ["data", "build", "bogus", "--from", ".", "--to", "x"], "'bogus' is not one of")
  failed(capsys, 3, [*BUILD[:4], "nowhere", *BUILD[5:]], "nowhere does not exist")
  failed(capsys, 2, [*BUILD[:6], "from/set"], "lies within from")
  failed(capsys, 3, ["data", "verify", "from"], "from: not a complete built data set")
  (folder / "set").mkdir()
  (folder / "set" / "letter.txt").write_text("dear")
  failed(capsys, 2, [*BUILD, *ONE], "set: holds other files")


def test_a_bad_photo_is_named(folder, capsys):
  (folder / "from" / "CelebA-HQ-img" / "1.jpg").write_bytes(b"no photo")
  failed(capsys, 3, [*BUILD, *ONE], "CelebA-HQ-img/1.jpg cannot be read")
  assert not (folder / "set" / "dataset_info.json").exists()


def test_workers_give_the_same_and_nothing_loads_tensorflow(folder):
  program = (
    "import sys; from facefill_jax.cli import main; code = main(sys.argv[1:]);"
    "bad = {'tensorflow', 'jax', 'tensorflow_datasets'} & set(sys.modules);"
    "sys.exit(f'{code} {bad}' if code or bad else 0)"
  )
  argv = [sys.executable, "-c", program, *BUILD, "--workers", "2"]
  subprocess.run(argv, check=True, cwd=folder, env={"PYTHONPATH": str(Path(__file__).parents[2])})
  assert main([*BUILD, *ONE]) == 0  # the same set: nothing to do
