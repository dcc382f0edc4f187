"""The texture network: nothing under the mask is read, and all that it is told is used."""

import dataclasses

import jax
import jax.numpy as jnp
import micro_model
import numpy as np
import pytest

from facefill_jax.bench import made_up
from facefill_jax.labels import MIRROR, NUM_CLASSES
from facefill_jax.models import symmetry
from facefill_jax.models.texture_net import HEAD, LATENT, ClassStyle, Grain, with_symmetry

RNG = np.random.default_rng(0)


def normal(*shape):
  return RNG.standard_normal(shape).astype(np.float32)


@pytest.fixture(scope="module")
def paint(micro, micro_params):
  """Keyword arguments of TextureNet, changed from STANDARD -> filled; compiled for 64 x 96."""
  run = micro_model.jit(lambda params, kwargs: micro.texture.apply({"params": params}, **kwargs))

  def paint(params=micro_params["texture"], **changed):
    return np.asarray(run(params, STANDARD | changed))

  return paint


def asked(height, width):
  batch = micro_model.random_batch(2, height, width)
  rng = np.random.default_rng(1)
  layout = rng.dirichlet(np.full(NUM_CLASSES, 0.2), (2, height, width)).astype(np.float32)
  return {
    "photo": batch["photo"].astype(np.float32) / 127.5 - 1,
    "mask": batch["mask"],
    "layout": layout,
    "features": rng.standard_normal((2, height // 16, width // 16, 16)).astype(np.float32),
    "z": rng.standard_normal((2, LATENT)).astype(np.float32),
    "use_features": np.array([True, True]),
  }


STANDARD = asked(64, 96)


def test_a_wide_photo_with_the_same_weights(paint):
  filled = paint()
  assert filled.shape == (2, 64, 96, 3) and filled.dtype == np.float32
  assert np.abs(filled).max() <= 1 and filled.std() > 0.01  # float32 rounds tanh(10) to 1


def test_what_is_under_the_mask_is_never_read(paint):
  photo, mask = STANDARD["photo"], STANDARD["mask"]
  want = paint()
  for spoilt in (np.nan, np.inf, 1e6, -0.5):
    hidden = np.where(mask, np.float32(spoilt), photo)
    np.testing.assert_array_equal(paint(photo=hidden), want)
  moved = paint(photo=np.where(mask, photo, -photo))
  assert np.abs(moved - want)[STANDARD["mask"][..., 0]].max() > 1e-3  # the hole reads the known


def test_a_photo_of_which_nothing_is_known(paint):
  filled = paint(mask=np.ones_like(STANDARD["mask"]))
  assert np.isfinite(filled).all() and filled.std() > 0.01


def test_a_network_that_learned_without_symmetry_fills_as_before(paint, micro_params):
  before = jax.tree.map(np.asarray, micro_params["texture"])
  del before["mirror"]
  kernel = before["encoder"]["stem"]["kernel"]
  parts = np.split(kernel, 4, axis=2)  # of four sub-pixels, each with the mirror's channels last
  before = before | {"encoder": dict(before["encoder"])}
  seen = np.concatenate([part[:, :, :-4] for part in parts], axis=2)
  before["encoder"]["stem"] = before["encoder"]["stem"] | {"kernel": seen}
  net = micro_model.networks(symmetry=False).texture
  want = micro_model.jit(lambda p, given: net.apply({"params": p}, **given))(before, STANDARD)
  widened = with_symmetry(before)
  assert not any(leaf.any() for leaf in jax.tree.leaves(widened["mirror"]["believe"]))
  shapes = [jax.tree.map(np.shape, tree) for tree in (widened, dict(micro_params["texture"]))]
  assert shapes[0] == shapes[1]
  np.testing.assert_allclose(paint(params=widened), want, atol=1e-6)


def test_the_reflection_is_shown_as_far_as_the_gate_lets_it(paint, micro_params):
  params = jax.tree.map(np.zeros_like, micro_params["texture"])  # nothing is drawn
  smooth = paint(params=params)
  open_ = params["mirror"]["believe"] | {"bias": np.ones(4, np.float32)}
  params["mirror"] = params["mirror"] | {"believe": open_}
  shown = paint(params=params)
  found = symmetry.reflection(*(jnp.asarray(STANDARD[x]) for x in ("photo", "mask", "layout")))
  where = (found.valid & STANDARD["mask"])[..., 0]
  fits = np.where(where[..., None], found.fits, 0)
  assert 0 < fits.max() and not where.all()
  base, reflected = np.arctanh(smooth), np.arctanh(0.995 * found.picture)
  np.testing.assert_allclose(shown, np.tanh(base + fits * (reflected - base)), atol=1e-4)
  np.testing.assert_array_equal(shown[~where], smooth[~where])


@pytest.mark.parametrize("name", ["layout", "features", "z"])
def test_all_that_is_told_moves_the_hole(paint, name):
  other = paint(**{name: STANDARD[name][::-1].copy()})
  assert np.abs(other - paint())[STANDARD["mask"][..., 0]].max() > 1e-3


def test_withheld_features_are_never_read(paint):
  withheld = np.array([True, False])
  want, features = paint(use_features=withheld), STANDARD["features"].copy()
  features[1] = np.nan
  np.testing.assert_array_equal(paint(use_features=withheld, features=features), want)
  np.testing.assert_array_equal(want[0], paint()[0])
  assert not np.array_equal(want[1], paint()[1])


@pytest.mark.parametrize(("h", "w"), [(48, 64), (64, 80), (32, 32)])
def test_other_sizes_are_refused(micro, micro_params, h, w):
  given = asked(64, 64) | {"photo": np.zeros((2, h, w, 3)), "mask": np.zeros((2, h, w, 1), bool)}
  with pytest.raises(ValueError, match="multiples of 32"):
    micro.texture.apply({"params": micro_params["texture"]}, **given)


@pytest.mark.parametrize(
  "mask",
  [np.zeros((1, 64, 64, 1), bool), np.zeros((2, 64, 64, 1), np.uint8), np.zeros((2, 64, 64), bool)],
  ids=["batch", "dtype", "rank"],
)
def test_other_masks_are_refused(micro, micro_params, mask):
  with pytest.raises(ValueError, match="mask must be bool"):
    micro.texture.apply({"params": micro_params["texture"]}, **asked(64, 64) | {"mask": mask})


def test_bfloat16_computes_but_the_picture_is_float32(micro_params):
  net, given = micro_model.networks("bfloat16").texture, asked(64, 64)
  shape = jax.eval_shape(lambda p: net.apply({"params": p}, **given), micro_params["texture"])
  assert shape.dtype == jnp.float32 and shape.shape == (2, 64, 64, 3)


@pytest.fixture(scope="module")
def style():
  """(features, known, layout) -> styles, and the parameters; width 5, tau 4."""
  module = ClassStyle(5)
  shapes = jax.eval_shape(module.init, jax.random.key(0), *style_inputs())
  params = made_up.parameters(shapes)
  return micro_model.jit(lambda *x: module.apply(params, *x)), params["params"]


def style_inputs():
  ids = RNG.integers(0, 6, (2, 4, 4))  # l_eye is 4, r_eye is 5: mirror classes
  known = RNG.choice(np.array([0, 0.5, 1], np.float32), (2, 4, 4, 1))
  return normal(2, 4, 4, 3), known, np.eye(NUM_CLASSES, dtype=np.float32)[ids]


def test_class_style_by_hand(style):
  styles, params = style
  features, known, layout = style_inputs()
  layout[0, ..., 5], layout[0, ..., 3] = 0, layout[0, ..., 3] + layout[0, ..., 5]  # no right eye
  seen = np.where(known > 0, features, 0) @ params["project"]["kernel"] + params["project"]["bias"]
  want = np.empty((2, NUM_CLASSES, 5))
  for b in range(2):
    weights = [known[b] * layout[b, ..., k, None] for k in range(NUM_CLASSES)]
    total, count = [(w * seen[b]).sum((0, 1)) for w in weights], [w.sum() for w in weights]
    for k, m in enumerate(MIRROR):
      prior = (total[m] + 4 * params["learned"][k]) / (count[m] + 4)
      want[b, k] = (total[k] + 4 * prior) / (count[k] + 4)
  got = np.asarray(styles(features, known, layout))
  np.testing.assert_allclose(got, want, atol=1e-5)
  assert np.abs(got[0, 5] - params["learned"][5]).max() > 0.01  # it takes after the left one


def test_class_style_never_reads_the_hole(style):
  styles, params = style
  features, known, layout = style_inputs()
  want = styles(features, known, layout)
  for spoilt in (1e6, np.nan):
    got = styles(np.where(known > 0, features, np.float32(spoilt)), known, layout)
    np.testing.assert_array_equal(got, want)
  nothing = styles(np.full_like(features, np.nan), np.zeros_like(known), layout)
  np.testing.assert_allclose(nothing, np.stack([params["learned"]] * 2), atol=1e-6)


def grain(x, hole, layout, z, strength=None):
  strength = np.ones((NUM_CLASSES, x.shape[-1]), np.float32) if strength is None else strength
  run = jax.jit(lambda *given: Grain().apply({"params": {"strength": strength}}, *given))
  return np.asarray(run(x, hole, layout, z))


def test_grain_is_in_the_hole_and_fine():
  x, z = np.full((2, 32, 32, 4), 3.0, np.float32), normal(2, LATENT)
  hole = np.zeros((2, 32, 32, 1), bool)
  hole[:, :, 16:] = True
  layout = np.zeros((2, 32, 32, NUM_CLASSES), np.float32)
  layout[:, :16, :, 1] = layout[:, 16:, :, 13] = 1  # skin above, hair below
  strength = np.zeros((NUM_CLASSES, 4), np.float32)
  strength[13] = 0.5
  added = grain(x, hole, layout, z, strength) - x
  assert (added[:, :, :16] == 0).all() and (added[:, :16] == 0).all()
  hair = added[:, 16:, 16:]
  # White noise less its binomial mean: 1 - 2/4 (centre) + 9/64 (squares) of its variance.
  np.testing.assert_allclose(hair.std(), 3.0 * 0.5 * np.sqrt(1 - 0.5 + 9 / 64), rtol=0.1)
  coarse = hair.reshape(2, 4, 4, 4, 4, 4).mean((2, 4))
  assert coarse.std() < 0.15 * hair.std()  # of white noise: a quarter


def test_grain_depends_on_z_alone_and_not_on_the_batch():
  x, z = normal(3, 8, 8, 4), normal(3, LATENT)
  hole = np.ones((3, 8, 8, 1), bool)
  layout = np.full((3, 8, 8, NUM_CLASSES), 1 / NUM_CLASSES, np.float32)
  want = grain(x, hole, layout, z)
  np.testing.assert_array_equal(grain(x, hole, layout, z), want)
  alone = grain(x[1:2], hole[1:2], layout[1:2], z[1:2])
  np.testing.assert_allclose(alone, want[1:2], atol=1e-6)
  other = grain(x, hole, layout, z[::-1])
  assert np.abs(other - want)[0].max() > 0.1


def test_remat_keeps_nothing_at_full_resolution_but_what_is_given(micro, micro_params):
  """And parameters keep their names."""
  kept = {}
  for remat in (False, True):
    net = dataclasses.replace(micro.texture, remat=remat)
    given = jax.tree.map(jnp.asarray, asked(64, 64))

    def pull(params, given, net=net):
      return jax.vjp(lambda p: net.apply({"params": p}, **given), params)[1]

    leaves = jax.tree.leaves(jax.eval_shape(pull, micro_params["texture"], given))
    kept[remat] = {leaf.shape for leaf in leaves if leaf.shape[1:3] == (64, 64)}
  drawn = (2, 64, 64, HEAD)
  assert drawn in kept[False] and drawn not in kept[True]
