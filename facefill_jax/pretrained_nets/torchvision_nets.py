"""torchvision's AlexNet, VGG16 and SqueezeNet 1.1, as far as features are taken from them.

Their names of arrays, kernels, paddings, pools (which round up in SqueezeNet alone) and ImageNet's
statistics, for photos in [-1, 1]. LPIPS measures with them; VGG16 can be a perceptual loss, too.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from facefill_jax.types import Photo

Params = Mapping[str, Array]
"""name -> float32 array: kernels (h, w, in, out) and biases (c,); see `arrange`."""

SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
"""ImageNet's mean and deviation for photos in [-1, 1], with the decimals of the package `lpips`;
torchvision's (.485, .456, .406) and (.229, .224, .225), for [0, 1], are the same."""


class Conv(NamedTuple):
  """A convolution and its ReLU."""

  name: str
  inputs: int
  outputs: int
  kernel: int = 3
  stride: int = 1
  pad: int = 1


class Fire(NamedTuple):
  """SqueezeNet's module: 1 x 1 to `squeezed` channels, then 1 x 1 and 3 x 3 side by side."""

  name: str
  inputs: int
  squeezed: int
  expanded: int  # channels of each of the two

  def convolutions(self) -> tuple[Conv, Conv, Conv]:
    return (
      Conv(f"{self.name}.squeeze", self.inputs, self.squeezed, kernel=1, pad=0),
      Conv(f"{self.name}.expand1x1", self.squeezed, self.expanded, kernel=1, pad=0),
      Conv(f"{self.name}.expand3x3", self.squeezed, self.expanded),
    )


class Pool(NamedTuple):
  """A max pool of stride 2."""

  size: int = 3
  round_up: bool = False


TAP = "tap"
"""Marks where features are taken."""

ALEX = (
  Conv("features.0", 3, 64, kernel=11, stride=4, pad=2), TAP, Pool(),
  Conv("features.3", 64, 192, kernel=5, pad=2), TAP, Pool(),
  Conv("features.6", 192, 384), TAP, Conv("features.8", 384, 256), TAP,
  Conv("features.10", 256, 256), TAP,
)  # fmt: skip
VGG = (
  Conv("features.0", 3, 64), Conv("features.2", 64, 64), TAP, Pool(2),
  Conv("features.5", 64, 128), Conv("features.7", 128, 128), TAP, Pool(2),
  Conv("features.10", 128, 256), Conv("features.12", 256, 256), Conv("features.14", 256, 256),
  TAP, Pool(2),
  Conv("features.17", 256, 512), Conv("features.19", 512, 512), Conv("features.21", 512, 512),
  TAP, Pool(2),
  Conv("features.24", 512, 512), Conv("features.26", 512, 512), Conv("features.28", 512, 512),
  TAP,
)  # fmt: skip
SQUEEZE = (
  Conv("features.0", 3, 64, stride=2, pad=0), TAP, Pool(round_up=True),
  Fire("features.3", 64, 16, 64), Fire("features.4", 128, 16, 64), TAP, Pool(round_up=True),
  Fire("features.6", 128, 32, 128), Fire("features.7", 256, 32, 128), TAP, Pool(round_up=True),
  Fire("features.9", 256, 48, 192), TAP, Fire("features.10", 384, 48, 192), TAP,
  Fire("features.11", 384, 64, 256), TAP, Fire("features.12", 512, 64, 256), TAP,
)  # fmt: skip
VGG_TO_4 = VGG[: [i for i, layer in enumerate(VGG) if layer == TAP][3] + 1]
"""As far as relu4_3."""
NETS = {"alex": ALEX, "vgg": VGG, "squeeze": SQUEEZE}
MIN_SIDE = {"alex": 31, "vgg": 16, "squeeze": 25}
"""The smallest side for which every pool sees at least one whole window."""


def expected_shapes(layers: tuple) -> dict[str, tuple[int, ...]]:
  """name -> shape of the arrays of all convolutions, torchvision's; kernels are (out, in, h, w)."""
  found = [conv for layer in layers for conv in _convolutions(layer)]
  shapes = {}
  for conv in found:
    shapes[f"{conv.name}.weight"] = (conv.outputs, conv.inputs, conv.kernel, conv.kernel)
    shapes[f"{conv.name}.bias"] = (conv.outputs,)
  return shapes


def tapped_channels(layers: tuple) -> list[int]:
  """Channels of the features at each tap."""
  found, channels = [], 3
  for layer in layers:
    if layer == TAP:
      found.append(channels)
    for conv in _convolutions(layer):
      channels = 2 * conv.outputs if isinstance(layer, Fire) else conv.outputs
  return found


def arrange(stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Arrays as torch stores them -> `Params`."""
  return {
    name: np.ascontiguousarray(x.transpose(2, 3, 1, 0) if x.ndim == 4 else x, np.float32)
    for name, x in stored.items()
  }


def vgg16_features(
  params: Params, photo: Photo, dtype: jnp.dtype = jnp.float32
) -> tuple[Array, ...]:
  """relu1_2, relu2_2, relu3_3 and relu4_3 of VGG16 (Simonyan and Zisserman 2015, arXiv 1409.1556).

  The layers of Johnson et al. 2016 (arXiv 1603.08155), as a perceptual loss.

  Args:
    params: from `arrange`, of VGG_TO_4 or more.
    photo: in [-1, 1], sides of 8 or more.
    dtype: of the convolutions and of the result.

  Returns:
    (b, h', w', c): 64, 128, 256, 512 channels at 1, 1/2, 1/4, 1/8 of the photo.

  Raises:
    ValueError: not a photo, or too small.
  """
  if photo.ndim != 4 or photo.shape[-1] != 3 or min(photo.shape[1:3]) < 8:
    raise ValueError(f"photo must be (b, h, w, 3), sides from 8 up, got {photo.shape}")
  return tuple(features(params, VGG_TO_4, photo, lax.Precision.DEFAULT, dtype))


def features(
  params: Params,
  layers: tuple,
  photo: Photo,
  precision: lax.Precision = lax.Precision.HIGHEST,
  dtype: jnp.dtype = jnp.float32,
) -> Iterator[Array]:
  """The features (b, h', w', c) at each tap.

  Args:
    precision: of convolutions; a score must not depend on the accelerator.
    dtype: of convolutions and features.
  """
  x = ((photo.astype(jnp.float32) - jnp.array(SHIFT)) / jnp.array(SCALE)).astype(dtype)
  for layer in layers:
    if layer == TAP:
      yield x
    elif isinstance(layer, Pool):
      x = _max_pool(x, layer)
    elif isinstance(layer, Conv):
      x = _conv(params, layer, x, precision)
    else:
      squeeze, narrow, wide = layer.convolutions()
      x = _conv(params, squeeze, x, precision)
      x = jnp.concatenate([_conv(params, conv, x, precision) for conv in (narrow, wide)], axis=-1)


def _convolutions(layer) -> tuple[Conv, ...]:
  if isinstance(layer, Conv):
    return (layer,)
  return layer.convolutions() if isinstance(layer, Fire) else ()


def _conv(params: Params, conv: Conv, x: Array, precision) -> Array:
  """Sums, bias and rectifier in float32. In bfloat16 XLA:CPU of jax 0.11 and 0.12 gives garbage."""
  y = lax.conv_general_dilated(
    x,
    jnp.asarray(params[f"{conv.name}.weight"], x.dtype),
    window_strides=(conv.stride, conv.stride),
    padding=((conv.pad, conv.pad),) * 2,
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
    precision=precision,
    preferred_element_type=jnp.float32,
  )
  return jnp.maximum(y + params[f"{conv.name}.bias"], 0).astype(x.dtype)


def _max_pool(x: Array, pool: Pool) -> Array:
  # Rounding up, the last window hangs over the edge, where minus infinity never wins.
  over = tuple((0, (pool.round_up and (n - pool.size) % 2) * 1) for n in x.shape[1:3])
  window = (1, pool.size, pool.size, 1)
  return lax.reduce_window(x, -jnp.inf, lax.max, window, (1, 2, 2, 1), ((0, 0), *over, (0, 0)))
