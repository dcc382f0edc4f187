"""facefill export: a model as one file that runs without this package."""

from pathlib import Path

import click

from facefill_jax import PRETRAINED
from facefill_jax.cli import devices
from facefill_jax.cli.failures import InputFailure
from facefill_jax.cli.models import MODEL, model_failures
from facefill_jax.cli.paths import FilePath, check_new_directory


@click.command()
@click.argument("directory", type=FilePath(file_okay=False), metavar="OUT_DIR")
@click.option(
  "--model", type=MODEL, default=PRETRAINED.name, metavar="DIR",
  help="A trained model; without it the small one that comes with the package.",
)  # fmt: skip
@click.option(
  "--to", "form", type=click.Choice(["stablehlo"]), required=True,
  help="stablehlo: for JAX on CPU, CUDA and TPU, any batch, at the model's resolution.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace an export that exists.")
@click.option("-v", "--verbose", is_flag=True, help="Show a traceback when it fails.")
@click.pass_obj
def export(options, directory, model, form, overwrite, verbose) -> None:
  """Write a model into OUT_DIR as one file that runs without this package.

  Beside it a README.md: inputs, outputs, and a script of some lines that runs it where only JAX is
  installed. Needs flatbuffers: pip install 'facefill_jax[export]'.
  """
  options["verbose"] = verbose
  check_new_directory(directory)
  from facefill_jax.filling import export as exporting  # jax takes seconds

  try:
    exporting.check_replaceable(directory, overwrite)
  except exporting.ExportError as error:
    raise click.UsageError(str(error), click.get_current_context()) from error
  devices.prepare(no_compile_cache=False)
  try:
    with model_failures():
      size = exporting.export_model(model, directory)
  except exporting.ExportError as error:
    raise InputFailure(str(error)) from error
  click.echo(f"wrote {Path(directory, exporting.FILE)}: {size / 1e6:.1f} MB", err=True)
