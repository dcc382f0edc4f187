"""Checkpoints of a training run: the one module that knows orbax.

A checkpoint holds the states and a small JSON record. The position in the data is the step: the
stream is rebuilt from there (see `data.pipeline.batches`).
"""

import os
from typing import Any

import jax
import orbax.checkpoint as ocp


class Checkpoints:
  """The checkpoints of one working directory; close it, or use `with`."""

  def __init__(self, workdir: str, keep: int = 2):
    """Args:
    workdir: its `checkpoints` folder is used, and made.
    keep: how many of the newest are kept.
    """
    options = ocp.CheckpointManagerOptions(max_to_keep=keep, create=True)
    self._directory = os.path.join(os.path.abspath(workdir), "checkpoints")
    handlers = {"states": ocp.StandardCheckpointHandler(), "record": ocp.JsonCheckpointHandler()}
    self._manager = ocp.CheckpointManager(self._directory, options=options, item_handlers=handlers)

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.close()

  def close(self) -> None:
    """Waits for what is being written."""
    self._manager.wait_until_finished()
    self._manager.close()

  def latest(self) -> int | None:
    """The newest complete step, or None."""
    return self._manager.latest_step()

  def save(self, step: int, states: dict[str, Any], record: dict[str, Any]) -> None:
    """Writes in the background, once the arrays are copied to the host; a step is saved once."""
    if step in self._manager.all_steps():
      return
    self._manager.save(
      step,
      args=ocp.args.Composite(
        states=ocp.args.StandardSave(states), record=ocp.args.JsonSave(record)
      ),
    )

  def record(self, step: int) -> dict[str, Any]:
    """The JSON record of a step."""
    return self._manager.restore(
      step, args=ocp.args.Composite(record=ocp.args.JsonRestore())
    ).record

  def restore(self, step: int, abstract: dict[str, Any], shardings: dict[str, Any]):
    """The states of a step, born where `shardings` says.

    Raises:
      ValueError: names or shapes are not those of `abstract`; nothing is read.
    """
    self._check(step, abstract)
    target = jax.tree.map(
      lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), abstract, shardings
    )
    return self._manager.restore(
      step, args=ocp.args.Composite(states=ocp.args.StandardRestore(target))
    ).states

  def _check(self, step: int, abstract: dict[str, Any]) -> None:
    """Orbax's own message about this is a page long."""
    found = _shapes(self._manager.item_metadata(step).states.tree)
    wanted = _shapes(abstract)
    where = os.path.join(self._directory, str(step))
    for name in sorted(found.keys() ^ wanted.keys()):
      what = "has no" if name in wanted else "also has"
      raise ValueError(f"{where} is of another kind of run: it {what} {name}")
    for name, shape in wanted.items():
      if found[name] != shape:
        raise ValueError(f"{where}: {name} has shape {found[name]}, this run's has {shape}")


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
  """Shapes by path, "layout/params/head/kernel"."""
  leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
  return {jax.tree_util.keystr(p, simple=True, separator="/"): tuple(x.shape) for p, x in leaves}
