"""Ranges, masks and cells of pictures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from facefill_jax import images

RNG = np.random.default_rng(0)


def test_bytes_survive_the_round_trip():
  every = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
  floats = jax.jit(images.to_float)(every)
  assert floats.dtype == jnp.float32
  assert floats.min() == -1.0 and floats.max() == 1.0
  np.testing.assert_array_equal(jax.jit(images.to_uint8)(floats), every)


def test_to_uint8_clips_and_rounds():
  floats = jnp.array([-7.0, -1.0, 0.0, 1.0, 7.0, 100.6 / 127.5 - 1, 100.4 / 127.5 - 1])
  np.testing.assert_array_equal(images.to_uint8(floats), [0, 0, 128, 255, 255, 101, 100])


def test_hide_puts_zeros_whatever_was_there():
  photo = RNG.uniform(-1, 1, (2, 4, 4, 3)).astype(np.float32)
  mask = RNG.random((2, 4, 4, 1)) < 0.5
  want = photo * ~mask
  spoilt = np.where(mask, np.array([np.nan, np.inf, 1e6], np.float32), photo)
  np.testing.assert_array_equal(images.hide(spoilt, mask), want)


def test_composite_keeps_the_known_bit_for_bit():
  photo = RNG.uniform(-1, 1, (2, 4, 4, 3)).astype(np.float32)
  mask = RNG.random((2, 4, 4, 1)) < 0.5
  filled = np.where(mask, np.float32(0.25), np.float32(np.nan))  # nothing of it may be read
  whole = np.asarray(jax.jit(images.composite)(photo, filled, mask))
  known = np.broadcast_to(~mask, photo.shape)
  np.testing.assert_array_equal(whole[known].view(np.uint32), photo[known].view(np.uint32))
  assert (whole[~known] == 0.25).all()


def test_area_shrink_means_cells():
  x = np.arange(2 * 4 * 6 * 2, dtype=np.float32).reshape(2, 4, 6, 2)
  small = images.area_shrink(jnp.asarray(x), 2)
  assert small.shape == (2, 2, 3, 2)
  for i in range(2):
    for j in range(3):
      cell = x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean((1, 2))
      np.testing.assert_allclose(small[:, i, j], cell, rtol=1e-6)
  np.testing.assert_array_equal(images.area_shrink(jnp.asarray(x), 1), x)


@pytest.mark.parametrize("factor", [4, 8])
def test_area_shrink_of_larger_cells_and_its_gradient(factor):
  x = RNG.uniform(-1, 1, (2, 16, 24, 3)).astype(np.float32)
  cells = x.reshape(2, 16 // factor, factor, 24 // factor, factor, 3)
  small, pullback = jax.vjp(jax.jit(lambda x: images.area_shrink(x, factor)), x)
  np.testing.assert_allclose(small, cells.mean((2, 4)), atol=1e-6)
  slope = RNG.standard_normal(small.shape).astype(np.float32)
  want = slope.repeat(factor, 1).repeat(factor, 2) / factor**2
  np.testing.assert_allclose(pullback(slope)[0], want, rtol=1e-6)


def test_area_shrink_in_bfloat16_has_float32_sums():
  x = RNG.uniform(250, 256, (1, 16, 16, 3)).astype(jnp.bfloat16)
  small = images.area_shrink(x, 16)
  assert small.dtype == jnp.bfloat16
  want = np.asarray(x, np.float32).mean((1, 2), keepdims=True).astype(jnp.bfloat16)
  np.testing.assert_array_equal(small, want)


def test_area_shrink_sums_windows():
  """Cells by reshape and mean are relayouts on a TPU, three to thirteen times the bytes."""
  program = str(jax.make_jaxpr(lambda x: images.area_shrink(x, 4))(np.zeros((1, 8, 8, 20))))
  assert program.count("reduce_window_sum[") == 2 and "reshape" not in program


@pytest.mark.parametrize(
  ("shape", "factor", "said"),
  [
    ((1, 8, 12, 3), 8, r"multiples of 8, got \(1, 8, 12, 3\)"),
    ((1, 6, 8, 3), 4, "multiples of 4"),
    ((1, 9, 9, 3), 3, "power of two, got 3"),
    ((1, 8, 8, 3), 0, "power of two, got 0"),
  ],
)
def test_cells_that_do_not_fit_are_refused(shape, factor, said):
  with pytest.raises(ValueError, match=said):
    images.area_shrink(jnp.zeros(shape), factor)


def test_known_fraction_counts_known_pixels():
  mask = np.zeros((1, 4, 4, 1), bool)
  mask[0, :2, :2] = True  # a cell that is all hole
  mask[0, 2, 3] = True  # one pixel of four
  np.testing.assert_array_equal(
    images.known_fraction(jnp.asarray(mask), 2)[0, ..., 0], [[0.0, 1.0], [1.0, 0.75]]
  )


@pytest.mark.parametrize("size", [(64, 64), (64, 96), (160, 64)])
def test_check_accepts_multiples_of_32(size):
  images.check_photo_and_mask(jnp.zeros((1, *size, 3)), jnp.zeros((1, *size, 1), bool))


@pytest.mark.parametrize("size", [(48, 64), (64, 80), (32, 64), (64, 32)])
def test_check_refuses_other_sizes(size):
  with pytest.raises(ValueError, match=f"multiples of 32, from 64 up; got {size[0]} x {size[1]}"):
    images.check_photo_and_mask(jnp.zeros((1, *size, 3)), jnp.zeros((1, *size, 1), bool))


@pytest.mark.parametrize(
  ("photo", "mask", "dtype", "named"),
  [
    ((2, 64, 64, 3), (1, 64, 64, 1), bool, "mask must be bool"),
    ((2, 64, 64, 3), (2, 64, 64), bool, "mask must be bool"),
    ((2, 64, 64, 3), (2, 64, 64, 3), bool, "mask must be bool"),
    ((2, 64, 64, 3), (2, 64, 64, 1), np.float32, "got float32"),
    ((2, 64, 64, 3), (2, 64, 64, 1), np.uint8, "got uint8"),
    ((2, 64, 64, 4), (2, 64, 64, 1), bool, "photo must be"),
    ((64, 64, 3), (64, 64, 1), bool, "photo must be"),
  ],
)
def test_check_refuses_other_shapes(photo, mask, dtype, named):
  with pytest.raises(ValueError, match=named):
    images.check_photo_and_mask(np.zeros(photo, np.float32), np.zeros(mask, dtype))


def test_membrane_keeps_the_known_and_reads_nothing_else():
  photo = RNG.uniform(-1, 1, (3, 32, 24, 3)).astype(np.float32)
  mask = RNG.random((3, 32, 24, 1)) < np.array([0.1, 0.6, 0.97]).reshape(3, 1, 1, 1)
  membrane = jax.jit(images.membrane)
  smooth = np.asarray(membrane(photo, mask))
  np.testing.assert_array_equal(np.where(mask, 0, smooth), np.where(mask, 0, photo))
  np.testing.assert_array_equal(membrane(np.where(mask, np.nan, photo), mask), smooth)
  known = np.where(mask, np.nan, photo)
  low, high = np.nanmin(known, (1, 2), keepdims=True), np.nanmax(known, (1, 2), keepdims=True)
  assert (smooth >= low - 1e-6).all() and (smooth <= high + 1e-6).all()  # means of what is known


def test_membrane_by_hand():
  membrane = jax.jit(images.membrane)
  flat = np.full((1, 16, 16, 3), 0.25, np.float32)
  box = np.zeros((1, 16, 16, 1), bool)
  box[:, 3:12, 2:14] = True
  np.testing.assert_allclose(membrane(flat, box), 0.25, rtol=1e-6)
  np.testing.assert_array_equal(membrane(flat, np.ones_like(box)), 0)  # nothing to go by
  one = np.zeros((1, 2, 2, 3), np.float32)
  one[0, 0, 0] = 0.5
  only = np.ones((1, 2, 2, 1), bool)
  only[0, 0, 0] = False
  np.testing.assert_allclose(membrane(one, only), 0.5, rtol=1e-6)
  ramp = np.broadcast_to(np.linspace(-1, 1, 32, dtype=np.float32), (1, 32, 32))
  ramp = np.repeat(ramp[..., None], 3, -1)
  strip = np.zeros((1, 32, 32, 1), bool)
  strip[:, :, 12:20] = True
  across = np.asarray(membrane(ramp, strip))[0, 16, :, 0]
  assert (np.diff(across) > -1e-6).all()  # from the colour on one side to that on the other
  np.testing.assert_allclose(across, ramp[0, 16, :, 0], atol=0.01)


def test_membrane_writes_out_large_scales_only():
  """Each that is written out takes XLA a third of a second to compile, most of a cold fill."""

  def equations(side):
    shapes = [jax.ShapeDtypeStruct((1, side, side, n), t) for n, t in ((3, np.float32), (1, bool))]
    return str(jax.make_jaxpr(images.membrane)(*shapes)).count("reduce_window_sum[")

  assert equations(32) == equations(4) < equations(64) == equations(33)


def test_membrane_s_gradient():
  """It is linear in the photo, so that <slope, M photo> = <M* slope, photo>."""
  photo, slope = (RNG.uniform(-1, 1, (2, 33, 21, 3)).astype(np.float32) for _ in range(2))
  mask = RNG.random((2, 33, 21, 1)) < np.array([0.4, 0.95]).reshape(2, 1, 1, 1)

  @jax.jit
  def both(photo, slope):
    smooth, pullback = jax.vjp(lambda x: images.membrane(x, mask), photo)
    return (smooth * slope).sum(), (pullback(slope)[0] * photo).sum()

  np.testing.assert_allclose(*both(photo, slope), rtol=1e-4)


def test_seamless():
  photo = RNG.uniform(-0.5, 0.5, (2, 32, 32, 3)).astype(np.float32)
  mask = np.zeros((2, 32, 32, 1), bool)
  mask[:, 5:20, 8:30] = True
  painted = np.where(mask, RNG.uniform(-0.5, 0.5, photo.shape), photo).astype(np.float32)
  seamless = jax.jit(images.seamless)
  np.testing.assert_array_equal(seamless(photo, painted, mask), painted)
  off = np.array([0.25, -0.125, 0.0625], np.float32)  # as wrong wherever it can be checked
  np.testing.assert_allclose(seamless(photo, painted + off, mask), painted, atol=1e-6)
  hidden = np.where(mask, np.nan, photo)
  whole = np.asarray(seamless(hidden, 4 * painted, mask))
  np.testing.assert_array_equal(np.where(mask, 0, whole), np.where(mask, 0, photo))
  assert (np.abs(whole) <= 1).all()


@pytest.mark.parametrize("reach", [1, 3])
def test_repeat_edges(reach):
  x = RNG.uniform(-1, 1, (2, 4, 3, 2)).astype(np.float32)
  want = np.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")
  np.testing.assert_array_equal(jax.jit(images.repeat_edges, static_argnums=1)(x, reach), want)
  mask = x > 0
  np.testing.assert_array_equal(images.repeat_edges(mask, 1, axes=(2,))[:, :, 0], mask[:, :, 0])


def test_blur():
  photo = RNG.uniform(-1, 1, (2, 8, 6, 3)).astype(np.float32)
  padded = np.pad(photo, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
  want = np.zeros_like(photo)
  for y, wy in enumerate((0.25, 0.5, 0.25)):
    for x, wx in enumerate((0.25, 0.5, 0.25)):
      want += wy * wx * padded[:, y : y + 8, x : x + 6]
  np.testing.assert_allclose(jax.jit(images.blur)(photo), want, atol=1e-6)


def test_blur_takes_the_finest_grid_away():
  grid = np.tile(np.array([[1, -1], [-1, 1]], np.float32)[None, :, :, None], (1, 8, 8, 3))
  np.testing.assert_allclose(images.blur(grid)[:, 1:-1, 1:-1], 0, atol=1e-6)


def test_sharpen():
  grid = np.tile(np.array([[1, -1], [-1, 1]], np.float32)[None, :, :, None], (1, 8, 8, 3))
  np.testing.assert_allclose(images.sharpen(grid, 4.0)[:, 1:-1, 1:-1], 5 * grid[:, 1:-1, 1:-1])
  flat = np.full((1, 8, 8, 3), 0.5, np.float32)
  np.testing.assert_allclose(images.sharpen(flat, 4.0), flat, rtol=1e-6)
  np.testing.assert_array_equal(images.sharpen(grid, 0.0), grid)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_move_coarse_less(share):
  photo, slope = (RNG.standard_normal((1, 8, 8, 3)).astype(np.float32) for _ in range(2))
  moved, pullback = jax.vjp(lambda x: images.move_coarse_less(x, share), photo)
  np.testing.assert_allclose(moved, photo, atol=1e-6)
  (got,) = pullback(slope)
  _, through_blur = jax.vjp(images.blur, photo)
  coarse = through_blur(slope)[0]
  np.testing.assert_allclose(got, share * coarse + slope - coarse, atol=1e-6)


def test_jitter_moves_all_pictures_together():
  photo = RNG.uniform(-1, 1, (2, 8, 8, 3)).astype(np.float32)
  mask = RNG.random((2, 8, 8, 1)) < 0.5
  jitter = jax.jit(images.jitter, static_argnums=1)
  places = set()
  for seed in range(40):
    moved, hole = jitter(jax.random.key(seed), 1, photo, mask)
    fits = [
      (y, x)
      for y in range(3)
      for x in range(3)
      if np.array_equal(moved, _window(photo, y, x)) and np.array_equal(hole, _window(mask, y, x))
    ]
    assert len(fits) == 1
    places.add(fits[0])
  assert len(places) == 9  # every way, by up to 1 pixel


def _window(x, top, left):
  return np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")[:, top : top + 8, left : left + 8]


def test_shrink_known_means_the_known_pixels_of_each_cell():
  photo = RNG.uniform(-1, 1, (2, 8, 4, 3)).astype(np.float32)
  mask = RNG.random((2, 8, 4, 1)) < 0.5
  mask[0, :2, :2] = True  # a cell of which nothing is known
  small, hole = images.shrink_known(np.where(mask, np.nan, photo), mask, 2)
  cells = photo.reshape(2, 4, 2, 2, 2, 3).transpose(0, 1, 3, 2, 4, 5).reshape(2, 4, 2, 4, 3)
  known = ~mask.reshape(2, 4, 2, 2, 2, 1).transpose(0, 1, 3, 2, 4, 5).reshape(2, 4, 2, 4, 1)
  count = known.sum(3)
  np.testing.assert_array_equal(hole, count == 0)
  assert hole[0, 0, 0, 0] and not hole.all()
  want = np.where(count > 0, (cells * known).sum(3) / np.maximum(count, 1), 0)
  np.testing.assert_allclose(small, want, atol=1e-6)


@pytest.mark.parametrize("factor", (1, 2, 4))
def test_enlarge_is_bilinear(factor):
  x = RNG.standard_normal((2, 5, 3, 2)).astype(np.float32)
  large = images.enlarge(x, factor)
  assert large.shape == (2, 5 * factor, 3 * factor, 2)
  want = x
  for _ in range(factor.bit_length() - 1):
    want = jax.image.resize(want, (2, 2 * want.shape[1], 2 * want.shape[2], 2), "linear")
  np.testing.assert_allclose(large, want, atol=1e-6)
  with pytest.raises(ValueError, match="power of two, got 3"):
    images.enlarge(x, 3)
