"""A run's working directory: whether it can be used, and that one run at a time uses it."""

import contextlib
import os
from collections.abc import Iterator

from etils import epath

from facefill_jax import files

LOCK = ".lock"
NEEDED = ("checkpoints", "model")  # without the others a run goes on, with a warning


@contextlib.contextmanager
def opened(workdir: epath.Path) -> Iterator[None]:
  """Makes the directory, and keeps other runs out of it while the block runs.

  The lock ends with this process, however that ends. In a bucket there is none: whoever starts runs
  there must give each its own.

  Raises:
    ValueError: another run is at work there, or it cannot be written; one line.
  """
  with _one_line(workdir):
    _check_folders(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
  with contextlib.ExitStack() as stack:
    with _one_line(workdir):
      stack.enter_context(_locked(workdir))
    yield


def check(workdir: epath.Path) -> None:
  """Before data are opened, which takes long: whether a run can begin there.

  Raises:
    ValueError: as `opened`.
  """
  with _one_line(workdir):
    _check_folders(workdir)
    if not workdir.exists():
      files.check_writable_directory(workdir, replaced=False)
    elif not files.is_remote(workdir) and (workdir / LOCK).exists():
      with _locked(workdir):
        pass


def _locked(workdir: epath.Path):
  return files.locked(workdir / LOCK, f"--workdir={workdir}: another run is at work there")


def _check_folders(workdir: epath.Path) -> None:
  if files.is_remote(workdir):
    return
  for path in (workdir, *(workdir / name for name in NEEDED)):
    if path.exists() and not path.is_dir():
      raise NotADirectoryError(f"{path} is not a directory")
    if path.exists() and not os.access(path, os.W_OK | os.X_OK):
      raise PermissionError(f"no permission to write in {path}")


@contextlib.contextmanager
def _one_line(workdir: epath.Path) -> Iterator[None]:
  try:
    yield
  except OSError as error:
    raise ValueError(f"--workdir={workdir} cannot be written: {_reason(error)}") from error
  except ImportError as error:  # epath's, of what it reads buckets with
    raise ValueError(f"--workdir={workdir} needs gcsfs: pip install gcsfs ({error})") from error
  except Exception as error:  # of a bucket: credentials, names, permissions
    if isinstance(error, ValueError) or not files.is_remote(workdir):
      raise
    raise ValueError(f"--workdir={workdir} cannot be written: {error}") from error


def _reason(error: OSError) -> str:
  return f"{error.strerror}: {error.filename}" if error.strerror else str(error)
