"""One step of either stage, and filling. Compiled once; tests of one program share a worker."""

import dataclasses
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import micro_model
import micro_step
import numpy as np
import pytest
from micro_step import (
  RATE,
  STEADY,
  TERMS,
  largest_move,
  make_batch,
  make_stage,
  make_state,
  uneven_batch,
)

from facefill_jax import images
from facefill_jax.labels import MIRROR, VOID
from facefill_jax.models import networks as networks_lib
from facefill_jax.models.texture_net import LATENT
from facefill_jax.stages import critic_augmentation, losses
from facefill_jax.stages import stage as stage_lib
from facefill_jax.stages import step as step_lib
from facefill_jax.stages.critic_augmentation import Augmentation

UPDATE = {"gradient_norm", "clip_factor", "update_ratio", "learning_rate"}
CRITIC_METRICS = {f"critic/{name}" for name in UPDATE | {"real", "fake", "penalty", "loss"}}
COUNTERS = {"images", "ema_half_life_images"}


def equal(a, b) -> bool:
  """Whether two trees are bit for bit the same."""
  same = jax.tree.map(lambda x, y: np.array_equal(x, y, equal_nan=True), a, b)
  return all(jax.tree.leaves(same))


def check_sound(state, metrics, stage):
  """Metrics are those of the active terms, finite float32 scalars; so are parameters."""
  terms = {f"loss/{name}" for name, weight in stage.weights if weight}
  more = {"critic/sign"} if stage.adversary == stage_lib.HINGE_R1 else set()
  more |= {"critic/augment"} if stage.augment.active else set()
  of_modules = {name for name in metrics if "gradient_norm/" in name}
  wanted = terms | CRITIC_METRICS | more | {"loss/total"} | UPDATE | COUNTERS
  assert of_modules and set(metrics) - of_modules == wanted
  for name, value in metrics.items():
    assert value.dtype == jnp.float32 and value.shape == (), name
    assert np.isfinite(value), name
  for leaf in jax.tree.leaves((state.params, state.ema, state.critic_params)):
    assert np.isfinite(leaf).all()


@pytest.fixture(scope="session")
def layout_run(micro, micro_params, layout_step):
  """(step, states, metrics) of the layout stage: a generator's step, a critic's, one of both."""
  start = make_state(layout_step.stage, micro_params, seen=1000, steps=1)
  return layout_step, *run(layout_step, start, uneven_batch(micro))


@pytest.fixture(scope="session")
def texture_run(micro, micro_params, texture_step):
  """(step, states, metrics) of three steps of the texture stage; see `texture_step` for rates."""
  return texture_step, *run(
    texture_step, make_state(texture_step.stage, micro_params), make_batch(micro)
  )


def run(step, start, batch):
  """Three steps on one batch: (four states, three steps' metrics)."""
  states, metrics = [start], []
  for _ in range(3):
    state, values = step(states[-1], batch)
    states.append(jax.device_get(state))
    metrics.append(jax.device_get(values))
  return states, metrics


in_layout_group = pytest.mark.xdist_group("layout_step")
in_texture_group = pytest.mark.xdist_group("texture_step")


@in_layout_group
def test_what_a_step_did_not_ask_is_none_of_its_metrics(layout_run):
  """The generator moves at every second step; the penalty is asked at the first of three."""
  step, _, metrics = layout_run
  stage = step.stage.replace(penalty_every=3)
  found = [set(step_lib.computed(stage, step, metrics[0])) for step in range(4)]
  of_critic = {n for n in metrics[0] if n.startswith("critic/")} | COUNTERS
  assert found[0] == of_critic and found[1] == set(metrics[0]) - {"critic/penalty"}
  assert found[2] == of_critic - {"critic/penalty"} and found[3] == set(metrics[0])


def test_a_penalty_of_weight_0_is_not_computed(micro, micro_params, monkeypatch):
  def computed(*_):
    raise AssertionError

  monkeypatch.setattr(losses, "gradient_penalty", computed)
  stage = make_stage("layout", micro, micro_params, penalty=0.0)
  state = make_state(stage, micro_params)
  _, metrics = jax.eval_shape(
    step_lib.train_step, stage, state, make_batch(micro), jax.random.key(0)
  )
  assert metrics["critic/penalty"].shape == ()


@in_layout_group
def test_a_critic_step_leaves_the_generator_alone(layout_run):
  _, (_, before, after, _), metrics = layout_run
  for name in ("params", "ema", "opt_state"):
    assert equal(getattr(before, name), getattr(after, name)), name
  assert largest_move(before.critic_params, after.critic_params) > RATE / 2
  assert not any(value for name, value in metrics[1].items() if name.startswith("loss/"))


@in_layout_group
def test_the_generator_takes_every_second_step(layout_run):
  step, (*_, before, after), metrics = layout_run
  assert largest_move(before.params, after.params) > RATE / 2
  assert largest_move(before.critic_params, after.critic_params) > RATE / 2
  check_sound(after, metrics[2], step.stage)
  assert all(metrics[2][f"loss/{name}"] != 0 for name in TERMS["layout"])
  total = sum(weight * metrics[2][f"loss/{name}"] for name, weight in step.stage.weights)
  np.testing.assert_allclose(metrics[2]["loss/total"], total, rtol=1e-5)


@in_layout_group
def test_counters(layout_run):
  _, states, _ = layout_run
  assert [int(s.step) for s in states] == [1, 2, 3, 4]
  assert [int(s.images) for s in states] == [1000, 1004, 1008, 1012]


@in_layout_group
def test_average_by_hand(layout_run):
  """Half-life .05 * 1012 images, as 10,000 are not seen yet; 4 photos, every second step."""
  _, (*_, before, after), _ = layout_run
  decay = 2 ** (-4 * 2 / (0.05 * 1012))
  assert 0.85 < decay < 0.95
  want = jax.tree.map(lambda e, p: decay * e + (1 - decay) * p, before.ema, after.params)
  assert largest_move(after.ema, want) < 1e-5


@in_layout_group
def test_same_inputs_give_the_same_layout_step(layout_run, micro):
  step, states, metrics = layout_run
  again = step(states[1], uneven_batch(micro))
  assert equal(again, (states[2], metrics[1]))
  other, _ = step(states[1], uneven_batch(micro), seed=1)  # another gradient penalty
  assert not equal(other.critic_params, states[2].critic_params)


def edge_batches(count):
  return {
    "no labels": {"labels": np.full((count, 64, 64), VOID, np.uint8)},
    "no hole": {"mask": np.zeros((count, 64, 64, 1), bool)},
    "nothing known": {"mask": np.ones((count, 64, 64, 1), bool)},
    "one colour": {"photo": np.zeros((count, 64, 64, 3), np.uint8)},
  }


@in_layout_group
@pytest.mark.parametrize("case", edge_batches(4))
def test_a_layout_step_stays_finite(layout_run, micro, case):
  step, states, _ = layout_run
  state, metrics = step(states[2], make_batch(micro, 4, **edge_batches(4)[case]))
  check_sound(state, metrics, step.stage)
  if case == "no labels":  # nothing can be learned from it
    assert metrics["loss/total"] == 0 and metrics["critic/penalty"] == 0


@in_texture_group
def test_a_generator_step_leaves_the_critic_alone(texture_run):
  step, (before, after, *_), metrics = texture_run
  assert equal(before.critic_params, after.critic_params)
  assert largest_move(before.params, after.params) > RATE / 2
  check_sound(after, metrics[0], step.stage)
  assert all(metrics[0][f"loss/{name}"] != 0 for name in TERMS["texture"])


@in_texture_group
def test_a_texture_critic_step_leaves_the_generator_alone(texture_run):
  _, (*_, before, after), _ = texture_run
  assert equal(before.params, after.params)
  assert largest_move(before.critic_params, after.critic_params) > RATE / 2


@in_texture_group
def test_the_first_average_is_all_but_the_parameters(texture_run):
  """Half-life .05 * 2 images: one millionth of what was there before is left."""
  _, (before, after, *_), _ = texture_run
  decay = 2 ** (-2 / (0.05 * 2))
  want = jax.tree.map(lambda e, p: decay * e + (1 - decay) * p, before.ema, after.params)
  assert largest_move(after.ema, want) < 1e-6
  assert (int(after.step), int(after.images)) == (1, 2)


@in_texture_group
def test_same_inputs_give_the_same_texture_step(texture_run, micro):
  step, states, metrics = texture_run
  again = step(states[0], make_batch(micro))
  assert equal(again, (states[1], metrics[0]))
  _, other = step(states[0], make_batch(micro), seed=1)  # other latents
  assert other["loss/diversity"] != metrics[0]["loss/diversity"]


@in_texture_group
@pytest.mark.parametrize("case", edge_batches(2))
def test_a_texture_step_stays_finite(texture_run, micro, case):
  step, states, _ = texture_run
  state, metrics = step(states[1], make_batch(micro, **edge_batches(2)[case]))
  check_sound(state, metrics, step.stage)
  if case == "no hole":  # nothing for the critic to tell apart
    assert metrics["loss/hole_l1"] == metrics["critic/penalty"] == metrics["critic/loss"] == 0


@in_texture_group
def test_a_photo_without_a_hole_does_not_move_the_critic(texture_run, micro):
  """Beside a photo that has one: the critic's step is the same whatever the other shows."""
  step, states, _ = texture_run
  mask, photo = micro_model.random_batch()["mask"], micro_model.random_batch()["photo"]
  mask[1] = False
  other = photo.copy()
  other[1] = 255 - other[1]
  first, second = (step(states[1], make_batch(micro, mask=mask, photo=x)) for x in (photo, other))
  names = {n for n in first[1] if n.startswith("critic/")} | {"loss/feature_matching"}
  assert first[1]["critic/loss"] != 0 and first[1]["loss/known_l1"] != second[1]["loss/known_l1"]
  for name in names:
    np.testing.assert_allclose(second[1][name], first[1][name], rtol=1e-5, err_msg=name)
  assert largest_move(first[0].critic_params, second[0].critic_params) < RATE / 100


@pytest.mark.slow
def test_texture_micro_batches_are_one_batch(micro, micro_params):
  batch, step = uneven_batch(micro), micro_model.jit(step_lib.train_step)
  options = {"adversary": "hinge_r1", "swapped_layout_share": 0.5, "true_layout_share": 0.3}
  found = []
  for micro_batches in (1, 2):
    stage = make_stage("texture", micro, micro_params, micro_batches=micro_batches, **options)
    # Slow enough for the second generator's gradient not to feel the first critic's rounding.
    slow = dataclasses.replace(STEADY, lr=1e-7, clip=0.0)
    stage = stage.replace(optimiser=slow, critic_optimiser=slow)
    found.append(step(stage, make_state(stage, micro_params), batch, jax.random.key(3)))
  micro_step.check_same(*found)


def test_a_fresh_state_has_an_average_and_both_optimisers(micro, micro_params):
  stage = make_stage("layout", micro, micro_params)
  fresh = jax.eval_shape(
    partial(step_lib.init_state, stage, micro, resolution=64), jax.random.key(0)
  )
  want = jax.eval_shape(lambda: make_state(stage, micro_params))
  assert jax.tree.map(lambda x: (x.shape, x.dtype), fresh) == jax.tree.map(
    lambda x: (x.shape, x.dtype), want
  )


def test_make_batch_converts():
  raw = micro_model.random_batch()
  batch = step_lib.make_batch(**{name: jnp.asarray(value) for name, value in raw.items()})
  np.testing.assert_array_equal(images.to_uint8(batch.photo), raw["photo"])
  assert batch.labels.dtype == jnp.int32 and batch.mask.dtype == jnp.bool_
  assert batch.confidence is None
  sure = step_lib.make_batch(**raw, confidence=np.array([0, 51, 255], np.uint8)).confidence
  np.testing.assert_allclose(sure, [0, 0.2, 1], rtol=1e-6)
  assert sure.dtype == jnp.float32


def test_an_augmented_hinge_critic_with_a_lazy_penalty(micro, micro_params):
  """Loss, penalty and r_t by hand on what was drawn; the probability moves towards the target.

  At a step with the penalty it is twice as strong; the next step goes without.
  """
  augment = Augmentation(0.5, target=0.6, adapt_images=20, kinds=("translation",))
  stage = make_stage(
    "layout", micro, micro_params, adversary="hinge_r1", penalty=3.0, penalty_every=2,
    augment=augment,
  )  # fmt: skip
  before, batch = make_state(stage, micro_params), make_batch(micro)
  step = micro_step.CompiledStep(stage, before, batch)
  state, metrics = step(before, batch)
  check_sound(state, metrics, stage)
  _, next_metrics = step(state, batch)
  assert metrics["critic/penalty"] > 0 and next_metrics["critic/penalty"] == 0

  def by_hand(params, critic_params, batch):
    keys = jax.random.split(jax.random.fold_in(jax.random.key(0), 0), 5)
    draws = critic_augmentation.draw(keys[3], 2, 0.5, augment.kinds)
    inputs = stage.objective.inputs(batch, None)
    made = stage.objective.generate(micro.layout, params, inputs)
    pair = critic_augmentation.apply(draws, stage.objective.comparison(made, inputs))

    def judge(x):
      seen = (x, pair.condition, pair.changeable)
      return micro.layout_critic.apply({"params": critic_params}, *seen)[0]

    def lacking(verdict, sign):
      return (verdict.weights * jnp.maximum(0, 1 - sign * verdict.values)).sum(-1)

    real, fake = judge(pair.real), judge(pair.fake)
    r1 = losses.r1_penalty(lambda x: judge(x).score(), pair.real, pair.changeable)
    sign = (real.weights * jnp.sign(real.values)).sum(-1).mean()
    return (lacking(real, 1) + lacking(fake, -1)).mean(), 2 * r1, sign, draws.shift

  loss, penalty, sign, shift = micro_model.jit(by_hand)(before.params, before.critic_params, batch)
  assert np.asarray(shift).any()  # else this would test nothing of what is drawn
  np.testing.assert_allclose(metrics["critic/penalty"], penalty, rtol=1e-4)
  np.testing.assert_allclose(metrics["critic/loss"], loss + 3 * penalty, rtol=1e-4)
  np.testing.assert_allclose(metrics["critic/sign"], sign, atol=1e-6)
  assert metrics["critic/augment"] == 0.5
  np.testing.assert_allclose(state.augment, 0.5 + np.sign(sign - 0.6) * 2 / 20, rtol=1e-6)


def test_without_strength_nothing_is_drawn(micro, micro_params, monkeypatch):
  def refuse(*_):
    raise AssertionError("drawn")

  for name in ("draw", "apply", "seen"):
    monkeypatch.setattr(critic_augmentation, name, refuse)
  stage = make_stage("layout", micro, micro_params)
  batch, state = make_batch(micro), make_state(stage, micro_params)
  jax.eval_shape(step_lib.train_step, stage, state, batch, jax.random.key(0))
  stage = stage.replace(augment=Augmentation(0.5))
  with pytest.raises(AssertionError, match="drawn"):
    jax.eval_shape(step_lib.train_step, stage, state, batch, jax.random.key(0))


# float32 and bfloat16.


def cosine(a, b) -> float:
  a, b = (np.concatenate([np.ravel(x) for x in jax.tree.leaves(t)]).astype(float) for t in (a, b))
  return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.slow  # half a minute of compiling
def test_bfloat16_gradients_of_the_layout_network_point_the_same_way(micro, micro_params):
  weights = {"cross_entropy_hole": 1.0, "cross_entropy_known": 0.25, "dice": 1.0}
  stage = make_stage("layout", micro, micro_params, {"adversarial": 0.0} | weights)
  inputs = stage.objective.inputs(make_batch(micro), None)

  def gradient(dtype):
    net = micro_model.networks(dtype).layout

    def loss(params, inputs):  # an argument: the compiler would work constants out
      outputs = stage.objective.generate(net, params, inputs)
      terms = stage.objective.terms(outputs, inputs, stage.judges, None, None)
      return sum(weights[term] * value for term, value in terms.items())

    return micro_model.jit(jax.grad(loss))(micro_params["layout"], inputs)

  assert cosine(gradient("float32"), gradient("bfloat16")) > 0.99


@pytest.mark.slow  # half a minute of compiling
def test_bfloat16_gradients_of_the_texture_network_point_the_same_way(micro, micro_params):
  """On what it draws: how that is joined to the photo is float32."""
  batch, z = make_batch(micro), np.random.default_rng(0).standard_normal((2, LATENT))

  def gradient(dtype):
    net = micro_model.networks(dtype).texture

    def loss(params, batch, z):
      given = batch.photo, batch.mask, batch.layout, batch.features, z, np.ones(2, bool)
      filled = net.apply({"params": params}, *given)
      hole, known = (losses.l1(filled, batch.photo, x) for x in (batch.mask, ~batch.mask))
      return 5.0 * hole + known

    return micro_model.jit(jax.grad(loss))(micro_params["texture"], batch, z.astype(np.float32))

  assert cosine(gradient("float32"), gradient("bfloat16")) > 0.99


def test_bfloat16_gradients_of_critics_point_the_same_way(micro, micro_params):
  """With the gradient penalty, which is differentiated twice."""
  real, fake, condition = critic_pictures()
  mask = np.ones((4, 64, 64, 1), bool)

  def gradient(dtype):
    critic = micro_model.networks(dtype).texture_critic

    def loss(params, real, fake, condition):
      def score(x):
        return critic.apply({"params": params}, x, condition, mask)[0].score()

      penalty = losses.gradient_penalty(score, real, fake, mask, np.full((4, 1, 1, 1), 0.4))
      return losses.wasserstein(score(real), score(fake), np.ones(4, bool)) + 10 * penalty

    return micro_model.jit(jax.grad(loss))(micro_params["texture_critic"], real, fake, condition)

  assert cosine(gradient("float32"), gradient("bfloat16")) > 0.99


def critic_pictures():
  """Smooth against noisy pictures: of two samples of one noise, only rounding would be left."""
  rng = np.random.default_rng(0)
  noise = rng.standard_normal((4, 64, 64, 3)).astype(np.float32)
  smooth = rng.standard_normal((4, 4, 4, 3)).astype(np.float32).repeat(16, 1).repeat(16, 2)
  condition = rng.dirichlet(np.full(21, 0.2), (4, 64, 64)).astype(np.float32)
  return np.tanh(smooth), np.tanh(noise), condition


# Filling.


@pytest.fixture(scope="session")
def fill(micro, micro_params):
  """(photo float32, mask, z, use_features) -> layout, whole: both networks, compiled once."""

  @micro_model.jit
  def run(params, photo, mask, z, use_features):
    layout, features = networks_lib.predict_layout_twice(
      micro.layout, params["layout"], photo, mask
    )
    whole = networks_lib.fill(
      micro.texture, params["texture"], photo, mask, layout, features, z, use_features
    )
    return layout, whole

  return lambda *x: jax.tree.map(np.asarray, run(micro_params, *x))


def question(seed=0):
  raw = micro_model.random_batch(seed=seed)
  z = np.random.default_rng(seed).standard_normal((2, LATENT)).astype(np.float32)
  return np.asarray(images.to_float(jnp.asarray(raw["photo"]))), raw["mask"], z, np.ones(2, bool)


def test_known_pixels_of_a_fill_are_the_photo_s(fill):
  photo, mask, z, use = question()
  layout, whole = fill(photo, mask, z, use)
  known = np.broadcast_to(~mask, photo.shape)
  np.testing.assert_array_equal(whole[known].view(np.uint32), photo[known].view(np.uint32))
  assert np.abs(whole - photo)[~known].min() < np.abs(whole - photo)[~known].max() != 0
  np.testing.assert_allclose(layout.sum(-1), 1, rtol=1e-5)


def test_a_layout_seen_twice_is_the_mean_of_both_views(fill, micro, micro_params):
  """And that of the mirrored photo is the mirrored one, with left and right swapped."""
  photo, mask, z, use = question()
  mirrored = np.ascontiguousarray(photo[:, :, ::-1]), np.ascontiguousarray(mask[:, :, ::-1])
  once = micro_model.jit(partial(networks_lib.predict_layout, micro.layout))
  view, other = (np.asarray(once(micro_params["layout"], *x)[0]) for x in ((photo, mask), mirrored))
  back = other[:, :, ::-1][..., MIRROR]
  layout, _ = fill(photo, mask, z, use)
  np.testing.assert_allclose(layout, (view + back) / 2, atol=1e-5)
  assert np.abs(view - back).max() > 1e-3
  of_mirrored, _ = fill(*mirrored, z, use)
  np.testing.assert_allclose(of_mirrored[:, :, ::-1][..., MIRROR], layout, atol=1e-5)


def test_a_fill_is_joined_to_the_photo():
  rng = np.random.default_rng(3)
  photo, drawn = (rng.uniform(-1, 1, (2, 8, 8, 3)).astype(np.float32) for _ in range(2))
  mask = rng.random((2, 8, 8, 1)) < 0.5
  net = SimpleNamespace(apply=lambda *_: drawn)
  fill = jax.jit(lambda photo, mask: networks_lib.fill(net, {}, photo, mask, *[None] * 4))
  whole = fill(photo, mask)
  np.testing.assert_allclose(whole, jax.jit(images.seamless)(photo, drawn, mask), atol=1e-6)
  assert np.abs(whole - images.composite(photo, drawn, mask)).max() > 0.1


def test_no_bit_of_a_fill_depends_on_what_is_under_the_mask(fill):
  photo, mask, z, use = question()
  want = fill(photo, mask, z, use)
  for spoilt in (np.nan, 1e6, 0.3):
    got = fill(np.where(mask, np.float32(spoilt), photo), mask, z, use)
    assert equal(got, want), spoilt


def test_a_fill_does_not_depend_on_the_other_photos(fill):
  first, other = question(0), question(1)
  other[1][1] = ~other[1][1]  # another mask, too
  want = fill(*first)
  mixed = [np.stack([a[0], b[1]]) for a, b in zip(first, other, strict=True)]
  for got, alone in zip(fill(*mixed), want, strict=True):
    np.testing.assert_allclose(got[0], alone[0], rtol=1e-6, atol=1e-6)
    assert not np.allclose(got[1], alone[1], atol=1e-3)


def test_a_photo_of_which_nothing_is_known_is_filled(fill):
  photo, mask, z, use = question()
  layout, whole = fill(np.full_like(photo, np.nan), np.ones_like(mask), z, use)
  assert np.isfinite(layout).all() and np.isfinite(whole).all()
  np.testing.assert_array_equal(layout[0], layout[1])
  assert np.abs(whole[0] - whole[1]).max() > 1e-3  # another z is another answer


def test_nothing_to_fill_gives_the_photo_back(fill):
  photo, mask, z, use = question()
  np.testing.assert_array_equal(fill(photo, np.zeros_like(mask), z, use)[1], photo)


def test_modules_that_are_held():
  """They get no gradient, and do not decay."""
  params = {name: {"kernel": jnp.full((2, 2), 2.0)} for name in ("held", "learns")}
  objective = SimpleNamespace(
    generate=lambda net, p, inputs: p["held"]["kernel"] * p["learns"]["kernel"]
  )
  decaying = dataclasses.replace(STEADY, name="adamw", weight_decay=0.5)
  stage = SimpleNamespace(only=("learns",), net=None, objective=objective, rate=None)
  made, pullback = step_lib._generate(stage, params, SimpleNamespace(inputs=None))
  np.testing.assert_array_equal(made, np.full((2, 2), 4.0))
  (grads,) = pullback(jnp.ones((2, 2)))
  np.testing.assert_array_equal(grads["held"]["kernel"], 0)
  np.testing.assert_array_equal(grads["learns"]["kernel"], 2)
  state = decaying.make().init(params)
  after, _, _ = step_lib._update(stage, decaying, params, grads, state, stage.only)
  np.testing.assert_array_equal(after["held"]["kernel"], params["held"]["kernel"])
  assert (after["learns"]["kernel"] < params["learns"]["kernel"]).all()
