"""facefill weights: converts the weights that metrics need, and packs models for publishing."""

import click

from facefill_jax.cli.failures import InputFailure, input_failures, reason
from facefill_jax.cli.models import MODEL, model_failures
from facefill_jax.cli.paths import FilePath, check_new_directory

_FILE = FilePath()
_DIR = FilePath(file_okay=False)
_WHERE = "[default: $FACEFILL_WEIGHTS, else ~/.cache/facefill_jax/weights]"
_verbose = click.option("-v", "--verbose", is_flag=True, help="Show a traceback when it fails.")


@click.group()
def weights() -> None:
  """Convert the weights that metrics need, and pack models. Nothing is ever downloaded."""


@weights.command()
@click.argument("kind")
@click.argument("files", type=_FILE, nargs=-1, required=True, metavar="FILE [FILE ...]")
@click.option("--to", "directory", type=_DIR, metavar="DIR", help=f"Output directory. {_WHERE}")
@click.option("--overwrite", is_flag=True, help="Replace what exists.")
@_verbose
@click.pass_obj
def convert(options, kind, files, directory, overwrite, verbose) -> None:
  """Check weights of KIND and write them as safetensors with their SHA-256.

  KIND is lpips_alex, lpips_vgg, lpips_squeeze (two files: torchvision's network and the heads),
  inception_fid, squeezenet_caffe, mobileface or vgg16 (for training, not a metric). Files are
  torch state dicts (these need torch: pip install 'facefill_jax[torch]'), .npz, .safetensors or
  MXNet's .params.
  """
  options["verbose"] = verbose
  from facefill_jax.pretrained_nets import weights as weights_lib

  if kind not in weights_lib.KINDS:
    raise click.UsageError(
      f"unknown KIND {kind!r}; valid: {', '.join(weights_lib.KINDS)}", click.get_current_context()
    )
  directory = directory or _default_directory("--to")
  check_new_directory(directory)
  with input_failures():
    try:
      path = weights_lib.convert(kind, files, directory, overwrite=overwrite)
    except weights_lib.ExistsError as error:
      raise click.UsageError(str(error), click.get_current_context()) from error
    judge = weights_lib.load(directory, [kind])[kind]
  click.echo(f"wrote {path}, sha256 {judge.sha256}", err=True)


@weights.command()
@click.option("--in", "directory", type=_DIR, metavar="DIR", help=f"Directory to look in. {_WHERE}")
@_verbose
@click.pass_obj
def show(options, directory, verbose) -> None:
  """List which weights are installed and intact, and which metrics need the missing ones.

  Exit code 3 if any file is damaged.
  """
  options["verbose"] = verbose
  from facefill_jax.pretrained_nets import weights as weights_lib

  directory = directory or _default_directory("--in")
  click.echo(f"weights in {directory}:")
  damaged = []
  for kind in weights_lib.KINDS:
    try:
      found = weights_lib.load(directory, [kind])
    except weights_lib.JudgeError as error:
      damaged.append(str(error))
      click.echo(f"{kind}: damaged: {error}")
      continue
    if kind in found:
      click.echo(f"{kind}: {weights_lib.implementation(kind)}; sha256 {found[kind].sha256}")
    else:
      click.echo(weights_lib.missing(kind))
  if damaged:
    raise InputFailure(f"{len(damaged)} damaged: {damaged[0]}")


@weights.command()
@click.argument("model", type=MODEL)
@click.option(
  "--to",
  "target",
  type=FilePath(remote=True),
  required=True,
  metavar="DIR",
  help="Output directory.",
)
@click.option("--card", type=_FILE, metavar="FILE", help="Markdown, its README.md: what it is, "
              "what it was trained on, how good it is, what it must not be used for.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace a model that exists.")
@_verbose
@click.pass_obj
def pack(options, model, target, card, overwrite, verbose) -> None:
  """Write a copy of MODEL in bfloat16: half the size, for publishing."""
  options["verbose"] = verbose
  from facefill_jax.filling import model_files

  if target.exists() and not overwrite:
    raise click.UsageError(
      f"{target}: exists; give --overwrite to replace it", click.get_current_context()
    )
  check_new_directory(target, replaced=True)
  try:
    text = card.read_text(encoding="utf-8") if card else None
  except (OSError, ValueError) as error:
    raise InputFailure(f"cannot read the card: {reason(error)}") from error
  with input_failures(), model_failures():
    size = model_files.pack_model(model, target, text)
  click.echo(f"wrote {target}, {size / 1e6:.1f} MB", err=True)


def _default_directory(option: str):
  from facefill_jax.pretrained_nets import weights as weights_lib

  directory = weights_lib.default_directory()
  if directory is None:
    raise click.UsageError(
      f"there is no home directory here: give {option} DIR, or set FACEFILL_WEIGHTS",
      click.get_current_context(),
    )
  return directory
