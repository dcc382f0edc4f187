"""Layout adherence: does the texture stage paint the layout that it is given?

Each face is filled with the layout that was predicted for another photo, one-hot in the hole;
F_enc is the photo's own, as it is when a person edits. The layout network, shown the result without
a hole, then reads it. Counted are hole pixels where the given and the own prediction differ.

The reader is the layout network of the model itself, which took part in training its texture
stage ("trained_on"): what it reads is no independent judgement.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from facefill_jax import images
from facefill_jax.evaluation.scoring import pad_batch
from facefill_jax.filling.latents import latent
from facefill_jax.labels import NUM_CLASSES
from facefill_jax.metrics import layout
from facefill_jax.models import networks as networks_lib
from facefill_jax.models.networks import Networks

ONE_PHOTO = "needs two photos: another photo's layout is given"
_DETAIL = (
  "given another photo's layout, how often the model's own layout network (which took part in "
  "training) reads the given class, and the predicted one, in hole pixels where they differ"
)


def donors(photos: Sequence[Hashable]) -> list[int] | None:
  """For each fill the one whose layout it is given: half-way round, or the next of another photo.

  Half-way, each fill gives its layout once, so donors have holes of all sizes.

  Args:
    photos: the photo of each fill. Masks of one photo have nearly the same layout, so a donor is
      always of another photo.

  Returns:
    One index a fill, or None if all fills are of one photo.
  """
  count = len(photos)
  if len(set(photos)) < 2:
    return None
  turns = range(count // 2, count // 2 + count)
  return [
    next(d for turn in turns if photos[d := (k + turn) % count] != photos[k]) for k in range(count)
  ]


def measure(
  networks: Networks, params: Mapping, batches: Sequence[Mapping], photos: Sequence[Hashable]
) -> dict:
  """The check "layout_adherence".

  Args:
    networks, params: the model; params is {"layout": tree, "texture": tree}.
    batches: all fills, in batches of one size but the last; see `scoring`. Read twice.
    photos: the photo of each fill, over all batches.

  Returns:
    pixels: how many pixels count; given_share and predicted_share: how often the given and the
    own prediction are read there; ratio: given over predicted (inf if the latter is 0);
    parser_accuracy: of the same reader on the real photos, void ignored (NaN without labels).
    Shares are NaN if no pixel counts. Passed if the ratio is above 1. With one photo there is
    nothing to measure ("not_computed").
  """
  donor = donors(photos)
  if donor is None:
    return {"passed": None, "not_computed": ONE_PHOTO}
  size = len(batches[0]["photo"])
  predict, count = jax.jit(partial(_predict, networks)), jax.jit(partial(_count, networks))
  z, no_hole = latent(0), np.zeros((2 * size, *batches[0]["mask"].shape[1:]), bool)
  padded = [
    pad_batch({name: batch[name] for name in ("photo", "labels", "mask")}, size)
    for batch in batches
  ]
  predicted = np.concatenate([jax.device_get(predict(params, batch)) for batch in padded])
  # The rows that pad the last batch are the last of all: real fills keep their places.
  totals, confusion = np.zeros(3, np.int64), np.zeros((NUM_CLASSES,) * 2, np.int64)
  for i, batch in enumerate(padded):
    rows = np.arange(i * size, (i + 1) * size)
    valid = rows < len(photos)
    given = predicted[[donor[k] for k in np.minimum(rows, len(photos) - 1)]]
    counted = jax.device_get(count(params, batch, given, valid, z, no_hole))
    totals += counted["pixels"]
    confusion += counted["confusion"]
  return _report(*(int(total) for total in totals), layout.pixel_accuracy(confusion))


def _report(pixels: int, given: int, predicted: int, accuracy: float) -> dict:
  ratio = given / predicted if predicted else math.inf if given else math.nan
  return {
    "passed": ratio > 1 if pixels else None,
    "detail": _DETAIL if pixels else "no two layouts differ in a hole",
    "pixels": pixels,
    "given_share": given / pixels if pixels else math.nan,
    "predicted_share": predicted / pixels if pixels else math.nan,
    "ratio": ratio,
    "parser_accuracy": accuracy,
    "trained_on": True,
  }


def _read(probabilities: jax.Array) -> jax.Array:
  """The most probable classes: uint8 (b, h, w)."""
  return probabilities.argmax(axis=-1).astype(jnp.uint8)


def _predict(networks: Networks, params, batch) -> jax.Array:
  """The predicted layouts: uint8 (b, h, w)."""
  photo = images.to_float(batch["photo"])
  return _read(
    networks_lib.predict_layout_twice(networks.layout, params["layout"], photo, batch["mask"])[0]
  )


def _count(networks: Networks, params, batch, given, valid, z, no_hole) -> dict[str, jax.Array]:
  """Counts of one batch.

  Args:
    given: uint8 (b, h, w), the layouts to paint.
    valid: bool (b,), False for rows that only pad.
    z: float32 (LATENT,), the same for all.
    no_hole: bool (2b, h, w, 1), False; an argument, for XLA takes seconds to fold a constant.

  Returns:
    pixels: int (3,), those where layouts differ, and of these those read as given and as
    predicted; confusion: int (20, 20), of the reader on the real photos.
  """
  photo, mask = images.to_float(batch["photo"]), batch["mask"]
  probabilities, features = networks_lib.predict_layout_twice(
    networks.layout, params["layout"], photo, mask
  )
  predicted = _read(probabilities)
  asked = jnp.where(mask, jax.nn.one_hot(given, NUM_CLASSES), probabilities)
  whole = networks_lib.fill(
    networks.texture, params["texture"], photo, mask, asked, features,
    jnp.broadcast_to(z, (len(photo), *z.shape)), jnp.ones(len(photo), bool),
  )  # fmt: skip
  both = jnp.concatenate([whole, photo])  # the reader is compiled once
  read_from, _ = networks_lib.predict_layout(networks.layout, params["layout"], both, no_hole)
  seen, seen_photo = jnp.split(_read(read_from), 2)
  valid = valid[:, None, None]
  differ = mask[..., 0] & (given != predicted) & valid
  hits = (differ, differ & (seen == given), differ & (seen == predicted))
  return {
    "pixels": jnp.stack([hit.sum() for hit in hits]),
    "confusion": layout.confusion(seen_photo, batch["labels"], jnp.broadcast_to(valid, seen.shape)),
  }
