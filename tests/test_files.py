import errno
import os
import subprocess
import sys

import pytest
from etils import epath

from facefill_jax import files


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
  path = tmp_path / "a.txt"
  files.write_text(path, "one\n")
  with pytest.raises(RuntimeError), files.replacing(path) as part:
    part.write_text("half")
    raise RuntimeError
  assert path.read_bytes() == b"one\n" and os.listdir(tmp_path) == ["a.txt"]
  files.write_bytes(path, b"two")
  assert path.read_bytes() == b"two" and os.listdir(tmp_path) == ["a.txt"]
  assert files.sha256(path) == "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"


@pytest.mark.parametrize("length", [249, 250, 255])
def test_names_may_be_as_long_as_the_file_system_lets_them(tmp_path, length):
  path = tmp_path / ("é" * (length // 2) + "x" * (length % 2))
  files.check_writable(path)
  files.write_text(path, "here")
  assert path.read_text() == "here" and len(os.listdir(tmp_path)) == 1


def test_check_writable(tmp_path):
  (tmp_path / "folder").mkdir()
  for path, error, word in (
    (tmp_path / ("x" * 256), OSError, "256 bytes"),
    (tmp_path / "no" / "a.png", FileNotFoundError, "no such folder"),
    (tmp_path / "folder", IsADirectoryError, "is a directory"),
  ):
    with pytest.raises(error, match=word):
      files.check_writable(path)


def test_check_writable_directory(tmp_path, monkeypatch):
  (tmp_path / "file").touch()
  files.check_writable_directory(tmp_path / "a" / "b", replaced=True)
  files.check_writable_directory(tmp_path, replaced=True)
  with pytest.raises(OSError, match="256 bytes"):
    files.check_writable_directory(tmp_path / ("x" * 256), replaced=True)
  with pytest.raises(NotADirectoryError, match="file is no directory"):
    files.check_writable_directory(tmp_path / "file" / "a", replaced=True)
  monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(tmp_path))
  for path in (tmp_path, tmp_path / "a" / "b"):
    with pytest.raises(PermissionError, match=f"no permission to write in {tmp_path}"):
      files.check_writable_directory(path, replaced=True)
  (tmp_path / "in").mkdir()
  files.check_writable_directory(tmp_path / "in", replaced=False)
  with pytest.raises(PermissionError, match=f"no permission to write in {tmp_path}"):
    files.check_writable_directory(tmp_path / "in", replaced=True)
  with pytest.raises(PermissionError, match="no permission"):
    files.check_writable(tmp_path / "a.png")


def test_a_directory_keeps_what_is_not_replaced(tmp_path):
  target = tmp_path / "model"
  (target / "mine").mkdir(parents=True)
  (target / "mine" / "notes").write_text("keep")
  (target / "link").symlink_to("nowhere")
  (target / "old").write_text("1")
  with files.replacing_directory(target, replaced=["old"]) as new:
    (new / "new").write_text("2")
  assert sorted(os.listdir(target)) == ["link", "mine", "new"]
  assert (target / "mine" / "notes").read_text() == "keep" and (target / "link").is_symlink()
  with (
    pytest.raises(FileExistsError, match="is in the way"),
    files.replacing_directory(target, replaced=["new"]) as new,
  ):
    (new / "mine").mkdir()
  assert sorted(os.listdir(target)) == ["link", "mine", "new"]


def test_a_directory_is_replaced_whole_or_not_at_all(tmp_path):
  target = tmp_path / "in" / "model"
  with files.replacing_directory(target) as new:
    (new / "a").write_text("1")
  with pytest.raises(RuntimeError), files.replacing_directory(target) as new:
    (new / "a").write_text("2")
    raise RuntimeError
  assert (target / "a").read_text() == "1"
  with files.replacing_directory(target) as new:
    (new / "b").write_text("3")
  assert os.listdir(target) == ["b"] and os.listdir(tmp_path / "in") == ["model"]


@pytest.mark.parametrize("name", ["lock", "."])
def test_a_lock_is_held_by_one_and_freed_by_the_block(tmp_path, name):
  path = tmp_path / name
  with files.locked(path, "in use"):
    with pytest.raises(ValueError, match="in use") as caught, files.locked(path, "in use"):
      pass
    if name == "lock":
      assert f"(process {os.getpid()} on " in str(caught.value)
  with files.locked(path, "in use"):
    pass
  assert os.listdir(tmp_path) == ([] if name == "." else ["lock"])


def test_a_killed_process_leaves_no_lock(tmp_path):
  path = tmp_path / "lock"
  program = (
    "import os, sys; from facefill_jax import files\n"
    "with files.locked(sys.argv[1], ''): os.kill(os.getpid(), 9)"
  )
  done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
  assert done.returncode == -9 and path.read_text().startswith("process ")
  with files.locked(path, "in use"):
    assert f"process {os.getpid()} " in path.read_text()
  assert path.read_text() == ""


def test_a_full_disk_names_the_target(tmp_path):
  for replacing in (files.replacing, files.replacing_directory):
    with pytest.raises(OSError, match=r"No space left.*a\.out"), replacing(tmp_path / "a.out"):
      raise OSError(errno.ENOSPC, "No space left on device")
  assert os.listdir(tmp_path) == []


def test_paths_as_people_write_them(monkeypatch):
  monkeypatch.setenv("HOME", "/home/ada")
  assert str(files.to_path("~/run")) == "/home/ada/run"
  assert str(files.home_directory()) == "/home/ada"
  assert str(files.to_path("gs://bucket/run") / "model") == "gs://bucket/run/model"
  assert files.is_remote("gs://bucket/run") and not files.is_remote("/runs/a")


def test_there_may_be_no_home(monkeypatch):
  def nobody(_):
    raise KeyError("uid not found")

  monkeypatch.setattr("pwd.getpwuid", nobody)
  monkeypatch.delenv("HOME", raising=False)
  assert files.home_directory() is None and str(files.to_path("~/run")) == "~/run"
  monkeypatch.setenv("HOME", "")
  assert files.home_directory() is None


def test_what_goes_into_a_bucket_is_copied_whole(tmp_path, monkeypatch):
  """A bucket that is a local folder: no file is ever made in it but the finished ones."""
  bucket, seen = tmp_path / "bucket", []

  def written(self, content):
    seen.append(self.name)
    bucket.joinpath(self.name).write_bytes(content)
    return len(content)

  bucket.mkdir()
  path_class = type(epath.Path("gs://bucket/x"))
  monkeypatch.setattr(path_class, "write_bytes", written)
  monkeypatch.setattr(path_class, "mkdir", lambda self, **_: None)
  monkeypatch.setattr(path_class, "unlink", lambda self, missing_ok: seen.append(f"-{self.name}"))
  files.write_text("gs://bucket/a.txt", "one")
  with files.replacing_directory("gs://bucket/model", last="SUMS", replaced=["a", "old"]) as new:
    for name in ("SUMS", "a", "z"):
      (new / name).write_text(name)
  assert seen == ["a.txt", "-SUMS", "a", "z", "SUMS", "-old"]
  assert (bucket / "a.txt").read_text() == "one"
