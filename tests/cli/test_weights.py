"""`facefill weights`: converts, shows, and says in one line what is wrong."""

import errno
import os

import numpy as np
import pytest
import tiny_model

from facefill_jax.cli import main
from facefill_jax.filling import model_files
from facefill_jax.pretrained_nets import squeezenet, weights

CONVERT = ["weights", "convert", "squeezenet_caffe", "w.npz"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  monkeypatch.setenv("FACEFILL_WEIGHTS", str(tmp_path / "kept"))
  shapes = squeezenet.expected_shapes()
  np.savez("w.npz", **{name: np.ones(shape, np.float16) for name, shape in shapes.items()})
  return tmp_path


def failed(capsys, code, argv, *words):
  assert main(argv) == code
  captured = capsys.readouterr()
  assert captured.err.startswith("facefill: ") and captured.err.count("\n") == 1
  for word in words:
    assert word in captured.err, captured.err
  return captured.out


def test_convert_writes_and_show_finds(folder, capsys):
  assert main(CONVERT) == 0
  digest = weights.load("kept")["squeezenet_caffe"].sha256
  path = folder / "kept" / "squeezenet_caffe.safetensors"
  assert capsys.readouterr().err == f"wrote {path}, sha256 {digest}\n"
  assert main([*CONVERT, "--to", "else"]) == 0
  assert (folder / "else" / "squeezenet_caffe.sha256").is_file()
  capsys.readouterr()
  assert main(["weights", "show"]) == 0
  lines = capsys.readouterr().out.splitlines()
  assert lines[0] == f"weights in {folder / 'kept'}:" and len(lines) == 1 + len(weights.KINDS)
  found = dict(line.split(": ", 1) for line in lines[1:])
  assert list(found) == list(weights.KINDS)
  assert digest in found["squeezenet_caffe"] and "not LPIPS" in found["squeezenet_caffe"]
  assert "fid, kid, p_ids, u_ids" in found["inception_fid"]


def test_show_goes_on_after_a_damaged_file(capsys):
  assert main(CONVERT) == 0
  path = weights.path_of("kept", "squeezenet_caffe")
  path.write_bytes(path.read_bytes()[:5000])
  capsys.readouterr()
  out = failed(capsys, 3, ["weights", "show", "--in", "kept"], "1 damaged", str(path))
  assert len(out.splitlines()) == 1 + len(weights.KINDS)
  assert "mobileface: no weights" in out


def test_mistakes_are_one_line(folder, capsys):
  failed(capsys, 2, ["weights", "convert", "vgg", "w.npz"], "'vgg'; valid: lpips_alex, lpips_vgg")
  failed(capsys, 2, ["weights", "convert", "mobileface"], "Missing argument")
  failed(capsys, 3, ["weights", "convert", "mobileface", "w.npz"], "w.npz: not MobileFace")
  failed(capsys, 3, ["weights", "convert", "mobileface", "no.npz"], "no.npz: no such file")
  (folder / "w.npz").write_bytes((folder / "w.npz").read_bytes()[:1000])
  failed(capsys, 3, CONVERT, "w.npz: cannot read weights")
  assert not (folder / "kept").exists()


def test_paths_may_begin_at_home(folder, monkeypatch, capsys):
  monkeypatch.setenv("HOME", str(folder))
  assert main(["weights", "convert", "squeezenet_caffe", "~/w.npz", "--to=~/mine"]) == 0
  assert (folder / "mine" / "squeezenet_caffe.safetensors").is_file()
  assert not (folder / "~").exists()
  capsys.readouterr()
  monkeypatch.setenv("HOME", "")
  monkeypatch.delenv("FACEFILL_WEIGHTS")
  monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
  failed(capsys, 2, CONVERT, "no home directory", "--to DIR", "FACEFILL_WEIGHTS")
  monkeypatch.delenv("HOME")
  failed(capsys, 2, [*CONVERT, "--to", "~/mine"], "'--to'", "~/mine: there is no home directory")


def test_a_full_disk_is_one_line(capsys, monkeypatch):
  def full(source, target):
    raise OSError(errno.ENOSPC, "No space left on device", str(target))

  monkeypatch.setattr(os, "replace", full)
  failed(capsys, 3, CONVERT, "squeezenet_caffe.sha256: no space is left on the disk")


def test_what_exists_needs_overwrite(capsys):
  assert main(CONVERT) == 0
  capsys.readouterr()
  failed(capsys, 2, CONVERT, "squeezenet_caffe.safetensors: exists; give --overwrite")
  assert main([*CONVERT, "--overwrite"]) == 0


def test_pack_writes_a_smaller_model(folder, capsys):
  model_files.save_model("model", tiny_model.random_params(), tiny_model.CONFIG)
  (folder / "card.md").write_text("# Mine\n")
  command = ["weights", "pack", "model", "--to", "half", "--card", "card.md"]
  assert main(command) == 0
  assert capsys.readouterr().err == "wrote half, 3.4 MB\n"
  assert (folder / "half" / "README.md").read_text() == "# Mine\n"
  failed(capsys, 2, command, "half: exists; give --overwrite")
  assert main([*command, "--overwrite"]) == 0
  capsys.readouterr()
  (folder / "run" / "checkpoints").mkdir(parents=True)
  (folder / "run" / "config.json").write_text('{"seed": 0, "size": "tiny"}')
  over_a_run = ["weights", "pack", "model", "--to", "run", "--overwrite"]
  failed(capsys, 4, over_a_run, "run: is a directory that holds no model")
  assert (folder / "run" / "checkpoints").is_dir()
  assert (folder / "run" / "config.json").read_text() == '{"seed": 0, "size": "tiny"}'
  failed(capsys, 3, [*command[:-1], "no.md", "--overwrite"], "the card: no.md: No such file")
  failed(capsys, 4, ["weights", "pack", "kept", "--to", "x"], "kept: no such model directory")
