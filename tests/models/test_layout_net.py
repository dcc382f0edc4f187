"""The layout network: shapes, any multiple of 32, and nothing read under the mask."""

from functools import partial

import jax
import jax.numpy as jnp
import micro_model
import numpy as np
import pytest

from facefill_jax import images
from facefill_jax.labels import NUM_CLASSES
from facefill_jax.models.networks import build_networks, predict_layout_twice


@pytest.fixture(scope="module")
def read(micro, micro_params):
  """(photo float32, mask) -> logits, taps; compiled."""
  run = micro_model.jit(
    lambda params, photo, mask: micro.layout.apply({"params": params}, photo, mask, taps=True)
  )
  return lambda photo, mask: jax.tree.map(np.asarray, run(micro_params["layout"], photo, mask))


def photo_and_mask(height, width, seed=0):
  batch = micro_model.random_batch(2, height, width, seed)
  return batch["photo"].astype(np.float32) / 127.5 - 1, batch["mask"]


def test_a_wide_photo_with_the_same_weights(read):
  logits, taps = read(*photo_and_mask(64, 96))
  assert logits.shape == (2, 64, 96, NUM_CLASSES) and logits.dtype == np.float32
  want = [(2, 32, 48, 8), (2, 16, 24, 16), (2, 8, 12, 16), (2, 4, 6, 16), (2, 4, 6, 16)]
  assert [t.shape for t in taps] == want
  assert np.isfinite(logits).all() and logits.std() > 0.01


def test_what_is_under_the_mask_is_never_read(read):
  photo, mask = photo_and_mask(64, 96)
  want = read(photo, mask)
  for spoilt in (np.nan, np.inf, 1e6, -0.5):
    got = read(np.where(mask, np.float32(spoilt), photo), mask)
    jax.tree.map(np.testing.assert_array_equal, got, want)
  moved = read(np.where(mask, photo, -photo), mask)
  assert not np.array_equal(moved[0], want[0])  # the known is read
  whole = read(photo, np.zeros_like(mask))
  assert not np.array_equal(whole[0], want[0])  # and so is the mask


def test_a_photo_of_which_nothing_is_known(read):
  photo, mask = photo_and_mask(64, 96)
  logits, taps = read(photo, np.ones_like(mask))
  assert all(np.isfinite(x).all() for x in (logits, *taps))
  np.testing.assert_array_equal(logits[0], logits[1])


def test_features_are_the_last_tap(micro, micro_params):
  photo, mask = photo_and_mask(64, 64)

  def apply(**options):
    return jax.eval_shape(
      lambda: micro.layout.apply({"params": micro_params["layout"]}, photo, mask, **options)
    )

  assert apply()[1].shape == apply(taps=True)[1][-1].shape == (2, 4, 4, 16)


@pytest.mark.parametrize(("h", "w"), [(48, 64), (64, 80), (32, 32)])
def test_other_sizes_are_refused(micro, micro_params, h, w):
  photo, mask = np.zeros((1, h, w, 3), np.float32), np.zeros((1, h, w, 1), bool)
  with pytest.raises(ValueError, match="multiples of 32"):
    micro.layout.apply({"params": micro_params["layout"]}, photo, mask)


@pytest.mark.parametrize(
  "mask",
  [
    np.zeros((1, 64, 64, 1), bool),
    np.zeros((2, 64, 64, 1), np.float32),
    np.zeros((2, 64, 64), bool),
  ],
  ids=["batch", "dtype", "rank"],
)
def test_other_masks_are_refused(micro, micro_params, mask):
  photo = np.zeros((2, 64, 64, 3), np.float32)
  with pytest.raises(ValueError, match="mask must be bool"):
    micro.layout.apply({"params": micro_params["layout"]}, photo, mask)


def test_bfloat16_computes_but_logits_are_float32(micro_params):
  net = micro_model.networks("bfloat16").layout
  photo, mask = photo_and_mask(64, 64)
  logits, features = jax.eval_shape(
    lambda p: net.apply({"params": p}, photo, mask), micro_params["layout"]
  )
  assert logits.dtype == jnp.float32 and features.dtype == jnp.bfloat16


def test_the_mirrored_layout_is_not_gathered(micro, micro_params):
  """A gather of every pixel's classes moves twice the bytes on a TPU."""
  photo, mask = photo_and_mask(64, 64)
  look = partial(predict_layout_twice, micro.layout, micro_params["layout"])
  assert "gather" not in str(jax.make_jaxpr(look)(photo, mask))


# A resolution of its own.


@pytest.fixture(scope="module")
def read_small(micro, micro_params):
  """As `read`, by a network that looks at 64 pixels at most; also F_enc."""
  net = micro.layout.clone(resolution=64)
  run = micro_model.jit(lambda params, *seen: net.apply({"params": params}, *seen))
  return lambda photo, mask: jax.tree.map(np.asarray, run(micro_params["layout"], photo, mask))


def test_a_layout_at_its_own_resolution(read_small, micro, micro_params):
  photo, mask = photo_and_mask(128, 128)
  logits, features = read_small(photo, mask)
  small, hole = images.shrink_known(photo, mask, 2)
  run = micro_model.jit(lambda params, *seen: micro.layout.apply({"params": params}, *seen))
  want, fused = run(micro_params["layout"], small, hole)
  np.testing.assert_allclose(logits, images.enlarge(want, 2), atol=1e-4)
  np.testing.assert_allclose(features, images.enlarge(fused, 2), atol=1e-4)
  assert logits.shape == (2, 128, 128, NUM_CLASSES) and features.shape == (2, 8, 8, 16)


def test_shrinking_reads_nothing_under_the_mask(read_small):
  photo, mask = photo_and_mask(128, 128)
  mask = mask ^ (np.indices(mask.shape).sum(0) % 3 == 0)  # cells that are known in part
  want = read_small(photo, mask)
  for spoilt in (np.nan, np.inf, 1e6):
    got = read_small(np.where(mask, np.float32(spoilt), photo), mask)
    jax.tree.map(np.testing.assert_array_equal, got, want)


def test_a_photo_that_is_small_enough_is_seen_as_it_is(read_small, micro, micro_params):
  photo, mask = photo_and_mask(64, 64)
  run = micro_model.jit(lambda params, *seen: micro.layout.apply({"params": params}, *seen))
  want = run(micro_params["layout"], photo, mask)
  jax.tree.map(np.testing.assert_array_equal, read_small(photo, mask), want)


def test_how_many_times_smaller(micro):
  net = micro.layout.clone(resolution=128)
  sides = {64: 1, 128: 1, 192: 2, 256: 2, 512: 4}
  assert {side: net.shrinks(side, side) for side in sides} == sides
  assert net.shrinks(128, 256) == 2 and micro.layout.shrinks(512, 512) == 1
  with pytest.raises(ValueError, match="multiples of 64, got 160 x 160"):
    net.shrinks(160, 160)


@pytest.mark.parametrize("side", (-64, 32, 100, True, "128", 64.0))
def test_a_layout_resolution_that_cannot_be(side):
  with pytest.raises(ValueError, match="layout_resolution must be 0 or a multiple of 32"):
    build_networks("tiny", layout_resolution=side)


def test_a_guiding_layout_is_sharpened_after_the_mean_of_both_looks(micro, micro_params):
  photo = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
  mask = np.zeros((1, 64, 64, 1), bool)
  mask[:, 20:40, 20:50] = True
  params = micro_params["layout"]

  def look(sharpening):
    net = micro.layout.clone(sharpening=sharpening)
    return np.asarray(micro_model.jit(partial(predict_layout_twice, net))(params, photo, mask)[0])

  plain, sharp = look(1.0), look(3.0)
  want = plain.astype(np.float64) ** 3
  np.testing.assert_allclose(sharp, want / want.sum(-1, keepdims=True), atol=1e-5)
  assert sharp.max(-1).mean() > plain.max(-1).mean() + 0.01


@pytest.mark.parametrize("power", [0.5, 0, -1, float("nan"), float("inf"), "3", None])
def test_a_layout_is_never_blurred(power):
  with pytest.raises(ValueError, match="layout_sharpening must be a number, 1 or more"):
    build_networks("tiny", layout_sharpening=power)
