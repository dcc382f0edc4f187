"""facefill demo: fills the four portraits that come with the package, and shows them."""

import shutil
import time
from pathlib import Path

import click
import numpy as np

from facefill_jax.cli import devices, filling
from facefill_jax.cli.failures import input_failures
from facefill_jax.cli.paths import FilePath, check_new_directory
from facefill_jax.filling import photo_files, photo_output

PORTRAITS = Path(__file__).parent.parent / "demo"
NAMES = ("eye", "scratches", "mouth", "hair")
SHEET, ABOUT = "sheet.png", "about-the-portraits.md"


@click.command()
@click.option(
  "--to", "folder", type=FilePath(file_okay=False), default="facefill-demo", show_default=True,
  metavar="DIR", help="Gets photos, masks, fills, and a sheet of all.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace files of these names.")
@filling.options
@click.pass_obj
def demo(options, folder, overwrite, **given) -> None:
  """Fill four portraits that come with the package: nothing else is needed.

  Photos: Face Research Lab London Set, DeBruine and Jones 2017, doi 10.6084/m9.figshare.5047666.v5,
  CC BY 4.0, aligned and reduced to 256 px.
  """
  options["verbose"] = given["verbose"]
  check_new_directory(folder)
  endings = ("jpg", "mask.png", "filled.png")
  names = [f"{name}.{ending}" for name in NAMES for ending in endings]
  there = [name for name in (*names, SHEET, ABOUT) if (folder / name).exists()]
  if there and not overwrite and not (folder / ABOUT).exists():
    raise click.UsageError(f"{folder / there[0]}: exists; give another --to, or --overwrite")
  devices.prepare(given["no_compile_cache"])
  pipe = filling.load(given["model"], few_photos=True)
  with input_failures():
    folder.mkdir(parents=True, exist_ok=True)
    rows = [_fill(pipe, name, folder, filling.job_options(given)) for name in NAMES]
    photo_output.write_photo(folder / SHEET, np.vstack(rows))
    shutil.copyfile(PORTRAITS / "README.md", folder / ABOUT)
  filling.say(f"look at {folder / SHEET}: with a hole, layout, filled, the photo")


def _fill(pipe, name: str, folder: Path, job_options) -> np.ndarray:
  """Copies, fills and writes one portrait; a row of the sheet."""
  from facefill_jax.evaluation.sample_grid import sample_grid
  from facefill_jax.filling.photo_filler import Job

  for file in (f"{name}.jpg", f"{name}.mask.png"):
    shutil.copyfile(PORTRAITS / file, folder / file)
  photo = photo_files.read_photo(folder / f"{name}.jpg")
  mask = photo_files.read_mask(folder / f"{name}.mask.png", photo.pixels.shape[:2])
  started = time.monotonic()
  [[answer]] = pipe.photos.fill_many([Job(photo.pixels, mask, **job_options)])
  seconds = time.monotonic() - started
  output = folder / f"{name}.filled.png"
  photo_output.write_like(output, photo, answer.whole, mask)
  filling.say(f"{photo_files.describe_hole(mask)}; filled in {seconds:.1f} s: {output}")
  return sample_grid(
    photo.pixels[None], mask[None, ..., None], answer.layout[None], answer.whole[None]
  )
