"""The CNN branch: local texture at 1/2, 1/4, 1/8 and 1/16 of the photo."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from facefill_jax import images
from facefill_jax.models.layers import DownBlock, recomputed, space_to_depth
from facefill_jax.types import Mask


class CnnBranch(nn.Module):
  """Space-to-depth stem, then three residual stride-2 blocks (the paper's "three residual blocks").

  The stem halves the photo too: "three stride-2 blocks" and "four upsampling blocks" agree only so
  (our reading). Norm statistics ignore the hole.

  Attributes:
    stem: channels at 1/2.
    widths: channels at 1/4, 1/8, 1/16.
    remat: see `layers.recomputed`.
  """

  stem: int
  widths: tuple[int, ...]
  dtype: jnp.dtype = jnp.float32
  remat: bool = False

  @nn.compact
  def __call__(
    self, x: Float[Array, "b h w c"], mask: Mask
  ) -> tuple[Float[Array, "b hs ws c"], ...]:
    """Features at 1/2, 1/4, 1/8, 1/16. x: what is seen, the hole already hidden."""
    known = images.known_fraction(mask, 2)
    x = space_to_depth(x.astype(self.dtype), 2)
    x = nn.Conv(self.stem, (3, 3), padding=1, dtype=self.dtype, name="stem")(x)
    scales = [x]
    block = recomputed(DownBlock, self.remat)
    for i, width in enumerate(self.widths):
      x = block(width, dtype=self.dtype, name=f"block_{i}")(x, known)
      known = images.area_shrink(known, 2)
      scales.append(x)
    return tuple(scales)
