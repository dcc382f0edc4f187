"""One evaluation: pairs are filled and scored batch by batch, and a run's directory is written.

    per_image.csv     a row a fill, written as it comes
    metrics.json      the scores with intervals, by bin, and the checks
    examples/         the best, median and worst fills

Memory does not grow with the number of fills but for their scores (some 200 bytes a fill): pictures
are read as they are used, and features, 8 KB a picture, lie in files until the end.
"""

import csv
import dataclasses
import importlib.metadata
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import jax
import numpy as np

from facefill_jax import __version__, images, sharding
from facefill_jax.data.sources import spread
from facefill_jax.evaluation import (
  checks,
  examples,
  layout_adherence,
  measures,
  pairs,
  results,
  scoring,
  summary,
)  # fmt: skip
from facefill_jax.evaluation.feature_set import FeatureSet
from facefill_jax.evaluation.fills import fill_batch
from facefill_jax.evaluation.scoring import pad_batch
from facefill_jax.filling.filler import Filler
from facefill_jax.labels import CLASSES
from facefill_jax.metrics import skin_tone
from facefill_jax.pretrained_nets import inception, weights

CHECKED = {"known_only": 64, "layout_adherence": 128, "diversity": 16}  # fills, spread over all
_COLUMNS = ("id", "photo", "mask", "bin", "hole_ratio", "seconds", "skin_angle")
_PACKAGES = ("jax", "jaxlib", "numpy", "opencv-python-headless", "pillow")
_INCEPTION = "inception_fid"
_SKIN = CLASSES.index("skin")


@dataclasses.dataclass(frozen=True)
class Candidate:
  """What is evaluated.

  Attributes:
    method: "model", "outputs", or a name of `fills.METHOD_NAMES`.
    fill: a FillFn.
    model: the model, if it is one.
  """

  method: str
  fill: Callable[[Mapping], Mapping]
  model: Filler | None = None

  @classmethod
  def of_model(cls, model: Filler, seed: int = 0) -> "Candidate":
    """A model's answers to one seed."""
    return cls("model", partial(fill_batch, model, seed=seed), model)


def evaluate(
  candidate: Candidate, faces: pairs.Pairs, directory: Path, *,
  judged_by: Mapping[str, weights.Judge], batch_size: int, mesh, about: Mapping,
  tell: Callable[[int, int], None] = lambda done, total: None,
) -> dict:  # fmt: skip
  """Fills and scores all pairs, and writes a run into an empty directory.

  Args:
    candidate: what fills.
    faces: the photos and masks.
    directory: of the run; there, and empty.
    judged_by: kind -> Judge, the networks that measure.
    batch_size: fills at once; raised to a multiple of the mesh's devices.
    mesh: the devices that share a batch; see `sharding.local_mesh`.
    about: what "run" of metrics.json is to say, too.
    tell: called with the number of fills done, and of all.

  Returns:
    The content of metrics.json.

  Raises:
    ValueError: a file cannot be used, or a fill is of another size; it is named.
  """
  devices = sharding.device_count(mesh)
  batch_size = -(-min(batch_size, len(faces)) // devices) * devices
  scorer = _scorer(candidate, faces, judged_by, mesh)
  known = checks.KnownPixels()
  with tempfile.TemporaryDirectory(prefix=".arrays", dir=directory) as scratch:
    tally = scoring.Tally(len(faces), scorer.keys, scratch)
    features = _features(faces, judged_by, batch_size, mesh, scratch)
    batches = faces.batches(batch_size)
    with open(directory / results.TABLE, "w", encoding="utf-8", newline="") as file:
      write = csv.writer(file, lineterminator="\n").writerow
      write([*_COLUMNS, *scorer.keys])
      for batch, result, scores, seconds in _scored(candidate, scorer, batches, batch_size):
        number = len(batch["photo"])
        photos = [faces.photo_ids[pair.photo] for pair in batch["pair"]]
        rows = tally.add(scores, batch["bin"], photos)
        tally.seconds[rows.start : rows.stop] = seconds / number
        layout = batch["labels"] if faces.labelled else result["layout"]
        tally.skin_angle[rows.start : rows.stop] = _skin_angles(batch, layout)
        known.add(batch, result["whole"], number)
        if features is not None:
          features.fills[rows.start : rows.stop] = scores["features"][:number]
        for i, k in enumerate(rows):
          write(_row(batch, photos[i], tally, scorer.keys, i, k))
        tell(rows.stop, len(faces))
    config = candidate.model and candidate.model.config
    content = {
      "format": results.FORMAT,
      "run": {**about, **_circumstances(candidate, faces, tally, judged_by, mesh)},
      "bins": pairs.in_order(tally.bins),
      "metrics": summary.metrics(tally, scorer.reasons, features, config, _said(judged_by)),
      "checks": {
        "known_pixels": known.report(),
        **_checks(candidate, faces, batch_size, judged_by),
      },
    }
    content = summary.finite(content)
    examples.write(directory / results.EXAMPLES, faces, candidate.fill, tally, batch_size)
    del features, tally  # their files go now
  text = json.dumps(content, indent=1, allow_nan=False) + "\n"
  (directory / results.METRICS).write_text(text, encoding="utf-8")
  return content


def _scorer(candidate: Candidate, faces: pairs.Pairs, judged_by: Mapping, mesh) -> scoring.Scorer:
  return scoring.Scorer(
    {kind: judge.params for kind, judge in judged_by.items()},
    faces.size,
    layouts=candidate.model is not None,
    labels=faces.labelled,
    missing=weights.wanted,
    put=partial(sharding.put_batch, mesh=mesh),
    replicate=lambda tree: jax.device_put(tree, sharding.replicated(mesh)),
  )


def _scored(candidate, scorer, batches: Iterable, size: int) -> Iterator[tuple]:
  """(batch, fills, scores, seconds of filling) of each; reads one batch ahead."""
  warm = candidate.model is None
  for batch in _ahead(batches):
    padded = pad_batch(batch, size)
    if not warm:
      candidate.fill(padded)  # compiles: no part of the time that a photo takes
      warm = True
    begin = time.perf_counter()
    result = jax.tree.map(np.asarray, dict(candidate.fill(padded)))
    seconds = time.perf_counter() - begin if candidate.method != "outputs" else np.nan
    yield batch, result, scorer(padded, result), seconds


def _ahead(items: Iterable) -> Iterator:
  """The items, the next one being made in a thread while one is used."""
  iterator, end = iter(items), object()
  with ThreadPoolExecutor(1) as pool:
    coming = pool.submit(next, iterator, end)
    while (item := coming.result()) is not end:
      coming = pool.submit(next, iterator, end)
      yield item


def _features(faces, judged_by, batch_size: int, mesh, scratch: str) -> FeatureSet | None:
  """Features of all photos, and room for those of the fills; None without the network."""
  if _INCEPTION not in judged_by:
    return None
  params = jax.device_put(judged_by[_INCEPTION].params, sharding.replicated(mesh))
  network = jax.jit(lambda params, photo: inception.features(params, images.to_float(photo)))
  room = partial(scoring.array_on_disk, scratch, dtype=np.float32)
  photos = room("photos", (len(faces.source), inception.WIDTH))
  start = 0
  for photo in _ahead(faces.photos(batch_size)):
    padded = pad_batch({"photo": photo}, batch_size)
    found = network(params, sharding.put_batch(padded, mesh)["photo"])
    photos[start : start + len(photo)] = np.asarray(found)[: len(photo)]
    start += len(photo)
  fills = room("fills", (len(faces), inception.WIDTH))
  photo_of = np.array([pair.photo for pair in faces.pairs])
  return FeatureSet(photos, fills, photo_of, rows=np.arange(len(faces)))


def _skin_angles(batch: Mapping, layout: np.ndarray | None) -> list[float]:
  """Of the known skin of each photo, by its labels or else the layout that was predicted.

  layout: may have more rows than the batch, as fills of a padded one have.
  """
  if layout is None:
    return [float("nan")] * len(batch["photo"])
  skin = (np.asarray(layout)[: len(batch["photo"])] == _SKIN) & ~batch["mask"][..., 0]
  return [skin_tone.typology_angle(*each) for each in zip(batch["photo"], skin, strict=True)]


def _row(batch, photo: str, tally: scoring.Tally, keys, i: int, k: int) -> list[str]:
  """A line of per_image.csv: the i-th of a batch, the k-th of all; no value is an empty cell."""
  first = tally.hole_ratio, tally.seconds, tally.skin_angle
  numbers = [*(column[k] for column in first), *(tally.values[key][k] for key in keys)]
  cells = ["" if np.isnan(number) else f"{number:.7g}" for number in numbers]
  return [batch["pair"][i].id, photo, batch["mask_name"][i], batch["bin"][i], *cells]


def _checks(candidate: Candidate, faces, batch_size: int, judged_by: Mapping) -> dict[str, dict]:
  if candidate.method == "outputs":
    return dict.fromkeys(
      ("layout_from_known_only", "layout_adherence", "diversity"), checks.NOT_AGAIN
    )

  def some(name):
    return faces.batches(batch_size, spread(len(faces), CHECKED[name]))

  found = {
    "layout_from_known_only": checks.known_only(candidate.fill, some("known_only"), batch_size)
  }
  model = candidate.model
  if model is None:
    return found | dict.fromkeys(("layout_adherence", "diversity"), checks.NO_MODEL)
  picks = spread(len(faces), CHECKED["layout_adherence"])
  batches = list(faces.at(model.resolution).batches(batch_size, picks))
  photos = [faces.pairs[k].photo for k in picks]
  found["layout_adherence"] = layout_adherence.measure(
    model.networks, model.params, batches, photos
  )
  params = {kind: judge.params for kind, judge in judged_by.items()}
  found["diversity"] = checks.diversity(
    partial(fill_batch, model), some("diversity"), batch_size, params
  )
  return found


def _circumstances(candidate, faces, tally, judged_by, mesh) -> dict:
  """What metrics.json records of a finished run, beside what the command line says."""
  model = candidate.model
  timed = tally.seconds[np.isfinite(tally.seconds)]
  device = jax.local_devices()[0]
  versions = {"facefill_jax": __version__, "python": platform.python_version()}
  return {
    "method": candidate.method,
    "model": model and {"sha256": model.sha256, "config": model.config},
    "size": faces.size,
    "fills": len(faces),
    "seconds_per_photo": float(timed.mean()) if len(timed) else None,
    "hardware": {
      "devices": f"{sharding.device_count(mesh)} x {device.device_kind}",
      "backend": jax.default_backend(),
      "cores": os.cpu_count(),
      "machine": platform.machine(),
    },
    "versions": versions | {name: importlib.metadata.version(name) for name in _PACKAGES},
    "judges": {kind: judge.sha256 for kind, judge in judged_by.items()},
  }


def _said(judged_by: Mapping) -> dict[str, str]:
  """Implementation lines of metrics that one network's weights compute."""
  return {
    metric.key: weights.implementation(metric.judge) for metric in measures.METRICS
    if metric.judge in judged_by and metric.judge in weights.KINDS and not metric.of_set
  }  # fmt: skip
