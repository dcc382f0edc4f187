"""The hole reads from the known part only, whatever the features in the hole."""

import jax
import jax.numpy as jnp
import micro_model
import numpy as np
import pytest

from facefill_jax.bench import made_up
from facefill_jax.labels import NUM_CLASSES
from facefill_jax.models.attention import ContextualAttention, pooling_factor

B, H, W, C, E = 2, 8, 6, 12, 10
RNG = np.random.default_rng(0)


def normal(*shape):
  return RNG.standard_normal(shape).astype(np.float32)


def inputs(h=H, w=W):
  """x, source, known, layout. `known`: cells of 2 x 2 all, in part and not at all known."""
  layout = np.asarray(jax.nn.softmax(2 * normal(B, h, w, NUM_CLASSES)))
  known = RNG.choice(np.array([0.25, 1], np.float32), (B, h, w, 1))
  known[:, 2:6, 2:4] = 0  # two whole cells
  known[:, 0, 0] = known[:, 7, 5] = 0  # a part of a cell
  return normal(B, h, w, C), normal(B, h, w, E), known, layout


def make(max_keys, **options):
  module = ContextualAttention(max_keys, heads=2, head_width=8, **options)
  shapes = jax.eval_shape(module.init, jax.random.key(0), *inputs())
  params = made_up.parameters(shapes)
  return micro_model.jit(lambda *x: module.apply(params, *x)), params["params"]


@pytest.mark.parametrize(
  ("h", "w", "keys", "p"),
  [
    (16, 16, 256, 1),
    (16, 17, 256, 2),
    (32, 32, 256, 2),
    (64, 64, 256, 4),
    (6, 4, 6, 2),
    (3, 3, 1, 4),
  ],
)
def test_pooling_factor_is_the_smallest_that_fits(h, w, keys, p):
  assert pooling_factor(h, w, keys) == p


@pytest.mark.parametrize("max_keys", [48, 12], ids=["p=1", "p=2"])
def test_against_numpy(max_keys):
  """One query cell at a time, with loops; its formula is that of the docstring."""
  p = {48: 1, 12: 2}[max_keys]
  attend, params = make(max_keys)
  x, source, known, layout = inputs()
  np.testing.assert_allclose(
    attend(x, source, known, layout), by_hand(params, p, x, source, known, layout), atol=2e-4
  )


def by_hand(params, p, x, source, known, layout, heads=2, d=8):
  def layer_norm(name, v):
    v = (v - v.mean()) / np.sqrt(v.var() + 1e-6)
    return v * params[name]["scale"] + params[name]["bias"]

  def dense(name, v):
    return v @ params[name]["kernel"] + params[name]["bias"]

  def mean(y, weight):
    return (weight * y).sum((0, 1)) / max(weight.sum(), 1e-6)

  out = np.array(x)
  cells = [(i, j) for i in range(0, H, p) for j in range(0, W, p)]
  for b in range(B):
    keys, values, fractions = [], [], []
    for i, j in cells:
      at = (b, slice(i, i + p), slice(j, j + p))
      weight = known[at]
      fractions.append(weight.mean())
      source_mean, layout_mean = mean(source[at], weight), mean(layout[at], weight)
      keys.append(dense("key", np.concatenate([layer_norm("key_norm", source_mean), layout_mean])))
      values.append(dense("value", np.where(weight > 0, source[at], source_mean)))
    for i, j in cells:
      at = (b, slice(i, i + p), slice(j, j + p))
      features = layer_norm("query_norm", x[at].mean((0, 1)))
      query = dense("query", np.concatenate([features, layout[at].mean((0, 1))]))
      read = np.zeros((p, p, heads, d))
      for k in range(heads):
        part = slice(k * d, k * d + d)
        scores = [
          query[part] @ key[part] / np.sqrt(d) + np.log(f) if f > 0 else -np.inf
          for key, f in zip(keys, fractions, strict=True)
        ]
        scores.append(query[part] @ params["null_key"][k] / np.sqrt(d))
        share = np.exp(scores) / np.exp(scores).sum()
        for weight, value in zip(share, values, strict=False):
          read[:, :, k] += weight * value[..., part]
        read[:, :, k] += share[-1] * params["null_value"][k]
      out[at] += dense("out", read.reshape(p, p, heads * d))
  return out


@pytest.mark.parametrize("pool_values", [False, True], ids=["unpooled", "pooled"])
@pytest.mark.parametrize("max_keys", [48, 12], ids=["p=1", "p=2"])
def test_features_in_the_hole_are_never_read(max_keys, pool_values):
  attend, _ = make(max_keys, pool_values=pool_values)
  x, source, known, layout = inputs()
  want = attend(x, source, known, layout)
  assert np.isfinite(want).all()
  for spoilt in (1e6, np.nan):
    got = attend(x, np.where(known > 0, source, np.float32(spoilt)), known, layout)
    np.testing.assert_array_equal(got, want)
  moved = np.where(known > 0, source + 1, source)
  assert not np.array_equal(attend(x, moved, known, layout), want)  # the known is read


def test_no_gradient_flows_into_the_hole():
  module = ContextualAttention(12, heads=2, head_width=8)
  x, source, known, layout = inputs()
  params = made_up.parameters(jax.eval_shape(module.init, jax.random.key(0), *inputs()))

  def loss(source):
    return jnp.sin(module.apply(params, x, source, known, layout)).sum()

  gradient = np.asarray(micro_model.jit(jax.grad(loss))(source))
  assert np.isfinite(gradient).all()
  assert not gradient[(known == 0)[..., 0]].any()
  assert gradient[(known > 0)[..., 0]].any(-1).all()


def test_where_nothing_is_known_the_null_key_takes_over():
  attend, params = make(12)
  x, source, known, layout = inputs()
  known[0] = 0
  got = np.asarray(attend(x, source, known, layout))
  null = params["null_value"].reshape(-1) @ params["out"]["kernel"] + params["out"]["bias"]
  np.testing.assert_allclose(got[0], x[0] + null, atol=1e-5)
  assert np.abs(got[1] - x[1] - null).max() > 0.1


def test_sides_need_not_be_multiples_of_a_cell():
  attend, _ = make(12)  # cells of 2 x 2 hang over 7 x 5
  x, source, known, layout = (y[:, :7, :5] for y in inputs())
  known = np.ones_like(known)
  got = attend(x, source, known, layout)
  assert got.shape == x.shape and np.isfinite(got).all()
