"""facefill data show: a contact sheet of photos with their layouts over them."""

import click
import numpy as np

from facefill_jax.cli.failures import InputFailure
from facefill_jax.cli.paths import FilePath, SourceName, check_new_file

_TEXT = 14  # pixels of the line under a picture
_GAP = 4


@click.command()
@click.argument("photos", type=SourceName())
@click.option(
  "--labels",
  type=SourceName(),
  default="",
  metavar="LABELS",
  help="Directory or .zip of their layouts.",
)
@click.option("--vocabulary", default="celebamask_hq", show_default=True,
              help="What their ids mean; see configs/README.md.")  # fmt: skip
@click.option("-o", "--output", type=FilePath(dir_okay=False),
              default="sheet.png", show_default=True, help="The sheet, a PNG.")  # fmt: skip
@click.option("--count", type=click.IntRange(1), default=24, show_default=True,
              help="How many photos, evenly spread.")  # fmt: skip
@click.option("--columns", type=click.IntRange(1), default=6, show_default=True)
@click.option("--size", type=click.IntRange(32, 1024), default=160, show_default=True,
              help="Side of a picture in pixels.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace the sheet if it exists.")
@click.option("-v", "--verbose", is_flag=True, help="Show a traceback when it fails.")
@click.pass_obj
def show(
  options, photos, labels, vocabulary, output, count, columns, size, overwrite, verbose
) -> None:
  """Draw PHOTOS (directory or .zip) beside themselves with their layouts in colour over them.

  Void, and photos without a layout, stay as they are. Under each pair is the photo's name.
  """
  options["verbose"] = verbose
  if output.suffix.lower() != ".png":
    raise click.UsageError(f"{output}: the sheet is written as .png")
  check_new_file(output, overwrite)
  from facefill_jax.data.opening import open_source
  from facefill_jax.data.sources import spread
  from facefill_jax.filling import photo_files, photo_output

  try:
    source = open_source(photos, labels, min_size=size, vocabulary=vocabulary)
    count = min(count, len(source))
    items = (source[i] for i in spread(len(source), count))
    sheet = contact_sheet(items, count, min(columns, count), size)
    photo_output.write_photo(output, sheet)
  except (ValueError, photo_files.PhotoError) as error:
    raise InputFailure(str(error)) from error
  click.echo(f"wrote {output}: {count} of {len(source)} photos", err=True)


def contact_sheet(items, count: int, columns: int, size: int) -> np.ndarray:
  """Pairs of photo and overlay with their names below: uint8 (height, width, 3).

  Args:
    items: `count` items of a source.
    columns: pairs in a row.
    size: side of each picture; photos are cut to their centre squares.
  """
  from PIL import Image, ImageDraw

  wide, high = 2 * size + _GAP, size + _TEXT + _GAP
  rows = -(-count // columns)
  sheet = np.full((rows * high, columns * (wide + _GAP) - _GAP, 3), 255, np.uint8)
  names = []
  for i, item in enumerate(items):
    top, left = i // columns * high, i % columns * (wide + _GAP)
    photo, shown = _pair(item, size)
    sheet[top : top + size, left : left + size] = photo
    sheet[top : top + size, left + size : left + 2 * size] = shown
    names.append((left, top + size, str(item["id"])))
  picture = Image.fromarray(sheet)
  draw = ImageDraw.Draw(picture)
  for left, top, name in names:
    draw.text((left, top), _fitting(draw, name, wide), fill=(0, 0, 0))
  return np.asarray(picture)


def _pair(item: dict, size: int) -> tuple[np.ndarray, np.ndarray]:
  """Photo and photo under its layout, uint8 (size, size, 3) each."""
  from facefill_jax.data.squares import centre_square, cut
  from facefill_jax.labels import VOID, colourise

  square = centre_square(*item["labels"].shape)
  photo, labels = cut(item["photo"], item["labels"], square, size)
  mixed = (photo.astype(np.uint16) + colourise(labels) + 1) // 2
  return photo, np.where((labels == VOID)[..., None], photo, mixed.astype(np.uint8))


def _fitting(draw, name: str, width: int) -> str:
  """The name, or the end of it that fits: files in one folder differ there."""
  name = name.encode("ascii", "replace").decode()  # what Pillow's own letters have
  if draw.textlength(name) <= width:
    return name
  start = next(k for k in range(1, len(name) + 1) if draw.textlength(f"..{name[k:]}") <= width)
  return f"..{name[start:]}"
