"""Builds a data set on all cores: the same bytes every time, and a killed build can be resumed.

The records are sorted by id and cut into shards of 512. Each shard is written whole and then gets a
note with its SHA-256; a build that is started again keeps the shards that match their notes.
dataset_info.json comes last: no reader opens a set without it. The bytes depend on the photos, the
options, and the versions of Pillow, OpenCV and zlib; not on the number of workers, nor on how often
the build was stopped.
"""

import contextlib
import hashlib
import json
import multiprocessing
import os
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from facefill_jax import files
from facefill_jax.data.file_tree import natural
from facefill_jax.data.sets import records
from facefill_jax.data.sets.shards import (
  Form,
  features_json,
  finished_shard,
  info_json,
  notes_path,
  write_shard,
)
from facefill_jax.data.workers import start as start_worker

RECORDS_PER_SHARD = 512
PLAN = "plan.json"
_OURS = re.compile(r"[\w.]+-faces\.array_record-\d{5}-of-\d{5}")
_BEGUN = re.compile(rf"\.{_OURS.pattern}\.part")


class ExistsError(ValueError):
  """The directory holds another set, or something else."""


def build(
  name: str,
  source,
  directory: str,
  form: Form,
  *,
  workers: int = 1,
  overwrite: bool = False,
  per_shard: int = RECORDS_PER_SHARD,
  progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
  """Builds a set, or what is missing of it.

  Args:
    name: what TFDS will call it.
    source: an original set; see `data.sets.builders`.
    directory: where to; made if it is not there.
    form: how photos are stored.
    workers: processes; 1 works in this one.
    overwrite: remove a set that was built there with other options or of other photos.
    per_shard: records in a shard; what a kill can cost is that many for each worker.
    progress: is told (records done, records in all), from this process.

  Returns:
    build.json; see `data.sets.records`.

  Raises:
    ExistsError: the directory holds something else; nothing was changed.
    ValueError: a photo cannot be read, or another build is at work there.
  """
  order = sorted(range(len(source)), key=lambda i: natural(source.ids[i]))
  plan = _plan(name, source, order, form) | {"per_shard": per_shard}
  os.makedirs(directory, exist_ok=True)
  with files.locked(directory, f"{directory}: another build is at work there"):
    if _prepare(directory, plan, overwrite):
      progress(len(order), len(order))
      return records.read_build(directory)
    tasks = _tasks(name, order, per_shard)
    notes = {}
    for file in tasks:
      if note := finished_shard(directory, file):
        notes[file] = note
    progress(_count(notes), len(order))
    missing = {file: indices for file, indices in tasks.items() if file not in notes}
    for file, note in _write(source, missing, directory, form, workers):
      notes[file] = note
      progress(_count(notes), len(order))
    about = _finish(directory, plan, [notes[file] for file in tasks], form)
  shutil.rmtree(notes_path(directory, ""))
  return about


def _plan(name: str, source, order: list[int], form: Form) -> dict:
  """What makes two builds the same."""
  rows = [[source.ids[i], source.numbers[i], source.official[i]] for i in order]
  content = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
  return {
    "format": records.FORMAT, "name": name, "size": form.size, "photo": form.encoding,
    "records": len(order), "photos_sha256": content,
  }  # fmt: skip


def _prepare(directory: str, plan: dict, overwrite: bool) -> bool:
  """Makes the directory ready for shards; True if the set is there already and whole."""
  names = set(os.listdir(directory))
  built = records.INFO in names and records.BUILD in names
  there = records.read_build(directory) if built else _read_plan(directory)
  if there is not None and {key: there.get(key) for key in plan} == plan:
    if built:
      shutil.rmtree(notes_path(directory, ""), ignore_errors=True)  # killed at the very end
    else:
      _clear(directory)
    return built
  if there is None and names - {".unfinished"}:
    raise ExistsError(f"{directory}: holds other files; give an empty or a new directory")
  if there is not None and not overwrite:
    raise ExistsError(
      f"{directory}: holds a set that was built of other photos or with other options; give "
      "--overwrite to replace it"
    )
  # What marks a set as whole goes first, so that a kill here leaves nothing that is read.
  metadata = [records.INFO, records.BUILD, records.INDEX, records.FEATURES]
  for each in [*metadata, *sorted(n for n in names if _OURS.fullmatch(n))]:
    with contextlib.suppress(FileNotFoundError):
      os.remove(os.path.join(directory, each))
  _clear(directory)
  shutil.rmtree(notes_path(directory, ""), ignore_errors=True)
  os.mkdir(notes_path(directory, ""))
  files.write_text(notes_path(directory, PLAN), json.dumps(plan))
  return False


def _clear(directory: str) -> None:
  """Removes shards that a killed build had begun: files.py's names beside their places."""
  for name in os.listdir(directory):
    if _BEGUN.fullmatch(name):
      os.remove(os.path.join(directory, name))


def _read_plan(directory: str) -> dict | None:
  try:
    with open(notes_path(directory, PLAN), encoding="utf-8") as stream:
      return json.load(stream)
  except FileNotFoundError:
    return None


def _tasks(name: str, order: list[int], per_shard: int) -> dict[str, list[int]]:
  """Shard file -> indices of its photos."""
  blocks = [order[i : i + per_shard] for i in range(0, len(order), per_shard)]
  count = len(blocks)
  return {
    f"{name}-faces.array_record-{i:05d}-of-{count:05d}": block for i, block in enumerate(blocks)
  }


def _count(notes: dict[str, dict]) -> int:
  return sum(note["shard"]["records"] for note in notes.values())


def _write(source, tasks, directory: str, form: Form, workers: int) -> Iterator[tuple[str, dict]]:
  """Writes shards; gives (file, note) of each as it is done."""
  workers = min(workers, len(tasks))
  if workers <= 1:
    for file, indices in tasks.items():
      yield file, write_shard(source, indices, directory, file, form)
    return
  pool = ProcessPoolExecutor(
    workers, multiprocessing.get_context("spawn"), _start_worker, (source, directory, form)
  )
  before = set(multiprocessing.active_children())
  done = False
  try:
    futures = {pool.submit(_work, file, indices): file for file, indices in tasks.items()}
    for future in as_completed(futures):
      yield futures[future], future.result()
    done = True
  except BrokenProcessPool as error:
    raise ValueError("a worker was killed: too little memory? use fewer --workers") from error
  finally:
    if not done:  # an error, or Ctrl-C: a shard that nobody waits for is not worth finishing
      for child in set(multiprocessing.active_children()) - before:
        child.terminate()
    pool.shutdown(cancel_futures=True)


_WORK: list = []  # of a worker process: source, directory, form


def _start_worker(*work) -> None:
  start_worker()
  _WORK[:] = work


def _work(file: str, indices: list[int]) -> dict:
  source, directory, form = _WORK
  return write_shard(source, indices, directory, file, form)


def _finish(directory: str, plan: dict, notes: list[dict], form: Form) -> dict:
  """Writes all that is not a shard; what makes the set readable comes last."""
  rows = [row for note in notes for row in note["rows"]]
  index = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
  mended = {}
  for note in notes:
    for pair, count in note["mended"].items():
      mended[pair] = mended.get(pair, 0) + count
  about = plan | {
    "labelled": sum(row[2] for row in rows),
    "mended_pairs": dict(sorted(mended.items())),
    "index_sha256": hashlib.sha256(index).hexdigest(),
    "shards": [note["shard"] for note in notes],
  }
  lengths = [note["shard"]["records"] for note in notes]
  info = info_json(plan["name"], sum(note["payload"] for note in notes), lengths)
  for name, content in (
    (records.INDEX, index),
    (records.FEATURES, _pretty(features_json(form))),
    (records.BUILD, _pretty(about)),
    (records.INFO, _pretty(info)),
  ):
    files.write_bytes(os.path.join(directory, name), content)
  return about


def _pretty(content: dict) -> bytes:
  return f"{json.dumps(content, indent=2)}\n".encode()
