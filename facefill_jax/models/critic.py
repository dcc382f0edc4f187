"""The critic of either stage: how real is this picture (or layout), given what it had to fit?"""

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from facefill_jax.models.layers import DownBlock, recomputed, space_to_depth

FINAL = 4  # the coarsest grid is at least FINAL x FINAL
LOCAL = 2  # levels whose cells have verdicts of their own, after that at 1/2: at 1/4 and 1/8


def _leaky(x):
  return nn.leaky_relu(x, 0.2)


@flax.struct.dataclass
class Verdict:
  """What a critic says of each candidate: verdicts of the whole and of its parts.

  A loss is a mean over `values` by `weights`, so that one that bends (hinge) bends at each part.
  """

  values: Array  # float32 b n, higher = more real
  weights: Array  # float32 b n, summing to 1

  def score(self) -> Float[Array, "b"]:
    """One number a candidate."""
    return (self.weights * self.values).sum(-1)


class Stem(nn.Module):
  """3x3 convolution at 1/2 over candidate ++ condition, in two parts that are summed.

  The parameters are those of one convolution over both. What several candidates must fit is looked
  at once, and no gradient is asked for what a candidate cannot change.
  """

  features: int
  dtype: jnp.dtype = jnp.float32

  @nn.compact
  def __call__(
    self, candidate: Float[Array, "nb h w c"], condition: Float[Array, "b h w e"]
  ) -> Float[Array, "nb hs ws f"]:
    c, both = candidate.shape[-1], candidate.shape[-1] + condition.shape[-1]
    shape = (3, 3, 4 * both, self.features)
    kernel = self.param("kernel", nn.initializers.lecun_normal(), shape).astype(self.dtype)
    bias = self.param("bias", nn.initializers.zeros, (self.features,)).astype(self.dtype)
    kernel = kernel.reshape(3, 3, 4, both, self.features)  # the sub-pixel, then the channel

    def conv(x, part):
      return jax.lax.conv_general_dilated(
        space_to_depth(x.astype(self.dtype), 2), part.reshape(3, 3, -1, self.features), (1, 1),
        ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC"),
      )  # fmt: skip

    seen = conv(condition, kernel[..., c:, :]) + bias
    return conv(candidate, kernel[..., :c, :]) + _for_each(candidate, seen)


def _for_each(candidates, x):
  """Rows of x, each as often in a row as there are candidates for it; devices keep their rows."""
  times = len(candidates) // len(x)
  repeated = jnp.broadcast_to(x[:, None], (len(x), times, *x.shape[1:]))
  return repeated.reshape(-1, *x.shape[1:])


class Critic(nn.Module):
  """Residual, without norms; as many levels as reach 4 x 4, the widest width repeated.

  Half of a verdict is that of the whole, from the last level; the other half is that of the cells
  at 1/2, 1/4 and 1/8 in which something could be changed, whose receptive fields are patches of
  about 10, 20 and 50 pixels (PatchGAN, Isola et al. 2017, arXiv 1611.07004): texture is judged
  where it is, by many verdicts a photo. The smallest know little but contrast, and say so soon.

  Parameters made for a large picture serve smaller ones too: their coarsest levels then rest, and
  begin as mere averaging when their time comes.

  Attributes:
    stem: channels at 1/2.
    widths: channels at 1/4, 1/8, 1/16; the last one also at each coarser level.
    remat: see `layers.recomputed`.
  """

  stem: int
  widths: tuple[int, ...]
  dtype: jnp.dtype = jnp.float32
  remat: bool = False

  @nn.compact
  def __call__(
    self,
    candidate: Float[Array, "nb h w c"],
    condition: Float[Array, "b h w e"],
    changeable: Bool[Array, "b h w 1"],
  ) -> tuple[Verdict, tuple]:
    """The verdict, and the features of each level.

    Args:
      candidate: what is judged: whole pictures in [-1, 1], or layouts (probabilities): one for each
        condition, or several, in a row.
      condition: what it must fit, the same for real and fake: mask, layout or known photo.
      changeable: where real and fake may differ: other cells have no verdict.
    """
    changeable = _for_each(candidate, changeable)
    x = Stem(self.stem, self.dtype, name="stem")(candidate, condition)
    near = nn.Conv(self.stem, (3, 3), padding=1, dtype=self.dtype, name="near")(_leaky(x))
    block = recomputed(DownBlock, self.remat)
    levels, parts, i = [], [_head(_leaky(near), "local_near")], 0
    while min(x.shape[1:3]) >= 2 * FINAL:
      extra = i >= len(self.widths)  # one that smaller pictures may leave idle
      width = self.widths[-1 if extra else i]
      down = block(
        width, normalise=False, idle=extra, act=_leaky, dtype=self.dtype, name=f"block_{i}"
      )
      x = down(x)
      levels.append(x)
      if i < LOCAL:
        parts.append(_head(_leaky(x), f"local_{i}"))
      i += 1
    x = nn.Conv(self.widths[-1], (FINAL, FINAL), padding="VALID", dtype=self.dtype, name="final")(
      _leaky(x)
    )
    return _verdict(_head(_leaky(x), "score"), parts, changeable), tuple(levels)


def _head(x, name):
  return nn.Dense(1, dtype=jnp.float32, name=name)(x.astype(jnp.float32))


def _verdict(whole, parts, changeable) -> Verdict:
  """Half the weight to the whole; the other half to the parts, alike to each level of them.

  Where nothing can be changed no part has a say, and all the weight is the whole's.
  """
  b = whole.shape[0]
  values = [whole.mean(axis=(1, 2))]  # b 1
  weights = [jnp.where(changeable.any((1, 2, 3)), 0.5, 1.0)[:, None]]
  for part in parts:  # b h w 1
    h, w = part.shape[1:3]
    share = changeable.reshape(b, h, changeable.shape[1] // h, w, -1).any((2, 4))
    share = share.reshape(b, h * w).astype(jnp.float32)
    share = share / jnp.maximum(share.sum(-1, keepdims=True), 1.0)
    values.append(part.reshape(b, h * w))
    weights.append(0.5 / len(parts) * share)
  return Verdict(jnp.concatenate(values, -1), jnp.concatenate(weights, -1))
