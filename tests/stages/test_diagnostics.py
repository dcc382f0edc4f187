"""What an update did: by hand."""

from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from facefill_jax.models.networks import build_networks, init_params
from facefill_jax.stages import diagnostics, optimisers, step

STEADY = optimisers.Optimiser("adam", 1e-3, 0.0, 0.99, 0.0, 2.0, 0, 0, 100)
RAMP = optimisers.Optimiser("adamw", 1e-3, 0.0, 0.99, 0.1, 0.0, 10, 0, 100)


def tree(scale=1.0):
  """Norms: encoder 5, up 13, absent 2; all of it sqrt(25 + 169 + 4)."""
  return {
    "encoder": {"stem": {"kernel": jnp.array([[3.0, 0.0]]), "bias": jnp.array([4.0])}},
    "up_8": {"Conv_0": {"kernel": scale * jnp.array([5.0])}},
    "up_4": {"Conv_0": {"kernel": scale * jnp.array([12.0])}},
    "absent": jnp.array([2.0]),
  }


@pytest.mark.parametrize(
  ("name", "module"),
  [
    ("up_8", "up"), ("norm_head", "norm"), ("conv_2", "conv"), ("past_4", "past"),
    ("middle_3_norm_1", "middle"), ("local_1", "local"), ("attention_16", "attention_16"),
    ("block_0", "block_0"), ("class_style", "class_style"), ("output", "output"),
  ],
)  # fmt: skip
def test_names_of_curves(name, module):
  assert diagnostics.module_of((name, "kernel")) == module


def test_few_curves_of_the_largest_networks():
  networks = build_networks("paper")
  for name in ("layout", "texture", "texture_critic"):
    make = partial(init_params, networks, name, resolution=256)
    shapes = jax.eval_shape(make, jax.random.key(0))
    assert 5 < len({diagnostics.module_of((part,)) for part in shapes}) <= 17, name


def test_an_update_by_hand():
  params, grads = tree(), tree()
  optimiser = STEADY.make()
  state = optimiser.init(params)
  updates = jax.tree.map(lambda x: 0.01 * x, params)
  of_update = jax.jit(lambda *x: diagnostics.of_update(STEADY, *x))
  found = of_update(params, grads, updates, state)
  total = np.sqrt(25 + 169 + 4)
  want = {
    "gradient_norm": total,
    "gradient_norm/encoder": 5.0,
    "gradient_norm/up": 13.0,
    "gradient_norm/absent": 2.0,
    "clip_factor": 2 / total,
    "update_ratio": 0.01,
    "learning_rate": 1e-3,
  }
  assert set(found) == set(want)
  for name, value in want.items():
    assert found[name].dtype == jnp.float32 and found[name].shape == (), name
    np.testing.assert_allclose(found[name], value, rtol=1e-6, err_msg=name)


def test_nothing_is_said_of_clipping_that_is_off_and_small_gradients_are_not_clipped():
  params = tree()
  found = diagnostics.of_update(RAMP, params, params, params, RAMP.make().init(params))
  assert "clip_factor" not in found
  small = jax.tree.map(lambda x: 1e-3 * x, params)
  found = diagnostics.of_update(STEADY, params, small, params, STEADY.make().init(params))
  assert found["clip_factor"] == 1.0


def test_the_rate_is_that_of_the_update():
  """Warm-up over 10 steps: the fourth update is 3/10 of the peak."""
  params = {"a": jnp.ones(3)}
  optimiser = RAMP.make()
  state = optimiser.init(params)
  for _ in range(3):
    _, state = optimiser.update(params, state, params)
  found = diagnostics.of_update(RAMP, params, params, params, state)
  np.testing.assert_allclose(found["learning_rate"], 3e-4, rtol=1e-6)


def test_a_module_that_is_not_finite_is_seen():
  bad = tree() | {"absent": jnp.array([jnp.nan])}
  norms = diagnostics.norms_by_module(bad)
  assert [name for name, value in norms.items() if not np.isfinite(value)] == ["absent"]


def test_learning_rates_are_multiplied():
  params = {"a": {"kernel": jnp.ones((2, 2)), "bias": jnp.zeros(2)}}
  grads = jax.tree.map(jnp.ones_like, params)
  moved = {}
  for rate in (None, jnp.float32(0.25)):
    stage = SimpleNamespace(rate=rate)
    after, _, said = step._update(stage, STEADY, params, grads, STEADY.make().init(params))
    moved[rate is None] = jax.tree.map(jnp.subtract, after, params), said
  (slow, slow_said), (fast, fast_said) = moved[False], moved[True]
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, 0.25 * b, rtol=1e-3), slow, fast)
  for name in ("learning_rate", "update_ratio"):
    np.testing.assert_allclose(slow_said[name], 0.25 * fast_said[name], rtol=1e-5)
  assert slow_said["gradient_norm"] == fast_said["gradient_norm"]
