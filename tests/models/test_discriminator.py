"""The critic: its levels, its condition, and photos that do not meet."""

import jax
import jax.numpy as jnp
import micro_model
import numpy as np
import pytest

from facefill_jax.models.discriminator import Critic


def picture(seed, channels=3, size=(64, 64)):
  return np.random.default_rng(seed).standard_normal((2, *size, channels)).astype(np.float32)


@pytest.fixture(scope="module")
def score(micro, micro_params):
  run = micro_model.jit(lambda params, *x: micro.texture_critic.apply({"params": params}, *x)[0])
  return lambda *x: np.asarray(run(micro_params["texture_critic"], *x))


@pytest.mark.parametrize(
  ("size", "levels"),
  [((64, 64), [16, 8, 4]), ((256, 256), [64, 32, 16, 8, 4]), ((96, 96), [24, 12, 6])],
)
def test_as_many_levels_as_reach_the_final_grid(size, levels):
  critic = Critic(8, (16, 24, 32))
  x, condition = jnp.zeros((1, *size, 3)), jnp.zeros((1, *size, 2))
  (scores, features), variables = jax.eval_shape(
    critic.init_with_output, jax.random.key(0), x, condition
  )
  assert scores.shape == (1,) and scores.dtype == jnp.float32
  widths = [16, 24, 32, 32, 32][: len(levels)]
  assert [f.shape for f in features] == [(1, n, n, c) for n, c in zip(levels, widths, strict=True)]
  assert not any(
    "Norm" in jax.tree_util.keystr(path)
    for path, _ in jax.tree_util.tree_leaves_with_path(variables)
  )


def test_picture_and_condition_both_count(score):
  x, condition = picture(0), picture(1, 21)
  scores = score(x, condition)
  assert scores.shape == (2,) and np.isfinite(scores).all()
  assert (np.abs(score(picture(2), condition) - scores) > 1e-4).all()
  assert (np.abs(score(x, picture(3, 21)) - scores) > 1e-4).all()


def test_a_score_does_not_depend_on_the_other_photos(score):
  x, condition = picture(0), picture(1, 21)
  other_x, other_condition = picture(2), picture(3, 21)
  other_x[0], other_condition[0] = x[0], condition[0]
  np.testing.assert_allclose(
    score(other_x, other_condition)[0], score(x, condition)[0], rtol=1e-6, atol=1e-6
  )


def test_bfloat16_scores_are_float32(micro_params):
  critic = micro_model.networks("bfloat16").texture_critic
  scores, levels = jax.eval_shape(
    lambda p: critic.apply({"params": p}, picture(0), picture(1, 21)),
    micro_params["texture_critic"],
  )
  assert scores.dtype == jnp.float32
  assert all(level.dtype == jnp.bfloat16 for level in levels)
