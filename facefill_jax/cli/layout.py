"""facefill layout: what the layout network sees in a photo, through its hole if there is one."""

from pathlib import Path

import click
import numpy as np

from facefill_jax.cli import devices, filling
from facefill_jax.cli.paths import FilePath, check_new_file
from facefill_jax.filling import layout_files, photo_files

_FILE = FilePath()


@click.command(
  epilog="""\b
Examples:
  facefill layout portrait.jpg mask.png -o layout.png
  facefill fill portrait.jpg mask.png --layout layout.png
"""
)
@click.argument("photo", type=_FILE)
@click.argument("mask", type=_FILE, required=False)
@click.option("-o", "--output", type=_FILE, help="Default: PHOTO's name with .layout.png.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@filling.face_options
@filling.mask_option
@filling.options
@click.pass_obj
def layout(options, photo, mask, output, overwrite, **given) -> None:
  """Write the layout of the face in PHOTO, seen through the hole of MASK if there is one.

  A PNG in the colours of the classes, void (black) where no face was looked at. Repaint it as you
  like and give it to `facefill fill --layout`.
  """
  options["verbose"] = given["verbose"]
  output = output or photo.with_name(f"{photo.stem}.layout.png")
  if output.suffix.lower() != ".png":
    raise click.UsageError(f"{output}: layouts are written as .png")
  job_options = filling.job_options(given)
  check_new_file(output, overwrite)
  with filling.photo_failures():
    known = photo_files.read_photo(photo, filling.warn)
    size = known.pixels.shape[:2]
    hole = _read_hole(mask, size, known.orientation, filling.convention(given))
    devices.prepare(given["no_compile_cache"])
    pipe = filling.load(given["model"], few_photos=True)
    layout_files.write_layout(output, _look(pipe, known.pixels, hole, job_options))
  filling.say(f"wrote {output}")


def _read_hole(mask: Path | None, size, orientation: int, convention: str) -> np.ndarray:
  if mask is None:
    return np.zeros(size, bool)
  hole = photo_files.read_mask(mask, size, orientation, convention, filling.warn)
  filling.say(photo_files.describe_hole(hole))
  return hole


def _look(pipe, pixels: np.ndarray, hole: np.ndarray, job_options) -> np.ndarray:
  from facefill_jax.filling.photo_filler import Job

  return pipe.photos.read_layout(Job(pixels, hole, **job_options))
