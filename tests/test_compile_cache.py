"""Compiled programs are kept where the user wants them, and never at the cost of a failure."""

import os
from types import SimpleNamespace

import pytest

from facefill_jax import compile_cache


@pytest.fixture
def config(monkeypatch, tmp_path):
  """JAX's configuration as in a fresh process: what was set, by name; no variable is set."""
  found = SimpleNamespace(jax_compilation_cache_dir=None, set={})
  found.update = found.set.__setitem__
  monkeypatch.setattr(compile_cache, "jax", SimpleNamespace(config=found))
  for name in ("FACEFILL_COMPILE_CACHE", "XDG_CACHE_HOME"):
    monkeypatch.delenv(name, raising=False)
  monkeypatch.setenv("HOME", str(tmp_path / "home"))
  return found


def enabled():
  """The folder, and what was warned of."""
  said = []
  return compile_cache.enable(said.append), said


def test_it_is_in_the_cache_folder_of_the_user(config, monkeypatch, tmp_path):
  folder, said = enabled()
  assert folder.parent == tmp_path / "home" / ".cache" / "facefill_jax" / "jax" and not said
  assert folder.is_dir() and config.set["jax_compilation_cache_dir"] == str(folder)
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
  assert enabled()[0].parent == tmp_path / "xdg" / "facefill_jax" / "jax"
  monkeypatch.setenv("FACEFILL_COMPILE_CACHE", "~/mine")
  assert enabled()[0].parent == tmp_path / "home" / "mine"


def test_programs_of_another_cpu_are_kept_apart(config, monkeypatch, tmp_path):
  (tmp_path / "cpuinfo").write_text("model name: x\nflags : avx2 avx512\n")
  first, _ = enabled()
  monkeypatch.setattr(compile_cache, "_CPU_FLAGS", str(tmp_path / "cpuinfo"))
  second, _ = enabled()
  assert first.parent == second.parent and first != second == enabled()[0]
  monkeypatch.setattr(compile_cache, "_CPU_FLAGS", str(tmp_path / "nowhere"))
  assert enabled()[0] is not None


def test_it_can_be_turned_off_and_jax_s_own_setting_counts_before(config, monkeypatch):
  monkeypatch.setenv("FACEFILL_COMPILE_CACHE", "off")
  assert enabled() == (None, []) and not config.set
  config.jax_compilation_cache_dir = "/somewhere"
  assert str(enabled()[0]) == "/somewhere" and not config.set
  compile_cache.disable()
  assert config.set == {"jax_enable_compilation_cache": False}


def test_without_a_place_there_is_none(config, monkeypatch, tmp_path):
  monkeypatch.setenv("HOME", "")
  assert enabled() == (None, [])
  (tmp_path / "file").touch()
  monkeypatch.setenv("FACEFILL_COMPILE_CACHE", str(tmp_path / "file"))
  folder, said = enabled()
  assert folder is None and len(said) == 1 and "compiled programs are not kept" in said[0]
  monkeypatch.setenv("FACEFILL_COMPILE_CACHE", str(tmp_path / "mine"))
  monkeypatch.setattr(os, "access", lambda path, mode: False)
  folder, said = enabled()
  assert folder is None and len(said) == 1 and "no permission" in said[0]
  monkeypatch.undo()


def test_a_full_disk_is_left_alone(config, monkeypatch):
  monkeypatch.setattr(compile_cache.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
  assert enabled() == (None, [])


def test_the_least_used_programs_are_deleted(config, monkeypatch, tmp_path):
  folder, _ = enabled()
  for age in range(10):
    (folder / f"{age}-cache").write_bytes(bytes(100))
    os.utime(folder / f"{age}-cache", (1e9 - age, 1e9 - age))
  enabled()
  assert len(os.listdir(folder)) == 10
  monkeypatch.setattr(compile_cache, "MOST_BYTES", 800)
  enabled()
  assert sorted(os.listdir(folder)) == [f"{age}-cache" for age in range(4)]
