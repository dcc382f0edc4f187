"""facefill data: data sets, from the download to records, and whether they are whole."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from facefill_jax.cli import data_agreement, data_label, data_show
from facefill_jax.cli.failures import InputFailure, input_failures
from facefill_jax.cli.paths import FilePath, check_new_directory

_DIR = FilePath()
_LISTED = 20  # problems that are printed one by one
_workers = click.option(
  "--workers", type=click.IntRange(1), metavar="N", help="Processes. Default: one a core."
)
_verbose = click.option("-v", "--verbose", is_flag=True, help="Show a traceback when it fails.")


@click.group()
def data() -> None:
  """Build, verify, divide and label data sets, and look at them."""


@data.command()
@click.argument("name")
@click.option("--from", "origin", type=_DIR, required=True, metavar="DIR", help="The download.")
@click.option("--to", "target", type=_DIR, required=True, metavar="DIR", help="The built set.")
@click.option("--labels", type=_DIR, metavar="DIR", help="Label PNGs, for folder_faces.")
@click.option(
  "--size", type=click.IntRange(32, 1024), default=256, show_default=True,
  help="Side of the stored photos in pixels: their centre squares, resized.",
)  # fmt: skip
@click.option("--lossless", is_flag=True, help="PNG; else JPEG, quality 95, full chroma.")
@_workers
@click.option("--overwrite", is_flag=True, help="Replace a set built otherwise.")
@_verbose
@click.pass_obj
def build(
  options, name, origin, target, labels, size, lossless, workers, overwrite, verbose
) -> None:
  """Build the data set NAME from its download: celebamask_hq, ffhq, folder_faces, celeb_a or
  celeb_a_hq.

  Killed, it goes on where it was when it is started again. facefill_jax/data/README.md says how to
  get each set.
  """
  options["verbose"] = verbose
  from facefill_jax.data.sets import build as build_lib
  from facefill_jax.data.sets import builders
  from facefill_jax.data.sets.shards import Form

  if name not in builders.NAMES:
    raise click.UsageError(f"{name!r} is not one of {', '.join(builders.NAMES)}")
  _check_apart(target, origin, labels)
  check_new_directory(target)
  with input_failures():
    source = builders.open_originals(name, str(origin), labels=str(labels or ""), size=size)
    with _progress("building") as progress:
      try:
        about = build_lib.build(
          name, source, str(target), Form(size, lossless), workers=workers or cores(),
          overwrite=overwrite, progress=progress,
        )  # fmt: skip
      except build_lib.ExistsError as error:
        raise click.UsageError(str(error), click.get_current_context()) from error
  click.echo(_summary(about, builders.OFFICIAL_COUNTS), err=True)
  click.echo(f"ready: {target}", err=True)


@data.command()
@click.argument("directory", type=_DIR, metavar="DIR")
@_workers
@_verbose
@click.pass_obj
def verify(options, directory, workers, verbose) -> None:
  """Read every record of the built set DIR and compare its checksum.

  Prints how many there are and how often each class occurs; exit code 3 if anything is damaged.
  """
  options["verbose"] = verbose
  from facefill_jax.data.sets import builders, records
  from facefill_jax.data.sets import verify as verify_lib

  with input_failures():
    about = records.read_build(str(directory))
    with _progress("verifying") as progress:
      report = verify_lib.verify(str(directory), workers=workers or cores(), progress=progress)
  for problem in report.problems[:_LISTED]:
    click.echo(problem, err=True)
  click.echo(_summary(about, builders.OFFICIAL_COUNTS))
  _print_classes(report)
  if report.problems:
    raise InputFailure(
      f"{directory}: {len(report.problems)} problems, {about['records'] - report.records} of "
      f"{about['records']} records are damaged; remove the set and build it again"
    )
  click.echo(f"all {report.records} records are as they were built")


@data.command("splits")
@click.argument("name", required=False)
@click.option("--in", "directory", type=_DIR, metavar="DIR", help="Count the parts in this set.")
@_verbose
@click.pass_obj
def show_splits(options, name, directory, verbose) -> None:
  """Say what the split NAME is (without NAME: all of them)."""
  options["verbose"] = verbose
  from facefill_jax.data.sets import records, splits

  if name is not None and name.partition(":")[0] not in splits.RULES:
    raise click.UsageError(f"{name!r} is not one of {', '.join(splits.RULES)}")
  with input_failures():
    source = records.Records(str(directory)) if directory else None
  for each in [name] if name else splits.RULES:
    click.echo(f"{each}: {splits.RULES[each.partition(':')[0]]}")
    if source is not None:
      click.echo(f"  {_parts(each, source, required=name is not None)}")


data.add_command(data_agreement.agreement)
data.add_command(data_label.label)
data.add_command(data_show.show)


def _parts(split: str, source, required: bool) -> str:
  from facefill_jax.data.sets import splits

  try:
    parts = splits.divide(split, source.ids, source.numbers, source.official)
  except ValueError as error:
    if required:
      raise InputFailure(str(error)) from error
    return f"not for this set: {error}"
  left_out = len(source) - sum(map(len, parts.values()))
  counts = ", ".join(f"{len(indices)} {part}" for part, indices in parts.items())
  return f"{counts}; {left_out} in none" if left_out else counts


def cores() -> int:
  """Those that this process may use; `taskset -c 0` leaves one."""
  return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_apart(target: Path, *origins: Path | None) -> None:
  """A build must not write into its own photos."""
  for origin in filter(None, origins):
    inside = target.resolve().is_relative_to(origin.resolve())
    if inside and (origin.is_dir() or target.resolve() == origin.resolve()):
      raise click.UsageError(f"--to {target} lies within {origin}: keep the two apart")


def _summary(about: dict, official: dict[str, int]) -> str:
  text = f"{about['name']}: {about['records']} photos of {about['size']} px"
  whole = official.get(about["name"])
  if whole is not None:
    complete = about["records"] == whole
    text += ", as many as the whole set has" if complete else f" (the whole set has {whole})"
  text += f"; {about['labelled']} with a layout"
  if about["labelled"]:
    mended = about["mended_pairs"]
    counts = ", ".join(f"{pair} {count}" for pair, count in mended.items()) or "none"
    text += f"; left/right pairs mended: {counts}"
  return text


def _print_classes(report) -> None:
  """A line a class: its share of the pixels, and of the photos with a layout."""
  if not report.labelled:
    return
  from facefill_jax.labels import CLASSES

  click.echo(f"{'class':<12}{'pixels':>10}{'photos':>10}")
  total = report.pixels.sum()
  for name, pixels, photos in zip(CLASSES, report.pixels, report.photos, strict=True):
    click.echo(f"{name:<12}{pixels / total:>10.3%}{photos / report.labelled:>10.1%}")


@contextlib.contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
  """A bar on stderr if that is a terminal; gives a function to tell it (done, total)."""
  with click.progressbar(length=1, label=label, file=sys.stderr, show_pos=True) as bar:

    def tell(done: int, total: int) -> None:
      bar.length = max(total, 1)
      bar.update(done - bar.pos)

    yield tell
