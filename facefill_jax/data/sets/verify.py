"""Checks a built set: every file, every record and every picture against its checksum."""

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from facefill_jax.data.sets import example
from facefill_jax.data.sets.records import (
  BUILD,
  INDEX,
  INFO,
  Shard,
  ShardFiles,
  content_sum,
  decode_record,
  read_build,
  read_index,
  size_problem,
)
from facefill_jax.labels import NUM_CLASSES, VOID


@dataclass
class Report:
  """What was found.

  problems: a line each, naming shard, position and id. records: how many were read and are as they
  were built. labelled: how many of those have a layout. pixels: int64 (20,), per class over those
  layouts; photos: int64 (20,), in how many of them a class occurs.
  """

  problems: list[str] = field(default_factory=list)
  records: int = 0
  labelled: int = 0
  pixels: np.ndarray = field(default_factory=lambda: np.zeros(NUM_CLASSES, np.int64))
  photos: np.ndarray = field(default_factory=lambda: np.zeros(NUM_CLASSES, np.int64))

  def add(self, other: "Report") -> None:
    """Takes in what was found in another shard."""
    self.problems += other.problems
    self.records += other.records
    self.labelled += other.labelled
    self.pixels += other.pixels
    self.photos += other.photos


def verify(
  directory: str,
  *,
  workers: int = 1,
  progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
  """Reads and decodes everything.

  Args:
    directory: of a built set.
    workers: processes; 1 works in this one.
    progress: is told (records looked at, records in all).

  Raises:
    ValueError: not a complete built set, or one whose index was changed.
  """
  about = read_build(directory)
  rows = read_index(directory, about)
  shards = [Shard(**shard) for shard in about["shards"]]
  report, tasks, start = Report(), [], 0
  for shard in shards:
    tasks.append((directory, shard, rows[start : start + shard.records], about["size"]))
    start += shard.records
  if start != len(rows):
    report.problems.append(f"{INDEX}: {len(rows)} records, the shards have {start}")
  report.problems += _metadata_problems(directory, about, shards)
  done = 0
  for shard, found in zip(shards, _run(tasks, min(workers, len(tasks))), strict=True):
    report.add(found)
    done += shard.records
    progress(done, start)
  return report


def _run(tasks: list[tuple], workers: int):
  if workers <= 1:
    yield from map(_verify_shard, tasks)
    return
  with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
    yield from pool.map(_verify_shard, tasks)


def _metadata_problems(directory: str, about: dict, shards: list[Shard]) -> list[str]:
  """Whether TFDS would read the same shards."""
  try:
    with open(os.path.join(directory, INFO), encoding="utf-8") as file:
      info = json.load(file)
    lengths = [int(n) for n in info["splits"][0]["shardLengths"]]
    same = info["name"] == about["name"] and lengths == [shard.records for shard in shards]
  except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
    return [f"{INFO}: cannot be read: {error}"]
  return [] if same else [f"{INFO}: does not agree with {BUILD}"]


def _verify_shard(task: tuple) -> Report:
  directory, shard, rows, size = task
  report = Report()
  path = os.path.join(directory, shard.file)
  if problem := size_problem(directory, shard):
    everything = f"records 0..{shard.records - 1} (ids {rows[0][0]} .. {rows[-1][0]})"
    report.problems.append(f"{path}: {problem}; not read: {everything}")
    return report
  files = ShardFiles([path], [shard.records])
  for position, row in enumerate(rows):
    where = f"{path}, record {position} (id {row[0]})"
    try:
      _verify_record(files, position, row, size, where, report)
    except ValueError as error:
      text = str(error)
      report.problems.append(text if text.startswith(where) else f"{where}: {text}")
  with open(path, "rb") as file:
    digest = hashlib.file_digest(file, "sha256").hexdigest()
  if digest != shard.sha256 and not report.problems:
    report.problems.append(f"{path}: is not the file that was built, though its records all are")
  return report


def _verify_record(files, position: int, row: list, size: int, where: str, report: Report) -> None:
  """Counts a good record; ValueError for another."""
  photo_id, number, labelled, part, digest = row
  data = files.read(position, where)
  features = example.decode(data)
  plain = {name: _one(values) for name, values in features.items()}
  if content_sum(plain) != digest or plain.get("sha256") != digest.encode():
    raise ValueError("its SHA-256 is not the one it was built with")
  item = decode_record(data, where)
  stored = (plain["number"], plain["has_layout"], plain["split"].decode())
  if (item["id"], *stored) != (photo_id, number, labelled, part):
    raise ValueError(f"is {item['id']!r} {stored}, the index says {row[:4]}")
  if item["photo"].shape != (size, size, 3):
    raise ValueError(f"its photo is {item['photo'].shape}, not {(size, size, 3)}")
  counts = np.bincount(item["labels"].ravel(), minlength=NUM_CLASSES)
  if bool(labelled) != (counts[VOID] < item["labels"].size):
    raise ValueError(f"its layout is void: {counts[VOID]} pixels; has_layout is {labelled}")
  report.records += 1
  if labelled:
    report.labelled += 1
    report.pixels += counts
    report.photos += counts > 0


def _one(values):
  """The only value of a list, as `example.encode` takes it; floats stay an array."""
  if isinstance(values, np.ndarray):
    return values
  if len(values) != 1:
    raise ValueError(f"a feature has {len(values)} values instead of one")
  return values[0]
