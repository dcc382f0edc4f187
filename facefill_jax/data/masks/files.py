"""Sets of masks on disk, with a manifest to check them by, and statistics of hole ratios.

A set is a directory of 1-bit PNGs, 00000.png, ... (white = hole), and a `manifest.json`:

    protocol, parameters, seed, size, count, white ("hole"), facefill_jax (the library's version),
    sha256 (of the raw bits of all masks, one after the other), and files: for each
      file, index (of the mask in the protocol), source (the file it was made from, or null),
      sha256 (of its raw bits), hole_ratio

Raw bits are the rows from the top, each from the left, 8 pixels a byte, the first one highest, hole
= 1, without padding but in the last byte: `np.packbits(mask)`. PNG bytes differ between versions of
zlib, raw bits do not. The manifest is written last: a set without one is not complete.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from facefill_jax import __version__
from facefill_jax.data.masks.folder import load_mask
from facefill_jax.files import replacing, write_text

MANIFEST = "manifest.json"
BINS = 10  # of the histogram
_OURS = re.compile(r"\d{5,}\.png")
_QUANTILES = (5, 25, 50, 75, 95)  # percent


class ExistsError(ValueError):
  """Something is in the way, and `overwrite` was not given."""


def raw_bits(mask: np.ndarray) -> bytes:
  """What is hashed of a mask, bool (h, w): its rows, 8 pixels a byte."""
  return np.packbits(mask).tobytes()


def draw_masks(
  protocol, count: int | None, size: int, seed: int
) -> Iterator[tuple[int, np.ndarray]]:
  """Yields (index, mask) from index 0 until `count` masks have a hole; empty ones are left out.

  Args:
    protocol: see `protocols`.
    count: None: all that the protocol has.
    size, seed: see `patterns.draw`.

  Raises:
    ValueError: the protocol has fewer (or none), or it has no end and count is None.
  """
  if count is None and protocol.count is None:
    raise ValueError(f"mask protocol {protocol.name!r} has no end: say how many masks")
  if None not in (count, protocol.count) and count > protocol.count:
    raise ValueError(f"{protocol.name}: {count} masks asked for, it has {protocol.count}")
  index = found = 0
  while found != count and index != protocol.count:
    mask = protocol.draw(seed, index, size)
    if mask.any():
      found += 1
      yield index, mask
    index += 1
  wanted = 1 if count is None else count
  if found < wanted:
    raise ValueError(f"{protocol.name}: {wanted} masks asked for, {found} of {index} have a hole")


def build(
  protocol, directory: str | os.PathLike, *, count: int | None, size: int, seed: int,
  overwrite: bool = False, progress: Callable[[int], None] = lambda done: None,
) -> dict:  # fmt: skip
  """Writes a set; a build that was cut short goes on where it was.

  Every file is written beside its place and renamed, so each one there is whole.

  Args:
    protocol, count, size, seed: see `draw_masks`.
    directory: made if it does not exist.
    overwrite: replace a set that is there: the files that its manifest names are removed first.
    progress: called with the number of masks done.

  Returns:
    The manifest.

  Raises:
    ExistsError: a set, or other masks, are there; with overwrite: PNGs that belong to no set.
    ValueError: as `draw_masks`; a manifest that is none; a file that cannot be read as a mask.
    OSError: as the system has it.
  """
  directory = Path(directory)
  directory.mkdir(parents=True, exist_ok=True)
  _clear(directory, overwrite)
  whole, files = hashlib.sha256(), []
  for index, mask in draw_masks(protocol, count, size, seed):
    name, bits = f"{len(files):05d}.png", raw_bits(mask)
    _write_mask(directory / name, mask, overwrite)
    whole.update(bits)
    files.append({
      "file": name, "index": index, "source": protocol.source(index),
      "sha256": hashlib.sha256(bits).hexdigest(), "hole_ratio": ratio(mask),
    })  # fmt: skip
    progress(len(files))
  more = sorted({path.name for path in directory.glob("*.png")} - {f["file"] for f in files})
  if more:
    raise ExistsError(
      f"{directory / more[0]}: is beyond the {len(files)} masks asked for; remove it first"
    )
  manifest = {
    "protocol": protocol.name, "parameters": protocol.parameters(size), "seed": seed, "size": size,
    "count": len(files), "white": "hole", "facefill_jax": __version__, "sha256": whole.hexdigest(),
    "files": files,
  }  # fmt: skip
  write_text(directory / MANIFEST, json.dumps(manifest, indent=1) + "\n")
  return manifest


def _clear(directory: Path, overwrite: bool) -> None:
  """Makes room: removes a set that may be overwritten, its manifest first."""
  path, listed = directory / MANIFEST, []
  if path.exists():
    if not overwrite:
      raise ExistsError(f"{path}: exists; give --overwrite to replace the set")
    try:
      listed = [str(entry["file"]) for entry in json.loads(path.read_bytes())["files"]]
    except (ValueError, TypeError, KeyError) as error:
      raise ValueError(f"{path}: is no manifest of masks; remove it by hand") from error
  found = {file.name for file in directory.glob("*.png")}
  if strangers := sorted(name for name in found - {*listed} if not _OURS.fullmatch(name)):
    raise ExistsError(f"{directory / strangers[0]}: is not of this set; give a folder of its own")
  path.unlink(missing_ok=True)
  for name in found & {*listed}:  # whatever a manifest says, only PNGs of the directory go
    (directory / name).unlink()


def _write_mask(path: Path, mask: np.ndarray, overwrite: bool) -> None:
  """Writes a 1-bit PNG unless this very mask is there already."""
  if path.exists() and not overwrite:
    if not np.array_equal(load_mask(path), mask):
      raise ExistsError(f"{path}: exists and is another mask; give --overwrite to replace it")
    return
  with replacing(path) as part:
    Image.fromarray(mask).save(part, format="PNG")


def ratio(mask: np.ndarray) -> float:
  """The share of a mask, bool (h, w), that is hole."""
  return int(np.count_nonzero(mask)) / mask.size


def summarise(ratios) -> dict:
  """What there is to say of hole ratios, (n,) in 0..1, n from 1.

  Returns:
    count, mean, deviation, smallest, largest, quantiles ({"5": ..., "50": ...} in percent, linear
    between values), histogram (10 counts: 0 up to but without .1, ..., .9 up to and with 1).
  """
  values = np.asarray(ratios, np.float64)
  return {
    "count": len(values),
    "mean": float(values.mean()),
    "deviation": float(values.std()),
    "smallest": float(values.min()),
    "largest": float(values.max()),
    "quantiles": {str(q): float(np.percentile(values, q)) for q in _QUANTILES},
    "histogram": np.histogram(values, bins=BINS, range=(0.0, 1.0))[0].tolist(),
  }


def sheet(masks: list[np.ndarray], columns: int, gap: int = 4) -> np.ndarray:
  """Masks of one size, bool (h, w) each, row by row: uint8 (H, W), white = hole, grey between."""
  h, w = masks[0].shape
  columns = min(columns, len(masks))
  rows = -(-len(masks) // columns)
  picture = np.full((rows * (h + gap) + gap, columns * (w + gap) + gap), 128, np.uint8)
  for i, mask in enumerate(masks):
    top, left = gap + i // columns * (h + gap), gap + i % columns * (w + gap)
    picture[top : top + h, left : left + w] = np.where(mask, 255, 0)
  return picture
