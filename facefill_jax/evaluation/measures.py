"""What is measured, each under one name: its unit, its region, its implementation, its judge."""

import dataclasses
import importlib.util
from collections.abc import Callable, Iterable, Mapping

from facefill_jax.metrics import ssim
from facefill_jax.metrics.frechet import FID_LEAST, KID_LEAST
from facefill_jax.metrics.lpips import MIN_SIDE as _LPIPS_SIDE
from facefill_jax.pretrained_nets import squeezenet

HOLE, FRAME = "hole", "frame"
IDENTITY_JUDGES = ("mobileface",)  # the first that is there
LPIPS_NETS = ("alex", "vgg", "squeeze")


@dataclasses.dataclass(frozen=True)
class Metric:
  """A number that fills are scored by.

  Attributes:
    key: its name in per_image.csv and metrics.json.
    better: "higher", "lower", or "one" (natural is 1).
    region: "hole", "frame", or "" for neither.
    implementation: one line: network, variant, source.
    unit: "dB" or "".
    judge: the kind of weights it needs, if any.
    side: pixels a side that it needs at least.
    least: photos, and fills, that it needs at least: it is of a set of pictures.
    by_photo: whether a photo has a value of its own.
  """

  key: str
  better: str
  region: str
  implementation: str
  unit: str = ""
  judge: str | None = None
  side: int = 1
  least: int = 1
  by_photo: bool = True


def _of_both(name: str, better: str, implementation: str, **more) -> tuple[Metric, ...]:
  return tuple(
    Metric(f"{region}_{name}", better, region, f"{implementation}, {of}", **more)
    for region, of in ((HOLE, "over hole pixels"), (FRAME, "over the frame"))
  )


_SSIM = "SSIM, Gaussian 11 x 11, sigma 1.5, on RGB (Wang et al. 2004)"
_SQUEEZENET = "SqueezeNet 1.1 (Caffe release) perceptual distance, equal channel weights; not LPIPS"
_INCEPTION = "Inception of 2015-12-05 as pytorch-fid has it"

METRICS: tuple[Metric, ...] = (
  *_of_both("l1", "lower", "mean absolute difference on RGB, black 0, white 1"),
  *_of_both("psnr", "higher", "PSNR of the mean square on RGB; at most 100", unit="dB"),
  Metric("hole_ssim", "higher", HOLE, f"{_SSIM}, map mirrored at the frame, over hole pixels",
         side=11),
  Metric("frame_ssim", "higher", FRAME, f"{_SSIM}, 5 px rim cropped", side=11),
  Metric("frame_ssim_uniform_7", "higher", FRAME,
         "SSIM, flat 7 x 7, sample variances, on RGB: scikit-image's default", side=7),
  Metric("frame_ssim_grey_51", "higher", FRAME,
         "SSIM, flat 51 x 51, sample variances, on grey: EdgeConnect's", side=51),
  Metric("rim_error", "lower", HOLE,
         "difference of step sizes across the hole's edge to the truth's, 0..1; our own"),
  Metric("laplacian_ratio", "one", HOLE,
         "Laplacian energy of luma in the hole over the truth's; sum over sum"),
  *(metric for net in LPIPS_NETS for metric in _of_both(
    f"lpips_{net}", "lower", f"LPIPS v0.1 with {net}, spatial for the hole",
    judge=f"lpips_{net}", side=_LPIPS_SIDE[net])),
  *_of_both("squeezenet", "lower", _SQUEEZENET, judge="squeezenet_caffe",
            side=squeezenet.MIN_SIDE),
  Metric("identity", "higher", FRAME, "cosine of face embeddings", judge="mobileface"),
  Metric("layout_miou", "higher", HOLE,
         "mIoU of the predicted layout over hole pixels, of the summed confusion", by_photo=False),
  Metric("layout_accuracy", "higher", HOLE,
         "share of hole pixels whose class the predicted layout has"),
  Metric("fid", "lower", FRAME, f"FID, {_INCEPTION}", judge="inception_fid", least=FID_LEAST,
         by_photo=False),
  Metric("kid", "lower", FRAME, f"KID, clean-fid's estimator on the {_INCEPTION}",
         judge="inception_fid", least=KID_LEAST, by_photo=False),
  Metric("p_ids", "higher", FRAME, f"paired inception discriminative score, {_INCEPTION}",
         judge="inception_fid", least=FID_LEAST, by_photo=False),
  Metric("u_ids", "higher", FRAME, f"unpaired inception discriminative score, {_INCEPTION}",
         judge="inception_fid", least=FID_LEAST, by_photo=False),
)  # fmt: skip
KEYS = tuple(metric.key for metric in METRICS)
SETS = ("fid", "kid", "p_ids", "u_ids")
"""Metrics of the features of a set of pictures."""
BY_PHOTO = tuple(metric.key for metric in METRICS if metric.by_photo)
_SSIMS = {f"frame_ssim_{name}": name for name in ssim.VARIANTS if name != ssim.USUAL}


def ssim_variant(key: str) -> str | None:
  """The SSIM variant that a key stands for, None if it is no `frame_ssim_<variant>`."""
  return _SSIMS.get(key)


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
    kinds = IDENTITY_JUDGES if metric.key == "identity" else (metric.judge,)
    if metric.judge and not found & set(kinds):
      reasons[metric.key] = missing(metric.judge)
    elif metric.key.endswith("_ids") and importlib.util.find_spec("sklearn") is None:
      reasons[metric.key] = "needs scikit-learn: pip install 'facefill_jax[eval]'"
    elif side < metric.side:
      reasons[metric.key] = f"needs pictures of {metric.side} px or more, these have {side}"
    elif metric.key.startswith("layout_") and not layouts:
      reasons[metric.key] = "this method predicts no layout"
    elif metric.key.startswith("layout_") and not labels:
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
