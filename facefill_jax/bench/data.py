"""bench data: how many photos a second the pipeline gives, and where its time goes.

Two clocks: wall time, which another program on the same cores makes longer, and CPU time of all
processes involved, which it hardly does. "A core gives" is photos over seconds of CPU time.
"""

import contextlib
import itertools
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import cv2
import numpy as np
from PIL import Image

from facefill_jax.bench.hardware import cores
from facefill_jax.bench.processes import cpu_seconds, resident_mib
from facefill_jax.data import pipeline, squares
from facefill_jax.data.decoding import read_labels, read_photo
from facefill_jax.data.drawn.faces import LARGEST, DrawnFaces
from facefill_jax.data.masks.training import MaskMix
from facefill_jax.data.opening import open_source
from facefill_jax.data.sources import Folder, Subset

WEIGHTS = {
  "free_form": 0.56, "box": 0.1, "half": 0.06, "border": 0.06, "part": 0.1, "empty": 0.12,
}  # fmt: skip
"""Kinds of masks: those of configs/folder.py."""
RATIO = (0.05, 0.95)
ZOOM = (0.85, 1.0)
BATCH = 16
STAGES = ("read", "decode photo", "decode layout", "item", "crop + resize", "flip", "mask",
          "batch", "copy")  # fmt: skip
"""What is timed apart. "item" is the rest of source[i]; all of it if the source is no folder."""
_EPOCH = 10_000  # photos; grain's shuffle takes milliseconds a draw from a few dozen
_WARM_BATCHES = 10  # what threads and workers hold ready before the clock starts, and more


def draw_folder(directory: str, size: int, count: int) -> tuple[str, str]:
  """Drawn faces as JPEG (quality 95) and PNG files; the directories of photos and of layouts.

  Faces are drawn at up to 512 px and enlarged beyond that.
  """
  faces = DrawnFaces(min(size, LARGEST), length=count)
  paths = [os.path.join(directory, f"{name}-{size}") for name in ("photos", "labels")]
  for path in paths:
    os.makedirs(path)
  for i in range(count):
    photo, labels = faces[i]["photo"], faces[i]["labels"]
    if size > LARGEST:
      photo = cv2.resize(photo, (size, size), interpolation=cv2.INTER_CUBIC)
      labels = cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST)
    Image.fromarray(photo).save(os.path.join(paths[0], f"{i}.jpg"), quality=95)
    Image.fromarray(labels).save(os.path.join(paths[1], f"{i}.png"))
  return paths[0], paths[1]


class Clock:
  """Seconds of wall and of CPU time under names, added up."""

  def __init__(self):
    self.wall, self.cpu = dict.fromkeys(STAGES, 0.0), dict.fromkeys(STAGES, 0.0)

  @contextlib.contextmanager
  def time(self, name: str) -> Iterator[None]:
    """Adds what the block takes, in this thread."""
    wall, cpu = time.perf_counter(), time.thread_time()
    yield
    self.wall[name] += time.perf_counter() - wall
    self.cpu[name] += time.thread_time() - cpu


def time_stages(source, masks: MaskMix, resolution: int, seconds: float) -> dict:
  """Stage -> {"cpu_us": ..., "wall_us": ...} a photo, the stages one after the other."""
  rng = np.random.default_rng(0)
  _add_batch(Clock(), source, masks, resolution, 0, rng)  # first calls load libraries
  clock, count, end = Clock(), 0, time.perf_counter() + seconds
  while not count or time.perf_counter() < end:
    _add_batch(clock, source, masks, resolution, count, rng)
    count += BATCH
  return {
    name: {"cpu_us": clock.cpu[name] / count * 1e6, "wall_us": clock.wall[name] / count * 1e6}
    for name in STAGES
    if clock.wall[name]
  }


def _add_batch(clock: Clock, source, masks: MaskMix, resolution: int, first: int, rng) -> None:
  """Makes a batch of the items from `first` on, as the pipeline would, and adds the times."""
  rows = []
  for i in range(first, first + BATCH):
    item = _timed_item(clock, source, i % len(source))
    with clock.time("crop + resize"):
      square = squares.random_square(item["photo"].shape[:2], ZOOM, rng)
      photo, labels = squares.cut(item["photo"], item["labels"], square, resolution)
    with clock.time("flip"):
      if rng.random() < 0.5:
        photo, labels = squares.mirror(photo, labels)
    with clock.time("mask"):
      mask = masks.sample(rng, labels)
    rows.append({"photo": photo, "labels": labels, "mask": mask[..., None]})
  with clock.time("batch"):
    batch = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
  with clock.time("copy"):
    batch = {name: np.array(value) for name, value in batch.items()}


def _timed_item(clock: Clock, source, index: int) -> dict:
  """source[index]; of a folder, reading and decoding are timed apart and taken off the rest."""
  with clock.time("item"):
    item = source[index]
  if isinstance(source, Folder):
    before = sum(clock.wall.values()), sum(clock.cpu.values())
    with clock.time("read"):
      photo, labels = source.read(index)
    with clock.time("decode photo"):
      read_photo(photo, source.min_size)
    with clock.time("decode layout"):
      if labels is not None:
        read_labels(labels)
    clock.wall["item"] -= sum(clock.wall.values()) - before[0]
    clock.cpu["item"] -= sum(clock.cpu.values()) - before[1]
  return item


def time_stream(source, masks: MaskMix, resolution: int, workers: int, seconds: float) -> dict:
  """Photos a second of wall time, and of CPU time of this process and its workers together."""
  with _stream(source, masks, resolution, workers) as stream:
    for _ in range(_WARM_BATCHES):
      next(stream)
    cpu, start, count = cpu_seconds(), time.perf_counter(), 0
    while not count or time.perf_counter() < start + seconds:
      next(stream)
      count += BATCH
    wall, cpu = time.perf_counter() - start, cpu_seconds() - cpu
  return {"photos": count, "photos_per_second": count / wall, "photos_per_cpu_second": count / cpu}


def watch_memory(source, masks: MaskMix, resolution: int, workers: int, draws: int) -> list[dict]:
  """MiB that this process and its workers hold after each tenth of `draws` photos."""
  found = []
  with _stream(source, masks, resolution, workers) as stream:
    marks = [draws * k // 10 for k in range(1, 11)]
    for drawn in itertools.count(BATCH, BATCH):
      next(stream)
      while marks and drawn >= marks[0]:
        found.append({"photos": drawn, "mib": resident_mib()})
        marks.pop(0)
      if not marks:
        return found


def _stream(source, masks: MaskMix, resolution: int, workers: int) -> pipeline.Batches:
  long = Subset(source, [i % len(source) for i in range(max(_EPOCH, len(source)))])
  return pipeline.batches(
    [(long, 1.0)], masks, resolution=resolution, batch_size=BATCH, seed=0, workers=workers,
    zoom=ZOOM,
  )  # fmt: skip


def table(rows: Iterable[dict]) -> str:
  """Markdown: one line a source and resolution; microseconds of CPU a photo, photos a second."""
  rows = list(rows)
  shown = [name for name in STAGES if any(name in row["stages"] for row in rows)]
  counts = sorted({stream["workers"] for row in rows for stream in row["streams"]})
  heads = [*shown, "sum", *(f"{n} workers: a core / wall" for n in counts)]
  lines = ["| source | output | " + " | ".join(heads) + " |", "| --- |" * 2 + " --- |" * len(heads)]
  lines[1] = lines[1].replace("||", "|")
  for row in rows:
    stages = [row["stages"].get(name, {"cpu_us": 0.0})["cpu_us"] for name in shown]
    cells = [f"{value:.0f}" for value in (*stages, sum(stages))]
    by_count = {stream["workers"]: stream for stream in row["streams"]}
    for n in counts:
      speeds = ("photos_per_cpu_second", "photos_per_second")
      cells.append(" / ".join(f"{by_count[n][name]:.0f}" for name in speeds))
    lines.append(f"| {row['source']} | {row['resolution']} px | " + " | ".join(cells) + " |")
  return "\n".join(lines)


def _sources(directory, photos, labels, records, sizes, faces, resolution) -> Iterator[tuple]:
  """(name, source) of what was asked for, else of folders of drawn faces."""
  if photos:
    yield photos, open_source(photos, labels, min_size=int(resolution / ZOOM[0]))
  if records:
    yield records, open_source(records)
  if photos or records:
    return
  for size in sizes:
    made = Path(directory, f"photos-{size}"), Path(directory, f"labels-{size}")
    paths = made if made[0].exists() else draw_folder(directory, size, faces)
    yield f"{size} px JPEG", open_source(*map(str, paths), min_size=int(resolution / ZOOM[0]))


@click.command()
@click.option("--photos", default="", help="Directory or .zip of photos, not drawn ones.")
@click.option("--labels", default="", help="Directory or .zip of their layouts.")
@click.option("--records", default="", help="Directory of records.")
@click.option(
  "--size", "sizes", type=click.IntRange(32, 4096), multiple=True, default=(256, 512, 1024),
  show_default=True, help="Side of the drawn photos.",
)  # fmt: skip
@click.option("--faces", type=click.IntRange(1), default=32, show_default=True,
              help="How many are drawn.")  # fmt: skip
@click.option("--resolution", "resolutions", type=int, multiple=True, default=(64, 256),
              show_default=True, help="Side of the output.")  # fmt: skip
@click.option("--workers", type=click.IntRange(0), multiple=True, default=(0, 1, 2),
              show_default=True)  # fmt: skip
@click.option("--seconds", default=3.0, show_default=True, help="For each number.")
@click.option("--memory", type=click.IntRange(0), default=0, metavar="N",
              help="Draw N photos and watch the memory, instead of timing.")  # fmt: skip
@click.option("--json", "out", type=click.Path(dir_okay=False), help="Write the numbers here.")
def data(photos, labels, records, sizes, faces, resolutions, workers, seconds, memory, out) -> None:
  """Photos a second of the data pipeline, and each stage's share.

  To measure one core: taskset -c 1 python -m facefill_jax.bench data. OpenCV uses one thread.
  """
  if labels and not photos:
    raise click.UsageError("--labels without --photos: whose layouts are they?")
  cv2.setNumThreads(1)
  masks = MaskMix(WEIGHTS, ratio=RATIO)
  rows = []
  with tempfile.TemporaryDirectory(prefix="facefill-bench-") as directory:
    for resolution in resolutions:
      chosen = _sources(directory, photos, labels, records, sizes, faces, resolution)
      for name, source in chosen:
        row = {"source": name, "resolution": resolution}
        if memory:
          row["memory"] = [
            {"workers": n, "held": watch_memory(source, masks, resolution, n, memory)}
            for n in workers
          ]
        else:
          row["stages"] = time_stages(source, masks, resolution, seconds)
          row["streams"] = [
            {"workers": n, **time_stream(source, masks, resolution, n, seconds)} for n in workers
          ]
        rows.append(row)
        said = _memory_lines([row]) if memory else table([row]).splitlines()[-1]
        click.echo(said, err=True)
        if out:  # after each row: all of them take minutes
          _write(Path(out), rows)
  click.echo(_memory_lines(rows) if memory else table(rows))


def _write(out: Path, rows: list[dict]) -> None:
  machine = {"cores": cores(), "processor": platform.processor(),
             "python": platform.python_version()}  # fmt: skip
  out.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")


def _memory_lines(rows: list[dict]) -> str:
  lines = []
  for row in rows:
    for found in row["memory"]:
      held = " ".join(f"{mark['mib']:.0f}" for mark in found["held"])
      lines.append(
        f"{row['source']} -> {row['resolution']} px, {found['workers']} workers: MiB held after "
        f"each tenth of {found['held'][-1]['photos']} photos: {held}"
      )
  return "\n".join(lines)
