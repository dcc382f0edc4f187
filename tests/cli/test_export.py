"""`facefill export`: files, exit codes, one line for each mistake."""

import pytest
import tiny_model

from facefill_jax.cli import main
from facefill_jax.filling import export, model_files, onnx_export


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """The current folder, with a model in `tiny`."""
  model_files.save_model(tmp_path / "tiny", tiny_model.random_params(), tiny_model.CONFIG)
  monkeypatch.chdir(tmp_path)
  return tmp_path


COMMAND = ["export", "--to", "stablehlo", "--model", "tiny", "out"]


def failed(capsys, code, argv, *words):
  assert main(argv) == code
  said = capsys.readouterr()
  assert said.out == "" and said.err.startswith("facefill: ") and said.err.count("\n") == 1
  for word in words:
    assert word in said.err, said.err


def test_writes_what_can_be_replaced(folder, capsys):
  assert main(COMMAND) == 0
  said = capsys.readouterr()
  assert said.out == "" and said.err.startswith("wrote out/fill.jax_export: ")
  assert (folder / "out" / "fill.jax_export").stat().st_size > 1_000_000
  (folder / "out" / "notes.txt").write_text("mine")
  (folder / "out" / "fill.jax_export").write_bytes(b"old")
  failed(capsys, 2, COMMAND, "out: is not empty", "--overwrite")
  assert (folder / "out" / "fill.jax_export").read_bytes() == b"old"
  assert main([*COMMAND, "--overwrite"]) == 0
  assert (folder / "out" / "fill.jax_export").stat().st_size > 1_000_000
  assert (folder / "out" / "notes.txt").read_text() == "mine"


def test_refusals(folder, capsys, monkeypatch):
  failed(capsys, 2, ["export", "out"], "--to")
  failed(capsys, 2, ["export", "--to", "coreml", "out"], "coreml", "stablehlo")
  failed(capsys, 2, ["export", "--to", "stablehlo"], "OUT_DIR")
  failed(capsys, 2, [*COMMAND[:-1], "gs://bucket/out"], "local path")
  failed(capsys, 2, [*COMMAND[:-1], "tiny", "--overwrite"], "tiny", "holds no fill.jax_export")
  failed(capsys, 4, ["export", "--to", "stablehlo", "--model", "no", "out"], "no such model")
  failed(capsys, 2, [*COMMAND, "--batch-size", "2"], "takes any batch")
  monkeypatch.setattr(export, "_NEEDED", "not_a_package_that_exists")
  failed(capsys, 3, COMMAND, "facefill_jax[export]")
  monkeypatch.setattr(onnx_export, "_NEEDED", "not_a_package_that_exists")
  command = ["export", "--to", "onnx", "--model", "tiny", "out"]
  failed(capsys, 3, command, "pip install not_a_package_that_exists onnxruntime")
  assert not (folder / "out").exists()
