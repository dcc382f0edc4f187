"""Checkpoints: what comes back is what was saved, where it is wanted, or a clear error."""

import os
import shutil

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from facefill_jax import sharding
from facefill_jax.training.checkpoint import SUMS, Checkpoints
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


@pytest.fixture(scope="module")
def saved_twice(tmp_path_factory):
  """Checkpoints of steps 5 and 10, which no test changes."""
  root = tmp_path_factory.mktemp("saved")
  with Checkpoints(str(root)) as checkpoints:
    for step in (5, 10):
      checkpoints.save(step, states(step), {"seed": step})
  return root


def largest(root):
  return max((path for path in root.rglob("*") if path.is_file()), key=lambda p: p.stat().st_size)


def flip(path):
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 1
  path.write_bytes(content)


DAMAGE = {
  "cut short": lambda root: os.truncate(largest(root / "states" / "d"), 100),
  "a flipped bit": lambda root: flip(largest(root / "states" / "d")),
  "no states": lambda root: shutil.rmtree(root / "states"),
  "half a record": lambda root: (root / "record" / "metadata").write_text('{"se'),
  "empty": lambda root: [shutil.rmtree(root), root.mkdir()],
  "no sums and no states": lambda root: [shutil.rmtree(root / "states"), (root / SUMS).unlink()],
  "foreign sums": lambda root: (root / SUMS).write_bytes(bytes(range(256))),
  "no sums": lambda root: (root / SUMS).unlink(),
}


def newest(checkpoints, check=lambda step, record: None):
  return checkpoints.newest(shapes_of(states()), everywhere(states()), check)


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
  saved_twice, tmp_path, name, capfd
):
  root = tmp_path / "run"
  shutil.copytree(saved_twice, root)
  DAMAGE[name](root / "checkpoints" / "10")
  seen = {}
  with Checkpoints(str(root)) as checkpoints:
    found, step = newest(checkpoints, seen.__setitem__)
    assert step == 5 and seen[5] == {"seed": 5}
    chex.assert_trees_all_equal(found, states(5))
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and f"{root}/checkpoints/10 is damaged and now 10.damaged" in said
    checkpoints.save(10, states(11), {"seed": 11})
  with Checkpoints(str(root)) as checkpoints:
    found, step = newest(checkpoints)
  assert step == 10 and (root / "checkpoints" / "10.damaged").is_dir()
  chex.assert_trees_all_equal(found, states(11))


def test_where_none_has_sums_the_newest_is_used(saved_twice, tmp_path):
  shutil.copytree(saved_twice, tmp_path / "run")
  for step in ("5", "10"):
    (tmp_path / "run" / "checkpoints" / step / SUMS).unlink()
  with Checkpoints(str(tmp_path / "run")) as checkpoints:
    assert newest(checkpoints)[1] == 10


def test_where_none_is_whole_none_is_moved(saved_twice, tmp_path):
  root = tmp_path / "run"
  shutil.copytree(saved_twice, root)
  for step in ("5", "10"):
    DAMAGE["cut short"](root / "checkpoints" / step)
  with Checkpoints(str(root)) as checkpoints:
    with pytest.raises(ValueError, match=r"no checkpoint is whole: .*SHA-256 differs.*remove them"):
      newest(checkpoints)
  names = {path.name for path in (root / "checkpoints").iterdir()}
  assert names == {"5", "10"}


def test_another_run_is_not_damage(saved_twice):
  def refuse(step, record):
    raise ValueError("another run")

  with Checkpoints(str(saved_twice)) as checkpoints:
    with pytest.raises(ValueError, match="another run"):
      newest(checkpoints, refuse)


def test_a_full_disk_is_said_and_three_in_a_row_end_the_run(tmp_path, monkeypatch, capfd):
  def full(self):
    (tmp_path / "checkpoints" / "7.orbax-checkpoint-tmp").mkdir()
    raise ValueError("RESOURCE_EXHAUSTED: a page\nof this: No space left on device [ENOSPC]")

  with Checkpoints(str(tmp_path)) as checkpoints:
    checkpoints.save(1, states(), {})
    checkpoints.finish()
    manager = type(checkpoints._manager)
    with monkeypatch.context() as patch:
      patch.setattr(manager, "wait_until_finished", full)
      patch.setattr(manager, "is_saving_in_progress", lambda self: False)
      patch.setattr(manager, "save", lambda *_, **__: None)
      for step in (7, 8):
        checkpoints.save(step, states(), {})
        checkpoints.poll()
        said = capfd.readouterr().err
        assert said == (
          f"{tmp_path}/checkpoints/{step}: could not be saved, going on without: No space left on "
          "device\n"
        )
        assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["1"]
      checkpoints.save(9, states(), {})
      with pytest.raises(
        OSError, match="checkpoints/9: cannot be saved, as the 2 before: No space"
      ):
        checkpoints.poll()


def test_what_a_killed_save_had_begun_is_removed(tmp_path):
  (tmp_path / "checkpoints" / "3.orbax-checkpoint-tmp" / "states").mkdir(parents=True)
  with Checkpoints(str(tmp_path)):
    assert not list((tmp_path / "checkpoints").iterdir())
