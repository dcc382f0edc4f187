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
    self._manager = ocp.CheckpointManager(
      os.path.join(os.path.abspath(workdir), "checkpoints"), options=options
    )

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
      ValueError: names or shapes are not those of `abstract`.
    """
    target = jax.tree.map(
      lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), abstract, shardings
    )
    return self._manager.restore(
      step, args=ocp.args.Composite(states=ocp.args.StandardRestore(target))
    ).states
