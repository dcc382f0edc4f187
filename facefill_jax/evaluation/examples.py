"""The best, median and worst fills as pictures: rows of masked | layout | filled | truth."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from facefill_jax.evaluation import measures
from facefill_jax.evaluation.pairs import Pairs
from facefill_jax.evaluation.sample_grid import sample_grid, save_picture
from facefill_jax.evaluation.scoring import Tally, pad_batch

ROWS = 4  # fills a sheet
ORDERED_BY = ("perceptual", "psnr")  # families of metrics: the first that has been computed


def choose(tally: Tally) -> tuple[str, dict[str, list[int]]]:
  """The key that orders the fills, and sheet -> places of its fills, best first."""
  leading = measures.leading(tally.values.__contains__)
  key = next(leading[family] for family in ORDERED_BY if family in leading)
  values = tally.values[key]
  found = np.flatnonzero(np.isfinite(values))
  sign = -1 if measures.find(key).better == "higher" else 1
  order = found[np.argsort(sign * values[found], kind="stable")]
  rows = min(ROWS, len(order))
  middle = (len(order) - rows) // 2
  return key, {
    "best": order[:rows].tolist(),
    "median": order[middle : middle + rows].tolist(),
    "worst": order[len(order) - rows :].tolist(),
  }


def write(directory: Path, pairs: Pairs, fill: Callable, tally: Tally, batch_size: int) -> None:
  """Makes the chosen fills once more, and writes best, median and worst.png and examples.json.

  A method without layouts has no such column.
  """
  _, sheets = choose(tally)
  told = [*measures.leading(tally.values.__contains__).values()]
  index = {}
  for name, places in sheets.items():
    if not places:
      continue
    grids, rows = [], []
    for batch in pairs.batches(batch_size, places):
      grids.append(_grid(batch, fill(pad_batch(batch, batch_size))))
      rows += zip(batch["pair"], batch["mask_name"], batch["bin"], strict=True)
    save_picture(str(directory / f"{name}.png"), np.concatenate(grids))
    index[name] = [
      {"id": pair.id, "photo": pairs.photo_ids[pair.photo], "mask": mask, "bin": bin_name}
      | {"hole_ratio": round(float(tally.hole_ratio[k]), 4)}
      | {key: float(tally.values[key][k]) for key in told}
      for k, (pair, mask, bin_name) in zip(places, rows, strict=True)
    ]
  text = json.dumps(index, indent=1) + "\n"
  (directory / "examples.json").write_text(text, encoding="utf-8")


def _grid(batch: Mapping, result: Mapping) -> np.ndarray:
  number = len(batch["photo"])
  whole, layout = result["whole"][:number], result["layout"]
  ids = batch["labels"] if layout is None else layout[:number]
  grid = sample_grid(batch["photo"], batch["mask"], ids, whole)
  if layout is not None:
    return grid
  masked, _, *others = np.split(grid, 4, axis=1)
  return np.concatenate([masked, *others], axis=1)
