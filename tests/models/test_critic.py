"""The critic: its levels, its condition, and photos that do not meet."""

import jax
import jax.numpy as jnp
import micro_model
import numpy as np
import pytest

from facefill_jax import images
from facefill_jax.models.critic import Critic, Stem
from facefill_jax.models.layers import space_to_depth


def picture(seed, channels=3, size=(64, 64)):
  return np.random.default_rng(seed).standard_normal((2, *size, channels)).astype(np.float32)


@pytest.fixture(scope="module")
def verdict(micro, micro_params):
  run = micro_model.jit(lambda params, *x: micro.texture_critic.apply({"params": params}, *x)[0])
  everywhere = np.ones((2, 64, 64, 1), bool)

  def judge(x, condition, changeable=everywhere):
    return jax.tree.map(np.asarray, run(micro_params["texture_critic"], x, condition, changeable))

  return judge


@pytest.mark.parametrize(
  ("size", "levels"),
  [((64, 64), [16, 8, 4]), ((256, 256), [64, 32, 16, 8, 4]), ((96, 96), [24, 12, 6])],
)
def test_as_many_levels_as_reach_the_final_grid(size, levels):
  critic = Critic(8, (16, 24, 32))
  x, condition = jnp.zeros((1, *size, 3)), jnp.zeros((1, *size, 2))
  changeable = jnp.ones((1, *size, 1), bool)
  (verdict, features), variables = jax.eval_shape(
    critic.init_with_output, jax.random.key(0), x, condition, changeable
  )
  parts = 5 * levels[0] ** 2 + levels[1] ** 2  # at 1/2, 1/4 and 1/8; and the whole
  assert verdict.values.shape == verdict.weights.shape == (1, 1 + parts)
  assert verdict.values.dtype == jnp.float32
  widths = [16, 24, 32, 32, 32][: len(levels)]
  assert [f.shape for f in features] == [(1, n, n, c) for n, c in zip(levels, widths, strict=True)]
  assert not any(
    "Norm" in jax.tree_util.keystr(path)
    for path, _ in jax.tree_util.tree_leaves_with_path(variables)
  )


def test_picture_and_condition_both_count(verdict):
  x, condition = picture(0), picture(1, 21)
  values = verdict(x, condition).values
  assert np.isfinite(values).all()
  assert (np.abs(verdict(picture(2), condition).values - values) > 1e-6).all()
  assert (np.abs(verdict(x, picture(3, 21)).values - values).max(-1) > 1e-4).all()


def test_a_verdict_does_not_depend_on_the_other_photos(verdict):
  x, condition = picture(0), picture(1, 21)
  other_x, other_condition = picture(2), picture(3, 21)
  other_x[0], other_condition[0] = x[0], condition[0]
  np.testing.assert_allclose(
    verdict(other_x, other_condition).values[0], verdict(x, condition).values[0],
    rtol=1e-5, atol=1e-5,
  )  # fmt: skip


def test_only_cells_that_can_be_changed_have_a_say(verdict):
  """Half for the whole, a sixth over the cells at 1/2, at 1/4 and at 1/8 each; in all, 1."""
  changeable = np.zeros((2, 64, 64, 1), bool)
  changeable[0, 3:5, 0, 0] = True  # of two cells at 1/2, two at 1/4, one at 1/8
  found = verdict(picture(0), picture(1, 21), changeable)
  weights = found.weights[0]
  assert weights[0] == 0.5
  (said,) = np.nonzero(weights[1:])
  assert said.tolist() == [1 * 32, 2 * 32, 1024, 1024 + 16, 1024 + 256]
  np.testing.assert_allclose(weights[1:][said], np.array([1, 1, 1, 1, 2]) / 12, rtol=1e-6)
  np.testing.assert_array_equal(found.weights[1], [1.0] + [0.0] * (1024 + 256 + 64))  # none
  np.testing.assert_allclose(found.weights.sum(-1), 1, rtol=1e-6)
  np.testing.assert_allclose(found.score(), (found.values * found.weights).sum(-1), rtol=1e-5)


def test_a_part_sees_its_surroundings_only(verdict):
  x, condition = picture(0), picture(1, 21)
  moved = x.copy()
  moved[:, -8:, -8:] += 1.0
  before, after = verdict(x, condition).values, verdict(moved, condition).values
  moved = np.abs(after - before)
  for first, side, untouched in ((1, 32, 26), (1 + 1024, 16, 10)):  # at 1/2, at 1/4
    cells = moved[:, first : first + side**2].reshape(2, side, side)
    assert (cells[:, -2:, -2:] > 1e-4).all() and (cells[:, :untouched, :untouched] == 0).all()


def test_bfloat16_scores_are_float32(micro_params):
  critic = micro_model.networks("bfloat16").texture_critic
  changeable = np.ones((2, 64, 64, 1), bool)
  verdict, levels = jax.eval_shape(
    lambda p: critic.apply({"params": p}, picture(0), picture(1, 21), changeable),
    micro_params["texture_critic"],
  )
  assert verdict.values.dtype == jnp.float32
  assert all(level.dtype == jnp.bfloat16 for level in levels)


def test_the_stem_is_one_convolution_over_candidate_and_condition():
  x, condition = picture(0), picture(1, 5)
  kernel, bias = picture(2)[0, :3, :3].repeat(11, -1)[..., :32, None], np.float32([0.5])
  want = jax.lax.conv_general_dilated(
    space_to_depth(jnp.concatenate([x, condition], -1), 2), kernel, (1, 1), ((1, 1), (1, 1)),
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
  )  # fmt: skip
  got = Stem(1).apply({"params": {"kernel": kernel, "bias": bias}}, x, condition)
  np.testing.assert_allclose(got, want + bias, atol=1e-4)


def test_several_candidates_for_one_condition(verdict, micro, micro_params):
  """In rows, a condition's own one after the other: as if each were judged alone."""
  a, b, condition = picture(0), picture(1), picture(2, 21)
  changeable = np.zeros((2, 64, 64, 1), bool)
  changeable[0, :20] = changeable[1, 30:] = True
  run = micro_model.jit(lambda params, *x: micro.texture_critic.apply({"params": params}, *x)[0])
  both = run(micro_params["texture_critic"], images.interleave(a, b), condition, changeable)
  for first, x in ((0, a), (1, b)):
    want = verdict(x, condition, changeable)
    np.testing.assert_allclose(both.values[first::2], want.values, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(both.weights[first::2], want.weights)
