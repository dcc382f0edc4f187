"""The mesh: the same numbers on two devices as on one, and refusals that say what is valid."""

from types import SimpleNamespace

import jax
import micro_step
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from facefill_jax import sharding
from facefill_jax.models.networks import abstract_params


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


@pytest.mark.xdist_group("layout_step")
def test_two_devices_and_micro_batches_are_one_batch(
  layout_step, layout_step_in_parts, micro, micro_params
):
  found = []
  for step in (layout_step, layout_step_in_parts):
    state = micro_step.make_state(step.stage, micro_params, steps=1)  # the generator's turn
    found.append(step(state, micro_step.uneven_batch(micro), seed=3))
  micro_step.check_same(*found)
  for leaf in jax.tree.leaves(found[1][0]):
    assert len(leaf.sharding.device_set) == 2 and leaf.is_fully_replicated
  program = layout_step_in_parts.as_text()
  assert "all-reduce(" in program, "of the gradients"
  assert micro_step.moved(program) == set()


@pytest.mark.xdist_group("texture_step")
def test_devices_exchange_gradients_and_one_byte_a_pixel(texture_step):
  """Each keeps its photos: only another face's layout, for an edit, comes from elsewhere."""
  program = texture_step.as_text()
  assert "all-reduce(" in program, "of the gradients"
  assert micro_step.moved(program) == {"u8[1,64,64]"}


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
