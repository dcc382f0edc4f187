"""The critic of either stage: how real is this picture (or layout), given what it had to fit?"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from facefill_jax.models.layers import DownBlock, space_to_depth

FINAL = 4  # the coarsest grid is at least FINAL x FINAL


def _leaky(x):
  return nn.leaky_relu(x, 0.2)


class Critic(nn.Module):
  """Residual, without norms; as many levels as reach 4 x 4, the widest width repeated.

  Attributes:
    stem: channels at 1/2.
    widths: channels at 1/4, 1/8, 1/16; the last one also at each coarser level.
  """

  stem: int
  widths: tuple[int, ...]
  dtype: jnp.dtype = jnp.float32

  @nn.compact
  def __call__(
    self, candidate: Float[Array, "b h w c"], condition: Float[Array, "b h w e"]
  ) -> tuple[Float[Array, "b"], tuple]:
    """Scores float32 (b,), higher = more real, and the features of each level.

    Args:
      candidate: what is judged: a whole picture in [-1, 1], or a layout (probabilities).
      condition: what it must fit, the same for real and fake: mask, layout or known photo.
    """
    x = jnp.concatenate([candidate, condition.astype(candidate.dtype)], axis=-1)
    x = space_to_depth(x.astype(self.dtype), 2)
    x = nn.Conv(self.stem, (3, 3), padding=1, dtype=self.dtype, name="stem")(x)
    levels, i = [], 0
    while min(x.shape[1:3]) >= 2 * FINAL:
      width = self.widths[min(i, len(self.widths) - 1)]
      x = DownBlock(width, normalise=False, act=_leaky, dtype=self.dtype, name=f"block_{i}")(x)
      levels.append(x)
      i += 1
    x = nn.Conv(self.widths[-1], (FINAL, FINAL), padding="VALID", dtype=self.dtype, name="final")(
      _leaky(x)
    )
    scores = nn.Dense(1, dtype=jnp.float32, name="score")(_leaky(x).astype(jnp.float32))
    return scores.mean(axis=(1, 2, 3)), tuple(levels)
