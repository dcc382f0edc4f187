"""How close a filled picture is to the truth. Pure, batched: one value a photo.

Photos are float32 in [-1, 1], whose peak-to-peak range of 2 stands for 0..255. `where` is a mask,
True where pixels count; without it the whole frame counts. A photo in which no pixel counts gets
the value of a perfect picture, so drop such photos before averaging.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from facefill_jax.types import Mask, Photo

PEAK = 2.0
"""Peak-to-peak range of a photo in [-1, 1]."""
PSNR_CAP = 100.0
"""dB that identical pictures get: infinity would spoil every mean."""
SSIM_RIM = 5
"""Pixels at each side where the 11 x 11 window does not fit."""

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_TAPS = np.exp(-0.5 * (np.arange(-SSIM_RIM, SSIM_RIM + 1) / 1.5) ** 2)
_TAPS = (_TAPS / _TAPS.sum()).tolist()


def l1(whole: Photo, truth: Photo, where: Mask | None = None) -> Float[Array, "b"]:
  """Mean absolute difference over channels and the pixels that count; 0 if there are none."""
  return _mean(jnp.abs(whole - truth), where, whole, truth)


def psnr(whole: Photo, truth: Photo, where: Mask | None = None) -> Float[Array, "b"]:
  """10 log10(PEAK^2 / mean squared difference over channels and the pixels that count), in dB.

  At most PSNR_CAP, which identical pictures get, and photos where no pixel counts.
  """
  error = _mean(jnp.square(whole - truth), where, whole, truth)
  return 10.0 * jnp.log10(PEAK**2 / jnp.maximum(error, PEAK**2 / 10.0 ** (PSNR_CAP / 10.0)))


def ssim(whole: Photo, truth: Photo, where: Mask | None = None) -> Float[Array, "b"]:
  """Mean of `ssim_map` over channels and the pixels that count inside its rim; 1 if none do."""
  values = ssim_map(whole, truth)
  if where is None:
    return values.mean(axis=(1, 2, 3))
  _check_where(where, whole)
  inner = where[:, SSIM_RIM:-SSIM_RIM, SSIM_RIM:-SSIM_RIM]
  count = inner.sum(axis=(1, 2, 3))
  total = jnp.where(inner, values.mean(axis=-1, keepdims=True), 0.0).sum(axis=(1, 2, 3))
  return jnp.where(count > 0, total / jnp.maximum(count, 1), 1.0)


def ssim_map(whole: Photo, truth: Photo) -> Float[Array, "b hs ws 3"]:
  """Structural similarity around each pixel, per channel: h - 10 by w - 10, the rim cropped.

  Source: Wang et al., "Image quality assessment: from error visibility to structural similarity",
  IEEE TIP 2004, eq. 13: Gaussian window 11 x 11 of sigma 1.5, K1 = .01, K2 = .03; moments
  weighted by the window without the n / (n - 1) of a sample. On RGB channels, not on luma, with
  black at 0: comparing means by their ratio, SSIM changes with the zero point.

  Raises:
    ValueError: shapes differ, or a side is shorter than the window.
  """
  _check_pair(whole, truth)
  if min(whole.shape[1:3]) <= 2 * SSIM_RIM:
    raise ValueError(f"SSIM needs at least {2 * SSIM_RIM + 1} pixels a side, got {whole.shape}")
  c1, c2 = 0.01**2, 0.03**2
  whole, truth = ((x.astype(jnp.float32) + 1.0) / 2.0 for x in (whole, truth))
  # One filter pass over all five moments, stacked as channels.
  moments = (whole, truth, whole * whole, truth * truth, whole * truth)
  blurred = _gaussian(jnp.concatenate(moments, axis=-1))
  mean_a, mean_b, square_a, square_b, product = jnp.split(blurred, 5, axis=-1)
  variance_a, variance_b = square_a - mean_a**2, square_b - mean_b**2
  covariance = product - mean_a * mean_b
  likeness = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
  return likeness / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))


def laplacian_energy(photo: Photo, where: Mask) -> Float[Array, "b"]:
  """Sum of squared Laplacians of the luma: how much fine detail there is; 0 if nothing counts.

  The ratio of a result's energy to the truth's is 1 for natural detail, near 0 for a smear, and
  far above 1 for noise or a checkerboard. Kernel (0 1 0; 1 -4 1; 0 1 0). A pixel counts if it and
  its four neighbours are in `where`, so that a step at the hole's rim is not taken for detail;
  pixels at the frame never count.
  """
  _check_where(where, photo)
  luma = (photo.astype(jnp.float32) * jnp.array(_LUMA)).sum(axis=-1)  # b h w
  laplacian = sum(_neighbours(luma)) - 4.0 * luma[:, 1:-1, 1:-1]
  counts = where[:, 1:-1, 1:-1, 0]
  for neighbour in _neighbours(where[..., 0]):
    counts = jnp.logical_and(counts, neighbour)
  return jnp.where(counts, jnp.square(laplacian), 0.0).sum(axis=(1, 2))


def _neighbours(x: Array) -> tuple[Array, Array, Array, Array]:
  """Above, below, left and right of the pixels inside a rim of one: b h w -> four b h-2 w-2."""
  return x[:, :-2, 1:-1], x[:, 2:, 1:-1], x[:, 1:-1, :-2], x[:, 1:-1, 2:]


def _gaussian(x: Float[Array, "b h w c"]) -> Float[Array, "b hs ws c"]:
  """The SSIM window as two passes of shifted sums.

  Not a convolution: accelerators may round its inputs to bfloat16 or TF32, and variances here are
  small differences of large numbers.
  """
  for axis in (1, 2):
    length = x.shape[axis] - 2 * SSIM_RIM
    shifts = (slice(i, i + length) for i in range(len(_TAPS)))
    rows = (x[:, s] if axis == 1 else x[:, :, s] for s in shifts)
    x = sum(tap * row for tap, row in zip(_TAPS, rows, strict=True))
  return x


def _mean(values: Array, where: Mask | None, whole: Photo, truth: Photo) -> Float[Array, "b"]:
  """Mean over channels and the pixels of `where`; 0 if there are none."""
  _check_pair(whole, truth)
  if where is None:
    return values.mean(axis=(1, 2, 3))
  _check_where(where, whole)
  count = jnp.maximum(where.sum(axis=(1, 2, 3)) * values.shape[-1], 1)
  return jnp.where(where, values, 0.0).sum(axis=(1, 2, 3)) / count


def _check_pair(whole: Photo, truth: Photo) -> None:
  if whole.shape != truth.shape or whole.ndim != 4 or whole.shape[-1] != 3:
    raise ValueError(f"two photos (b, h, w, 3) of one shape wanted: {whole.shape}, {truth.shape}")


def _check_where(where: Mask, photo: Photo) -> None:
  if where.shape != (*photo.shape[:3], 1) or where.dtype != jnp.bool_:
    raise ValueError(
      f"mask must be bool {(*photo.shape[:3], 1)} for this photo, got {where.dtype} {where.shape}"
    )
