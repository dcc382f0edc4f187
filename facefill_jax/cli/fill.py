"""facefill fill: one photo, one mask, one answer."""

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from facefill_jax import PRETRAINED
from facefill_jax.cli import devices
from facefill_jax.cli.failures import InputFailure
from facefill_jax.cli.models import MODEL, model_failures
from facefill_jax.cli.paths import FilePath, check_new_file
from facefill_jax.filling import layout_files, photo_files, photo_output
from facefill_jax.filling.frame import FrameError

_FILE = FilePath()


@click.command()
@click.argument("photo", type=_FILE)
@click.argument("mask", type=_FILE)
@click.option(
  "--model", type=MODEL, default=PRETRAINED.name, metavar="DIR",
  help="A trained model; without it the small one that comes with the package.",
)  # fmt: skip
@click.option("-o", "--output", type=_FILE, help="Default: PHOTO's name with .filled.png.")
@click.option(
  "--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True,
  help="A different seed gives a different fill.",
)  # fmt: skip
@click.option("--layout", type=_FILE, help="Use this layout, such as an edited --save-layout.")
@click.option("--save-layout", type=_FILE, help="Write the layout that was used, as PNG.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@devices.no_compile_cache
@click.option("-v", "--verbose", is_flag=True, help="Show a traceback when it fails.")
@click.pass_obj
def fill(options, photo, mask, output, save_layout, overwrite, no_compile_cache, **given) -> None:
  """Fill the hole in PHOTO: the white part of MASK, a picture of the same size.

  Every pixel outside the hole comes back as it was, with its transparency and its 16 bits, if the
  output format can hold them (JPEG changes every pixel a little). Orientation is applied; EXIF data
  is kept without thumbnails, which show the photo as it was.
  """
  options["verbose"] = given["verbose"]
  output = output or photo.with_name(f"{photo.stem}.filled.png")
  _check_outputs(output, save_layout, overwrite)
  with _speaking():
    known, hole, wish = _read(photo, mask, given["layout"])
    photo_output.check_output(output, hole.shape)
    click.echo(photo_files.describe_hole(hole), err=True)
    devices.prepare(no_compile_cache)
    filled = _pipeline(given["model"])(known.pixels, hole, seed=given["seed"], layout=wish)
    photo_output.write_like(output, known, filled.whole, hole)
    click.echo(f"wrote {output}", err=True)
    if save_layout:
      layout_files.write_layout(save_layout, filled.layout)
      click.echo(f"wrote {save_layout}", err=True)


def _read(
  photo: Path, mask: Path, layout: Path | None
) -> tuple[photo_files.PhotoFile, np.ndarray, np.ndarray | None]:
  """Photo, mask bool (h, w), True = hole, and layout uint8 (h, w) or None."""
  known = photo_files.read_photo(photo)
  if os.path.exists(mask) and mask.samefile(photo):
    raise photo_files.PhotoError(f"{mask}: is the photo itself, not a mask")
  size = known.pixels.shape[:2]
  return (
    known,
    photo_files.read_mask(mask, size, known.orientation),
    layout_files.read_layout(layout, size) if layout else None,
  )


def _pipeline(model: Path):
  """The model, ready. Imported here: jax takes seconds, and a bad photo should not wait for it."""
  from facefill_jax.filling import pipeline

  with model_failures():
    return pipeline.FaceFillPipeline.from_directory(model, few_photos=True)


@contextlib.contextmanager
def _speaking() -> Iterator[None]:
  """Errors of the input become exit code 3; PhotoWarnings become lines, each at once."""

  def show(message, category, filename, lineno, file=None, line=None):
    if issubclass(category, photo_files.PhotoWarning):
      click.echo(f"warning: {message}", err=True)
    else:
      shown_before(message, category, filename, lineno, file, line)

  with warnings.catch_warnings():
    warnings.simplefilter("always", photo_files.PhotoWarning)
    shown_before, warnings.showwarning = warnings.showwarning, show
    try:
      yield
    except (photo_files.PhotoError, FrameError) as error:
      raise InputFailure(str(error)) from error


def _check_outputs(output: Path, save_layout: Path | None, overwrite: bool) -> None:
  """Before any work: the suffixes are known, the folders exist, and nothing is overwritten."""
  try:
    photo_output.check_output(output)
  except photo_files.PhotoError as error:
    raise click.UsageError(str(error), click.get_current_context()) from error
  wanted = [output]
  if save_layout:
    if save_layout.suffix.lower() != ".png":
      raise click.UsageError(f"{save_layout}: layouts are written as .png")
    wanted.append(save_layout)
  if len({path.absolute() for path in wanted}) < len(wanted):
    raise click.UsageError(f"{output}: would be both the picture and its layout")
  for path in wanted:
    check_new_file(path, overwrite)
