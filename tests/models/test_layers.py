"""Pixel shuffles, the masked norm and the residual block that halves."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import micro_model
import numpy as np
import pytest

from facefill_jax.labels import MIRROR
from facefill_jax.models import layers

RNG = np.random.default_rng(0)


def normal(*shape):
  return RNG.standard_normal(shape).astype(np.float32)


def test_space_to_depth_by_hand():
  x = np.arange(16).reshape(1, 4, 4, 1)
  folded = layers.space_to_depth(jnp.asarray(x), 2)
  np.testing.assert_array_equal(folded[0, 0, 1], [2, 3, 6, 7])
  two = jnp.asarray(np.concatenate([x, x + 100], -1))  # the sub-pixel is the slow part
  np.testing.assert_array_equal(
    layers.space_to_depth(two, 2)[0, 0, 1], [2, 102, 3, 103, 6, 106, 7, 107]
  )


@pytest.mark.parametrize("f", [1, 2, 4])
def test_depth_to_space_inverts(f):
  x = jnp.asarray(normal(2, 8, 4, 3))
  folded = layers.space_to_depth(x, f)
  assert folded.shape == (2, 8 // f, 4 // f, 3 * f * f)
  np.testing.assert_array_equal(layers.depth_to_space(folded, f), x)


@pytest.mark.parametrize(("shape", "axis"), [((2, 3, 3, 20), -1), ((2, 20, 5), 1)])
def test_mirror_classes(shape, axis):
  x = normal(*shape)
  got = jax.jit(layers.mirror_classes, static_argnums=1)(x, axis)
  np.testing.assert_array_equal(got, x.take(MIRROR, axis))


def test_icnr_starts_with_equal_sub_pixels():
  kernel = layers.icnr(2)(jax.random.key(0), (3, 3, 6, 4 * 5))
  assert kernel.shape == (3, 3, 6, 20)
  kernel = np.asarray(kernel).reshape(3, 3, 6, 4, 5)
  np.testing.assert_array_equal(kernel, np.repeat(kernel[..., :1, :], 4, axis=3))
  assert 0.5 < kernel.std() * np.sqrt(3 * 3 * 6) < 1.5  # as wide as for one of the four
  up = layers.Upsample(5)
  x = jnp.asarray(normal(1, 4, 4, 6))
  y = up.apply(up.init(jax.random.key(0), x), x)
  assert y.shape == (1, 8, 8, 5)
  np.testing.assert_array_equal(y, np.asarray(y)[:, ::2, ::2].repeat(2, 1).repeat(2, 2))


def norm(x, weight=None, **options):
  module = layers.MaskedGroupNorm(affine=False, **options)
  return np.asarray(jax.jit(module.apply)({}, x, weight))


def by_hand(x, weight):
  groups = max(1, x.shape[-1] // layers.GROUP_WIDTH)
  y = np.empty_like(x)
  for i in range(len(x)):
    for columns in np.split(np.arange(x.shape[-1]), groups):
      values = x[i][..., columns]
      w = np.broadcast_to(weight[i], values.shape).astype(np.float64)
      mean = (w * values).sum() / w.sum()
      variance = (w * (values - mean) ** 2).sum() / w.sum()
      y[i][..., columns] = (values - mean) / np.sqrt(variance + 1e-5)
  return y


def test_norm_statistics_by_hand():
  x, weight = 3 * normal(2, 4, 6, 32) + 5, RNG.random((2, 4, 6, 1)).astype(np.float32)
  np.testing.assert_allclose(norm(x, weight), by_hand(x, weight), atol=1e-4)
  np.testing.assert_allclose(norm(x), by_hand(x, np.ones_like(weight)), atol=1e-4)
  narrow = normal(2, 4, 6, 8)  # fewer channels than a group: one group
  np.testing.assert_allclose(norm(narrow), by_hand(narrow, np.ones_like(weight)), atol=1e-4)


def test_norm_scale_and_bias_are_a_channel_each():
  x, scale, bias = normal(1, 4, 4, 16), normal(16), normal(16)
  params = {"params": {"scale": scale, "bias": bias}}
  affine = layers.MaskedGroupNorm().apply(params, x)
  np.testing.assert_allclose(affine, norm(x) * scale + bias, atol=1e-5)


def test_what_is_in_the_hole_does_not_move_the_norm():
  x = normal(1, 4, 6, 16)
  weight = np.ones((1, 4, 6, 1), np.float32)
  weight[:, :, 2:] = 0
  alone = norm(x[:, :, :2])
  for hole in (0.0, 100.0):
    y = norm(np.where(weight > 0, x, np.float32(hole)), weight)
    np.testing.assert_allclose(y[:, :, :2], alone, atol=1e-5)
  # without weights the zeros of the hole would count
  assert np.abs(norm(np.where(weight > 0, x, np.float32(0)))[:, :, :2] - alone).max() > 0.1


def test_norm_of_a_photo_of_which_nothing_is_known():
  x, weight = normal(2, 4, 4, 16), np.ones((2, 4, 4, 1), np.float32)
  weight[0] = 0
  y = norm(x, weight)
  np.testing.assert_allclose(y, norm(x), atol=1e-5)  # all positions weigh the same
  gradient = jax.grad(
    lambda v: jnp.sin(layers.MaskedGroupNorm(affine=False).apply({}, v, weight)).sum()
  )
  assert np.isfinite(gradient(x)).all()
  assert np.isfinite(norm(np.zeros_like(x), weight)).all()


def test_norm_in_bfloat16_has_float32_statistics():
  x = (normal(1, 8, 8, 16) + 1000).astype(jnp.bfloat16)  # bfloat16 sums would lose the spread
  y = norm(x, dtype=jnp.bfloat16)
  assert y.dtype == jnp.bfloat16
  want = by_hand(x.astype(np.float32), np.ones((1, 8, 8, 1)))
  np.testing.assert_allclose(y.astype(np.float32), want, atol=0.02)


@pytest.mark.parametrize("normalise", [True, False])
def test_down_block_halves(normalise):
  block = layers.DownBlock(12, normalise=normalise)
  x, known = normal(2, 8, 6, 16), np.ones((2, 8, 6, 1), np.float32)
  variables = jax.eval_shape(block.init, jax.random.key(0), x, known)
  assert jax.eval_shape(block.apply, variables, x, known).shape == (2, 4, 3, 12)
  assert any("Norm" in name for name in variables["params"]) == normalise


def test_down_block_passes_the_mean_of_each_cell():
  block = layers.DownBlock(16)
  x = normal(1, 4, 4, 16)
  shapes = jax.eval_shape(block.init, jax.random.key(0), x)["params"]
  params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes)
  params["Conv_2"]["kernel"] = np.eye(16, dtype=np.float32)[None, None]
  y = block.apply({"params": params}, x)
  np.testing.assert_allclose(y, x.reshape(1, 2, 2, 2, 2, 16).mean((2, 4)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("dtype", "off"), [("float32", 2e-6), ("bfloat16", 2e-2)])
def test_halving_conv_is_a_convolution_with_strides(dtype, off):
  """Forward, its gradients, and those of a gradient penalty; the share of their norm."""
  strided, halving = (
    nn.Conv(5, (3, 3), strides=2, padding=1, dtype=dtype), layers.HalvingConv(5, dtype)
  )  # fmt: skip
  params, x = {"kernel": normal(3, 3, 4, 5), "bias": normal(5)}, normal(2, 8, 6, 4)

  def everything(net):
    def total(params, x):
      return jnp.tanh(net.apply({"params": params}, x).astype(jnp.float32)).sum()

    def penalty(params):
      return jnp.square(jax.grad(total, 1)(params, x)).sum()

    forward = net.apply({"params": params}, x)
    return forward, jax.grad(total, (0, 1))(params, x), jax.grad(penalty)(params)

  run = micro_model.jit(lambda: (everything(strided), everything(halving)))

  def close(want, got):
    want, got = (np.asarray(y, np.float32) for y in (want, got))
    assert np.linalg.norm(want - got) <= off * np.linalg.norm(want) > 0

  jax.tree.map(close, *run())


def test_halving_conv_has_the_parameters_of_a_convolution():
  x = normal(1, 4, 4, 3)
  strided = nn.Conv(5, (3, 3), strides=2, padding=1).init(jax.random.key(0), x)
  halving = layers.HalvingConv(5).init(jax.random.key(0), x)
  assert jax.tree.map(jnp.shape, strided) == jax.tree.map(jnp.shape, halving)
