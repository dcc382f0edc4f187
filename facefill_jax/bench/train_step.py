"""A stage's training step as `training.run.Run` makes it, with numbers made up on the device."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from facefill_jax import sharding
from facefill_jax.bench import made_up
from facefill_jax.bench.train_case import Case, load
from facefill_jax.models.networks import LAYOUT, TEXTURE, Networks, build_networks
from facefill_jax.models.networks import init_params as init_network
from facefill_jax.stages import step as step_lib
from facefill_jax.stages.stage import Judges, Stage
from facefill_jax.training import config_check, from_config
from facefill_jax.types import Batch, TrainState

JUDGED = ("layout_consistency", "perceptual", "style")
"""Terms of the texture stage that look through frozen networks."""
_KINDS = {"squeezenet": "squeezenet_caffe", "vgg16": "vgg16"}  # of texture.perceptual


@dataclasses.dataclass(frozen=True)
class Setup:
  """What a step is made of; everything but the networks is NumPy arrays or shapes.

  Attributes:
    stage: without judges, which are arguments of the step.
    resolution, batch: side in pixels, photos a step; size, dtype: of the networks.
    state, judges, data: shapes of the step's arguments; data as a Batch, with its layout attached
      in the texture stage.
    parser: shapes of the parameters of the layout network that attaches it.
  """

  networks: Networks
  stage: Stage
  size: str
  resolution: int
  batch: int
  dtype: str
  state: TrainState
  judges: Judges
  data: Batch
  parser: dict


def set_up(case: Case) -> Setup:
  """The stage of a configuration in its last phase; nothing is compiled or allocated.

  Raises:
    ValueError: the configuration cannot be used.
  """
  c = load(case)
  config_check.check(c)
  plan, texture_start = from_config.make_plan(c)
  networks = config_check.splat(
    "model", build_networks, c.model, size=c.size, dtype=c.dtype, remat=c.remat
  )
  begin = texture_start if case.stage == TEXTURE else 0
  stage = from_config.make_stage(case.stage, c, networks, plan, begin)
  phase = plan.phases[-1]
  stage = stage.replace(micro_batches=phase.micro_batches)
  stage = stage.at(0 if case.early else stage.adversary_starts_at_images)
  side, shape = phase.resolution, jax.ShapeDtypeStruct
  made = made_up.photos(1, 64)
  data = jax.eval_shape(
    step_lib.make_batch,
    *(shape((phase.batch_size, side, side, *made[name].shape[3:]), made[name].dtype)
      for name in ("photo", "labels", "mask")),
  )  # fmt: skip
  parser = jax.eval_shape(partial(init_network, networks, LAYOUT, resolution=side), _key())
  judges = Judges()
  if case.stage == TEXTURE:
    data = jax.eval_shape(partial(step_lib.attach_layout, networks.layout), parser, data)
    kind = _KINDS.get(c.texture.perceptual)
    judges = Judges(layout=parser, perceptual=kind and made_up.frozen_network(kind))
  init = partial(step_lib.init_state, stage, networks, resolution=side)
  state = jax.eval_shape(init, _key())
  return Setup(
    networks, stage, c.size, side, phase.batch_size, c.dtype, state, judges, data, parser
  )


def program(setup: Setup, mesh=None):
  """`train_step`, jitted as a run does it; its state is donated."""
  options = {}
  if mesh is not None:
    places = sharding.state_shardings(setup.state, mesh), sharding.replicated(mesh)
    options["out_shardings"] = places
  return jax.jit(step_lib.train_step, donate_argnums=1, **options)


def attaching(setup: Setup):
  """`attach_layout` of the setup's networks, jitted: (parser params, batch) -> batch."""
  return jax.jit(partial(step_lib.attach_layout, setup.networks.layout))


def lower(setup: Setup, stage: Stage | None = None, mesh=None):
  """The step, lowered for its shapes. stage: a variant of the setup's, such as one without critic.

  mesh: the devices that it is for, which need not be here.
  """
  stage = (stage or setup.stage).replace(judges=_shapes(setup.judges))
  arguments = [stage, setup.state, setup.data, jax.eval_shape(_key)]
  if mesh is not None:
    whole, split = sharding.replicated(mesh), sharding.batch_sharding(mesh)
    places = whole, sharding.state_shardings(setup.state, mesh), split, whole
    arguments = [sharding.placed(*pair) for pair in zip(arguments, places, strict=True)]
  return program(setup, mesh).lower(*arguments)


def arrays(setup: Setup) -> tuple[TrainState, Judges, dict, Batch]:
  """State, judges, the parser's parameters and a batch (nothing attached), on the device."""
  shapes = setup.state
  critic = made_up.parameters(shapes.critic_params, seed=1)
  params = made_up.parameters(shapes.params)
  zeros = partial(jax.tree.map, lambda x: jnp.zeros(x.shape, x.dtype))
  state = TrainState(
    step=jnp.zeros((), jnp.int32), images=jnp.zeros((), jnp.int32), params=params,
    ema=jax.tree.map(lambda x: 0.5 * x, params), opt_state=zeros(shapes.opt_state),
    critic_params=critic, critic_opt_state=zeros(shapes.critic_opt_state),
    augment=jnp.full((), setup.stage.augment.strength, jnp.float32),
  )  # fmt: skip
  parser = jax.device_put(made_up.parameters(setup.parser, seed=2))
  judges = setup.judges
  if judges.layout is not None:
    judges = Judges(layout=parser, perceptual=jax.device_put(judges.perceptual))
  sent = jax.device_put(made_up.photos(setup.batch, setup.resolution))
  return jax.device_put(state), judges, parser, step_lib.make_batch(**sent)


def gflop_per_photo(setup: Setup, stage: Stage | None = None) -> float:
  """GFLOP of a step a photo, as XLA counts them before optimising; the penalty as often as it is.

  With generator_every above 1, an upper bound: the generator's are counted at each step.
  """
  stage = stage or setup.stage

  def count(variant):
    return float(lower(setup, variant).cost_analysis()["flops"]) / 1e9 / setup.batch

  every = stage.penalty_every
  if every == 1 or not stage.penalty or not stage.objective.asks_critic:
    return count(stage)
  without = count(stage.replace(penalty=0.0))
  return without + (count(stage.replace(penalty_every=1)) - without) / every


def attach_gflop_per_photo(setup: Setup) -> float:
  """The same of `attach_layout`; 0 in the layout stage."""
  if setup.stage.name != TEXTURE:
    return 0.0
  plain = setup.data.replace(layout=None, features=None)
  lowered = attaching(setup).lower(setup.parser, plain)
  return float(lowered.cost_analysis()["flops"]) / 1e9 / setup.batch


def _key() -> jax.Array:
  return jax.random.key(0)


def _shapes(tree: Any) -> Any:
  return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)
