"""What a critic sees is changed as drawn: by hand, alike for real and fake, known stays known."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from facefill_jax.stages import critic_augmentation
from facefill_jax.stages.critic_augmentation import CAP, Augmentation, Draws
from facefill_jax.stages.texture_objective import TextureObjective
from facefill_jax.types import Comparison

RNG = np.random.default_rng(0)
NOTHING = dict.fromkeys(("shift", "zoom", "brightness", "contrast", "saturation", "cut"))
SIDE = 8


def draws(**some):
  return Draws(**NOTHING | {name: np.array([value], np.float32) for name, value in some.items()})


def colours(**some):
  return draws(**{"brightness": 0.0, "contrast": 1.0, "saturation": 1.0} | some)


def make_pair(b=1, side=SIDE):
  mask = np.zeros((b, side, side, 1), bool)
  mask[:, 2:5, 3:6] = True
  real, filled = RNG.uniform(-1, 1, (2, b, side, side, 3)).astype(np.float32)
  layout = RNG.dirichlet(np.ones(4), (b, side, side)).astype(np.float32)
  return Comparison(
    fake=np.where(mask, filled, real),
    real=real,
    condition=np.concatenate([mask, layout], -1).astype(np.float32),
    changeable=mask,
    valid=np.ones(b, bool),
  )


apply = jax.jit(critic_augmentation.apply)


def test_whole_pixels_move_exactly_and_beyond_the_edge_is_the_mirror():
  pair = make_pair()
  got = apply(draws(shift=[0.125, -0.25]), pair)  # one down, two to the left
  rows = [1, 0, 1, 2, 3, 4, 5, 6]
  columns = [2, 3, 4, 5, 6, 7, 6, 5]
  for name in ("real", "fake", "condition", "changeable"):
    want = getattr(pair, name)[:, rows][:, :, columns]
    np.testing.assert_array_equal(getattr(got, name), want, err_msg=name)
  np.testing.assert_array_equal(got.valid, pair.valid)


def test_zoom_is_about_the_centre():
  ramp = np.broadcast_to(np.arange(SIDE, dtype=np.float32)[None, :, None, None], (1, 8, 8, 1))
  condition, changeable = ramp, ramp > 100
  got, _, _ = jax.jit(critic_augmentation.seen)(draws(zoom=2.0), ramp, condition, changeable)
  want = 3.5 + (np.arange(SIDE) - 3.5) / 2
  np.testing.assert_allclose(got[0, :, 0, 0], want, rtol=1e-6)
  smaller, _, _ = critic_augmentation.seen(draws(zoom=0.5), ramp, condition, changeable)
  want = np.array([3.5, 1.5, 0.5, 2.5, 4.5, 6.5, 5.5, 3.5])  # mirrored at both ends
  np.testing.assert_allclose(smaller[0, :, 0, 0], want, rtol=1e-6)


def test_colours_by_hand():
  pair = make_pair()
  got = apply(colours(brightness=0.25, contrast=1.5, saturation=0.5), pair)
  grey = pair.real.mean(-1, keepdims=True)
  np.testing.assert_allclose(
    got.real, 1.5 * (grey + 0.5 * (pair.real - grey)) + 0.25, rtol=1e-4, atol=1e-6
  )
  np.testing.assert_array_equal(got.condition, pair.condition)
  np.testing.assert_array_equal(got.changeable, pair.changeable)


def test_a_cut_out_is_grey_known_and_without_a_class():
  pair = make_pair()
  got = apply(draws(cut=[0.25, 1.0]), pair)  # rows 0..3, columns 6 and 7
  for name in ("real", "fake", "condition", "changeable"):
    want = getattr(pair, name).copy()
    want[:, :4, 6:] = 0
    np.testing.assert_array_equal(getattr(got, name), want, err_msg=name)


ALL = ("translation", "zoom", "colour", "cutout")


def test_what_is_known_stays_the_same_in_real_and_fake():
  pair = make_pair(b=16)
  pair = pair.replace(fake=np.where(pair.changeable, np.float32(50), pair.real))
  found = critic_augmentation.draw(jax.random.key(0), 16, 0.8, ALL)
  got = jax.tree.map(np.asarray, apply(found, pair))
  same = (got.real == got.fake).all(-1, keepdims=True)
  np.testing.assert_array_equal(same, ~got.changeable)
  assert (got.condition[..., :1] > 0).any() and got.changeable.any((1, 2, 3)).sum() > 8
  np.testing.assert_array_equal(got.condition[..., :1] > 0, got.changeable)
  total = got.condition[..., 1:].sum(-1)  # probabilities, but for what is cut out
  assert np.all((np.abs(total - 1) < 1e-5) | (total == 0))


def test_nothing_drawn_changes_nothing():
  pair = make_pair(b=3)
  got = apply(critic_augmentation.draw(jax.random.key(0), 3, 0.0, ALL), pair)
  jax.tree.map(np.testing.assert_array_equal, got, pair)


def test_draws():
  number, p = 4000, 0.3
  found = jax.jit(critic_augmentation.draw, static_argnums=(1, 3))(
    jax.random.key(0), number, p, ALL
  )
  x = jax.tree.map(np.asarray, found)
  for name, otherwise, low, high in (
    ("shift", 0, -0.125, 0.125), ("brightness", 0, -0.5, 0.5), ("contrast", 1, 0.5, 1.5),
    ("saturation", 1, 0, 2), ("zoom", 1, 0.4, 2.5), ("cut", -1, 0, 1),
  ):  # fmt: skip
    values = getattr(x, name).reshape(number, -1)
    happens = (values != otherwise).any(-1)
    np.testing.assert_allclose(happens.mean(), p, atol=0.03, err_msg=name)
    assert values[happens].min() >= low and values[happens].max() <= high, name
  np.testing.assert_allclose(np.log2(x.zoom[x.zoom != 1]).std(), 0.2, atol=0.02)
  happen = [x.zoom != 1, x.brightness != 0, x.contrast != 1, x.cut[:, 0] >= 0]
  np.testing.assert_allclose(np.corrcoef(happen), np.eye(4), atol=0.06)  # each on its own
  some = critic_augmentation.draw(jax.random.key(0), 4, p, ("zoom",))
  assert len(jax.tree.leaves(some)) == 1 and some.zoom.shape == (4,)


def test_the_generator_is_moved_in_the_hole_only():
  """Through the changed picture, a gradient reaches what fills the hole, and no known pixel."""
  pair = make_pair(b=8)
  photo, mask = pair.real, pair.changeable
  found = critic_augmentation.draw(jax.random.key(1), 8, 0.8, ALL)
  weights = RNG.standard_normal((SIDE, SIDE, 3)).astype(np.float32)

  seen = SimpleNamespace(photo=photo, mask=mask, layout=pair.condition[..., 1:], paired=pair.valid)
  objective = TextureObjective(None, frozenset(), critic_sharpening=4.0)

  @jax.jit
  def score(filled):
    whole = jnp.where(mask, filled, photo)
    changed = critic_augmentation.apply(found, objective.comparison({"whole": whole}, seen))
    return jnp.where(changed.changeable, changed.fake * weights, 0.0).sum()

  filled = RNG.uniform(-1, 1, photo.shape).astype(np.float32)
  gradient = np.asarray(jax.jit(jax.grad(score))(filled))
  assert not gradient[~np.broadcast_to(mask, gradient.shape)].any()
  assert (np.abs(gradient).max((1, 2, 3)) > 0).all()
  step = 1e-2 * gradient / np.linalg.norm(gradient)
  slope = (score(filled + step) - score(filled - step)) / 2e-2
  np.testing.assert_allclose(slope, np.linalg.norm(gradient), rtol=1e-2)


def test_the_probability_goes_towards_the_target():
  augment = Augmentation(target=0.6, adapt_images=100)
  adapted = jax.jit(augment.adapted, static_argnums=2)
  p = np.float32(0.5)
  np.testing.assert_allclose(adapted(p, np.float32(0.7), 4), 0.54, rtol=1e-6)
  np.testing.assert_allclose(adapted(p, np.float32(0.5), 4), 0.46, rtol=1e-6)
  assert adapted(np.float32(0.01), np.float32(-1), 4) == 0
  assert adapted(np.float32(0.79), np.float32(1), 4) == np.float32(CAP)
  fixed = Augmentation(strength=0.25)
  assert fixed.adapted(p, np.float32(1), 4) == 0.25  # also after another was configured
  assert adapted(p, np.float32(1), 4).dtype == jnp.float32


def test_when_it_is_active():
  assert not Augmentation().active and not Augmentation(strength=0.5, kinds=()).active
  assert Augmentation(strength=0.1).active and Augmentation(target=0.6).active


@pytest.mark.parametrize(
  ("options", "said"),
  [
    ({"strength": 0.9}, "strength must be 0 to 0.8, got 0.9"),
    ({"strength": -0.1}, "strength must be 0 to 0.8, got -0.1"),
    ({"target": 1.0}, "target must be 0 .* got 1.0"),
    ({"adapt_images": 0}, "adapt_images must be 1 or more, got 0"),
    ({"kinds": ("zoom", "flip")}, "'flip' is not one of translation, zoom, colour, cutout"),
  ],
)
def test_rejections(options, said):
  with pytest.raises(ValueError, match=said):
    Augmentation(**options)
