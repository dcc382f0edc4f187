"""Checks made with every evaluation: are known pixels kept, is the hole unseen, do fills vary?

A check is {"passed": bool or None, "detail": one line, ...numbers}; None: there was nothing to
check, or nothing that could fail. Another is in `layout_adherence`.
"""

import math
from collections.abc import Callable, Iterable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from facefill_jax import images
from facefill_jax.evaluation.scoring import pad_batch
from facefill_jax.metrics import image, lpips, squeezenet_distance
from facefill_jax.pretrained_nets import squeezenet
from facefill_jax.pretrained_nets.torchvision_nets import NETS

SEEDS = 4  # answers a photo, for diversity
NOT_AGAIN = {"passed": None, "not_computed": "pictures from elsewhere cannot be made again"}
NO_MODEL = {
  "passed": None,
  "not_computed": "only models of facefill_jax predict layouts and take seeds",
}


class KnownPixels:
  """Whether fills keep the known pixels; counts as they come."""

  def __init__(self):
    self.fills = self.changed_fills = self.pixels = self.changed = self.largest = 0
    self.first = ""

  def add(self, batch: Mapping, whole: np.ndarray, number: int) -> None:
    """The first `number` rows of a batch, and of its fills."""
    known = np.logical_not(batch["mask"][:number, ..., 0])
    off = np.abs(whole[:number].astype(np.int16) - batch["photo"][:number]).max(axis=-1)
    off = np.where(known, off, 0)
    rows = np.flatnonzero(off.any(axis=(1, 2)))
    if len(rows) and not self.first:
      self.first = batch["pair"][rows[0]].id
    self.fills += number
    self.changed_fills += len(rows)
    self.pixels += int(known.sum())
    self.changed += int(np.count_nonzero(off))
    self.largest = max(self.largest, int(off.max(initial=0)))

  def report(self) -> dict:
    """The check."""
    if not self.changed:
      return {"passed": True, "detail": f"identical in all {self.fills} fills"}
    share = 100 * self.changed / self.pixels
    detail = (
      f"changed in {self.changed_fills} of {self.fills} fills, first {self.first}: {share:.2f} % "
      f"of the known pixels, by up to {self.largest} of 255"
    )
    return {"passed": False, "detail": detail}


def known_only(fill: Callable, batches: Iterable[Mapping], size: int) -> dict:
  """Whether hidden pixels matter: fills and layouts are made again with them replaced.

  Hidden pixels become noise; layouts and fills must be the same bit for bit. A layout that was
  computed from the whole photo gives the truth away (as ZITS's edges once did).
  """
  count, wrong = 0, {"layout": [], "whole": []}
  rng, layouts = np.random.default_rng(0), False
  for batch in batches:
    number = len(batch["photo"])
    batch = pad_batch(batch, size)
    photo = batch["photo"]
    other = photo ^ rng.integers(1, 256, photo.shape, np.uint8)  # no value is what it was
    other = {**batch, "photo": np.where(batch["mask"], other, photo)}
    once, again = fill(batch), fill(other)
    layouts = once["layout"] is not None
    for name in wrong:
      if once[name] is None:
        continue
      differ = (np.asarray(once[name]) != np.asarray(again[name])).reshape(size, -1).any(axis=1)
      wrong[name] += [batch["pair"][i].id for i in np.flatnonzero(differ[:number])]
    count += number
  what = "layouts and fills" if layouts else "fills (there is no layout)"
  for name, said in (("layout", "layouts"), ("whole", "fills")):
    if wrong[name]:
      detail = f"{len(wrong[name])} of {count} {said} change with the hidden pixels, first "
      return {"passed": False, "detail": detail + wrong[name][0]}
  detail = f"{count} {what} made again with noise under the mask are equal, bit for bit"
  return {"passed": True, "detail": detail}


def diversity(fill: Callable, batches: Iterable[Mapping], size: int, judges: Mapping) -> dict:
  """How far apart the answers of SEEDS seeds are: mean distance over the hole, of all pairs.

  Args:
    fill: (batch, seed) -> as FillFn.
    judges: kind -> parameters; LPIPS with AlexNet, VGG or SqueezeNet is taken, else the Caffe
      SqueezeNet's distance, else the mean absolute difference.

  Returns:
    distance: which; mean, and largest over photos; nothing is asked of them (passed: None).
  """
  name, measure = _distance(judges)
  measure, values = jax.jit(measure), []
  for batch in batches:
    number = len(batch["photo"])
    batch = pad_batch(batch, size)
    answers = [images.to_float(jnp.asarray(fill(batch, seed)["whole"])) for seed in range(SEEDS)]
    mask = jnp.asarray(batch["mask"])
    found = [measure(answers[i], answers[j], mask) for j in range(SEEDS) for i in range(j)]
    values += np.mean(jax.device_get(found), axis=0)[:number].tolist()
  mean = float(np.mean(values)) if values else math.nan
  return {
    "passed": None,
    "detail": f"{name} over the hole between {SEEDS} answers to each of {len(values)} fills",
    "distance": name,
    "mean": mean,
    "largest": max(values, default=math.nan),
  }


def _distance(judges: Mapping) -> tuple[str, Callable]:
  """The best distance there is: its name, and a function of two photos and a mask."""
  for net in NETS:
    if params := judges.get(f"lpips_{net}"):
      return f"lpips_{net}", lambda a, b, mask, p=params, n=net: lpips.lpips(p, n, a, b, mask)
  if params := judges.get("squeezenet_caffe"):

    def measure(a, b, mask):
      features = (squeezenet.squeezenet_features(params, x) for x in (a, b))
      return squeezenet_distance.hole_distance(*features, mask)

    return "squeezenet", measure
  return "l1", lambda a, b, mask: image.l1(a, b, mask) / image.PEAK
