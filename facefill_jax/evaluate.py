"""How good fills are: streams batches through a fill and a set of metrics, and averages by bin.

Batches are the pipeline's dicts: photo uint8 (b, h, w, 3), labels uint8 (b, h, w), mask bool
(b, h, w, 1), True = hole. All have one size but the last, which may be smaller: it is padded, so
that networks and metrics compile once.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from facefill_jax import images, steps
from facefill_jax.labels import NUM_CLASSES, VOID
from facefill_jax.metrics import image, layout
from facefill_jax.models import perceptual
from facefill_jax.models.texture_net import LATENT
from facefill_jax.stages import Networks

BIN_EDGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
BINS = ("0-10", "10-20", "20-30", "30-40", "40-50", "50-60", "60+")
"""Hole shares of a photo in percent, the lower end included. BIN_EDGES are where they meet."""
ALL = "all"
MEANS = (
  "hole_ratio", "hole_psnr_db", "hole_ssim", "frame_psnr_db", "frame_ssim", "squeezenet_distance",
)  # fmt: skip
"""The values that a photo has and a summary averages over photos."""

FillFn = Callable[[np.ndarray, np.ndarray], Mapping]
"""(photo uint8, mask) -> {"whole": uint8 (b, h, w, 3), "layout": class ids (b, h, w) or None}."""


@dataclasses.dataclass(frozen=True)
class Report:
  """What a fill scored. None stands for what could not be measured.

  Attributes:
    per_image: one dict a photo, in order: bin, the values of MEANS, and laplacian_whole and
      laplacian_truth, the detail in the hole (see `metrics.image.laplacian_energy`).
    summary: bin -> dict, and the same under "all": photos (how many), the means of MEANS,
      laplacian_ratio (sum over sum), laplacian_ratio_median (over photos), layout_miou and
      layout_accuracy (of the summed confusion over hole pixels, void ignored).
  """

  per_image: list[dict]
  summary: dict[str, dict]


def make_filler(networks: Networks, seed: int = 0):
  """A jitted (params, photo uint8, mask) -> {"whole": uint8, "layout": uint8 class ids}.

  `params` is {"layout": tree, "texture": tree}; `functools.partial(filler, params)` is a FillFn
  that new weights do not compile again. Each photo gets the same latent z, drawn from `seed`.
  """

  def fill(params, photo, mask):
    photo = images.to_float(photo)
    probabilities, features = steps.predict_layout(networks.layout, params["layout"], photo, mask)
    whole = steps.fill(
      networks.texture, params["texture"], photo, mask, probabilities, features,
      _latent(seed, len(photo)), jnp.ones(len(photo), bool),
    )  # fmt: skip
    return {"whole": images.to_uint8(whole), "layout": _read(probabilities)}

  return jax.jit(fill)


def evaluate_batches(
  fill_fn: FillFn, batches: Iterable[Mapping], squeezenet: perceptual.Params | None = None
) -> Report:
  """Fills all batches and scores the results against the photos.

  Args:
    fill_fn: see FillFn. It sees the hidden pixels too, and must not look.
    batches: see the top of the file. A batch may name the bin of each photo, "bin": b strings;
      else it goes by hole share.
    squeezenet: weights for the SqueezeNet perceptual distance, or None to leave it out.

  Raises:
    ValueError: no photos at all, batches that grow, or a fill of another shape or type.
  """
  records, counts, size = [], {}, 0
  for batch in batches:
    number = len(batch["photo"])
    size = size or number
    padded = pad_batch(batch, size)
    result = fill_fn(padded["photo"], padded["mask"])
    whole, predicted = result["whole"], result.get("layout")
    if whole.shape != padded["photo"].shape or whole.dtype != np.uint8:
      raise ValueError(
        f"a fill must be uint8 {padded['photo'].shape} like its photos, "
        f"got {whole.dtype} {whole.shape}"
      )
    scores = _scores(squeezenet, whole, predicted, padded)
    scores = jax.device_get(scores)
    for i in range(number):
      row = {name: value[i] for name, value in scores.items()}
      confusion = row.pop("confusion", None)
      names = batch.get("bin")
      record = _record(row, None if names is None else str(names[i]))
      records.append(record)
      if confusion is not None:
        for key in (record["bin"], ALL):
          counts[key] = counts.get(key, 0) + confusion.astype(np.int64)
  if not records:
    raise ValueError("there is nothing to evaluate: no batches, or empty ones")
  return Report(records, _summaries(records, counts))


def guidance(networks: Networks, params: Mapping, batches: Iterable[Mapping]) -> dict:
  """Whether the texture stage paints what the layout says, and not what it would have painted.

  Each face is filled with the layout predicted for the next face of its batch, one-hot in the
  hole; F_enc, a way around the layout, is left out. The layout network, shown the result without
  a hole, then reads it. Counted are hole pixels where the given and the own prediction differ.

  Returns:
    pixels: how many such pixels there are; given_share and predicted_share: how often the given
    and the own prediction are read there; ratio: given over predicted (inf if the latter is 0);
    parser_accuracy: of the same reader on the real photos, void ignored (NaN without labels).
    Shares are NaN if there is no such pixel.
  """
  measure = jax.jit(partial(_guided, networks))
  totals, confusion, size = np.zeros(3, np.int64), np.zeros((NUM_CLASSES,) * 2, np.int64), 0
  for batch in batches:
    number = len(batch["photo"])
    size = size or number
    padded = pad_batch(batch, size)
    donor = np.arange(size)
    donor[:number] = np.roll(donor[:number], 1)
    counted = jax.device_get(measure(params, padded, donor, np.arange(size) < number))
    totals += counted["pixels"]
    confusion += counted["confusion"]
  pixels, given, predicted = (int(n) for n in totals)
  share = (lambda n: n / pixels) if pixels else (lambda n: math.nan)
  return {
    "pixels": pixels,
    "given_share": share(given),
    "predicted_share": share(predicted),
    "ratio": given / predicted if predicted else math.inf if given else math.nan,
    "parser_accuracy": layout.pixel_accuracy(confusion),
  }


def slices(batch: Mapping, size: int) -> Iterator[dict]:
  """One large batch as several of `size` photos; the last may be smaller."""
  for start in range(0, len(batch["photo"]), size):
    yield {name: value[start : start + size] for name, value in batch.items()}


def pad_batch(batch: Mapping, size: int) -> dict[str, np.ndarray]:
  """Photo, labels and mask, the last row repeated up to `size` rows. ValueError if it has more."""
  missing = size - len(batch["photo"])
  if missing < 0:
    raise ValueError(f"a batch of {len(batch['photo'])} photos follows one of {size}")
  arrays = {name: np.asarray(batch[name]) for name in ("photo", "labels", "mask")}
  if not missing:
    return arrays
  return {k: np.concatenate([x, np.repeat(x[-1:], missing, axis=0)]) for k, x in arrays.items()}


def bin_of(ratio: float) -> str:
  """The name in BINS of a hole share in 0..1."""
  return BINS[int(np.searchsorted(BIN_EDGES, ratio, side="right"))]


def _latent(seed: int, number: int) -> jax.Array:
  # One row for all: a photo's result must not depend on its place in the batch.
  z = jax.random.normal(jax.random.key(seed), (1, LATENT))
  return jnp.broadcast_to(z, (number, LATENT))


def _read(probabilities: jax.Array) -> jax.Array:
  return probabilities.argmax(axis=-1).astype(jnp.uint8)


@jax.jit
def _scores(squeezenet, whole, predicted, batch) -> dict[str, jax.Array]:
  """Values of each photo, (b,) each; and confusion (b, 20, 20) over the hole if there is one."""
  mask = batch["mask"]
  whole, truth = images.to_float(whole), images.to_float(batch["photo"])
  rim = image.SSIM_RIM
  scores = {
    "hole_pixels": mask.sum((1, 2, 3)),
    "hole_pixels_inside_rim": mask[:, rim:-rim, rim:-rim].sum((1, 2, 3)),
    "hole_ratio": mask.mean((1, 2, 3)),
    "hole_psnr_db": image.psnr(whole, truth, mask),
    "hole_ssim": image.ssim(whole, truth, mask),
    "frame_psnr_db": image.psnr(whole, truth),
    "frame_ssim": image.ssim(whole, truth),
    "laplacian_whole": image.laplacian_energy(whole, mask),
    "laplacian_truth": image.laplacian_energy(truth, mask),
  }
  if squeezenet is not None:
    a, b = (perceptual.squeezenet_features(squeezenet, x) for x in (whole, truth))
    scores["squeezenet_distance"] = perceptual.perceptual_distance(a, b)
  if predicted is not None:
    one = lambda *arrays: layout.confusion(*(x[None] for x in arrays))  # noqa: E731
    scores["confusion"] = jax.vmap(one)(predicted, batch["labels"], mask[..., 0])
  return scores


def _record(row: Mapping, name: str | None) -> dict:
  """One photo's values as Python numbers; what has no pixels to be measured on becomes None."""
  values = {key: float(value) for key, value in row.items()}
  pixels, inside = values.pop("hole_pixels"), values.pop("hole_pixels_inside_rim")
  if not pixels:
    values["hole_psnr_db"] = None
  if not inside:
    values["hole_ssim"] = None
  return {"bin": bin_of(values["hole_ratio"]) if name is None else name, **values}


def _summaries(records: list[dict], counts: Mapping[str, np.ndarray]) -> dict[str, dict]:
  """Bins in their order (given names: as they came), then "all"."""
  found = list(dict.fromkeys(record["bin"] for record in records))
  found.sort(key=lambda name: BINS.index(name) if name in BINS else -1)
  summary = {}
  for name in (*found, ALL):
    rows = [record for record in records if name in (record["bin"], ALL)]
    summary[name] = _summary(rows, counts.get(name))
  return summary


def _summary(rows: list[dict], confusion: np.ndarray | None) -> dict:
  result: dict = {"photos": len(rows)}
  for name in MEANS:
    values = [row[name] for row in rows if row.get(name) is not None]
    result[name] = float(np.mean(values)) if values else None
  detailed = [row for row in rows if row["laplacian_truth"] > 0]
  ratios = [row["laplacian_whole"] / row["laplacian_truth"] for row in detailed]
  sums = [sum(row[key] for row in detailed) for key in ("laplacian_whole", "laplacian_truth")]
  result["laplacian_ratio"] = sums[0] / sums[1] if detailed else None
  result["laplacian_ratio_median"] = float(np.median(ratios)) if detailed else None
  measured = confusion is not None and confusion[:VOID].any()
  result["layout_miou"] = layout.miou(confusion) if measured else None
  result["layout_accuracy"] = layout.pixel_accuracy(confusion) if measured else None
  return result


def _guided(networks, params, batch, donor, valid) -> dict[str, jax.Array]:
  """Counts of one batch for `guidance`: (differing pixels, given read, predicted read)."""
  photo, mask = images.to_float(batch["photo"]), batch["mask"]
  number, nothing = len(photo), jnp.zeros_like(mask)
  predict = partial(steps.predict_layout, networks.layout, params["layout"])
  probabilities, features = predict(photo, mask)
  predicted = _read(probabilities)
  given = predicted[donor]
  asked = jnp.where(mask, jax.nn.one_hot(given, NUM_CLASSES), probabilities)
  whole = steps.fill(
    networks.texture, params["texture"], photo, mask, asked, features,
    _latent(0, number), jnp.zeros(number, bool),
  )  # fmt: skip
  read, read_photo = (_read(predict(x, nothing)[0]) for x in (whole, photo))
  valid = valid[:, None, None]
  differ = mask[..., 0] & (given != predicted) & valid
  hits = (differ, differ & (read == given), differ & (read == predicted))
  everywhere = jnp.broadcast_to(valid, read.shape)
  return {
    "pixels": jnp.stack([hit.sum() for hit in hits]),
    "confusion": layout.confusion(read_photo, batch["labels"], everywhere),
  }
