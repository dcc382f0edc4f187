"""Checkpoints: what comes back is what was saved, where it is wanted, or a clear error."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from facefill_jax import sharding
from facefill_jax.training.checkpoint import Checkpoints
from facefill_jax.types import TrainState


def states(seed=0, width=3):
  rng = np.random.default_rng(seed)
  weights = jnp.asarray(rng.standard_normal((4, width)), jnp.float32)
  state = TrainState(
    step=jnp.int32(7),
    images=jnp.int32(28),
    params={"a": {"kernel": weights}},
    ema={"a": {"kernel": weights + 1}},
    opt_state=({"count": jnp.int32(7)}, {"mu": weights * 2}),
    critic_params={"b": weights.astype(jnp.bfloat16)},
    critic_opt_state=(),
    augment=jnp.float32(0.3),
  )
  return {"layout": state, "judge": {"a": {"kernel": weights - 1}}}


def everywhere(tree):
  return sharding.state_shardings(tree, sharding.make_mesh())


def shapes_of(tree):
  return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)


def test_round_trip_with_its_record(tmp_path):
  saved = states()
  with Checkpoints(str(tmp_path)) as checkpoints:
    assert checkpoints.latest() is None
    checkpoints.save(7, saved, {"seed": 3, "size": "tiny"})
  with Checkpoints(str(tmp_path)) as checkpoints:
    assert checkpoints.latest() == 7
    assert checkpoints.record(7) == {"seed": 3, "size": "tiny"}
    found = checkpoints.restore(7, shapes_of(saved), everywhere(saved))
  assert isinstance(found["layout"], TrainState)
  chex.assert_trees_all_equal(found, saved)
  chex.assert_trees_all_equal_shapes_and_dtypes(found, saved)


def test_a_relative_working_directory(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  with Checkpoints("run") as checkpoints:
    checkpoints.save(1, states(), {})
  assert (tmp_path / "run" / "checkpoints" / "1").is_dir()


def test_the_newest_are_kept_and_a_step_is_saved_once(tmp_path):
  with Checkpoints(str(tmp_path), keep=2) as checkpoints:
    for step in (1, 2, 3):
      checkpoints.save(step, states(step), {})
    checkpoints.save(3, states(99), {})
  with Checkpoints(str(tmp_path), keep=2) as checkpoints:
    found = checkpoints.restore(3, shapes_of(states()), everywhere(states()))
    assert checkpoints.latest() == 3
  chex.assert_trees_all_equal(found, states(3))
  kept = {path.name for path in (tmp_path / "checkpoints").iterdir() if path.name.isdigit()}
  assert kept == {"2", "3"}


def test_an_error_after_a_save_leaves_it_complete(tmp_path):
  with pytest.raises(RuntimeError, match="pulled"), Checkpoints(str(tmp_path)) as checkpoints:
    checkpoints.save(5, states(), {})
    raise RuntimeError("plug pulled")
  with Checkpoints(str(tmp_path)) as checkpoints:
    assert checkpoints.latest() == 5
    found = checkpoints.restore(5, shapes_of(states()), everywhere(states()))
  chex.assert_trees_all_equal(found, states())


def test_the_arrays_may_change_once_save_returns(tmp_path):
  saved = states()
  expected = jax.tree.map(np.asarray, jax.tree.map(jnp.copy, saved))
  with Checkpoints(str(tmp_path)) as checkpoints:
    checkpoints.save(1, saved, {})
    jax.jit(lambda t: jax.tree.map(lambda x: x * 0, t), donate_argnums=0)(saved)
  with Checkpoints(str(tmp_path)) as checkpoints:
    found = checkpoints.restore(1, shapes_of(expected), everywhere(expected))
  chex.assert_trees_all_equal(found, expected)


def test_restored_onto_other_devices(tmp_path):
  mesh = sharding.make_mesh()
  split, one = NamedSharding(mesh, P("data")), jax.sharding.SingleDeviceSharding(jax.devices()[1])
  saved = {"layout": {"kernel": jax.device_put(jnp.arange(8.0).reshape(4, 2), split)}}
  with Checkpoints(str(tmp_path)) as checkpoints:
    checkpoints.save(1, saved, {})
  for wanted in (one, sharding.replicated(mesh), split):
    with Checkpoints(str(tmp_path)) as checkpoints:
      found = checkpoints.restore(1, shapes_of(saved), {"layout": {"kernel": wanted}})
    assert found["layout"]["kernel"].sharding.is_equivalent_to(wanted, 2)
    np.testing.assert_array_equal(found["layout"]["kernel"], np.arange(8.0).reshape(4, 2))


@pytest.mark.parametrize(
  ("other", "word"),
  [
    (lambda s: states(width=5), "kernel"),
    (lambda s: {"layout": s["layout"]}, "judge"),
    (lambda s: s | {"texture": {"a": jnp.zeros(2)}}, "texture"),
  ],
  ids=["shape", "fewer", "more"],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path, other, word):
  with Checkpoints(str(tmp_path)) as checkpoints:
    checkpoints.save(4, states(), {})
  wanted = other(states())
  with Checkpoints(str(tmp_path)) as checkpoints:
    with pytest.raises(ValueError, match=word) as caught:
      checkpoints.restore(4, shapes_of(wanted), everywhere(wanted))
  message = str(caught.value)
  assert "\n" not in message and str(tmp_path) in message and len(message) < 600
