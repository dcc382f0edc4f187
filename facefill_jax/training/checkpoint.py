"""Checkpoints of a training run: the one module that knows orbax.

A checkpoint holds the states and a small JSON record. The position in the data is the step: the
stream is rebuilt from there (see `data.pipeline.batches`). Orbax notices neither a flipped bit nor
every file that was cut short, so each local checkpoint also gets SHA256SUMS once it is committed;
in a bucket, where objects appear whole or not at all, it gets none.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from facefill_jax import files

SUMS = "SHA256SUMS"
FAILURES = 3  # saves in a row that may fail, say on a full disk
_DAMAGED, _PARTIAL = ".damaged", ".orbax-checkpoint-tmp"


class DamagedError(Exception):
  """A checkpoint that cannot be read; which file, and why."""


class Checkpoints:
  """The checkpoints of one working directory; close it, or use `with`."""

  def __init__(self, workdir: files.PathLike, keep: int = 2):
    """Args:
    workdir: its `checkpoints` folder is used, and made.
    keep: how many of the newest are kept.
    """
    workdir = files.to_path(workdir)
    workdir = workdir if files.is_remote(workdir) else workdir.absolute()
    self._directory = workdir / "checkpoints"
    options = ocp.CheckpointManagerOptions(max_to_keep=keep, create=True)
    handlers = {"states": ocp.StandardCheckpointHandler(), "record": ocp.JsonCheckpointHandler()}
    self._manager = ocp.CheckpointManager(self._directory, options=options, item_handlers=handlers)
    self._saving: int | None = None
    self._failures = 0
    self._remove_partial()

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.close()

  def close(self) -> None:
    """Waits for what is being written."""
    self.finish()
    self._manager.close()

  def latest(self) -> int | None:
    """The newest complete step, or None."""
    return self._manager.latest_step()

  def save(self, step: int, states: dict[str, Any], record: dict[str, Any]) -> None:
    """Writes in the background, once the arrays are copied to the host; a step is saved once.

    Raises:
      OSError: it failed FAILURES times in a row; fewer failures are said, and training goes on.
    """
    self.finish()
    if step in self._manager.all_steps():
      return
    items = ocp.args.Composite(
      states=ocp.args.StandardSave(states), record=ocp.args.JsonSave(record)
    )
    try:
      self._manager.save(step, args=items)
    except Exception as error:  # orbax raises what its storage does
      self._failed(step, error)
    else:
      self._saving = step

  def poll(self) -> None:
    """Looks after a save that is done; call it now and then. Raises OSError as `save`."""
    if self._saving is not None and not self._manager.is_saving_in_progress():
      self.finish()

  def finish(self) -> None:
    """Waits until what was saved is complete, and writes its sums. Raises OSError as `save`."""
    if self._saving is None:
      return
    step, self._saving = self._saving, None
    try:
      self._manager.wait_until_finished()
      if not files.is_remote(self._directory):
        _write_sums(Path(self._directory, str(step)))
    except Exception as error:
      self._failed(step, error)
    else:
      self._failures = 0

  def _failed(self, step: int, error: Exception) -> None:
    """Says it; raises OSError if that was once too often."""
    self._failures += 1
    where, reason = self._directory / str(step), _reason(error)
    if self._failures >= FAILURES:
      raise OSError(f"{where}: cannot be saved, as the {FAILURES - 1} before: {reason}") from error
    self._remove_partial()
    print(f"{where}: could not be saved, going on without: {reason}", file=sys.stderr, flush=True)

  def _remove_partial(self) -> None:
    """What a save that failed or was killed had begun."""
    for path in self._directory.iterdir():
      if _PARTIAL in path.name:
        path.rmtree()

  def newest(
    self, abstract: dict[str, Any], shardings: dict[str, Any], check: Callable[[int, dict], None]
  ) -> tuple[dict[str, Any], int] | None:
    """The states of the newest checkpoint that is whole, and its step; None if there is none.

    Damaged ones after it are named on standard error and moved aside, as `STEP.damaged`. One
    without sums, of a run that was killed just then, is used only if none has them.

    Args:
      abstract, shardings: see `restore`.
      check: called with step and record before the states are read.

    Raises:
      ValueError: there are checkpoints, and none is whole; or as `restore` or `check`.
    """
    found: dict[int, str] = {}
    steps = sorted(self._manager.all_steps(), reverse=True)
    sealed = [step for step in steps if (self._directory / str(step) / SUMS).exists()]
    for step in [*sealed, *(step for step in steps if step not in sealed)]:
      try:
        self._check_sums(step)
        record = self.record(step)
        check(step, record)
        states = self.restore(step, abstract, shardings)
      except DamagedError as error:
        found[step] = str(error)
        continue
      self._set_aside({each: found.get(each, f"it has no {SUMS}") for each in steps if each > step})
      return states, step
    if steps:
      raise ValueError(
        f"{self._directory}: no checkpoint is whole: {'; '.join(found.values())}; remove them to "
        "start anew, or give another --workdir"
      )
    return None

  def _set_aside(self, damaged: dict[int, str]) -> None:
    for step, reason in damaged.items():
      path = self._directory / str(step)
      aside = self._directory / f"{step}{_DAMAGED}"
      if aside.exists():
        aside.rmtree()
      path.rename(aside)
      print(
        f"{path} is damaged and now {aside.name}, going on from an older one: {reason}",
        file=sys.stderr, flush=True,
      )  # fmt: skip
    if damaged:
      self._manager.reload()

  def _check_sums(self, step: int) -> None:
    """Raises DamagedError, naming the file, if a checkpoint is not what its sums say."""
    root = self._directory / str(step)
    if not (root / SUMS).exists():
      return
    for line in (root / SUMS).read_bytes().decode("utf-8", "replace").splitlines():
      digest, _, name = line.partition("  ")
      try:
        same = files.sha256(root / name) == digest
      except OSError as error:
        raise DamagedError(f"{name or line[:80]}: {error.strerror}") from error
      if not same:
        raise DamagedError(f"{name} is not what was saved (its SHA-256 differs)")

  def record(self, step: int) -> dict[str, Any]:
    """The JSON record of a step. DamagedError if it cannot be read."""
    try:
      return self._manager.restore(
        step, args=ocp.args.Composite(record=ocp.args.JsonRestore())
      ).record
    except Exception as error:  # KeyError, JSONDecodeError, OSError ...
      raise DamagedError(f"its record: {_reason(error)}") from error

  def restore(self, step: int, abstract: dict[str, Any], shardings: dict[str, Any]):
    """The states of a step, born where `shardings` says.

    Raises:
      ValueError: names or shapes are not those of `abstract`; nothing is read.
      DamagedError: they cannot be read.
    """
    try:
      found = _shapes(self._manager.item_metadata(step).states.tree)
    except Exception as error:
      raise DamagedError(f"its states: {_reason(error)}") from error
    self._check(step, found, _shapes(abstract))
    target = jax.tree.map(
      lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), abstract, shardings
    )
    try:
      return self._manager.restore(
        step, args=ocp.args.Composite(states=ocp.args.StandardRestore(target))
      ).states
    except jax.errors.JaxRuntimeError:  # the device has no room for them, say
      raise
    except Exception as error:
      raise DamagedError(f"its states: {_reason(error)}") from error

  def _check(self, step: int, found: dict[str, tuple], wanted: dict[str, tuple]) -> None:
    """Orbax's own message about this is a page long."""
    where = self._directory / str(step)
    for name in sorted(found.keys() ^ wanted.keys()):
      what = "has no" if name in wanted else "also has"
      raise ValueError(f"{where} is of another kind of run: it {what} {name}")
    for name, shape in wanted.items():
      if found[name] != shape:
        raise ValueError(f"{where}: {name} has shape {found[name]}, this run's has {shape}")


def _write_sums(root: Path) -> None:
  paths = sorted(path for path in root.rglob("*") if path.is_file())
  lines = [f"{files.sha256(path)}  {path.relative_to(root).as_posix()}\n" for path in paths]
  files.write_text(root / SUMS, "".join(lines))


def _reason(error: Exception) -> str:
  """An error in one line that a person can read; those of storage are pages long."""
  text = str(error)
  for known in ("No space left on device", "Disk quota exceeded", "Permission denied"):
    if known in text:
      return known
  return f"{type(error).__name__}: {' '.join(text.split())[:200]}"


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
  """Shapes by path, "layout/params/head/kernel"."""
  leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
  return {jax.tree_util.keystr(p, simple=True, separator="/"): tuple(x.shape) for p, x in leaves}
