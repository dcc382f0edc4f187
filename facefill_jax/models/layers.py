"""Building blocks that several networks share: pixel shuffles, the masked norm, residual blocks."""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from facefill_jax import images
from facefill_jax.labels import MIRROR, NUM_CLASSES

GROUP_WIDTH = 16  # channels a normalisation group, at every size


def recomputed(module: type[nn.Module], remat: bool) -> type[nn.Module]:
  """The module; with `remat`, what it computes inside is not kept for the gradient but made again.

  Less memory, more time (Chen et al. 2016, arXiv 1604.06174). Parameters keep their names.
  """
  return nn.remat(module) if remat else module


def space_to_depth(x: Float[Array, "b h w c"], f: int) -> Float[Array, "b hs ws c2"]:
  """Folds f x f pixels into channels; the sub-pixel index is the slow part of the channel."""
  b, h, w, c = x.shape
  x = x.reshape(b, h // f, f, w // f, f, c).transpose(0, 1, 3, 2, 4, 5)
  return x.reshape(b, h // f, w // f, f * f * c)


def depth_to_space(x: Float[Array, "b h w c2"], f: int) -> Float[Array, "b hf wf c"]:
  """Inverse of `space_to_depth`."""
  b, h, w, c = x.shape
  x = x.reshape(b, h, w, f, f, c // (f * f)).transpose(0, 1, 3, 2, 4, 5)
  return x.reshape(b, h * f, w * f, c // (f * f))


def mirror_classes(x: Array, axis: int) -> Array:
  """x, its classes along `axis` as in the mirror image: left and right have changed places.

  A product with a permutation, exact: on a TPU, half the bytes of a gather.
  """
  swap = np.eye(NUM_CLASSES, dtype=np.float32)[MIRROR]
  return jnp.moveaxis(jnp.tensordot(x, swap, (axis, 0), precision="highest"), -1, axis)


def icnr(f: int) -> Callable:
  """Initialiser for a convolution before `depth_to_space(f)`: equal sub-pixels at the start.

  Without it the shuffle draws a checkerboard (Aitken et al. 2017, arXiv 1707.02937).
  """

  def init(key, shape, dtype=jnp.float32):
    one = nn.initializers.lecun_normal()(key, (*shape[:-1], shape[-1] // (f * f)), dtype)
    return jnp.tile(one, (1,) * (len(shape) - 1) + (f * f,))

  return init


class MaskedGroupNorm(nn.Module):
  """GroupNorm whose mean and variance weigh each position by how much of it is known.

  The zeros in a hole are not pixels and must not shift the statistics of the photo. Statistics
  are per photo and float32. Where nothing is known, all positions weigh the same.
  """

  dtype: jnp.dtype = jnp.float32
  affine: bool = True
  epsilon: float = 1e-5

  @nn.compact
  def __call__(
    self, x: Float[Array, "b h w c"], weight: Float[Array, "b h w 1"] | None = None
  ) -> Float[Array, "b h w c"]:
    b, h, w, c = x.shape
    groups = max(1, c // GROUP_WIDTH)
    x32 = x.astype(jnp.float32)
    if weight is None:
      share = jnp.full((b, 1, 1, 1), 1.0 / (h * w), jnp.float32)
    else:
      total = weight.sum((1, 2), keepdims=True)
      share = jnp.where(total > 0, weight / jnp.maximum(total, 1e-6), 1.0 / (h * w))

    def group_mean(values):  # b 1 1 c -> b 1 1 c, averaged over the channels of each group
      means = values.reshape(b, groups, c // groups).mean(-1, keepdims=True)
      return jnp.broadcast_to(means, (b, groups, c // groups)).reshape(b, 1, 1, c)

    mean = group_mean((share * x32).sum((1, 2), keepdims=True))
    variance = group_mean((share * jnp.square(x32 - mean)).sum((1, 2), keepdims=True))
    scale = jax.lax.rsqrt(variance + self.epsilon)
    shift = -mean * scale
    if self.affine:
      gamma = self.param("scale", nn.initializers.ones, (c,))
      bias = self.param("bias", nn.initializers.zeros, (c,))
      scale, shift = scale * gamma, shift * gamma + bias
    return (x32 * scale + shift).astype(self.dtype)


@jax.custom_vjp
def halving_conv(
  x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c f"]
) -> Float[Array, "b hs ws f"]:
  """3x3 convolution of stride 2, padding 1, whose gradients are those of a convolution of stride 1.

  That is the same convolution, 2x2 over cells of 2 x 2 pixels, its kernel padded with zeros to 4x4
  and folded. It is 1.8 times the arithmetic, but on a CPU XLA has no fast weight gradient where
  there are strides: a training step is up to 1.4 times as fast so, most of all its gradient
  penalty. Forward, the strides are as fast. Reverse mode only, of any order.
  """
  return jax.lax.conv_general_dilated(
    x, kernel, (2, 2), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
  )


def _folded_conv(x, kernel):
  """What `halving_conv` computes, over cells of 2 x 2 pixels."""
  c, f = kernel.shape[2:]
  cells = jnp.pad(kernel, ((1, 0), (1, 0), (0, 0), (0, 0))).reshape(2, 2, 2, 2, c, f)
  cells = cells.transpose(0, 2, 1, 3, 4, 5).reshape(2, 2, 4 * c, f)
  return jax.lax.conv_general_dilated(
    space_to_depth(x, 2), cells, (1, 1), ((1, 0), (1, 0)),
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
  )  # fmt: skip


def _halving_forward(x, kernel):
  return halving_conv(x, kernel), (x, kernel)


def _halving_backward(seen, gradient):
  return jax.vjp(_folded_conv, *seen)[1](gradient)


halving_conv.defvjp(_halving_forward, _halving_backward)


class HalvingConv(nn.Module):
  """`nn.Conv(features, (3, 3), strides=2, padding=1)`, by `halving_conv`."""

  features: int
  dtype: jnp.dtype = jnp.float32

  @nn.compact
  def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b hs ws f"]:
    shape = (3, 3, x.shape[-1], self.features)
    kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
    bias = self.param("bias", nn.initializers.zeros, (self.features,))
    return halving_conv(x.astype(self.dtype), kernel.astype(self.dtype)) + bias.astype(self.dtype)


class DownBlock(nn.Module):
  """Residual block that halves the picture: (norm) act conv3x3/2, (norm) act conv3x3, + 1x1 skip.

  `normalise` is True in encoders (masked norm) and False in critics, where a norm would tie the
  gradient penalty of one position to the others. `idle` blocks, which leave the width as it is,
  begin as mere averaging: they can be put into a trained network.
  """

  features: int
  normalise: bool = True
  idle: bool = False
  act: Callable = nn.silu
  dtype: jnp.dtype = jnp.float32

  @nn.compact
  def __call__(
    self, x: Float[Array, "b h w c"], known: Float[Array, "b h w 1"] | None = None
  ) -> Float[Array, "b hs ws f"]:
    def norm(y, weight):
      return MaskedGroupNorm(self.dtype)(y, weight) if self.normalise else y

    y = self.act(norm(x, known))
    y = HalvingConv(self.features, self.dtype, name="Conv_0")(y)
    known = None if known is None else images.area_shrink(known, 2)
    y = self.act(norm(y, known))
    init = nn.initializers.zeros if self.idle else nn.initializers.lecun_normal()
    conv = partial(nn.Conv, self.features, dtype=self.dtype)
    y = conv((3, 3), padding=1, kernel_init=init, name="Conv_1")(y)
    init = _identity if self.idle else nn.initializers.lecun_normal()
    skip = conv((1, 1), use_bias=False, kernel_init=init, name="Conv_2")
    return skip(images.area_shrink(x, 2)) + y


def _identity(key, shape, dtype=jnp.float32):
  return jnp.eye(shape[-1], dtype=dtype)[None, None]


class Upsample(nn.Module):
  """1x1 convolution, then depth-to-space by 2: half the time of nearest + 3x3 convolution."""

  features: int
  dtype: jnp.dtype = jnp.float32

  @nn.compact
  def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 f"]:
    x = nn.Conv(4 * self.features, (1, 1), kernel_init=icnr(2), dtype=self.dtype)(x)
    return depth_to_space(x, 2)
