"""Paths as they are given on the command line, and whether something can be written there."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import click

from facefill_jax import files
from facefill_jax.cli.failures import InputFailure


class FilePath(click.Path):
  """A path, `~` being the home directory; gs://bucket/x only where it may be `remote`."""

  def __init__(self, remote: bool = False, **options):
    super().__init__(path_type=Path, **options)
    self._remote = remote

  def convert(self, value, param, ctx):
    path = files.to_path(value)
    self._check_home(str(path), param, ctx)
    if not files.is_remote(path):
      return super().convert(Path(path), param, ctx)
    if not self._remote:
      self.fail(f"{path}: must be a local path", param, ctx)
    return path

  def _check_home(self, path: str, param, ctx) -> None:
    if path == "~" or path.startswith("~/"):
      self.fail(f"{path}: there is no home directory here: write the path out", param, ctx)


class SourceName(FilePath):
  """Text that may be a path, also behind a word and a colon: `drawn:50`, `folder:~/masks`."""

  def convert(self, value, param, ctx) -> str:
    word, path = re.fullmatch(r"(\w*:)?(.*)", str(value), re.DOTALL).groups(default="")
    path = os.path.expanduser(path)
    self._check_home(path, param, ctx)
    return word + path


def check_new_file(path: Path, overwrite: bool) -> None:
  """Before any work: the file can be written, and nothing is overwritten unasked.

  Raises:
    UsageError: no such folder, a directory, or it exists and not `overwrite`.
    InputFailure: the name is too long, or there is no permission.
  """
  with _refusals():
    files.check_writable(path)
  if path.exists() and not overwrite:
    raise click.UsageError(
      f"{path}: exists; give --overwrite to replace it", click.get_current_context()
    )


def check_new_directory(path: Path, replaced: bool = False) -> None:
  """Before any work: the directory can be written, or replaced. Raises as `check_new_file`."""
  with _refusals():
    files.check_writable_directory(path, replaced)


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
  """A place that is not there is a usage error; one that cannot be written is the input's fault."""
  try:
    yield
  except (FileNotFoundError, IsADirectoryError) as error:
    raise click.UsageError(str(error), click.get_current_context()) from error
  except OSError as error:
    raise InputFailure(str(error)) from error
