"""Thousands of photos: threads decode and write while the networks fill, in bounded memory."""

import collections
import concurrent.futures
import errno
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facefill_jax.filling import photo_files, photo_output
from facefill_jax.filling.frame import FrameError
from facefill_jax.filling.photo_files import PhotoError
from facefill_jax.filling.photo_filler import Answer, Job, PhotoFiller

_THREADS = 2  # that decode, and as many that encode: a CPU's cores are the networks'
_AHEAD = 2  # batches that are decoded, and as many that are being written


@dataclass(frozen=True)
class Task:
  """A photo, its mask, and the file that gets the photo filled."""

  photo: Path
  mask: Path
  output: Path


@dataclass(frozen=True)
class Done:
  """What came of a task.

  Attributes:
    task: it.
    error: why it failed, in one line; "" if it is done.
    remarks: what the photo's owner should know.
    hole: share of the photo, 0..1.
    faces: squares in which a face was filled.
    seconds: from when its batch began to be filled until it was written.
  """

  task: Task
  error: str
  remarks: tuple[str, ...] = ()
  hole: float = 0.0
  faces: int = 0
  seconds: float = 0.0


@dataclass(frozen=True)
class _Read:
  task: Task
  photo: photo_files.PhotoFile | None
  mask: np.ndarray | None
  remarks: list[str]
  error: str = ""


def fill_files(
  filler: PhotoFiller,
  tasks: Iterable[Task],
  *,
  convention: str,
  options: Mapping[str, Any],
  batch_size: int | None = None,
) -> Iterator[Done]:
  """Fills files, and tells of each as it is done; one that cannot be used does not stop the others.

  Args:
    filler: of the model.
    tasks: in the order in which they are begun; their folders must exist.
    convention: of the masks, see `data.mask_pictures`.
    options: of each `Job`, such as seeds and align; the first seed counts.
    batch_size: photos that are filled at once.

  Raises:
    OSError: the disk is full: the others would fail, too.
  """
  size = batch_size or filler.usual_batch_size
  with (
    concurrent.futures.ThreadPoolExecutor(_THREADS) as decoders,
    concurrent.futures.ThreadPoolExecutor(_THREADS) as encoders,
  ):
    try:
      reads = _ahead(decoders, _read, ((task, convention) for task in tasks), _AHEAD * size)
      writing = collections.deque()
      while batch := list(itertools.islice(reads, size)):
        started = time.monotonic()
        yield from (Done(one.task, one.error) for one in batch if one.error)
        good = [one for one in batch if not one.error]
        for one, answer in zip(good, _fill(filler, good, options, size), strict=True):
          writing.append(encoders.submit(_write, one, answer, started))
        while len(writing) > _AHEAD * size:
          yield writing.popleft().result()
      while writing:
        yield writing.popleft().result()
    finally:
      for pool in (decoders, encoders):
        pool.shutdown(wait=True, cancel_futures=True)


def _ahead(
  pool: concurrent.futures.Executor, work: Callable, arguments: Iterable[tuple], count: int
) -> Iterator:
  """work(*each) in their order, `count` of them ahead of what was taken."""
  running, arguments = collections.deque(), iter(arguments)
  for each in itertools.islice(arguments, count):
    running.append(pool.submit(work, *each))
  while running:
    done = running.popleft().result()
    for each in itertools.islice(arguments, 1):
      running.append(pool.submit(work, *each))
    yield done


def _read(task: Task, convention: str) -> _Read:
  remarks = []
  try:
    photo = photo_files.read_photo(task.photo, remarks.append)
    photo_output.check_output(task.output, photo.pixels.shape[:2])
    if task.mask.exists() and task.mask.samefile(task.photo):
      raise PhotoError(f"{task.mask}: is the photo itself, not a mask")
    mask = photo_files.read_mask(
      task.mask, photo.pixels.shape[:2], photo.orientation, convention, remarks.append
    )
  except Exception as error:  # whatever comes of one file
    return _Read(task, None, None, remarks, _said(error, task))
  return _Read(task, photo, mask, remarks)


def _fill(filler: PhotoFiller, reads: list[_Read], options, size: int) -> list[Answer | str]:
  """An answer each, or why there is none: one by one if all at once does not go."""
  jobs = [Job(one.photo.pixels, one.mask, **options) for one in reads]
  try:
    return [answers[0] for answers in filler.fill_many(jobs, batch_size=size)] if jobs else []
  except Exception as error:  # whatever comes of one photo
    if len(reads) == 1:
      return [_said(error, reads[0].task)]
  return [_fill(filler, [one], options, size)[0] for one in reads]


def _said(error: Exception, task: Task) -> str:
  """One line that names the file."""
  if isinstance(error, PhotoError):
    return str(error)
  words = " ".join(str(error).split())
  kind = "" if isinstance(error, FrameError) else f"unexpected {type(error).__name__}: "
  return f"{task.photo}: {kind}{words}"


def _write(one: _Read, answer: Answer | str, started: float) -> Done:
  if isinstance(answer, str):
    return Done(one.task, answer)
  remarks = [*one.remarks, *answer.remarks]
  try:
    photo_output.write_like(one.task.output, one.photo, answer.whole, one.mask, remarks.append)
  except PhotoError as error:
    if getattr(error.__cause__, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
      raise error.__cause__ from None
    return Done(one.task, str(error))
  faces = sum(one.is_face for one in answer.passes)
  seconds = time.monotonic() - started
  return Done(one.task, "", tuple(remarks), float(one.mask.mean()), faces, seconds)
