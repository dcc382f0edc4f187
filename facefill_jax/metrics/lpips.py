"""LPIPS v0.1: the perceptual distance that papers report, with AlexNet, VGG16 or SqueezeNet 1.1.

Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
CVPR 2018, eq. 1, as the package `lpips` 0.1.4 computes it: photos in [-1, 1] are scaled by
ImageNet's statistics, the features behind five (SqueezeNet: seven) ReLUs are divided by their
length, squared differences are weighted by heads that were fitted to people's choices, and the
results of all taps are summed. Photos are scored at the size given; nothing is resized.

The networks are torchvision's, see `backbones`. A distance with other weights (or with heads on
Caffe's SqueezeNet) is not LPIPS.

Parity (tests/parity): with the same random weights and two pairs of 64 x 56 px photos, float32 on a
CPU, ours, that of `lpips` 0.1.4 on torchvision 0.29.2, and the largest relative differences of
distances and of maps:

    alex      .83353943   .83353955   1.4e-7   4.2e-7
    vgg       .64046466   .64046466   1.3e-7   7.7e-7
    squeeze   .86835253   .86835241   1.4e-7   1.6e-6
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from facefill_jax.pretrained_nets import torchvision_nets
from facefill_jax.pretrained_nets.lpips_nets import head, layers_of
from facefill_jax.pretrained_nets.torchvision_nets import MIN_SIDE
from facefill_jax.types import Mask, Photo

Params = Mapping[str, Array]
"""name -> float32 array: kernels (h, w, in, out), biases and heads (c,); see `arrange`."""

EPSILON = 1e-10  # added to the length of a feature, as in the package


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
  layers = layers_of(net)
  if min(a.shape[1:3]) < MIN_SIDE[net]:
    raise ValueError(f"LPIPS with {net} needs sides from {MIN_SIDE[net]} px up, got {a.shape}")
  found = []
  for i, features in enumerate(torchvision_nets.features(params, layers, jnp.concatenate((a, b)))):
    unit_a, unit_b = jnp.split(_unit_length(features), 2)
    found.append((jnp.square(unit_a - unit_b) * params[head(i)]).sum(axis=-1, keepdims=True))
  return found


def _unit_length(x: Array) -> Array:
  return x / (jnp.sqrt(jnp.square(x).sum(axis=-1, keepdims=True)) + EPSILON)
