"""Structural similarity in the forms that papers of this field report, by name. Pure, batched.

    gaussian_11  Gaussian window 11 x 11 of sigma 1.5 on each RGB channel: Wang et al., 2004
    uniform_7    flat window 7 x 7 on each RGB channel, sample (co)variances n / (n - 1): what
                 scikit-image's `structural_similarity` does if nothing is asked for
    grey_51      flat window 51 x 51 on grey, sample (co)variances: what EdgeConnect's `metrics.py`
                 asks of scikit-image, and what many tables since then hold

Source: Wang et al., "Image quality assessment: from error visibility to structural similarity",
IEEE TIP 2004, eq. 13, K1 = .01, K2 = .03. Black is at 0: comparing means by their ratio, SSIM
changes with the zero point. They are three different numbers: of 50 faces of 256 px filled by
Telea's method, .929, .930 and .954 at 10-20 % hole, and .668, .658 and .564 at 50-60 %.

The value of a frame is the mean over the pixels whose window lies within it, as scikit-image's
`structural_similarity` has it (0.26.0: the same within 7e-7 on noisy and smooth 96 x 80 pictures).
The value of a hole is the mean over its pixels, and has to be defined at the frame's edges and for
a hole of one pixel: there the photos are mirrored at the edge (edge pixels twice), as in
scikit-image's map with `full=True` (the same within 5e-5 at every pixel; that is float32).
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from facefill_jax.metrics.image import check_pair, check_where
from facefill_jax.types import Mask, Photo


@dataclasses.dataclass(frozen=True)
class Variant:
  """One form of SSIM: radius of the window, sigma (None: flat), and whether on grey."""

  radius: int
  sigma: float | None
  grey: bool

  @property
  def side(self) -> int:
    return 2 * self.radius + 1


VARIANTS = {
  "gaussian_11": Variant(5, 1.5, grey=False),
  "uniform_7": Variant(3, None, grey=False),
  "grey_51": Variant(25, None, grey=True),
}
USUAL = "gaussian_11"
C1, C2 = 0.01**2, 0.03**2

_GREY = (0.2125, 0.7154, 0.0721)  # ITU-R BT.709, as scikit-image's `rgb2gray` rounds it


def choose(name: str) -> Variant:
  """The form of that name; ValueError naming all of them if there is none."""
  if name not in VARIANTS:
    raise ValueError(f"SSIM variant {name!r} is unknown; valid: {', '.join(VARIANTS)}")
  return VARIANTS[name]


def ssim(
  whole: Photo, truth: Photo, where: Mask | None = None, variant: str = USUAL
) -> Float[Array, "b"]:
  """Mean of `ssim_map` over channels and pixels.

  Args:
    whole, truth: photos in [-1, 1].
    where: the pixels that count, at the frame's edges too; 1 if there are none. Without it, those
      whose window lies within the frame.
    variant: one of VARIANTS.

  Raises:
    ValueError: as `ssim_map`; a mask that does not fit.
  """
  values = ssim_map(whole, truth, variant).mean(axis=-1, keepdims=True)  # b h w 1
  if where is None:
    r = VARIANTS[variant].radius
    return values[:, r:-r, r:-r].mean(axis=(1, 2, 3))
  check_where(where, whole)
  count = where.sum(axis=(1, 2, 3))
  total = jnp.where(where, values, 0.0).sum(axis=(1, 2, 3))
  return jnp.where(count > 0, total / jnp.maximum(count, 1), 1.0)


def ssim_map(whole: Photo, truth: Photo, variant: str = USUAL) -> Float[Array, "b h w c"]:
  """Similarity of the windows around each pixel; c is 3, or 1 on grey. See the top of the file.

  Raises:
    ValueError: shapes differ, a side is shorter than the window, or an unknown variant.
  """
  form = choose(variant)
  check_pair(whole, truth)
  if min(whole.shape[1:3]) < form.side:
    raise ValueError(f"SSIM {variant} needs at least {form.side} pixels a side, got {whole.shape}")
  # With mid-grey at 0 for now: squares are smaller, and so is what float32 loses of them.
  whole, truth = (x.astype(jnp.float32) / 2.0 for x in (whole, truth))
  if form.grey:
    grey = jnp.array(_GREY, jnp.float32)
    whole, truth = ((x * grey).sum(axis=-1, keepdims=True) for x in (whole, truth))
  # One filter pass over all five moments, stacked as channels.
  moments = (whole, truth, whole * whole, truth * truth, whole * truth)
  blurred = _window_means(jnp.concatenate(moments, axis=-1), form)
  mean_a, mean_b, square_a, square_b, product = jnp.split(blurred, 5, axis=-1)
  count = form.side**2
  unbiased = 1.0 if form.sigma else count / (count - 1)
  variances = unbiased * (square_a - mean_a**2 + square_b - mean_b**2)
  covariance = unbiased * (product - mean_a * mean_b)
  mean_a, mean_b = mean_a + 0.5, mean_b + 0.5  # black at 0
  likeness = (2 * mean_a * mean_b + C1) * (2 * covariance + C2)
  return likeness / ((mean_a**2 + mean_b**2 + C1) * (variances + C2))


def _window_means(x: Float[Array, "b h w c"], form: Variant) -> Float[Array, "b h w c"]:
  """Weighted means over the window around each pixel, the picture mirrored at its edges.

  Not a convolution: accelerators may round its inputs to bfloat16 or TF32, and variances here are
  small differences of large numbers.
  """
  r, side = form.radius, form.side
  x = jnp.pad(x, ((0, 0), (r, r), (r, r), (0, 0)), mode="symmetric")
  if form.sigma is None:
    for window in ((1, side, 1, 1), (1, 1, side, 1)):
      x = lax.reduce_window(x, 0.0, lax.add, window, (1, 1, 1, 1), "VALID") / side
    return x
  taps = np.exp(-0.5 * (np.arange(-r, r + 1) / form.sigma) ** 2)
  taps = (taps / taps.sum()).tolist()
  for axis in (1, 2):
    length = x.shape[axis] - 2 * r
    shifts = (slice(i, i + length) for i in range(side))
    rows = (x[:, s] if axis == 1 else x[:, :, s] for s in shifts)
    x = sum(tap * row for tap, row in zip(taps, rows, strict=True))
  return x
