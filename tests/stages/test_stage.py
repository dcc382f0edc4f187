"""Sizes, choices, optimisers, and what a stage refuses."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from facefill_jax.models.networks import abstract_params, build_networks, init_params
from facefill_jax.stages.critic_augmentation import Augmentation
from facefill_jax.stages.layout_objective import LayoutObjective
from facefill_jax.stages.optimisers import Optimiser
from facefill_jax.stages.stage import Judges, make_stage
from facefill_jax.stages.texture_objective import TextureObjective

ADAM = Optimiser("adam", 1e-3, 0.0, 0.99, 0.0, 0.0, 0, 0, 10)
LOSSES = {
  "layout": dict.fromkeys(LayoutObjective.TERMS, 1.0),
  "texture": dict.fromkeys(TextureObjective.TERMS, 1.0),
}
MILLIONS = {
  "paper": {"layout": 51, "texture": 39, "layout_critic": 19, "texture_critic": 19},
  "base": {"layout": 27, "texture": 29, "layout_critic": 19, "texture_critic": 19},
  "small": {"layout": 5.4, "texture": 4.8, "layout_critic": 4.8, "texture_critic": 4.8},
}


def make(networks, name="layout", **changed):
  options = {"losses": LOSSES.get(name, {}), "optimiser": ADAM, "critic_optimiser": ADAM}
  return make_stage(name, networks, Judges(), **options | changed)


@pytest.mark.parametrize("size", MILLIONS)
def test_parameter_counts_at_256(size):
  networks = build_networks(size)
  for name, millions in MILLIONS[size].items():
    init = partial(init_params, networks, name, resolution=256)
    shapes = jax.eval_shape(init, jax.random.key(0))
    count = sum(leaf.size for leaf in jax.tree.leaves(shapes)) / 1e6
    assert abs(count / millions - 1) < 0.15, f"{name}: {count:.1f} M, planned {millions} M"


def test_generators_have_the_same_parameters_at_every_resolution():
  shapes = [abstract_params("tiny", resolution) for resolution in (64, 128)]
  assert set(shapes[0]) == {"layout", "texture"}
  assert jax.tree.map(lambda x: x.shape, shapes[0]) == jax.tree.map(lambda x: x.shape, shapes[1])


@pytest.mark.parametrize(
  ("options", "said"),
  [
    ({"size": "huge"}, "size: 'huge' is not one of base, paper, small, tiny"),
    ({"size": "tiny", "dtype": "float16"}, "dtype: 'float16' is not one of bfloat16, float32"),
    (
      {"size": "tiny", "attention_values": "all"},
      "attention_values: 'all' is not one of none, pooled, unpooled",
    ),
  ],
)
def test_unknown_networks_are_refused(options, said):
  with pytest.raises(ValueError, match=said):
    build_networks(**options)


def test_dtype_reaches_all_networks():
  networks = build_networks("tiny", "bfloat16")
  for name in ("layout", "texture", "layout_critic", "texture_critic"):
    assert getattr(networks, name).dtype == jnp.bfloat16


def test_an_unknown_stage_is_refused(micro):
  with pytest.raises(ValueError, match="stage: 'coarse' is not one of layout, texture"):
    make(micro, "coarse")


def test_an_unknown_optimiser_is_refused(micro):
  with pytest.raises(ValueError, match="optimiser: 'sgd' is not one of adam, adamw"):
    make(micro, optimiser=Optimiser("sgd", 1e-3, 0.0, 0.99, 0.0, 0.0, 0, 0, 10))


@pytest.mark.parametrize("name", ["layout", "texture"])
def test_loss_weights_must_be_exactly_the_terms(micro, name):
  losses = dict(LOSSES[name])
  del losses["adversarial"]
  losses["adverserial"] = 1.0
  with pytest.raises(ValueError) as error:
    make(micro, name, losses=losses)
  said = str(error.value)
  assert "no such term ['adverserial'], no weight for ['adversarial']" in said
  assert str(sorted(losses)) in said and str(sorted(LOSSES[name])) in said  # both sets


@pytest.mark.parametrize("every", [0, -1])
def test_the_generator_must_have_turns(micro, every):
  with pytest.raises(ValueError, match=f"layout.generator_every must be 1 or more, got {every}"):
    make(micro, generator_every=every)


def test_an_unknown_adversary_is_refused(micro):
  with pytest.raises(ValueError, match=r"layout\.adversary: 'gan' is not one of wgan_gp, hinge_r1"):
    make(micro, adversary="gan")


def test_augmentations_that_cannot_be_are_refused(micro):
  with pytest.raises(
    ValueError, match=r"layout\.augment\.kinds: colour would spoil layouts; valid"
  ):
    make(micro, augment=Augmentation(0.5))
  with pytest.raises(ValueError, match=r"texture\.augment\.target .* means nothing with wgan_gp"):
    make(micro, "texture", augment=Augmentation(target=0.6))
  given = Augmentation(target=0.6)
  assert make(micro, "texture", augment=given, adversary="hinge_r1").augment is given
  assert not make(micro).augment.active


def test_a_stage_is_made_of_what_was_given(micro):
  losses = LOSSES["texture"] | {"style": 0.0}
  stage = make(micro, "texture", losses=losses, perceptual="squeezenet", swapped_layout_share=0.0)
  assert stage.net is micro.texture and stage.critic is micro.texture_critic
  assert dict(stage.weights) == losses
  assert stage.objective.active == set(losses) - {"style"}
  assert stage.objective.parser is micro.layout
  assert stage.objective.perceptual == "squeezenet"
  assert stage.objective.swapped_layout_share == 0
  with pytest.raises(TypeError, match="swaped"):
    make(micro, "texture", swaped_layout_share=0.0)


def test_only_the_judges_are_leaves(micro):
  judges = Judges(layout={"w": np.ones(3)})
  assert len(jax.tree.leaves(make(micro, "texture").replace(judges=judges))) == 1


def test_schedule_warms_up_stays_and_decays():
  rate = Optimiser("adam", 4e-4, 0.0, 0.99, 0.0, 0.0, 10, 20, 100, final=0.05).schedule()

  def at(*steps):
    return [float(rate(step)) for step in steps]

  np.testing.assert_allclose(at(0, 5, 10, 50, 80), [0, 2e-4, 4e-4, 4e-4, 4e-4], rtol=1e-5)
  half = 0.5 * (1 + 0.05) * 4e-4
  np.testing.assert_allclose(at(90, 100, 1000), [half, 2e-5, 2e-5], rtol=1e-5)


def test_schedule_without_warm_up_or_decay_is_constant():
  rate = Optimiser("adam", 4e-4, 0.0, 0.99, 0.0, 0.0, 0, 0, 100).schedule()
  np.testing.assert_allclose([rate(0), rate(50), rate(1000)], 4e-4, rtol=1e-6)


def test_the_global_norm_is_clipped_before_adam():

  def optimiser(clip):
    return Optimiser("adam", 1.0, 0.0, 0.9, 0.0, clip, 0, 0, 10).make()

  grads = {"a": jnp.array([30.0]), "b": jnp.array([40.0])}
  second_moment = {}
  for clip in (0.0, 5.0):
    _, state = optimiser(clip).update(grads, optimiser(clip).init(grads))
    second_moment[clip] = optax.tree.get(state, "nu")
  np.testing.assert_allclose(second_moment[0.0]["b"], 0.1 * 40**2, rtol=1e-5)
  np.testing.assert_allclose(second_moment[5.0]["b"], 0.1 * 4**2, rtol=1e-5)


def test_adamw_decays_kernels_alone_and_adam_nothing():
  params = {"conv": {"kernel": jnp.array([10.0]), "bias": jnp.array([10.0])}, "norm": {}}
  params["norm"]["scale"] = params["positions"] = jnp.array([10.0])
  grads = jax.tree.map(jnp.zeros_like, params)
  for name, moved in (("adam", 0.0), ("adamw", -0.1 * 0.5 * 10)):
    optimiser = Optimiser(name, 0.1, 0.0, 0.9, 0.5, 0.0, 0, 0, 10).make()
    updates, _ = optimiser.update(grads, optimiser.init(params), params)
    np.testing.assert_allclose(updates["conv"].pop("kernel"), moved, rtol=1e-5)
    assert all(x == 0 for x in jax.tree.leaves(updates))
