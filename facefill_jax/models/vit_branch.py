"""The ViT branch: the whole face at once, so that structure reaches across a large hole."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from facefill_jax.models.layers import recomputed, space_to_depth

PATCH = 16
TABLE = 16  # side of the table of positions: 256 px / PATCH


class TransformerBlock(nn.Module):
  """Pre-norm attention and MLP (Dosovitskiy et al. 2021, arXiv 2010.11929)."""

  heads: int
  dtype: jnp.dtype = jnp.float32

  @nn.compact
  def __call__(self, x: Float[Array, "b n c"]) -> Float[Array, "b n c"]:
    b, n, c = x.shape
    y = nn.LayerNorm(dtype=self.dtype, name="norm_attention")(x)
    qkv = nn.Dense(3 * c, dtype=self.dtype, name="qkv")(y)
    q, k, v = jnp.moveaxis(qkv.reshape(b, n, 3, self.heads, c // self.heads), 2, 0)  # b n k d
    y = jax.nn.dot_product_attention(q, k, v).reshape(b, n, c)
    x = x + nn.Dense(c, dtype=self.dtype, name="out")(y)
    y = nn.LayerNorm(dtype=self.dtype, name="norm_mlp")(x)
    y = nn.gelu(nn.Dense(4 * c, dtype=self.dtype, name="mlp_in")(y))
    return x + nn.Dense(c, dtype=self.dtype, name="mlp_out")(y)


class VitBranch(nn.Module):
  """Patch embedding + learned positions + transformer blocks, at 1/16 of the photo.

  One 16 x 16 table of positions serves every resolution (resized in the forward pass), so that
  weights and optimiser moments carry over from one resolution to the next.
  """

  width: int
  layers: int
  heads: int
  dtype: jnp.dtype = jnp.float32
  remat: bool = False  # see `layers.recomputed`

  @nn.compact
  def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b hf wf width"]:
    x = space_to_depth(x.astype(self.dtype), PATCH)
    x = nn.Dense(self.width, dtype=self.dtype, name="patch")(x)
    b, h, w, c = x.shape
    table = self.param("positions", nn.initializers.normal(0.02), (TABLE, TABLE, c))
    positions = jax.image.resize(table, (h, w, c), "bilinear")
    x = (x + positions.astype(self.dtype)).reshape(b, h * w, c)
    block = recomputed(TransformerBlock, self.remat)
    for i in range(self.layers):
      x = block(self.heads, self.dtype, name=f"block_{i}")(x)
    return nn.LayerNorm(dtype=self.dtype, name="norm")(x).reshape(b, h, w, c)
