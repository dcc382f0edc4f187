"""Checks that ride along with an evaluation: is it honest, is the layout obeyed, do fills vary?

A check is {"passed": bool or None, "detail": one line, ...numbers}; None: there was nothing to
check, or nothing that could fail.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from facefill_jax import images
from facefill_jax.evaluation.fills import latent, read
from facefill_jax.evaluation.scoring import pad_batch
from facefill_jax.labels import NUM_CLASSES
from facefill_jax.metrics import image, layout, lpips, squeezenet_distance
from facefill_jax.models import networks as networks_lib
from facefill_jax.models.networks import Networks
from facefill_jax.pretrained_nets import squeezenet
from facefill_jax.pretrained_nets.torchvision_nets import NETS

SEEDS = 4  # answers a photo, for diversity
NOT_AGAIN = {"passed": None, "not_computed": "pictures from elsewhere cannot be made again"}
NO_MODEL = {"passed": None, "not_computed": "only models of ours have layouts and seeds to give"}


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
  """Whether hidden pixels have a say: fills and layouts are made again with them replaced.

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


def guidance(networks: Networks, params: Mapping, batches: Iterable[Mapping]) -> dict:
  """Whether the texture stage paints what the layout says, and not what it would have painted.

  Each face is filled with the layout predicted for the next face of its batch, one-hot in the
  hole; F_enc, a way around the layout, is left out. The layout network, shown the result without
  a hole, then reads it. Counted are hole pixels where the given and the own prediction differ.

  The reader is the layout network of the model itself, which took part in training its texture
  stage ("trained_on"): what it reads is no independent judgement.

  Returns:
    pixels: how many such pixels there are; given_share and predicted_share: how often the given
    and the own prediction are read there; ratio: given over predicted (inf if the latter is 0);
    parser_accuracy: of the same reader on the real photos, void ignored (NaN without labels).
    Shares are NaN if there is no such pixel. Passed if the ratio is above 1.
  """
  measure = jax.jit(partial(_guided, networks))
  totals, confusion, size = np.zeros(3, np.int64), np.zeros((NUM_CLASSES,) * 2, np.int64), 0
  for batch in batches:
    number = len(batch["photo"])
    size = size or number
    padded = pad_batch({name: batch[name] for name in ("photo", "labels", "mask")}, size)
    donor = np.arange(size)
    donor[:number] = np.roll(donor[:number], 1)
    counted = jax.device_get(measure(params, padded, donor, np.arange(size) < number))
    totals += counted["pixels"]
    confusion += counted["confusion"]
  pixels, given, predicted = (int(n) for n in totals)
  share = (lambda n: n / pixels) if pixels else (lambda n: math.nan)
  ratio = given / predicted if predicted else math.inf if given else math.nan
  detail = (
    "given another face's layout, how often the model's own layout network (which took part in "
    "training) reads the given class, and the predicted one, in hole pixels where they differ"
  )
  return {
    "passed": ratio > 1 if pixels else None,
    "detail": detail if pixels else "no two layouts differ in a hole",
    "pixels": pixels,
    "given_share": share(given),
    "predicted_share": share(predicted),
    "ratio": ratio,
    "parser_accuracy": layout.pixel_accuracy(confusion),
    "trained_on": True,
  }


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


def _guided(networks, params, batch, donor, valid) -> dict[str, jax.Array]:
  """Counts of one batch for `guidance`: (differing pixels, given read, predicted read)."""
  photo, mask = images.to_float(batch["photo"]), batch["mask"]
  number, nothing = len(photo), jnp.zeros_like(mask)
  probabilities, features = networks_lib.predict_layout_twice(
    networks.layout, params["layout"], photo, mask
  )
  parse = partial(networks_lib.predict_layout, networks.layout, params["layout"], mask=nothing)
  predicted = read(probabilities)
  given = predicted[donor]
  asked = jnp.where(mask, jax.nn.one_hot(given, NUM_CLASSES), probabilities)
  whole = networks_lib.fill(
    networks.texture, params["texture"], photo, mask, asked, features,
    latent(0, number), jnp.zeros(number, bool),
  )  # fmt: skip
  seen, seen_photo = (read(parse(photo=x)[0]) for x in (whole, photo))
  valid = valid[:, None, None]
  differ = mask[..., 0] & (given != predicted) & valid
  hits = (differ, differ & (seen == given), differ & (seen == predicted))
  everywhere = jnp.broadcast_to(valid, seen.shape)
  return {
    "pixels": jnp.stack([hit.sum() for hit in hits]),
    "confusion": layout.confusion(seen_photo, batch["labels"], everywhere),
  }
