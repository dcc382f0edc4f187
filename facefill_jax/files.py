"""Files: written whole or not at all, hashed, and at paths that may be remote (gs://bucket/...).

The one place that knows how a file takes another's place. Local files are written beside their
target, synced and renamed, so that neither a kill nor a power cut leaves half of one. In a bucket
an object appears whole or not at all by nature: files are made in a local folder and copied.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import socket
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from etils import epath

PathLike = str | os.PathLike
NAME_BYTES = 255  # of a file's name, on every common file system
_PART, _NEW, _OLD = ".part", ".new", ".old"


def to_path(name: PathLike) -> epath.Path:
  """A path as a person writes it: `~` is the home directory, `gs://bucket/x` stays remote."""
  return epath.Path(os.path.expanduser(os.fspath(name)))


def home_directory() -> Path | None:
  """The user's home directory; None where there is none, as for a user id without a name."""
  home = os.path.expanduser("~")
  return Path(home) if os.path.isabs(home) and os.environ.get("HOME") != "" else None


def is_remote(path: PathLike) -> bool:
  """Whether a path is an address such as gs://bucket/run."""
  return "://" in os.fspath(path)


@contextlib.contextmanager
def replacing(target: PathLike) -> Iterator[Path]:
  """A file that takes the place of `target` when the block ends well; else nothing changes.

    with replacing(path) as part:
      image.save(part, format="PNG")

  Yields:
    The local path to write to. Its suffix is .part: name the format.

  Raises:
    OSError: it could not be written; what was there before is still there.
  """
  if is_remote(target):
    with tempfile.TemporaryDirectory() as scratch:
      part = Path(scratch, "file.part")
      yield part
      epath.Path(target).write_bytes(part.read_bytes())
    return
  target = Path(target)
  part = _beside(target, _PART)
  try:
    with _named(target):
      yield part
      sync(part)
      os.replace(part, target)
  finally:
    part.unlink(missing_ok=True)
  sync(target.parent)


def write_bytes(target: PathLike, content: bytes) -> None:
  """Writes a file, whole or not at all; see `replacing`."""
  with replacing(target) as part:
    part.write_bytes(content)


def write_text(target: PathLike, text: str) -> None:
  """Writes a file in UTF-8 with the newlines of `text`, whole or not at all; see `replacing`."""
  write_bytes(target, text.encode("utf-8"))


@contextlib.contextmanager
def replacing_directory(
  target: PathLike, last: str = "", replaced: Collection[str] | None = None
) -> Iterator[Path]:
  """A directory that takes the place of `target` when the block ends well.

  A reader sees the old directory, or the whole new one. A process killed between the two renames
  leaves the old one beside it, as `.NAME.old`. In a bucket, where nothing can be renamed, files are
  copied one by one: `last`, say the list of their sums, is removed first and written last.

  Args:
    target: the directory; its parents are made.
    last: see above.
    replaced: the names in `target` that belong to what is replaced. Whatever else lies there is
      kept; a name that is both kept and written anew is an error. None: all of it is replaced.

  Yields:
    The local, empty directory to fill.
  """
  if is_remote(target):
    with tempfile.TemporaryDirectory() as scratch:
      yield Path(scratch)
      _upload(Path(scratch), epath.Path(target), last)
      for name in set(replaced or ()) - set(os.listdir(scratch)):
        (epath.Path(target) / name).unlink(missing_ok=True)
    return
  target = Path(target).absolute()
  target.parent.mkdir(parents=True, exist_ok=True)
  new, old = _beside(target, _NEW), _beside(target, _OLD)
  shutil.rmtree(new, ignore_errors=True)  # of a process that was killed here
  new.mkdir()
  try:
    with _named(target):
      yield new
      if replaced is not None and target.is_dir():
        _take_over(target, new, replaced)
      for path in [*new.rglob("*"), new]:
        if not path.is_symlink():
          sync(path)
      if target.exists():
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
      new.rename(target)
  finally:
    shutil.rmtree(new, ignore_errors=True)
  sync(target.parent)
  shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def _named(target: PathLike) -> Iterator[None]:
  """Errors of writing, as of a full disk, name no file by themselves."""
  try:
    yield
  except OSError as error:
    if error.errno is not None and error.filename is None:
      error.filename = os.fspath(target)
    raise


def _take_over(old: Path, new: Path, replaced: Collection[str]) -> None:
  """Copies what is in `old` and is not replaced into `new`."""
  for path in old.iterdir():
    if path.name in replaced:
      continue
    copy = new / path.name
    if copy.exists():
      raise FileExistsError(f"{path}: is in the way, and not of what is replaced")
    if path.is_dir() and not path.is_symlink():
      shutil.copytree(path, copy, symlinks=True)
    else:
      shutil.copy2(path, copy, follow_symlinks=False)


def _upload(source: Path, target: epath.Path, last: str) -> None:
  target.mkdir(parents=True, exist_ok=True)
  if last:
    (target / last).unlink(missing_ok=True)
  paths = [path for path in sorted(source.rglob("*")) if path.is_file()]
  for path in sorted(paths, key=lambda path: path.name == last):
    copy = target / path.relative_to(source).as_posix()
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(path.read_bytes())


def check_writable(target: PathLike) -> None:
  """Before any work: whether a file can be written here.

  Raises:
    OSError: no such folder, a name that is too long, a directory in its place, or no permission; in
      one line that names the path.
  """
  if is_remote(target):
    return
  target = Path(target)
  length = len(os.fsencode(target.name))
  if length > NAME_BYTES:
    raise OSError(f"{target}: its name has {length} bytes; {NAME_BYTES} are possible")
  if not target.parent.is_dir():
    raise FileNotFoundError(f"{target}: no such folder {target.parent}")
  if target.is_dir():
    raise IsADirectoryError(f"{target}: is a directory")
  if not os.access(target.parent, os.W_OK | os.X_OK):
    raise PermissionError(f"{target}: no permission to write in {target.parent}")


def check_writable_directory(target: PathLike, replaced: bool) -> None:
  """Before any work: whether a directory can be written here; it and its parents may be missing.

  Args:
    target: the directory.
    replaced: whether it will be replaced as a whole, which takes a rename beside it.

  Raises:
    OSError: as `check_writable`.
  """
  if is_remote(target):
    return
  target = Path(target).absolute()
  length = len(os.fsencode(target.name))
  if length > NAME_BYTES:
    raise OSError(f"{target}: its name has {length} bytes; {NAME_BYTES} are possible")
  for folder in (target, *target.parents):
    if os.path.lexists(folder):
      break
  if not folder.is_dir():
    raise NotADirectoryError(f"{target}: cannot be made: {folder} is no directory")
  for place in {folder, folder.parent} if folder == target and replaced else {folder}:
    if not os.access(place, os.W_OK | os.X_OK):
      raise PermissionError(f"{target}: no permission to write in {place}")


@contextlib.contextmanager
def locked(path: PathLike, taken: str) -> Iterator[None]:
  """Keeps a local file or directory to this process while the block runs.

  The lock is the kernel's (flock): it ends with the process, however that ends, so that no stale
  lock is ever left. A file, which is made, also holds the process and its machine while it is
  locked; it stays behind, empty. In a bucket and on file systems without locks nothing is kept.

  Args:
    path: of a file, or of an existing directory.
    taken: what to say if another process holds the lock, say "/runs/a: another run is at work".

  Raises:
    ValueError: another process holds it; `taken`, and which process if that is known.
  """
  if is_remote(path):
    yield
    return
  import fcntl  # not on Windows, where the rest of this module works

  file = os.path.isfile(path) or not os.path.exists(path)
  handle = os.open(path, os.O_RDWR | os.O_CREAT if file else os.O_RDONLY, 0o666)
  try:
    try:
      fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
      if error.errno in (errno.EAGAIN, errno.EACCES):
        holder = os.read(handle, 200).decode("utf-8", "replace").strip() if file else ""
        raise ValueError(f"{taken}{f' ({holder})' if holder else ''}") from error
      if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
        raise
    if file:
      os.ftruncate(handle, 0)
      os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    yield
    if file:
      os.ftruncate(handle, 0)
  finally:
    os.close(handle)


def sha256(path: PathLike) -> str:
  """The SHA-256 of a file, in hex."""
  with epath.Path(path).open("rb") as file:
    return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: PathLike) -> None:
  """Makes a local file or directory survive a power cut."""
  handle = os.open(path, os.O_RDONLY)
  try:
    os.fsync(handle)
  finally:
    os.close(handle)


def _beside(target: Path, end: str) -> Path:
  """A hidden name in the same folder, never longer than a file's name may be."""
  name = f".{target.name}{end}"
  if len(os.fsencode(name)) > NAME_BYTES:
    name = f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:32]}{end}"
  return target.with_name(name)
