"""facefill batch: a folder of photos, a folder of masks, a folder of answers."""

import contextlib
import csv
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import click

from facefill_jax import __version__, files
from facefill_jax.cli import devices, filling
from facefill_jax.cli.failures import InputFailure, SomeFailed, input_failures
from facefill_jax.cli.paths import FilePath, check_new_directory
from facefill_jax.data import decoding, file_tree, pairing

_DIR = FilePath(file_okay=False, exists=True)
_RECORD, _SETTINGS = "facefill.csv", "facefill.json"
_COLUMNS = ("photo", "mask", "output", "status", "hole", "faces", "seconds", "remarks")


@click.command(
  epilog="""\b
Examples:
  facefill batch photos masks filled
  facefill batch photos scratch.png filled --format jpg
"""
)
@click.argument("photos", type=_DIR)
@click.argument("masks", type=FilePath(exists=True))
@click.argument("out", type=FilePath(file_okay=False))
@click.option("--seed", type=filling.SEED, default=0, show_default=True)
@click.option(
  "--format", "ending", type=click.Choice(["png", "jpg", "webp", "tif"]), default="png",
  show_default=True, help="Of the files in OUT.",
)  # fmt: skip
@click.option(
  "--batch-size", type=click.IntRange(1),
  help="Photos that are filled at once; default: 1 on a CPU, else 8.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Do again what is done.")
@filling.mask_option
@filling.options
@click.pass_obj
def batch(options, photos, masks, out, seed, ending, batch_size, overwrite, **given) -> None:
  """Fill all PHOTOS, a folder, each with the mask of its name in MASKS: into OUT.

  MASKS may be one picture for all. Files in OUT are named as their photos. Run it again, and it
  goes on where it stopped. A photo that cannot be filled does not stop the others: facefill.csv in
  OUT says what happened to each, and the exit code is then 5.
  """
  options["verbose"] = given["verbose"]
  if out.resolve() in (photos.resolve(), masks.resolve()):
    raise click.UsageError(f"{out}: holds what is to be filled: give another folder for the fills")
  check_new_directory(out)
  with input_failures():
    tasks = _tasks(photos, masks, out, ending)
    if not overwrite:
      _check_free(out, tasks)
  devices.prepare(given["no_compile_cache"])
  pipe = filling.load(given["model"], few_photos=False)
  job_options = {"seeds": (seed,), **filling.job_options(given)}
  settings = {
    "facefill_jax": __version__, "model": pipe.photos.filler.sha256, "seed": seed,
    "photos": str(photos.resolve()), "masks": str(masks.resolve()),
    "convention": filling.convention(given), "align": given["align"], "dilate": given["dilate"],
  }  # fmt: skip
  with input_failures():
    rows = _begin(out, settings, overwrite)
    open_tasks = [task for task in tasks if overwrite or not _is_done(task, rows)]
    for folder in sorted({task.output.parent for task in open_tasks}):
      folder.mkdir(parents=True, exist_ok=True)
    failed = _run(pipe, open_tasks, rows, out, filling.convention(given), job_options, batch_size)
  there = len(tasks) - len(open_tasks)
  before = f", {there} were there" if there else ""
  filling.say(f"filled {len(open_tasks) - failed} of {len(open_tasks)} photos{before}: {out}")
  if failed:
    raise SomeFailed(f"{failed} of {len(tasks)} photos failed: see {out / _RECORD}")


def _tasks(photos: Path, masks: Path, out: Path, ending: str) -> list:
  """What is to be done, in the natural order of the photos' names."""
  from facefill_jax.filling.folders import Task

  names = file_tree.Files(str(photos), decoding.ENDINGS, "photos", str(out)).names
  if masks.is_dir():
    found = file_tree.Files(str(masks), decoding.ENDINGS, "masks").names
    fitting = pairing.pair(names, found, "masks")
    if not fitting.file_of:
      raise InputFailure(f"{masks}: no mask there has the name of a photo in {photos}")
    if fitting.alone:
      filling.warn(fitting.remark("mask", str(masks), "they are left out"))
    mask_of = {name: masks / fitting.file_of[name] for name in names if name in fitting.file_of}
  else:
    mask_of = dict.fromkeys(names, masks)
  tasks = [
    Task(photos / name, mask, out / Path(name).with_suffix(f".{ending}"))
    for name, mask in mask_of.items()
  ]
  by_output = {}
  for task in tasks:
    other = by_output.setdefault(task.output, task)
    if other is not task:
      raise InputFailure(f"{other.photo} and {task.photo} would both become {task.output}")
  return tasks


def _check_free(out: Path, tasks: list) -> None:
  """Raises InputFailure if files would be replaced that no earlier run has written."""
  there = [task.output for task in tasks if task.output.exists()]
  if there and not (out / _SETTINGS).exists():
    raise InputFailure(
      f"{there[0]}: exists, and {out} holds no {_SETTINGS} of an earlier run: take another folder, "
      "or give --overwrite to replace such files"
    )


def _begin(out: Path, settings: dict, overwrite: bool) -> dict[str, dict]:
  """The rows of a run that is continued, by photo; the settings are written down.

  Raises:
    InputFailure: what is there was made with other settings.
  """
  out.mkdir(parents=True, exist_ok=True)
  path, rows = out / _SETTINGS, {}
  if path.exists() and not overwrite:
    before = _read_settings(path)
    changed = [key for key in settings if before.get(key) != settings[key]]
    if changed:
      raise InputFailure(
        f"{out}: was begun with another {changed[0]} ({before.get(changed[0])}, now "
        f"{settings[changed[0]]}): take another folder, or give --overwrite"
      )
    if (out / _RECORD).exists():
      with open(out / _RECORD, newline="", encoding="utf-8-sig") as file:
        rows = {row["photo"]: row for row in csv.DictReader(file) if row.get("photo")}
  files.write_bytes(path, (json.dumps(settings, indent=2) + "\n").encode())
  return rows


def _read_settings(path: Path) -> dict:
  try:
    return dict(json.loads(path.read_text(encoding="utf-8")))
  except ValueError as error:
    raise InputFailure(f"{path}: is damaged ({error}): give --overwrite to begin anew") from error


def _is_done(task, rows: dict[str, dict]) -> bool:
  return rows.get(str(task.photo), {}).get("status") == "filled" and task.output.exists()


def _run(pipe, tasks, rows, out: Path, convention: str, job_options, batch_size) -> int:
  """Fills them; returns how many failed."""
  from facefill_jax.filling.folders import fill_files

  again = {str(task.photo) for task in tasks}
  kept = [row for path, row in rows.items() if path not in again]
  bar = click.progressbar(length=len(tasks), label="filling", file=sys.stderr)
  failed = 0
  with warnings.catch_warnings(), _record(out / _RECORD, kept) as write, bar:
    warnings.simplefilter("ignore")  # Pillow's, of the threads that decode
    for done in fill_files(
      pipe.photos, tasks, convention=convention, options=job_options, batch_size=batch_size
    ):
      if done.error:
        failed += 1
        filling.say(f"failed: {done.error}")
      write(done)
      bar.update(1)
  return failed


@contextlib.contextmanager
def _record(path: Path, kept: list[dict]) -> Iterator:
  """What appends a row to the CSV, at once: it is right whenever the run is stopped."""
  with files.replacing(path) as part, open(part, "w", newline="", encoding="utf-8") as file:
    table = csv.DictWriter(file, _COLUMNS, extrasaction="ignore")
    table.writeheader()
    table.writerows(kept)
  with open(path, "a", newline="", encoding="utf-8") as file:
    table = csv.DictWriter(file, _COLUMNS)

    def write(done) -> None:
      table.writerow(
        {
          "photo": done.task.photo, "mask": done.task.mask,
          "output": "" if done.error else done.task.output,
          "status": "failed" if done.error else "filled",
          "hole": f"{done.hole:.4f}", "faces": done.faces, "seconds": f"{done.seconds:.2f}",
          "remarks": done.error or "; ".join(done.remarks),
        }
      )  # fmt: skip
      file.flush()

    yield write
