"""facefill masks: the masks of the field's protocols, written, shown and counted."""

import itertools
import json
from pathlib import Path

import click

from facefill_jax.cli.failures import InputFailure, input_failures
from facefill_jax.cli.paths import FilePath, SourceName, check_new_directory, check_new_file

_FILE = FilePath()
_COUNTED = 1000  # masks drawn for `stats`

_size = click.option(
  "--size", type=click.IntRange(16, 4096), default=256, show_default=True, help="Side in pixels."
)
_seed = click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
_labels = click.option(
  "--labels",
  type=SourceName(),
  default="",
  metavar="DIR",
  help="Label maps (directory or .zip), for parts:...",
)
_overwrite = click.option("--overwrite", is_flag=True, help="Replace what exists.")
_verbose = click.option("-v", "--verbose", is_flag=True, help="Show a traceback when it fails.")


def _count(default: str):
  return click.option("--count", type=click.IntRange(1), help=f"Masks; default: {default}.")


@click.group()
def masks() -> None:
  """Masks of the field's protocols, the same bits everywhere.

  PROTOCOL is lama_thin, lama_medium, lama_thick, comodgan, mat_small, mat_large, box, half,
  expand, lines, grid, dots, parts:CLASS,...[@RADIUS] or folder:DIR.
  """


@masks.command()
@click.argument("protocol", type=SourceName())
@click.option("--to", "directory", type=_FILE, required=True, metavar="DIR", help="Written here.")
@_count("all of parts:... and folder:..., else required")
@_size
@_seed
@_labels
@_overwrite
@_verbose
@click.pass_obj
def build(options, protocol, directory, count, size, seed, labels, overwrite, verbose) -> None:
  """Write 1-bit PNGs, white = hole, and a manifest with their SHA-256.

  Run the same command again to go on after it was stopped.
  """
  from facefill_jax.data.masks import files

  options["verbose"] = verbose
  chosen = _open(protocol, labels)
  if count is None and chosen.count is None:
    raise click.UsageError(f"{protocol} has no end: give --count", click.get_current_context())
  check_new_directory(directory)
  with input_failures():
    try:
      made = files.build(
        chosen, directory, count=count, size=size, seed=seed, overwrite=overwrite, progress=_tell
      )
    except files.ExistsError as error:
      raise click.UsageError(str(error), click.get_current_context()) from error
  click.echo(f"wrote {made['count']} masks to {directory}", err=True)


@masks.command()
@click.argument("protocol", type=SourceName())
@click.option("-o", "--output", type=_FILE, required=True, help="A picture file.")
@_count("24, or as many as there are")
@click.option("--columns", type=click.IntRange(1), default=6, show_default=True)
@_size
@_seed
@_labels
@_overwrite
@_verbose
@click.pass_obj
def show(options, protocol, output, count, columns, size, seed, labels, overwrite, verbose) -> None:
  """Write one picture of the first masks."""
  import numpy as np

  from facefill_jax.data.masks import files
  from facefill_jax.filling import photo_files, photo_output

  options["verbose"] = verbose
  chosen = _open(protocol, labels)
  _check_output(output, overwrite)
  try:
    drawn = [mask for _, mask in _draw(chosen, count, 24, size, seed)]
    photo_output.write_photo(output, np.repeat(files.sheet(drawn, columns)[..., None], 3, axis=-1))
  except (ValueError, photo_files.PhotoError) as error:
    raise InputFailure(str(error)) from error
  click.echo(f"wrote {output}", err=True)


@masks.command()
@click.argument("protocol", type=SourceName(), metavar="PROTOCOL|DIR")
@_count(f"{_COUNTED}, or as many as there are")
@_size
@_seed
@_labels
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
@_verbose
@click.pass_obj
def stats(options, protocol, count, size, seed, labels, as_json, verbose) -> None:
  """Count hole ratios: of a protocol, or of a folder of masks at their own sizes.

  Sub-folders are counted one by one, too. A protocol's name comes first: write ./box for a folder.
  """
  from facefill_jax.data.masks import files, patterns
  from facefill_jax.data.masks.folder import FolderMasks

  options["verbose"] = verbose
  try:
    if Path(protocol).is_dir() and protocol not in patterns.NAMES:
      found = FolderMasks(protocol, most=1.0)  # counted, and said: not refused
      names = found.names[:count]
      ratios = [(name, files.ratio(found[i])) for i, name in enumerate(names)]
    else:
      chosen = _open(protocol, labels)
      drawn = _draw(chosen, count, _COUNTED, size, seed)
      ratios = [(chosen.source(index) or "", files.ratio(mask)) for index, mask in drawn]
  except ValueError as error:
    raise InputFailure(str(error)) from error
  groups = {"all": [value for _, value in ratios]}
  for name, value in ratios:
    if folder := name.rpartition("/")[0]:
      groups.setdefault(folder, []).append(value)
  found = {name: files.summarise(values) for name, values in groups.items()}
  click.echo(json.dumps(found, indent=1) if as_json else _table(found))


def _open(protocol: str, labels: str):
  """The protocol; an unknown name is a usage error, files that cannot be used are the input's."""
  from facefill_jax.data.masks import protocols

  try:
    protocols.check_name(protocol)
  except ValueError as error:
    raise click.UsageError(str(error), click.get_current_context()) from error
  try:
    return protocols.open_protocol(protocol, labels)
  except ValueError as error:
    raise InputFailure(str(error)) from error


def _draw(protocol, count: int | None, usual: int, size: int, seed: int):
  """(index, mask) of `count` masks; without a count `usual` ones, or as many as there are."""
  from facefill_jax.data.masks import files

  wanted = usual if count is None and protocol.count is None else count
  return itertools.islice(files.draw_masks(protocol, wanted, size, seed), count or usual)


def _check_output(output: Path, overwrite: bool) -> None:
  """Before any work: the suffix is known, the folder exists, and nothing is overwritten."""
  from facefill_jax.filling import photo_files, photo_output

  context = click.get_current_context()
  try:
    photo_output.check_output(output)
  except photo_files.PhotoError as error:
    raise click.UsageError(str(error), context) from error
  check_new_file(output, overwrite)


def _tell(done: int) -> None:
  if done % 1000 == 0:
    click.echo(f"{done} masks", err=True)


def _table(found: dict[str, dict]) -> str:
  """Hole ratios in percent, a line a group, and how they are spread."""
  quantiles = list(found["all"]["quantiles"])
  wide = max(len(name) for name in found)
  heads = ["mean", "sd", "min", *(f"q{q}" for q in quantiles), "max"]
  lines = [f"{'hole, %':{wide}}  masks" + "".join(f"{head:>7}" for head in heads)]
  for name, values in found.items():
    numbers = [values["mean"], values["deviation"], values["smallest"]]
    numbers += [*values["quantiles"].values(), values["largest"]]
    cells = "".join(f"{100 * number:7.2f}" for number in numbers)
    lines.append(f"{name:{wide}} {values['count']:6d}{cells}")
  bins = len(found["all"]["histogram"])
  edges = [f"{100 * k // bins}-{100 * (k + 1) // bins}" for k in range(bins)]
  lines += ["", f"{'masks, %':{wide}}       " + "".join(f"{edge:>7}" for edge in edges)]
  for name, values in found.items():
    cells = "".join(f"{100 * number / values['count']:7.1f}" for number in values["histogram"])
    lines.append(f"{name:{wide}}       {cells}")
  return "\n".join(lines)
