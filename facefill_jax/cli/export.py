"""facefill export: a model as one file that runs without this package."""

import click

from facefill_jax.cli import devices
from facefill_jax.cli.failures import InputFailure
from facefill_jax.cli.models import MODEL, model_failures
from facefill_jax.cli.paths import FilePath, check_new_directory
from facefill_jax.filling import model_directory


@click.command()
@click.argument("directory", type=FilePath(file_okay=False), metavar="OUT_DIR")
@click.option(
  "--model", type=MODEL, metavar="DIR",
  help=f"A trained model; without it {model_directory.VARIABLE}'s, or the small one that comes "
       "with the package.",
)  # fmt: skip
@click.option(
  "--to", "form", type=click.Choice(["stablehlo", "onnx"]), required=True,
  help="stablehlo: for JAX on CPU, CUDA and TPU, any batch. onnx: for other runtimes.",
)  # fmt: skip
@click.option(
  "--batch-size", type=click.IntRange(1), metavar="N",
  help="Of onnx: how many photos at once. [default: 1]",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace an export that exists.")
@click.option("-v", "--verbose", is_flag=True, help="Show a traceback when it fails.")
@click.pass_obj
def export(options, directory, model, form, batch_size, overwrite, verbose) -> None:
  """Write a model into OUT_DIR as one file that runs without this package.

  Beside it a README.md: inputs, outputs, and a script of some lines that runs it. stablehlo needs
  flatbuffers: pip install 'facefill_jax[export]'; onnx needs jax2onnx.
  """
  options["verbose"] = verbose
  if batch_size and form == "stablehlo":
    raise click.UsageError("--batch-size is for onnx; stablehlo takes any batch")
  check_new_directory(directory)
  from facefill_jax.filling import export_folder  # jax takes seconds

  try:
    export_folder.check_replaceable(directory, overwrite)
  except export_folder.ExportError as error:
    raise click.UsageError(str(error), click.get_current_context()) from error
  devices.prepare(no_compile_cache=False)
  try:
    with model_failures():
      path = _export(model or model_directory.default(), directory, form, batch_size or 1)
  except export_folder.ExportError as error:
    raise InputFailure(str(error)) from error
  click.echo(f"wrote {path}: {path.stat().st_size / 1e6:.1f} MB", err=True)


def _export(model, directory, form: str, batch_size: int):
  """The file that was written."""
  from facefill_jax.filling import export, export_folder, onnx_export

  if form == "onnx":
    onnx_export.export_model(model, directory, batch_size)
    return directory / export_folder.ONNX_FILE
  export.export_model(model, directory)
  return directory / export_folder.JAX_FILE
