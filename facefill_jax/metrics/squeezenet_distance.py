"""A perceptual distance by SqueezeNet 1.1 with equal channel weights: not LPIPS.

Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR
2018, eq. 1, at the taps that its SqueezeNet variant uses. LPIPS proper has channel weights that
were fitted to people's choices, on another release of the network.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

EPSILON = 1e-6  # under the root of a feature's squared length; lengths here are 1 to 1000


def perceptual_distance(
  features_a: Sequence[Array],
  features_b: Sequence[Array],
  weights: Sequence[Array] | None = None,
) -> Float[Array, "b"]:
  """How far apart two sets of feature maps are: 0 for the same photo. Differentiable.

  At each position both features are divided by their length; the squared differences are
  weighted over channels, meaned over positions, and summed over taps.

  Args:
    features_a: feature maps (b, h', w', c), as many as there are taps.
    features_b: the same shapes.
    weights: one (c,) a tap; 1 / c without it.

  Raises:
    ValueError: the shapes of the maps or weights do not agree.
  """
  return sum(x.mean(axis=(1, 2)) for x in _differences(features_a, features_b, weights))


def distance_map(
  features_a: Sequence[Array],
  features_b: Sequence[Array],
  size: tuple[int, int],
  weights: Sequence[Array] | None = None,
) -> Float[Array, "b h w"]:
  """`perceptual_distance` before its mean: every tap's map resized to `size`, and their sum.

  Bilinear, as the spatial form of LPIPS is; its mean is the distance but for that resizing.
  """
  differences = _differences(features_a, features_b, weights)
  return sum(jax.image.resize(x, (len(x), *size), "linear") for x in differences)


def hole_distance(
  features_a: Sequence[Array], features_b: Sequence[Array], mask: Bool[Array, "b h w 1"]
) -> Float[Array, "b"]:
  """Mean of `distance_map`, at the mask's size, over hole pixels; 0 if there are none."""
  found = distance_map(features_a, features_b, mask.shape[1:3])[..., None]
  return jnp.where(mask, found, 0.0).sum((1, 2, 3)) / jnp.maximum(mask.sum((1, 2, 3)), 1)


def _differences(features_a, features_b, weights) -> list[Array]:
  """(b, h', w') of each tap: squared differences of unit features, weighted over channels."""
  shapes_a, shapes_b = [a.shape for a in features_a], [b.shape for b in features_b]
  if shapes_a != shapes_b:
    raise ValueError(f"feature maps differ in shape: {shapes_a} and {shapes_b}")
  if weights is None:
    weights = [np.full(s[-1], 1.0 / s[-1], np.float32) for s in shapes_a]
  if [w.shape for w in weights] != [s[-1:] for s in shapes_a]:
    raise ValueError(f"weights {[w.shape for w in weights]} do not fit feature maps {shapes_a}")
  return [
    (jnp.square(_unit_length(a) - _unit_length(b)) * weight).sum(axis=-1)
    for a, b, weight in zip(features_a, features_b, weights, strict=True)
  ]


def _unit_length(x: Array) -> Array:
  """Divides each feature by its length over channels, in float32; zeros stay zeros."""
  x = x.astype(jnp.float32)
  return x * lax.rsqrt(jnp.square(x).sum(axis=-1, keepdims=True) + EPSILON)
