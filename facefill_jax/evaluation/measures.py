"""What fills are scored by. A metric is one entry of METRICS: a new one is added here, and its
formula in metrics/; scoring, tables, reports and comparisons go through this table.

What an entry has to say of how it is computed is one of

    value      a batch of fills -> one number a fill; of many fills, the mean
    parts      a batch of fills -> two numbers a fill, whose ratio it is; of many, sum over sum
    pooled     the layout confusions of many fills -> the number; a fill has none of its own
    of_set     the features of a set of pictures -> the number
"""

import dataclasses
import functools
import importlib.util
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from facefill_jax.evaluation import statistics
from facefill_jax.evaluation.feature_set import FeatureSet
from facefill_jax.labels import VOID
from facefill_jax.metrics import image, layout, lpips, squeezenet_distance, ssim
from facefill_jax.metrics.frechet import FID_LEAST, KID_LEAST
from facefill_jax.pretrained_nets import mobileface, squeezenet

HOLE, FRAME = "hole", "frame"


@dataclasses.dataclass(frozen=True)
class FilledBatch:
  """Fills and what is true of them, under jit; what several metrics need is computed once.

  Attributes:
    whole, truth: float32 (b, h, w, 3) in [-1, 1]. mask: bool (b, h, w, 1), True = hole.
    layout, labels: class ids (b, h, w), predicted and true; None where there are none.
    judges: kind of weights -> parameters.
  """

  whole: jax.Array
  truth: jax.Array
  mask: jax.Array
  layout: jax.Array | None
  labels: jax.Array | None
  judges: Mapping[str, Mapping]

  @cached_property
  def squeezenet_features(self):
    """Of fills, and of the truth."""
    params = self.judges["squeezenet_caffe"]
    return [squeezenet.squeezenet_features(params, x) for x in (self.whole, self.truth)]

  @cached_property
  def confusion(self) -> jax.Array:
    """int32 (b, 20, 20) of hole pixels, row = true class; true void left out."""

    def of_one(*maps):
      return layout.confusion(*(each[None] for each in maps))

    counts = jax.vmap(of_one)(self.layout, self.labels, self.mask[..., 0])
    return counts.at[:, VOID].set(0)


@dataclasses.dataclass(frozen=True)
class Metric:
  """A number that fills are scored by.

  Attributes:
    key: its name in per_image.csv and metrics.json.
    title: what people call it, without its region.
    better: "higher", "lower", or "one" (natural is 1).
    region: "hole", "frame", or "" for neither.
    implementation: one line: network, variant, source.
    value, parts, pooled, of_set: how it is computed, one of them; see the top of the file.
    unit: "dB" or "".
    family: of its kin the first that has a value stands for all, in FAMILIES' order; "": no kin.
    main: whether terminals and plots show it.
    judge: the kind of weights it needs, if any. package: what else must be installed.
    side: pixels a side that it needs at least. least: photos, and fills.
    needs_layouts: whether it needs predicted layouts and true ones.
  """

  key: str
  title: str
  better: str
  region: str
  implementation: str
  value: Callable[[FilledBatch], jax.Array] | None = None
  parts: Callable[[FilledBatch], tuple[jax.Array, jax.Array]] | None = None
  pooled: Callable[[np.ndarray], statistics.Statistic] | None = None
  of_set: Callable[[FeatureSet], float] | None = None
  unit: str = ""
  family: str = ""
  main: bool = False
  judge: str | None = None
  package: str = ""
  side: int = 1
  least: int = 1
  needs_layouts: bool = False

  @property
  def by_photo(self) -> bool:
    """Whether a fill has a value of its own."""
    return self.value is not None or self.parts is not None


FAMILIES = ("psnr", "ssim", "perceptual", "set", "identity", "layout")
"""In the order in which one asks for them."""


def _of_both(
  name, title, better, implementation, value, family="", main=(), **more
) -> tuple[Metric, ...]:
  """The metric over hole pixels, and over the frame.

  Args:
    value: (batch, mask or None) -> (b,).
    family: that the hole's stands for: the frame flatters small holes.
    main: of which regions it is shown.
  """
  return (
    Metric(f"{HOLE}_{name}", title, better, HOLE, f"{implementation}, over hole pixels",
           lambda fills: value(fills, fills.mask), family=family, main=HOLE in main, **more),
    Metric(f"{FRAME}_{name}", title, better, FRAME, f"{implementation}, over the frame",
           lambda fills: value(fills, None), main=FRAME in main, **more),
  )  # fmt: skip


def _lpips(net: str) -> tuple[Metric, ...]:
  kind = f"lpips_{net}"

  def value(fills, where):
    return lpips.lpips(fills.judges[kind], net, fills.whole, fills.truth, where)

  title = {"alex": "AlexNet", "vgg": "VGG", "squeeze": "SqueezeNet"}[net]
  return _of_both(
    kind, f"LPIPS, {title}", "lower", f"LPIPS v0.1 with {net}, spatial for the hole", value,
    family="perceptual", main=(HOLE,), judge=kind, side=lpips.MIN_SIDE[net],
  )  # fmt: skip


def _ssim(variant: str, region: str, key: str, title: str, implementation: str, **more) -> Metric:
  def value(fills):
    return ssim.ssim(fills.whole, fills.truth, fills.mask if region == HOLE else None, variant)

  return Metric(
    key, title, "higher", region, implementation, value, side=ssim.VARIANTS[variant].side, **more
  )


def _squeezenet_distance(fills: FilledBatch, where: jax.Array | None) -> jax.Array:
  if where is None:
    return squeezenet_distance.perceptual_distance(*fills.squeezenet_features)
  return squeezenet_distance.hole_distance(*fills.squeezenet_features, where)


def _identity(fills: FilledBatch) -> jax.Array:
  a, b = (mobileface.embed(fills.judges["mobileface"], x) for x in (fills.whole, fills.truth))
  return (a * b).sum(axis=-1)


def _laplacian(fills: FilledBatch) -> tuple[jax.Array, jax.Array]:
  return tuple(image.laplacian_energy(x, fills.mask) for x in (fills.whole, fills.truth))


def _right_pixels(fills: FilledBatch) -> tuple[jax.Array, jax.Array]:
  counts = fills.confusion
  return jnp.trace(counts, axis1=1, axis2=2), counts.sum((1, 2))


_GAUSSIAN = "SSIM, Gaussian 11 x 11, sigma 1.5, on RGB (Wang et al. 2004)"
_SQUEEZENET = "SqueezeNet 1.1 (Caffe release) perceptual distance, equal channel weights; not LPIPS"
_INCEPTION = "Inception of 2015-12-05 as pytorch-fid has it"
_OF_SETS = {"region": FRAME, "judge": "inception_fid", "family": "set", "main": True}

METRICS: tuple[Metric, ...] = (
  *_of_both("l1", "L1", "lower", "mean absolute difference on RGB, black 0, white 1",
            lambda fills, where: image.l1(fills.whole, fills.truth, where) / image.PEAK),
  *_of_both("psnr", "PSNR", "higher", "PSNR of the mean square on RGB; at most 100",
            lambda fills, where: image.psnr(fills.whole, fills.truth, where),
            unit="dB", family="psnr", main=(HOLE, FRAME)),
  _ssim("gaussian_11", HOLE, "hole_ssim", "SSIM",
        f"{_GAUSSIAN}, map mirrored at the frame, over hole pixels", family="ssim", main=True),
  _ssim("gaussian_11", FRAME, "frame_ssim", "SSIM", f"{_GAUSSIAN}, 5 px rim cropped", main=True),
  _ssim("uniform_7", FRAME, "frame_ssim_uniform_7", "SSIM, uniform 7",
        "SSIM, flat 7 x 7, sample variances, on RGB: scikit-image's default"),
  _ssim("grey_51", FRAME, "frame_ssim_grey_51", "SSIM, grey 51",
        "SSIM, flat 51 x 51, sample variances, on grey: EdgeConnect's"),
  Metric("rim_error", "Rim error", "lower", HOLE,
         "difference of step sizes across the hole's edge to the truth's, 0..1; our own",
         value=lambda fills: image.rim_error(fills.whole, fills.truth, fills.mask), main=True),
  Metric("laplacian_ratio", "Fine detail", "one", HOLE,
         "Laplacian energy of luma in the hole over the truth's; sum over sum",
         parts=_laplacian, main=True),
  *_lpips("alex"), *_lpips("vgg"), *_lpips("squeeze"),
  *_of_both("squeezenet", "SqueezeNet distance", "lower", _SQUEEZENET, _squeezenet_distance,
            family="perceptual", main=(HOLE,), judge="squeezenet_caffe", side=squeezenet.MIN_SIDE),
  Metric("identity", "Identity similarity", "higher", FRAME, "cosine of face embeddings",
         value=_identity, family="identity", main=True, judge="mobileface"),
  Metric("layout_miou", "Layout mIoU", "higher", HOLE,
         "mIoU of the predicted layout over hole pixels, of the summed confusion",
         pooled=statistics.pooled_miou, family="layout", main=True, needs_layouts=True),
  Metric("layout_accuracy", "Layout accuracy", "higher", HOLE,
         "share of hole pixels whose class the predicted layout has",
         parts=_right_pixels, needs_layouts=True),
  Metric("fid", "FID", "lower", implementation=f"FID, {_INCEPTION}",
         of_set=FeatureSet.fid, least=FID_LEAST, **_OF_SETS),
  Metric("kid", "KID", "lower", implementation=f"KID, clean-fid's estimator on the {_INCEPTION}",
         of_set=FeatureSet.kid, least=KID_LEAST, **_OF_SETS),
  Metric("p_ids", "P-IDS", "higher",
         implementation=f"paired inception discriminative score, {_INCEPTION}",
         of_set=FeatureSet.p_ids, least=FID_LEAST, package="sklearn", **_OF_SETS),
  Metric("u_ids", "U-IDS", "higher",
         implementation=f"unpaired inception discriminative score, {_INCEPTION}",
         of_set=FeatureSet.u_ids, least=FID_LEAST, package="sklearn", **_OF_SETS),
)  # fmt: skip
KEYS = tuple(metric.key for metric in METRICS)


def find(key: str) -> Metric | None:
  """The metric of a key; None for one of another version."""
  return _by_key().get(key)


@functools.cache
def _by_key() -> dict[str, Metric]:
  return {metric.key: metric for metric in METRICS}


def shown() -> list[Metric]:
  """The main metrics, those of the hole first."""
  return sorted((m for m in METRICS if m.main), key=lambda metric: metric.region != HOLE)


def leading(has_value: Callable[[str], bool]) -> dict[str, str]:
  """Family -> the key of its first metric that has a value, in the order of FAMILIES."""
  found = {}
  for family in FAMILIES:
    keys = (metric.key for metric in METRICS if metric.family == family and has_value(metric.key))
    if first := next(keys, None):
      found[family] = first
  return found


def left_out(
  side: int, judges: Iterable[str], missing: Callable[[str], str], *, layouts: bool, labels: bool
) -> dict[str, str]:
  """Key -> why it is not computed, one line; without set metrics' counts, see `too_few`.

  Args:
    side: of the pictures.
    judges: kinds of weights that are there.
    missing: what to say of a kind that is not.
    layouts: whether the method predicts layouts; labels: whether there are true ones.
  """
  found, reasons = set(judges), {}
  for metric in METRICS:
    if metric.judge and metric.judge not in found:
      reasons[metric.key] = missing(metric.judge)
    elif metric.package and importlib.util.find_spec(metric.package) is None:
      reasons[metric.key] = "needs scikit-learn: pip install 'facefill_jax[eval]'"
    elif side < metric.side:
      reasons[metric.key] = f"needs pictures of {metric.side} px or more, these have {side}"
    elif metric.needs_layouts and not layouts:
      reasons[metric.key] = "this method predicts no layout"
    elif metric.needs_layouts and not labels:
      reasons[metric.key] = "no label maps: give --labels"
  return reasons


def too_few(metric: Metric, photos: int, fills: int) -> str | None:
  """Why a set metric is not computed for so many pictures, or None."""
  if min(photos, fills) >= metric.least:
    return None
  return f"needs {metric.least} photos and fills or more, got {photos} and {fills}"


def trained_on(metric: Metric, config: Mapping | None) -> bool:
  """Whether the metric's network took part in training the model of this config."""
  perceptual_loss = (config or {}).get("perceptual")
  same = {"squeezenet": ("squeezenet_caffe",), "vgg16": ("lpips_vgg",)}
  return metric.judge in same.get(perceptual_loss, ())
