"""Compiled programs are kept on disk, so that the second start of a command need not compile again.

They are in $XDG_CACHE_HOME/facefill_jax/jax, else ~/.cache/facefill_jax/jax.
FACEFILL_COMPILE_CACHE=DIR puts them elsewhere, FACEFILL_COMPILE_CACHE=off keeps none, and JAX's own
JAX_COMPILATION_CACHE_DIR counts before all. The folder can be deleted at any time.
"""

import contextlib
import hashlib
import os
import platform
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import jax

from facefill_jax import files

VARIABLE = "FACEFILL_COMPILE_CACHE"
OFF = "off"
MOST_BYTES = 2 << 30
"""A larger cache loses the programs that were not used for longest, down to half of this."""
_NEEDED_BYTES = 256 << 20  # of free space: JAX would leave half a program on a full disk
_CPU_FLAGS = "/proc/cpuinfo"


def unoptimised() -> dict[str, int] | None:
  """JAX's `compiler_options` for a program that runs once or a few times: compiled as it is.

  On a CPU, optimising such a program takes longer than running it; elsewhere None, the usual ones.
  """
  return {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None


def enable(warn: Callable[[str], None] = warnings.warn) -> Path | None:
  """Turns JAX's persistent compilation cache on; call it before anything is compiled.

  Args:
    warn: told, in one line, why programs cannot be kept where they should be.

  Returns:
    Its folder; None if there is none: turned off, no home directory, or not writable.
  """
  if jax.config.jax_compilation_cache_dir:
    return Path(jax.config.jax_compilation_cache_dir)  # by JAX_COMPILATION_CACHE_DIR
  folder = _folder()
  if folder is None:
    return None
  try:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files.check_writable(folder / "x")
    if shutil.disk_usage(folder).free < _NEEDED_BYTES:
      return None
    _prune(folder)
  except OSError as error:
    warn(
      f"compiled programs are not kept: {error} ({VARIABLE}=DIR names another folder, "
      f"{VARIABLE}={OFF} turns this off)"
    )
    return None
  jax.config.update("jax_compilation_cache_dir", str(folder))
  jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
  return folder


def disable() -> None:
  """Nothing is kept and nothing kept is used, whatever the environment says."""
  jax.config.update("jax_enable_compilation_cache", False)


def _folder() -> Path | None:
  named = os.environ.get(VARIABLE, "")
  if named == OFF:
    return None
  if named:
    return Path(files.to_path(named)) / _machine()
  home = files.home_directory()
  caches = os.environ.get("XDG_CACHE_HOME") or (home and home / ".cache")
  return Path(caches) / "facefill_jax" / "jax" / _machine() if caches else None


def _machine() -> str:
  """A name for this kind of machine: programs for its CPU may not run on another one.

  Home directories are shared in clusters, and JAX's own key leaves the CPU out.
  """
  flags = ""
  if os.path.exists(_CPU_FLAGS):
    with open(_CPU_FLAGS, encoding="utf-8", errors="replace") as file:
      flags = next((line for line in file if line.startswith(("flags", "Features"))), "")
  known = f"{platform.machine()} {platform.processor()} {flags}"
  return hashlib.sha256(known.encode()).hexdigest()[:12]


def _prune(folder: Path) -> None:
  """Deletes the programs that were not used for longest, if there are too many."""
  entries = []
  for path in folder.iterdir():
    with contextlib.suppress(FileNotFoundError):  # another process prunes, too
      entries.append((path, path.stat()))
  size = sum(stat.st_size for _, stat in entries)
  if size <= MOST_BYTES:
    return
  for path, stat in sorted(entries, key=lambda entry: max(entry[1].st_atime, entry[1].st_mtime)):
    path.unlink(missing_ok=True)
    size -= stat.st_size
    if size <= MOST_BYTES // 2:
      return
