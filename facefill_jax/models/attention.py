"""Multi-scale contextual attention: the hole reads from the known part of the photo, only.

The idea of contextual attention is DeepFill's (Yu et al. 2018, arXiv 1801.07892); this form is
ours. Scores are computed between cells of a fixed budget, so the cost grows linearly with
the pixels; the values that travel are the cells' unpooled features: detail, not averages.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from facefill_jax import images
from facefill_jax.models.layers import depth_to_space, space_to_depth

_NEVER = -1e30  # exp(_NEVER - anything the network says) is exactly 0 in float32


def pooling_factor(h: int, w: int, max_keys: int) -> int:
  """The smallest power of two p for which a grid of p x p cells over h x w fits the budget."""
  p = 1
  while -(-h // p) * -(-w // p) > max_keys:
    p *= 2
  return p


def _pad_to_multiple(x: Float[Array, "b h w c"], p: int) -> Float[Array, "b hp wp c"]:
  return jnp.pad(x, ((0, 0), (0, -x.shape[1] % p), (0, -x.shape[2] % p), (0, 0)))


class ContextualAttention(nn.Module):
  """Attention from everywhere to what is known, added to the queries' features.

  A cell without a known pixel is excluded exactly; one that is partly known carries
  log(known fraction); a learned null key takes over where nothing is known. Queries and keys see
  the layout, so that skin attends to skin.

  Attributes:
    max_keys: budget of cells; 256 keys or 1024 ("paper").
    heads: number of heads.
    head_width: width of queries, keys and (per unpooled position) values of one head.
    pool_values: ablation only: values are the cells' means.
  """

  max_keys: int
  heads: int = 4
  head_width: int = 32
  pool_values: bool = False
  dtype: jnp.dtype = jnp.float32

  @nn.compact
  def __call__(
    self,
    x: Float[Array, "b h w c"],
    source: Float[Array, "b h w e"],
    known: Float[Array, "b h w 1"],
    layout: Float[Array, "b h w k"],
  ) -> Float[Array, "b h w c"]:
    """Args:
      x: features that ask, of the decoder.
      source: features that answer, of the encoder; never read where `known` is 0.
      known: float32, known fraction of each position, 0..1.
      layout: probabilities at this scale.

    Returns:
      x plus what was read, same shape and dtype as x.
    """
    b, h, w, c = x.shape
    heads, d = self.heads, self.head_width
    p = pooling_factor(h, w, self.max_keys)
    source = jnp.where(known > 0, source, 0).astype(jnp.float32)
    asks, source, known, layout = (_pad_to_multiple(y, p) for y in (x, source, known, layout))
    hp, wp = known.shape[1:3]
    hc, wc = hp // p, wp // p
    cell_known = images.area_shrink(known, p)  # b hc wc 1
    weight = jnp.where(cell_known > 0, 1.0 / jnp.maximum(cell_known, 1e-6), 0.0)
    key_cells = images.area_shrink(known * jnp.concatenate([source, layout], -1), p) * weight
    query_cells = images.area_shrink(jnp.concatenate([asks.astype(jnp.float32), layout], -1), p)

    def project(cells, name, split):  # features normalised, then joined with the layout again
      features = nn.LayerNorm(dtype=self.dtype, name=f"{name}_norm")(cells[..., :split])
      joined = jnp.concatenate([features, cells[..., split:].astype(self.dtype)], -1)
      return nn.Dense(heads * d, dtype=self.dtype, name=name)(joined).reshape(b, hc * wc, heads, d)

    q = project(query_cells, "query", c)
    k = project(key_cells, "key", source.shape[-1])
    mean_source = jnp.repeat(jnp.repeat(key_cells[..., : source.shape[-1]], p, 1), p, 2)
    values = mean_source if self.pool_values else jnp.where(known > 0, source, mean_source)
    v = nn.Dense(heads * d, dtype=self.dtype, name="value")(values.astype(self.dtype))
    v = space_to_depth(v, p).reshape(b, hc * wc, p * p, heads, d)

    null_key = self.param("null_key", nn.initializers.normal(0.02), (heads, d))
    null_value = self.param("null_value", nn.initializers.zeros, (heads, d))
    scores = jnp.einsum("bqkd,bnkd->bkqn", q, k, preferred_element_type=jnp.float32)
    fraction = cell_known.reshape(b, 1, 1, hc * wc)
    scores = scores * d**-0.5 + jnp.log(jnp.maximum(fraction, 1e-6))
    scores = jnp.where(fraction > 0, scores, _NEVER)
    null = jnp.einsum("bqkd,kd->bkq", q, null_key.astype(q.dtype)).astype(jnp.float32) * d**-0.5
    attention = jax.nn.softmax(jnp.concatenate([scores, null[..., None]], -1), axis=-1)
    read = jnp.einsum("bkqn,bnpkd->bqpkd", attention[..., :-1].astype(self.dtype), v)
    nothing = attention[..., -1].transpose(0, 2, 1)[:, :, None, :, None]  # b q 1 k 1
    read = read + (nothing * null_value).astype(self.dtype)
    read = depth_to_space(read.reshape(b, hc, wc, p * p * heads * d), p)[:, :h, :w]
    return x + nn.Dense(c, dtype=self.dtype, name="out")(read)
