"""The files of a directory tree or a .zip: listed, named, read."""

import logging
import os
import re
import threading
import zipfile
from collections.abc import Iterable, Iterator

from facefill_jax.data.bad_records import BadRecordError
from facefill_jax.data.decoding import DAMAGED, ENDINGS, reason

PICTURES = (
  *ENDINGS, ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jxl", ".psd", ".svg", ".tga", ".ico",
  ".eps", ".pfm", ".exr", ".hdr", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raw",
)  # fmt: skip
"""Endings of pictures, whether they are read or not: one that is left out should be missed."""
_log = logging.getLogger(__name__)


class Files:
  """The files of a directory tree or a .zip, by relative path in natural order (2 before 10).

  Left out in silence: what is hidden (a name that begins with a dot), macOS's `__MACOSX`, and
  whatever is no picture. Pictures that are left out for their endings are counted in one line.
  Safe to pickle and to read from several threads and processes.
  """

  def __init__(self, path: str, extensions: tuple[str, ...], what: str, skip: str = ""):
    """Lists the files.

    Args:
      path: a directory or a .zip; `~` is the home directory.
      extensions: lower-case endings that count.
      what: "photos", say: used in messages.
      skip: a directory below `path` to leave out, or "".

    Raises:
      ValueError: the path does not exist, is neither of the two, or holds no such file.
    """
    self.path = os.path.expanduser(path)
    self._handle = None
    self._lock = threading.Lock()
    if os.path.isdir(self.path):
      found = _walk(self.path, os.path.realpath(os.path.expanduser(skip)) if skip else "")
    elif os.path.isfile(self.path):
      found = _list_zip(self.path, what)
    else:
      raise ValueError(f"{what}: {self.path} does not exist; give a directory or a .zip")
    self.names, others = [], []
    for name in found:
      if not is_hidden(name) and name.lower().endswith((*extensions, *PICTURES)):
        (self.names if name.lower().endswith(extensions) else others).append(name)
    self.names.sort(key=natural)
    left_out = f"{count(others, 'picture')} left out for the ending, " if others else ""
    example = f"for example {min(others, key=natural)}" if others else ""
    if not self.names:
      more = f"; {left_out}{example}" if others else ""
      raise ValueError(
        f"{what}: none in {self.path}; valid endings are {', '.join(extensions)}{more}"
      )
    if others:
      _log.warning(
        "%s: %s%s, in %s; valid endings are %s",
        what, left_out, example, self.path, ", ".join(extensions),
      )  # fmt: skip

  def __len__(self) -> int:
    return len(self.names)

  def where(self, name: str) -> str:
    """The path of a file as a person would write it: `faces.zip/a/1.png` inside a zip."""
    return os.path.join(self.path, name)

  def read(self, name: str) -> bytes:
    """The content of one file."""
    if os.path.isdir(self.path):
      with open(os.path.join(self.path, name), "rb") as file:
        return file.read()
    with self._lock:
      # A handle shared over a fork would share its file offset too: one for each process.
      if self._handle is None or self._handle[0] != os.getpid():
        self._handle = (os.getpid(), zipfile.ZipFile(self.path))
      return self._handle[1].read(name)

  def __getstate__(self) -> dict:
    return {"path": self.path, "names": self.names}

  def __setstate__(self, state: dict) -> None:
    self.__dict__.update(state, _handle=None, _lock=threading.Lock())

  def __del__(self):
    if getattr(self, "_handle", None) is not None and self._handle[0] == os.getpid():
      self._handle[1].close()


def natural(name: str) -> tuple:
  """A sort key in which "2.png" comes before "10.png"."""
  parts = re.split(r"(\d+)", name)
  return [int(p) if i % 2 else p for i, p in enumerate(parts)], name


def read_with(files: Files, name: str, decode, where: str = ""):
  """decode(content of a file). BadRecordError if it is damaged, ValueError if the disk fails."""
  where = where or files.where(name)
  try:
    return decode(files.read(name))
  except DAMAGED as error:
    # An errno means that the system could not read the file, not that its content is damaged.
    from_system = isinstance(error, OSError) and error.errno is not None
    kind = ValueError if from_system else BadRecordError
    raise kind(f"{where} cannot be read: {reason(error)}") from error


def _walk(root: str, skip: str) -> Iterator[str]:
  """Relative paths of all files below root; follows links, but enters no directory twice."""
  seen = {os.path.realpath(root)}
  for directory, children, names in os.walk(root, followlinks=True):
    keep = []
    for child in sorted(children):
      real = os.path.realpath(os.path.join(directory, child))
      if real not in seen and real != skip and not child.startswith("."):
        seen.add(real)
        keep.append(child)
    children[:] = keep
    relative = os.path.relpath(directory, root)
    for name in names:
      path = name if relative == "." else os.path.join(relative, name)
      yield path.replace(os.sep, "/")


def _list_zip(path: str, what: str) -> list[str]:
  try:
    with zipfile.ZipFile(path) as archive:
      entries = archive.infolist()
  except (zipfile.BadZipFile, OSError) as error:
    raise ValueError(f"{what}: {path} is neither a directory nor a readable .zip") from error
  if any(entry.flag_bits & 1 for entry in entries):
    raise ValueError(f"{what}: {path} is encrypted; give a .zip without a password")
  names = [entry.filename for entry in entries if not entry.is_dir()]
  for name in names:  # outputs are named after these
    if name.startswith("/") or ".." in name.split("/"):
      raise ValueError(f"{what}: {path} has an entry that leads out of it: {name}")
  return names


def is_hidden(name: str) -> bool:
  """Whether a relative path is that of a hidden file or folder, or of macOS's notes on files."""
  return any(part == "__MACOSX" or part.startswith(".") for part in name.split("/"))


def count(items: Iterable, noun: str) -> str:
  """ "1 photo", "2 photos"."""
  number = len(list(items))
  return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
