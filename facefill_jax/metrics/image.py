"""How close a filled picture is to the truth. Pure, batched: one value a photo.

Photos are float32 in [-1, 1], whose peak-to-peak range of 2 stands for 0..255. `where` is a mask,
True where pixels count; without it the whole frame counts. A photo in which no pixel counts gets
the value of a perfect picture, so drop such photos before averaging.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from facefill_jax.types import Mask, Photo

PEAK = 2.0
"""Peak-to-peak range of a photo in [-1, 1]."""
PSNR_CAP = 100.0
"""dB that identical pictures get: infinity would spoil every mean."""

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def l1(whole: Photo, truth: Photo, where: Mask | None = None) -> Float[Array, "b"]:
  """Mean absolute difference over channels and the pixels that count; 0 if there are none."""
  return _mean(jnp.abs(whole - truth), where, whole, truth)


def psnr(whole: Photo, truth: Photo, where: Mask | None = None) -> Float[Array, "b"]:
  """10 log10(PEAK^2 / mean squared difference over channels and the pixels that count), in dB.

  At most PSNR_CAP, which identical pictures get, and photos where no pixel counts.
  """
  error = _mean(jnp.square(whole - truth), where, whole, truth)
  return 10.0 * jnp.log10(PEAK**2 / jnp.maximum(error, PEAK**2 / 10.0 ** (PSNR_CAP / 10.0)))


def laplacian_energy(photo: Photo, where: Mask) -> Float[Array, "b"]:
  """Sum of squared Laplacians of the luma: how much fine detail there is; 0 if nothing counts.

  The ratio of a result's energy to the truth's is 1 for natural detail, near 0 for a smear, and
  far above 1 for noise or a checkerboard. Kernel (0 1 0; 1 -4 1; 0 1 0). A pixel counts if it and
  its four neighbours are in `where`, so that a step at the hole's rim is not taken for detail;
  pixels at the frame never count.
  """
  check_where(where, photo)
  luma = (photo.astype(jnp.float32) * jnp.array(_LUMA)).sum(axis=-1)  # b h w
  laplacian = sum(_neighbours(luma)) - 4.0 * luma[:, 1:-1, 1:-1]
  counts = where[:, 1:-1, 1:-1, 0]
  for neighbour in _neighbours(where[..., 0]):
    counts = jnp.logical_and(counts, neighbour)
  return jnp.where(counts, jnp.square(laplacian), 0.0).sum(axis=(1, 2))


def rim_error(whole: Photo, truth: Photo, mask: Mask) -> Float[Array, "b"]:
  """How far the steps across the hole's edge are from natural ones, on a scale of 0..1.

  The edge is made of all pairs of a known and a hidden pixel that are neighbours in a row or a
  column. The step of a pair is the difference of its two values in one channel. The error is the
  mean of | |step in whole| - |step in truth| | over pairs and channels, divided by PEAK: a seam is
  a step where the truth has none, a smear lacks those that it has. Signs do not count: a step the
  other way round is no more visible. 0 if the hole has no edge (no hole, or nothing else).

  This is our own measure. That seams show as gradients across the boundary is the reasoning of
  Perez et al., "Poisson image editing", SIGGRAPH 2003.
  """
  check_pair(whole, truth)
  check_where(mask, truth)
  total, count = 0.0, 0
  for axis in (1, 2):
    a, b = (jnp.abs(jnp.diff(x.astype(jnp.float32), axis=axis)) for x in (whole, truth))
    edge = jnp.diff(mask.astype(jnp.int8), axis=axis) != 0
    total += jnp.where(edge, jnp.abs(a - b), 0.0).sum(axis=(1, 2, 3))
    count += edge.sum(axis=(1, 2, 3))
  return total / (jnp.maximum(count, 1) * whole.shape[-1] * PEAK)


def _neighbours(x: Array) -> tuple[Array, Array, Array, Array]:
  """Above, below, left and right of the pixels inside a rim of one: b h w -> four b h-2 w-2."""
  return x[:, :-2, 1:-1], x[:, 2:, 1:-1], x[:, 1:-1, :-2], x[:, 1:-1, 2:]


def _mean(values: Array, where: Mask | None, whole: Photo, truth: Photo) -> Float[Array, "b"]:
  """Mean over channels and the pixels of `where`; 0 if there are none."""
  check_pair(whole, truth)
  if where is None:
    return values.mean(axis=(1, 2, 3))
  check_where(where, whole)
  count = jnp.maximum(where.sum(axis=(1, 2, 3)) * values.shape[-1], 1)
  return jnp.where(where, values, 0.0).sum(axis=(1, 2, 3)) / count


def check_pair(whole: Photo, truth: Photo) -> None:
  """Raises ValueError unless both are photos of one shape: broadcasting hides bugs."""
  if whole.shape != truth.shape or whole.ndim != 4 or whole.shape[-1] != 3:
    raise ValueError(f"two photos (b, h, w, 3) of one shape wanted: {whole.shape}, {truth.shape}")


def check_where(where: Mask, photo: Photo) -> None:
  """Raises ValueError unless the mask is bool and of the photo's shape."""
  if where.shape != (*photo.shape[:3], 1) or where.dtype != jnp.bool_:
    raise ValueError(
      f"mask must be bool {(*photo.shape[:3], 1)} for this photo, got {where.dtype} {where.shape}"
    )
