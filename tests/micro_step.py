"""Training steps of the narrowest networks: stages, states, batches, and compiled steps."""

import re

import jax
import jax.numpy as jnp
import micro_model
import numpy as np
import optax

from facefill_jax import sharding
from facefill_jax.labels import NUM_CLASSES, VOID
from facefill_jax.stages import optimisers, step
from facefill_jax.stages.stage import OBJECTIVES, Judges
from facefill_jax.stages.stage import make_stage as make_any_stage

TERMS = {name: objective.TERMS for name, objective in OBJECTIVES.items()}
RATE = 1e-3
STEADY = optimisers.Optimiser("adam", RATE, 0.0, 0.99, 0.0, 1.0, 0, 0, 100)


def make_stage(name, networks, params, weights=None, **options):
  """A stage with all its terms at weight .5, but for `weights`."""
  return make_any_stage(
    name,
    networks,
    Judges(layout=params["layout"]) if name == "texture" else Judges(),
    losses=dict.fromkeys(TERMS[name], 0.5) | (weights or {}),
    **{"optimiser": STEADY, "critic_optimiser": STEADY} | options,
  )


def make_state(stage, params, seen=0, steps=0):
  """A state of these parameters, whose average is half of them."""
  own, critic = params[stage.name], params[f"{stage.name}_critic"]
  return step.TrainState(
    step=jnp.full((), steps, jnp.int32),
    images=jnp.full((), seen, jnp.int32),
    params=own,
    ema=jax.tree.map(lambda x: 0.5 * x, own),
    opt_state=stage.optimiser.make().init(own),
    critic_params=critic,
    critic_opt_state=stage.critic_optimiser.make().init(critic),
    augment=jnp.full((), stage.augment.strength, jnp.float32),
  )


def make_batch(networks, count=2, **changed):
  """A random batch with a random layout and features attached; `changed`: of what is sent."""
  raw = micro_model.random_batch(count) | changed
  batch = step.make_batch(**{name: jnp.asarray(value) for name, value in raw.items()})
  rng = np.random.default_rng(5)
  layout = rng.dirichlet(np.full(NUM_CLASSES, 0.2), (count, 64, 64)).astype(np.float32)
  features = rng.standard_normal((count, 4, 4, networks.layout.fused)).astype(np.float32)
  return batch.replace(layout=jnp.asarray(layout), features=jnp.asarray(features))


def uneven_batch(networks):
  """Four photos, no two halves of which weigh the same in any mean."""
  batch = jax.tree.map(lambda x: jnp.concatenate([x, x[::-1]]), make_batch(networks))
  mask, labels, photo = (np.array(x) for x in (batch.mask, batch.labels, batch.photo))
  mask[0] = False
  mask[1, :30], mask[2, 40:] = False, True
  labels[0], labels[2, 32:] = VOID, VOID
  photo *= np.float32([[[[0.2]]], [[[1]]]] * 2)
  return jax.tree.map(jnp.asarray, batch.replace(mask=mask, labels=labels, photo=photo))


class CompiledStep:
  """`train_step` of one stage for batches of one size, on one device or split over more."""

  def __init__(self, stage, state, batch, devices=1):
    mesh = sharding.local_mesh(devices)
    self._whole, self._split = sharding.replicated(mesh), sharding.batch_sharding(mesh)
    places = sharding.state_shardings(state, mesh)
    self.stage = jax.device_put(stage, self._whole)
    jitted = jax.jit(
      step.train_step,
      out_shardings=(places, self._whole),
      compiler_options={"xla_backend_optimization_level": 0},  # a third of the time
    )
    self._program = jitted.lower(*self._placed(state, batch, 0)).compile()

  def _placed(self, state, batch, seed):
    state, rng = jax.device_put((state, jax.random.key(seed)), self._whole)
    return self.stage, state, jax.device_put(batch, self._split), rng

  def __call__(self, state, batch, seed=0):
    """(the new state, metrics)."""
    return self._program(*self._placed(state, batch, seed))

  def as_text(self) -> str:
    """The compiled program."""
    return self._program.as_text()


def moved(program: str) -> set[str]:
  """Types of what the devices of a compiled program exchange, but for sums (all-reduce)."""
  kinds = "all-gather|all-to-all|collective-permute|collective-broadcast|reduce-scatter"
  return set(re.findall(rf" = \(?(\w+\[[\d,]*\])[^ ]* (?:{kinds})(?:-start)?\(", program))


def largest_move(a, b) -> float:
  """The largest difference between two trees of arrays."""
  a, b = jax.device_get((a, b))  # they may lie on other devices
  return max(jax.tree.leaves(jax.tree.map(lambda x, y: float(np.abs(x - y).max()), a, b)))


def check_same(one, two):
  """Asserts that two (state, metrics) are of the same step: all metrics, and both gradients.

  Gradients are Adam's first moment, whose decay is 0.
  """
  (one, one_metrics), (two, two_metrics) = one, two
  still = {name for name, value in one_metrics.items() if value == 0}
  assert still <= {"critic/learning_rate", "critic/update_ratio"}, still
  for metric, value in one_metrics.items():
    np.testing.assert_allclose(two_metrics[metric], value, rtol=1e-5, err_msg=metric)
  for states in ("opt_state", "critic_opt_state"):
    gradients = [optax.tree.get(getattr(state, states), "mu") for state in (one, two)]
    largest = max(float(np.abs(x).max()) for x in jax.tree.leaves(gradients[0]))
    assert largest_move(*gradients) < 1e-5 * largest
