"""facefill fill: one photo, one mask, one answer, or several."""

import json
import math
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from PIL import Image

from facefill_jax import __version__, files
from facefill_jax.cli import devices, filling
from facefill_jax.cli.paths import FilePath, check_new_file
from facefill_jax.filling import layout_files, photo_files, photo_output

_FILE = FilePath()
_STREAM = Path("-")
_MOST_SEEDS, _AT_ONCE = 64, 8
_GRID = 4096  # pixels: the longer side of a grid of several answers, at most
_BESIDE = ""  # the value of --save-layout without a path


class _Seeds(click.ParamType):
  """ "7", or "0-3"."""

  name = "seeds"

  def convert(self, value, param, ctx):
    if isinstance(value, range):
      return value
    match = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", value)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not first <= last < 2**31 or last - first >= _MOST_SEEDS:
      self.fail(f"{value!r}: give a range like 0-3, of {_MOST_SEEDS} at most", param, ctx)
    return range(first, last + 1)


class _Outputs(NamedTuple):
  """The files of one call."""

  pictures: dict[int, Path]  # by seed
  grid: Path | None
  layout: Path | None
  report: Path | None

  def all(self) -> list[Path]:
    rest = (self.grid, self.layout, self.report)
    return [*self.pictures.values(), *(path for path in rest if path is not None)]


@click.command(
  epilog="""\b
Examples:
  facefill fill portrait.jpg mask.png
  facefill fill portrait.jpg mask.png --seeds 0-3
  facefill fill portrait.jpg mask.png --save-layout    edit it, then: --layout portrait.layout.png
  facefill fill group.jpg mask.png --eyes 310,205,372,201
  cat portrait.jpg | facefill fill - mask.png > filled.png
"""
)
@click.argument("photo", type=_FILE)
@click.argument("mask", type=_FILE)
@click.option("-o", "--output", type=_FILE, help="Default: PHOTO's name with .filled.png.")
@click.option(
  "--seed", type=filling.SEED, default=0, show_default=True,
  help="A different seed gives a different fill.",
)  # fmt: skip
@click.option(
  "--seeds", type=_Seeds(), metavar="A-B", help="One fill a seed, and a grid of all of them."
)
@click.option("--layout", type=_FILE, help="Use this layout, such as an edited --save-layout.")
@click.option(
  "--save-layout", type=_FILE, is_flag=False, flag_value=_BESIDE, metavar="[FILE]",
  help="Write the layout that was used, as PNG; default: PHOTO's name with .layout.png.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Write what was done beside the picture.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@filling.face_options
@filling.mask_option
@filling.options
@click.pass_obj
def fill(options, photo, mask, output, seed, seeds, overwrite, **given) -> None:
  """Fill the hole in PHOTO: the white part of MASK, a picture of the same size.

  Faces are found, wherever they are in the photo and however they lean. Every pixel outside the
  hole comes back as it was, with its transparency and its 16 bits, if the output format can hold
  them (JPEG changes every pixel a little). Orientation is applied; EXIF data is kept without
  thumbnails, which show the photo as it was. PHOTO or MASK may be - for standard input, and -o - is
  standard output, as PNG.
  """
  options["verbose"] = given["verbose"]
  seeds = range(seed, seed + 1) if seeds is None else seeds
  job_options = filling.job_options(given)
  outputs = _plan_outputs(
    photo, mask, output, seeds, given["save_layout"], given["as_json"], overwrite
  )
  said = []

  def remark(text: str) -> None:
    said.append(text)
    filling.warn(text)

  with filling.photo_failures():
    known, hole, wish = _read(photo, mask, given["layout"], filling.convention(given), remark)
    for path in outputs.pictures.values():
      _check_format(path, hole.shape)
    filling.say(photo_files.describe_hole(hole))
    devices.prepare(given["no_compile_cache"])
    pipe = filling.load(given["model"], few_photos=True)
    first, tiles = None, []
    for seed, answer in zip(
      seeds, _answers(pipe, known, hole, wish, seeds, job_options), strict=True
    ):
      if first is None:
        first = answer
        for text in answer.remarks:
          remark(text)
      _write(outputs.pictures[seed], known, answer.whole, hole, remark)
      if outputs.grid:
        tiles.append(_tile(answer.whole, len(seeds)))
    _write_beside(outputs, pipe, photo, mask, hole, first, tiles, said)


def _answers(pipe, known, hole, wish, seeds, job_options) -> Iterator:
  """An answer for each seed, in time for a few of them to be in memory."""
  from facefill_jax.filling.photo_filler import Job

  for at in range(0, len(seeds), _AT_ONCE):
    job = Job(known.pixels, hole, wish, seeds=seeds[at : at + _AT_ONCE], **job_options)
    yield from pipe.photos.fill_many([job])[0]


def _read(
  photo: Path, mask: Path, layout: Path | None, convention: str, remark
) -> tuple[photo_files.PhotoFile, np.ndarray, np.ndarray | None]:
  """Photo, mask bool (h, w), True = hole, and layout uint8 (h, w) or None."""
  known = photo_files.read_photo(_source(photo), remark)
  if os.path.exists(mask) and os.path.exists(photo) and mask.samefile(photo):
    raise photo_files.PhotoError(f"{mask}: is the photo itself, not a mask")
  size = known.pixels.shape[:2]
  hole = photo_files.read_mask(_source(mask), size, known.orientation, convention, remark)
  return known, hole, layout_files.read_layout(layout, size) if layout else None


def _source(path: Path) -> Path | bytes:
  return sys.stdin.buffer.read() if path == _STREAM else path


def _write(path: Path, known, whole: np.ndarray, hole: np.ndarray, remark) -> None:
  if path != _STREAM:
    photo_output.write_like(path, known, whole, hole, remark)
    filling.say(f"wrote {path}")
    return
  with tempfile.TemporaryDirectory() as scratch:
    file = Path(scratch) / "filled.png"
    photo_output.write_like(file, known, whole, hole, remark)
    sys.stdout.buffer.write(file.read_bytes())
    sys.stdout.buffer.flush()


def _write_beside(outputs: _Outputs, pipe, photo, mask, hole, first, tiles, said) -> None:
  """The grid, the layout and the report, if they are wanted."""
  if outputs.grid:
    photo_output.write_photo(outputs.grid, _grid(tiles))
    filling.say(f"wrote {outputs.grid}")
  if outputs.layout:
    layout_files.write_layout(outputs.layout, first.layout)
    filling.say(f"wrote {outputs.layout}")
  if outputs.report:
    report = {
      "facefill_jax": __version__,
      "model": pipe.photos.filler.sha256,
      "photo": str(photo),
      "mask": str(mask),
      "hole": round(float(hole.mean()), 6),
      "filled": [{"seed": s, "file": str(path)} for s, path in outputs.pictures.items()],
      "layout": str(outputs.layout) if outputs.layout else None,
      "squares": [
        {**vars(one.frame), "is_face": one.is_face} for one in first.passes
      ],
      "warnings": said,
    }  # fmt: skip
    files.write_bytes(outputs.report, (json.dumps(report, indent=2) + "\n").encode())
    filling.say(f"wrote {outputs.report}")


def _tile(picture: np.ndarray, count: int) -> np.ndarray:
  """A picture as small as it must be for a grid of so many."""
  side = _GRID // math.ceil(math.sqrt(count))
  scale = min(1.0, side / max(picture.shape[:2]))
  if scale == 1:
    return picture
  size = [max(1, round(n * scale)) for n in picture.shape[1::-1]]
  return np.array(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def _grid(pictures: list[np.ndarray]) -> np.ndarray:
  """Pictures uint8 (h, w, 3) of one size, in rows, as nearly square as they go."""
  columns = math.ceil(math.sqrt(len(pictures)))
  blank = np.full_like(pictures[0], 255)
  padded = [*pictures, *[blank] * (-len(pictures) % columns)]
  rows = [np.hstack(padded[at : at + columns]) for at in range(0, len(padded), columns)]
  return np.vstack(rows)


def _plan_outputs(
  photo, mask, output, seeds, save_layout, as_json: bool, overwrite: bool
) -> _Outputs:
  """Before any work: the suffixes are known, the folders exist, and nothing is overwritten."""
  if photo == mask == _STREAM:
    raise click.UsageError("only one of PHOTO and MASK can be -")
  is_stream = photo == _STREAM if output is None else output == _STREAM
  several = len(seeds) > 1
  if is_stream and (several or as_json or save_layout == Path(_BESIDE)):
    raise click.UsageError("-o FILE is needed: several files do not fit into standard output")
  # What the names of all files begin with.
  base = (output or photo).with_suffix("") if not is_stream else _STREAM
  if is_stream:
    pictures = {seeds[0]: _STREAM}
  elif output:
    pictures = {s: _named(base, f"-{s}{output.suffix}") if several else output for s in seeds}
  else:
    pictures = {s: _named(base, f".filled{f'-{s}' if several else ''}.png") for s in seeds}
  layout = _named(base, ".layout.png") if save_layout == Path(_BESIDE) else save_layout
  found = _Outputs(
    pictures,
    _named(base, ".grid.png") if several else None,
    layout,
    _named(base, ".json") if as_json else None,
  )
  for path in pictures.values():
    _check_suffix(path)
  if layout and layout.suffix.lower() != ".png":
    raise click.UsageError(f"{layout}: layouts are written as .png")
  wanted = [path for path in found.all() if path != _STREAM]
  twice = [
    path
    for i, path in enumerate(wanted)
    if path.absolute() in [other.absolute() for other in wanted[:i]]
  ]
  if twice:
    raise click.UsageError(f"{twice[0]}: would be both of two files that are to be written")
  for path in wanted:
    check_new_file(path, overwrite)
  return found


def _named(base: Path, ending: str) -> Path:
  return base.with_name(base.name + ending)


def _check_suffix(path: Path) -> None:
  try:
    _check_format(path, (1, 1))
  except photo_files.PhotoError as error:
    raise click.UsageError(str(error), click.get_current_context()) from error


def _check_format(path: Path, size: tuple[int, int]) -> None:
  photo_output.check_output("standard output.png" if path == _STREAM else path, size)
