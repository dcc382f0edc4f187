"""What the commands exit with: 0 ok, 2 usage (click's own), and these."""

import contextlib
import errno
from collections.abc import Iterator

import click

CANCELLED = 130  # 128 + SIGINT, as shells have it
_FULL = "no space is left on the disk: free some, or write to another one"
_OF_THE_DISK = {errno.ENOSPC: _FULL, errno.EDQUOT: _FULL}


class InputFailure(click.ClickException):
  """A photo, mask or layout that cannot be used, or a picture that cannot be written."""

  exit_code = 3


class ModelFailure(click.ClickException):
  """A model directory that cannot be used."""

  exit_code = 4


class SomeFailed(click.ClickException):
  """Some of many could not be done; the others are."""

  exit_code = 5


@contextlib.contextmanager
def input_failures() -> Iterator[None]:
  """What is wrong with files becomes exit code 3."""
  try:
    yield
  except (ValueError, OSError) as error:
    raise InputFailure(reason(error)) from error


def reason(error: Exception) -> str:
  """What an error says; of the system's errors the file and the words, without a number."""
  if isinstance(error, OSError) and error.strerror:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{_OF_THE_DISK.get(error.errno, error.strerror)}"
  return str(error)


def exit_code(error: Exception) -> int:
  """Of click's errors their own; the system's (a full disk, no permission) count as the input's."""
  if isinstance(error, click.ClickException):
    return error.exit_code
  return InputFailure.exit_code if isinstance(error, OSError) else 1


def describe(error: Exception) -> str:
  """One line, whatever the message; usage errors say where help is."""
  if isinstance(error, OSError):
    return _line(reason(error))
  if not isinstance(error, click.ClickException):
    return f"unexpected {type(error).__name__}: {_line(str(error))} (-v shows where)"
  line = _line(error.format_message())
  if isinstance(error, click.UsageError) and error.ctx is not None:
    line = f"{line} (see {error.ctx.command_path} --help)"
  return line


def _line(text: str) -> str:
  return " ".join(text.split())
