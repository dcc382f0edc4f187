"""Identity: an embedding of a face, whose cosine says how alike two faces are.

    similarity = (embed(params, filled) * embed(params, truth)).sum(axis=-1)      in [-1, 1]

Network: MobileFace Identification V3 of github.com/becauseofAI/MobileFace (MIT): 2.1 MB, 256
numbers a face; its authors report 95.5 % on LFW, so it is a light judge, not a strong one.
It was rebuilt from its own graph file: RGB, (x - 127.5) / 128, no norms but the last one.

Faces are not detected: a detector fails on just the faces that were filled badly. Both pictures
have the same frame, and of it the networks get the same square, CROP, in which a face framed as in
CelebA-HQ or FFHQ lies as in the 112 px template of ArcFace (medians of 1,192 faces' landmarks).
Faces framed otherwise give numbers that mean little.

Measured on 300 CelebA-HQ faces at 256 px: cosine of different people .04 +- .11 (99th percentile
.33); of a photo and its flip .93, itself turned by 5 degrees and shifted .75 (at least .53), in
other light and with noise .98, shrunk to 64 px and back .93; each time all 300 find themselves
among the 300. A crop 1.25 times as large, or .77 times, has different people at .29 or .37.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from facefill_jax.types import Photo

Params = Mapping[str, Array]
"""The names of `expected_shapes`; kernels (h, w, in, out). See `arrange`."""

SIDE = 112
CROP = (0.13, 0.74)
"""Left (and top) edge and side of the square that is looked at, as shares of the photo's side."""
WIDTHS = (32, 32, 64, 128)
"""Channels of the four units, each at half the resolution of the one before."""
NORM_EPSILON = 1e-3  # of MXNet's BatchNorm


def expected_shapes() -> dict[str, tuple[int, ...]]:
  """name -> shape of every array that `arrange` wants, as in the authors' file: (out, in, h, w)."""
  shapes, inputs = {"conv1_weight": (32, 3, 3, 3), "prelu1_gamma": (32,)}, 32
  for stage, width in enumerate(WIDTHS, start=1):
    unit = f"stage{stage}_unit1"
    shapes[f"{unit}_conv0_0_weight"] = (width, inputs, 1, 1)
    for part in ("conv0_1", "conv1", "conv2"):
      shapes[f"{unit}_{part}_weight"] = (width, 1, 3, 3)
    for part in ("prelu0", "prelu1", "prelu2"):
      shapes[f"{unit}_{part}_gamma"] = (width,)
    inputs = width
  shapes["fc5_weight"] = (256, inputs * 4 * 4)
  return shapes | {
    f"batchnorm0_{part}": (256,) for part in ("gamma", "beta", "moving_mean", "moving_var")
  }


def arrange(stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Arrays as the authors store them -> `Params`."""
  params = {
    name: np.ascontiguousarray(x.transpose(2, 3, 1, 0) if x.ndim == 4 else x, np.float32)
    for name, x in stored.items()
  }
  # Flattened there as (c, h, w), here as (h, w, c).
  dense = params["fc5_weight"].reshape(256, WIDTHS[-1], 4, 4).transpose(2, 3, 1, 0)
  params["fc5_weight"] = np.ascontiguousarray(dense.reshape(-1, 256))
  return params


def embed(params: Params, photo: Photo) -> Float[Array, "b 256"]:
  """The embedding of each face, of length 1.

  Args:
    params: from `arrange`.
    photo: in [-1, 1], square, framed as in CelebA-HQ; see the top of the file.
  """
  x = crop(photo) * (127.5 / 128)
  x = _prelu(_conv(x, params["conv1_weight"], stride=2), params["prelu1_gamma"])
  for stage in range(1, len(WIDTHS) + 1):
    weight, gamma = (
      lambda part, end=end, unit=f"stage{stage}_unit1": params[f"{unit}_{part}_{end}"]
      for end in ("weight", "gamma")
    )
    x = _conv(x, weight("conv0_0"))
    x = _prelu(_conv(x, weight("conv0_1"), stride=2), gamma("prelu0"))
    y = _prelu(_conv(x, weight("conv1")), gamma("prelu1"))
    x = x + _prelu(_conv(y, weight("conv2")), gamma("prelu2"))  # at last b 4 4 128
  x = jnp.matmul(x.reshape(len(x), -1), params["fc5_weight"], precision=lax.Precision.HIGHEST)
  gain = params["batchnorm0_gamma"] * lax.rsqrt(params["batchnorm0_moving_var"] + NORM_EPSILON)
  x = (x - params["batchnorm0_moving_mean"]) * gain + params["batchnorm0_beta"]
  return unit_length(x)


def crop(photo: Photo) -> Float[Array, "b 112 112 3"]:
  """The square CROP of each photo, resized bilinearly, antialiased where it shrinks.

  Raises:
    ValueError: not (b, h, h, 3).
  """
  if photo.ndim != 4 or photo.shape[-1] != 3 or photo.shape[1] != photo.shape[2]:
    raise ValueError(f"square photos (b, h, h, 3) wanted, got {photo.shape}")
  start, share = CROP
  zoom = SIDE / (share * photo.shape[1])
  return jax.image.scale_and_translate(
    photo.astype(jnp.float32),
    (len(photo), SIDE, SIDE, 3),
    spatial_dims=(1, 2),
    scale=jnp.full(2, zoom, jnp.float32),
    translation=jnp.full(2, -start * SIDE / share, jnp.float32),
    method="linear",
  )


def unit_length(x: Float[Array, "b d"]) -> Float[Array, "b d"]:
  return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def _prelu(x: Array, slope: Array) -> Array:
  return jnp.where(x > 0, x, slope * x)


def _conv(x: Array, kernel: Array, stride: int = 1) -> Array:
  """Padded by half its kernel; a kernel for one input channel is applied to each by itself."""
  pad, groups = kernel.shape[0] // 2, x.shape[-1] // kernel.shape[2]
  return lax.conv_general_dilated(
    x,
    kernel,
    window_strides=(stride, stride),
    padding=((pad, pad), (pad, pad)),
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
    feature_group_count=groups,
    precision=lax.Precision.HIGHEST,  # a score must not depend on the accelerator
  )
