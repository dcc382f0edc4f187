"""The mesh: the same numbers on two devices as on one, and refusals that say what is valid."""

from types import SimpleNamespace

import chex
import jax
import micro_model
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from facefill_jax import sharding
from facefill_jax.models.networks import abstract_params
from facefill_jax.stages.optimisers import Optimiser
from facefill_jax.stages.stage import Judges, make_stage
from facefill_jax.stages.step import TrainState, make_batch, train_step

LOSSES = {"cross_entropy_hole": 2.0, "cross_entropy_known": 1.0, "dice": 1.0, "adversarial": 0.1}


def mesh_of(count):
  types = (jax.sharding.AxisType.Auto,)
  devices = jax.devices()[:count]
  return jax.make_mesh((count,), (sharding.DATA,), axis_types=types, devices=devices)


def test_the_mesh_takes_all_devices():
  assert jax.device_count() == 2, "conftest.py asks for two"
  assert dict(sharding.make_mesh().shape) == {"data": 2}
  assert dict(sharding.make_mesh(data=2).shape) == {"data": 2}


@pytest.mark.parametrize("data", [0, 1, 3, -2])
def test_an_impossible_mesh(data):
  with pytest.raises(ValueError, match=rf"mesh.data is {data}, but 2 device.*give -1 or 2"):
    sharding.make_mesh(data=data)


@pytest.mark.parametrize("batch_size", [-2, 0, 1, 7])
def test_an_impossible_batch(batch_size):
  with pytest.raises(ValueError, match=rf"batch_size {batch_size} .* 2 devices: give a multiple"):
    sharding.check_batch(batch_size, sharding.make_mesh())


def test_batches_that_can_be_split():
  for batch_size in (2, 4, 16):
    sharding.check_batch(batch_size, sharding.make_mesh())
  sharding.check_batch(1, mesh_of(1))


def test_put_batch_splits_the_rows():
  batch = {"photo": np.arange(24, dtype=np.uint8).reshape(4, 2, 3), "mask": np.eye(4, dtype=bool)}
  put = sharding.put_batch(batch, sharding.make_mesh())
  for name, rows in batch.items():
    assert put[name].dtype == rows.dtype
    shards = sorted(put[name].addressable_shards, key=lambda shard: shard.device.id)
    np.testing.assert_array_equal(shards[0].data, rows[:2])
    np.testing.assert_array_equal(shards[1].data, rows[2:])


def test_every_leaf_has_a_place():
  tree = abstract_params("tiny")
  places = sharding.state_shardings(tree, sharding.make_mesh())
  assert jax.tree.structure(places) == jax.tree.structure(tree)
  assert all(isinstance(p, NamedSharding) for p in jax.tree.leaves(places))
  assert {p.spec for p in jax.tree.leaves(places)} == {P()}


def test_the_first_rule_that_matches_counts(monkeypatch):
  rules = ((r"^layout/.*kernel$", P(None, "data")), (r"kernel", P("data")), (r".*", P()))
  monkeypatch.setattr(sharding, "RULES", rules)
  leaf = np.zeros((2, 2))
  tree = {"layout": {"a": {"kernel": leaf, "bias": leaf}}, "judge": {"kernel": leaf}}
  places = sharding.state_shardings(tree, sharding.make_mesh())
  assert places["layout"]["a"]["kernel"].spec == P(None, "data")
  assert places["layout"]["a"]["bias"].spec == P()
  assert places["judge"]["kernel"].spec == P("data")


@pytest.fixture(scope="module")
def layout_stage(micro):
  numbers = {"b1": 0.0, "b2": 0.99, "weight_decay": 0.0, "clip": 1.0}
  optimiser = Optimiser("adam", 1e-3, **numbers, warmup_images=0, decay_images=0, total_images=9)
  return make_stage(
    "layout", micro, Judges(), losses=LOSSES, optimiser=optimiser, critic_optimiser=optimiser
  )


@pytest.mark.xdist_group("sharding")
def test_two_devices_compute_what_one_does(micro, micro_params, layout_stage):
  stage = layout_stage
  state = TrainState(
    step=np.int32(0),
    images=np.int32(0),
    params=micro_params["layout"],
    ema=micro_params["layout"],
    opt_state=stage.optimiser.make().init(micro_params["layout"]),
    critic_params=micro_params["layout_critic"],
    critic_opt_state=stage.critic_optimiser.make().init(micro_params["layout_critic"]),
    augment=np.float32(0),
  )
  results = []
  for count in (1, 2):
    mesh = mesh_of(count)
    places = sharding.state_shardings(state, mesh)
    step = jax.jit(
      train_step,
      out_shardings=(places, sharding.replicated(mesh)),
      compiler_options={"xla_backend_optimization_level": 0},  # a third of the time
    )
    rows = sharding.put_batch(micro_model.random_batch(4), mesh)
    made = jax.jit(make_batch, out_shardings=sharding.batch_sharding(mesh))(**rows)
    here, metrics = jax.device_put(state, places), None
    rng = jax.device_put(jax.random.key(1), sharding.replicated(mesh))
    run = step.lower(stage, here, made, rng).compile()
    for _ in range(2):
      here, metrics = run(stage, here, made, rng)
    results.append((jax.device_get(metrics), here))
  (one, _), (two, sharded) = results
  assert {"loss/total", "critic/loss", "gradient_norm"} <= set(one)
  for name in one:
    np.testing.assert_allclose(two[name], one[name], atol=1e-5, rtol=1e-5, err_msg=name)
  chex.assert_tree_all_finite(sharded.params)
  for leaf in jax.tree.leaves(sharded):
    assert len(leaf.sharding.device_set) == 2 and leaf.is_fully_replicated
  program = run.as_text()
  assert "all-reduce(" in program, "of the gradients"
  for moved in ("all-to-all(", "all-gather(", "collective-permute("):
    assert moved not in program, "each device keeps its photos"


@pytest.mark.parametrize(
  ("asked", "error", "words"),
  [
    ("cuda", AssertionError(), ("jax[cuda13]", "unset JAX_PLATFORMS for the CPU")),
    ("tpu", RuntimeError("no\nlibtpu (set JAX_PLATFORMS='')"), ("jax[tpu]", ": no libtpu")),
    ("gpux", RuntimeError("unknown"), ("valid: cpu, cuda, gpu, tpu", "unknown")),
  ],
)
def test_a_device_that_is_not_there_is_one_line(monkeypatch, asked, error, words):
  def fails():
    raise error

  config = SimpleNamespace(jax_platforms=asked)
  monkeypatch.setattr(sharding, "jax", SimpleNamespace(config=config, local_devices=fails))
  for call in (sharding.check_devices, sharding.make_mesh, sharding.local_mesh):
    with pytest.raises(ValueError, match=f"JAX_PLATFORMS={asked}, but") as caught:
      call()
    said = str(caught.value)
    assert "\n" not in said and "set JAX_PLATFORMS=" not in said
    assert all(word in said for word in words), said
  config.jax_platforms = ""  # nobody asked: what JAX says is not hidden
  with pytest.raises(type(error)):
    sharding.check_devices()
