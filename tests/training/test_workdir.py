"""Working directories: made, checked, and one run's at a time."""

import os

import pytest
from etils import epath

from facefill_jax.training import workdir


def test_a_second_run_is_refused_and_says_whose_it_is(tmp_path):
  path = epath.Path(tmp_path / "new" / "run")
  workdir.check(path)
  assert not path.exists()
  with workdir.opened(path):
    for another in (workdir.opened(path).__enter__, lambda: workdir.check(path)):
      with pytest.raises(ValueError, match="another run is at work there") as caught:
        another()
      assert str(path) in str(caught.value) and f"process {os.getpid()}" in str(caught.value)
  with workdir.opened(path):
    pass


def test_what_cannot_be_written_is_one_line(tmp_path, monkeypatch):
  (tmp_path / "file").touch()
  (tmp_path / "run" / "checkpoints").mkdir(parents=True)
  (tmp_path / "run" / "model").touch()
  cases = [(tmp_path / "file" / "run", "Not a directory"), (tmp_path / "file", "is not a dir")]
  cases += [(tmp_path / "run", "model is not a directory")]
  for path, word in cases:
    for begin in (workdir.check, lambda path: workdir.opened(path).__enter__()):
      with pytest.raises(ValueError, match=f"--workdir={path} cannot be written: ") as caught:
        begin(epath.Path(path))
      said = str(caught.value)
      assert "\n" not in said and ("no directory" in said or word.lower() in said.lower())
  with pytest.raises(ValueError, match="its name has 256 bytes"):
    workdir.check(epath.Path(tmp_path / ("x" * 256)))
  (tmp_path / "run" / "model").unlink()
  monkeypatch.setattr(os, "access", lambda path, mode: os.path.basename(path) != "checkpoints")
  with pytest.raises(ValueError, match=r"no permission to write in .*checkpoints"):
    workdir.opened(epath.Path(tmp_path / "run")).__enter__()


def test_a_bucket_without_its_package(monkeypatch):
  def missing(*_, **__):
    raise ImportError("no module gcsfs")

  path = epath.Path("gs://bucket/run")
  monkeypatch.setattr(type(path), "mkdir", missing)
  with pytest.raises(ValueError, match=r"--workdir=gs://bucket/run needs gcsfs: pip install gcsfs"):
    workdir.opened(path).__enter__()
