"""facefill data label: layouts for photos that have none, by a trained layout network."""

import sys
from pathlib import Path

import click

from facefill_jax.cli import devices
from facefill_jax.cli.failures import InputFailure, SomeFailed, input_failures
from facefill_jax.cli.models import MODEL, model_failures
from facefill_jax.cli.paths import FilePath, SourceName, check_new_directory

_DIR = FilePath(file_okay=False)


@click.command()
@click.option("--model", type=MODEL, required=True, metavar="DIR", help="A trained model; its "
              "layout stage is enough. `pretrained`: the package's.")  # fmt: skip
@click.option("--from", "photos", type=SourceName(), required=True, metavar="PHOTOS",
              help="Directory or .zip of photos.")  # fmt: skip
@click.option("--to", "labels", type=_DIR, required=True, metavar="LABELS",
              help="Gets one PNG of class ids a photo, and confidence.csv.")  # fmt: skip
@click.option("--confidence", type=_DIR, metavar="DIR",
              help="Gets one grey PNG a photo: how sure the network is, 255 = 1.")  # fmt: skip
@click.option("--batch-size", type=click.IntRange(1), default=8, show_default=True)
@devices.no_compile_cache
@click.option("-v", "--verbose", is_flag=True, help="Show a traceback when it fails.")
@click.pass_obj
def label(
  options, model, photos, labels, confidence, batch_size, no_compile_cache, verbose
) -> None:
  """Write a layout for each photo: an 8-bit PNG of class ids, of the photo's name and size.

  Photos must be framed as those that the model was trained on. Of a photo that is not square, the
  network sees the centre square; the rest is void, which training leaves out. Run it again, with
  the same model, and it goes on where it stopped. confidence.csv has the mean probability over each
  face: look at the lowest first.
  """
  options["verbose"] = verbose
  from facefill_jax.data.opening import open_source

  try:
    source = open_source(photos)
  except ValueError as error:
    raise InputFailure(str(error)) from error
  if confidence and confidence.absolute() == labels.absolute():
    raise click.UsageError("--confidence and --to are the same directory: keep the two apart")
  for directory in filter(None, (labels, confidence)):
    check_new_directory(directory)
  devices.prepare(no_compile_cache)
  labeller = _labeller(model, batch_size)
  failed = _run(labeller, source, labels, confidence)
  click.echo(f"layouts of {len(source) - failed} photos are in {labels}", err=True)
  if failed:
    raise SomeFailed(f"{failed} of {len(source)} photos could not be read; the others are done")


def _labeller(model: Path, batch_size: int):
  from facefill_jax.filling import labelling

  with model_failures():
    return labelling.Labeller.from_directory(model, batch_size)


def _run(labeller, source, labels: Path, confidence: Path | None) -> int:
  """Labels everything; returns how many photos could not be read."""
  from facefill_jax.filling import labelling

  outputs = labelling.Outputs(labels, confidence)
  failed = []

  def bad(error) -> None:
    failed.append(error)
    click.echo(f"skipped: {error}", err=True)

  bar = click.progressbar(length=len(source), label="labelling", file=sys.stderr)
  with input_failures(), bar:
    for number in labelling.label_source(labeller, source, outputs, bad=bad):
      bar.update(number)
  return len(failed)
