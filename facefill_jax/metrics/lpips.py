"""LPIPS v0.1: the perceptual distance that papers report, with AlexNet, VGG16 or SqueezeNet 1.1.

Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
CVPR 2018, eq. 1, as the package `lpips` 0.1.4 computes it: photos in [-1, 1] are scaled by
ImageNet's statistics, the features behind five (SqueezeNet: seven) ReLUs are divided by their
length, squared differences are weighted by heads that were fitted to people's choices, and the
results of all taps are summed. Photos are scored at the size given; nothing is resized.

The networks are torchvision's: kernels, paddings, and pools that round up in SqueezeNet alone. A
distance with other weights (or with heads on Caffe's SqueezeNet) is not LPIPS.

Parity (tests/parity): with the same random weights and two pairs of 64 x 56 px photos, float32 on a
CPU, ours, that of `lpips` 0.1.4 on torchvision 0.29.2, and the largest relative differences of
distances and of maps:

    alex      .83353943   .83353955   1.4e-7   4.2e-7
    vgg       .64046466   .64046466   1.3e-7   7.7e-7
    squeeze   .86835253   .86835241   1.4e-7   1.6e-6
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from facefill_jax.types import Mask, Photo

Params = Mapping[str, Array]
"""name -> float32 array: kernels (h, w, in, out), biases and heads (c,); see `arrange`."""

SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
"""ImageNet's mean and deviation for photos in [-1, 1], with the decimals of the package."""
EPSILON = 1e-10  # added to the length of a feature, as in the package


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
NETS = {"alex": ALEX, "vgg": VGG, "squeeze": SQUEEZE}
MIN_SIDE = {"alex": 31, "vgg": 16, "squeeze": 25}
"""The smallest side for which every pool sees at least one whole window."""


def expected_shapes(net: str) -> dict[str, tuple[int, ...]]:
  """name -> shape of every array that `arrange` wants: torchvision's names, and the heads'.

  Kernels are (out, in, h, w). The heads are `lin0.model.1.weight` ... of shape (1, c, 1, 1).

  Raises:
    ValueError: `net` is not a name of NETS.
  """
  shapes, channels, taps = {}, 3, []
  for layer in _layers(net):
    if layer == TAP:
      taps.append(channels)
    for conv in _convolutions(layer):
      shapes[f"{conv.name}.weight"] = (conv.outputs, conv.inputs, conv.kernel, conv.kernel)
      shapes[f"{conv.name}.bias"] = (conv.outputs,)
      channels = 2 * conv.outputs if isinstance(layer, Fire) else conv.outputs
  return shapes | {_head(i): (1, count, 1, 1) for i, count in enumerate(taps)}


def arrange(stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Arrays as torch stores them -> `Params`: kernels (h, w, in, out), heads (c,)."""
  params = {}
  for name, x in stored.items():
    if name.startswith("lin"):
      x = x.reshape(-1)
    elif x.ndim == 4:
      x = x.transpose(2, 3, 1, 0)
    params[name] = np.ascontiguousarray(x, np.float32)
  return params


def lpips(
  params: Params, net: str, a: Photo, b: Photo, where: Mask | None = None
) -> Float[Array, "b"]:
  """The distance of two photos: 0 for the same, about .5 for unrelated ones.

  Args:
    params: from `arrange`.
    net: a name of NETS.
    a: in [-1, 1], sides of at least MIN_SIDE[net].
    b: the same shape.
    where: True where pixels count. Without it the package's scalar: each tap is averaged over its
      own positions. With it the mean of `lpips_map` over the pixels that count, 0 if none do: the
      features there have seen the surroundings, too.

  Raises:
    ValueError: an unknown net, shapes that differ, or photos that are too small.
  """
  if where is None:
    return sum(difference.mean(axis=(1, 2, 3)) for difference in _differences(params, net, a, b))
  if where.shape != (*a.shape[:3], 1) or where.dtype != jnp.bool_:
    raise ValueError(
      f"mask must be bool {(*a.shape[:3], 1)} for this photo, got {where.dtype} {where.shape}"
    )
  inside = where[..., 0]
  total = jnp.where(inside, lpips_map(params, net, a, b), 0.0).sum(axis=(1, 2))
  return total / jnp.maximum(inside.sum(axis=(1, 2)), 1)


def lpips_map(params: Params, net: str, a: Photo, b: Photo) -> Float[Array, "b h w"]:
  """The spatial variant: the sum of all taps' differences, each resized to the photo, bilinearly.

  Its mean over the frame is not exactly `lpips`: resizing repeats the outermost positions.
  """
  size = a.shape[1:3]
  return sum(
    jax.image.resize(difference[..., 0], (len(difference), *size), "linear", antialias=False)
    for difference in _differences(params, net, a, b)
  )


def _differences(params: Params, net: str, a: Photo, b: Photo) -> list[Array]:
  """(b, h', w', 1) of each tap: squared differences of unit features, weighted by its head."""
  if a.shape != b.shape or a.ndim != 4 or a.shape[-1] != 3:
    raise ValueError(f"two photos (b, h, w, 3) of one shape wanted: {a.shape}, {b.shape}")
  layers = _layers(net)
  if min(a.shape[1:3]) < MIN_SIDE[net]:
    raise ValueError(f"LPIPS with {net} needs sides from {MIN_SIDE[net]} px up, got {a.shape}")
  found = []
  for i, features in enumerate(_features(params, layers, jnp.concatenate((a, b)))):
    unit_a, unit_b = jnp.split(_unit_length(features), 2)
    found.append((jnp.square(unit_a - unit_b) * params[_head(i)]).sum(axis=-1, keepdims=True))
  return found


def _features(params: Params, layers: tuple, photo: Photo) -> Iterator[Array]:
  """The features (b, h', w', c) at each tap."""
  x = (photo.astype(jnp.float32) - jnp.array(SHIFT)) / jnp.array(SCALE)
  for layer in layers:
    if layer == TAP:
      yield x
    elif isinstance(layer, Pool):
      x = _max_pool(x, layer)
    elif isinstance(layer, Conv):
      x = _conv(params, layer, x)
    else:
      squeeze, narrow, wide = layer.convolutions()
      x = _conv(params, squeeze, x)
      x = jnp.concatenate((_conv(params, narrow, x), _conv(params, wide, x)), axis=-1)


def _layers(net: str) -> tuple:
  if net not in NETS:
    raise ValueError(f"unknown LPIPS network {net!r}; valid: {', '.join(NETS)}")
  return NETS[net]


def _convolutions(layer) -> tuple[Conv, ...]:
  if isinstance(layer, Conv):
    return (layer,)
  return layer.convolutions() if isinstance(layer, Fire) else ()


def _head(i: int) -> str:
  return f"lin{i}.model.1.weight"


def _unit_length(x: Array) -> Array:
  return x / (jnp.sqrt(jnp.square(x).sum(axis=-1, keepdims=True)) + EPSILON)


def _conv(params: Params, conv: Conv, x: Array) -> Array:
  y = lax.conv_general_dilated(
    x,
    params[f"{conv.name}.weight"],
    window_strides=(conv.stride, conv.stride),
    padding=((conv.pad, conv.pad),) * 2,
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
    precision=lax.Precision.HIGHEST,  # a score must not depend on the accelerator
  )
  return jnp.maximum(y + params[f"{conv.name}.bias"], 0.0)


def _max_pool(x: Array, pool: Pool) -> Array:
  # Rounding up, the last window hangs over the edge, where minus infinity never wins.
  over = tuple((0, (pool.round_up and (n - pool.size) % 2) * 1) for n in x.shape[1:3])
  window = (1, pool.size, pool.size, 1)
  return lax.reduce_window(x, -jnp.inf, lax.max, window, (1, 2, 2, 1), ((0, 0), *over, (0, 0)))
