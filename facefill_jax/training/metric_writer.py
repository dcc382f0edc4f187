"""What a run leaves for people to look at: metrics.jsonl, and TensorBoard's event files."""

import json
import os
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
from tensorboardX import event_file_writer, summary
from tensorboardX.proto import event_pb2

from facefill_jax import files
from facefill_jax.training import reports

LINES, EVENTS = "metrics.jsonl", "events"
FLUSH_SECONDS = 30  # between writes of events to a local disk


class MetricWriter:
  """Scalars and pictures to TensorBoard event files, and scalars to `metrics.jsonl`.

  It has the methods of clu's MetricWriter, whose own writers import TensorFlow. What cannot be
  written, say on a full disk, is a warning. Into a bucket, where nothing can be appended, all is
  written anew at each `flush`.
  """

  def __init__(self, workdir: files.PathLike, step: int = 0):
    """Goes on after `step`: what a killed run wrote beyond its last checkpoint is dropped."""
    workdir = files.to_path(workdir)
    self._lines = _Lines(workdir / LINES, step)
    self._events = _Events(workdir / EVENTS, step)

  def __enter__(self) -> "MetricWriter":
    return self

  def __exit__(self, *_) -> None:
    self.close()

  def write_scalars(self, step: int, scalars: dict[str, float]) -> None:
    """One line of JSON, and one event a scalar. Not-a-number is written as null."""
    for name, value in scalars.items():
      self._events.add(step, summary.scalar(name, value))
    finite = {k: (round(float(v), 6) if np.isfinite(v) else None) for k, v in scalars.items()}
    self._lines.add(json.dumps({"step": step, **finite}) + "\n")

  def write_images(self, step: int, pictures: dict[str, np.ndarray]) -> None:
    """uint8 (h, w, 3) each."""
    for name, picture in pictures.items():
      self._events.add(step, summary.image(name, picture, dataformats="HWC"))

  def write_texts(self, step: int, texts: dict[str, str]) -> None:
    """Markdown each."""
    for name, text in texts.items():
      self._events.add(step, summary.text(name, text))

  def flush(self) -> None:
    """Writes what is buffered."""
    self._lines.flush()
    self._events.flush()

  def close(self) -> None:
    """Flushes and closes both files."""
    self._lines.flush()
    self._events.close()


class _Lines:
  """Lines of JSON: appended at once on a local disk, in a bucket written whole at each flush."""

  def __init__(self, path, step: int):
    self._path, self._remote = path, files.is_remote(path)
    self._whole, self._pending, self._size = b"", b"", 0
    self._failing = False
    with reports.left_out(path):
      self._whole = _kept_lines(path, step)
    self.flush()

  def add(self, line: str) -> None:
    self._pending += line.encode()
    if not self._remote:
      self.flush()

  def flush(self) -> None:
    """What cannot be written is kept for the next time; that is said once."""
    try:
      if self._whole is not None:  # not in the file yet
        files.write_bytes(self._path, self._whole + self._pending)
      else:
        with open(self._path, "ab") as file:
          file.truncate(self._size)  # half a line that a full disk took
          file.write(self._pending)
    except OSError as error:
      if not self._failing:
        reports.warn(self._path, f"cannot be written: {error}")
      self._failing = True
      return
    if self._remote:
      self._whole += self._pending
    else:
      self._size += len(self._whole or b"") + len(self._pending)
      self._whole = None
    self._pending, self._failing = b"", False


class _Events:
  """One event file; in a local folder until it is flushed, if it goes into a bucket.

  TensorBoardX's own writer has a thread and a queue: once the disk is full, the thread dies, the
  queue fills, and the run hangs.
  """

  def __init__(self, folder, step: int):
    self._folder, self._writer, self._scratch = folder, None, None
    self._flushed = time.monotonic()
    if files.is_remote(folder):
      self._scratch = tempfile.TemporaryDirectory()
    self._local = Path(self._scratch.name if self._scratch else folder)
    with reports.left_out(folder):
      self._local.mkdir(parents=True, exist_ok=True)
      self._writer = event_file_writer.EventsWriter(os.path.join(self._local, "events"))
    log = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    self._write(event_pb2.Event(step=step + 1, session_log=log))  # later ones were not saved

  def add(self, step: int, value) -> None:
    self._write(event_pb2.Event(step=step, summary=value))
    if time.monotonic() - self._flushed > FLUSH_SECONDS and not self._scratch:
      self.flush()

  def _write(self, event) -> None:
    if self._writer:
      event.wall_time = time.time()
      self._try(lambda: self._writer.write_event(event))

  def flush(self) -> None:
    self._flushed = time.monotonic()
    if self._writer:
      self._try(self._writer.flush)
    if self._writer and self._scratch:
      with reports.left_out(self._folder):
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._local.iterdir():
          (self._folder / path.name).write_bytes(path.read_bytes())

  def close(self) -> None:
    self.flush()
    if self._writer:
      self._try(self._writer.close)
    if self._scratch:
      self._scratch.cleanup()

  def _try(self, write) -> None:
    try:
      write()
    except OSError as error:
      reports.warn(self._folder, f"no more events are written: {error}")
      self._writer = None


def _kept_lines(path, step: int) -> bytes:
  """The lines of `path` whose step is at most `step`.

  A last line without an end is what a kill leaves. Other lines that are none of ours are left out,
  with a warning; a copy of the file stays beside it.
  """
  if not path.exists():
    return b""
  content = path.read_bytes()
  *lines, _ = content.split(b"\n")
  kept, foreign = [], 0
  for line in lines:
    try:
      if json.loads(line)["step"] <= step:
        kept.append(line + b"\n")
    except (ValueError, KeyError, TypeError, RecursionError):
      foreign += 1
  if foreign:
    copy = path.with_name(f"{path.name}.damaged")
    files.write_bytes(copy, content)
    reports.warn(path, f"{foreign} lines are no metrics and left out; as it was: {copy.name}")
  return b"".join(kept)


def memory() -> dict[str, float]:
  """GiB in use and at the peak on the fullest device of this process; {} if it does not tell."""
  stats = [device.memory_stats() or {} for device in jax.local_devices()]
  names = {"memory/gib": "bytes_in_use", "memory/peak_gib": "peak_bytes_in_use"}
  known = {name: [s[key] for s in stats if key in s] for name, key in names.items()}
  return {name: max(values) / 2**30 for name, values in known.items() if values}
