"""Where a run begins: at its newest checkpoint, at another run's networks, or fresh."""

import json
import sys
from functools import partial
from typing import Any

import jax
import numpy as np

from facefill_jax import PRETRAINED, compile_cache, files, sharding
from facefill_jax.filling import model_files
from facefill_jax.models.networks import LAYOUT
from facefill_jax.training import data_identity, reports
from facefill_jax.training.checkpoint import Checkpoints
from facefill_jax.training.run import DATA, JUDGE, Run

SAME = ("seed", "size", "stages", "texture_starts_at_images")  # when resuming
EARLIER = {"model.layout_resolution": 0}  # of checkpoints that do not say it


def restore(run: Run, checkpoints: Checkpoints) -> tuple[dict[str, Any], int]:
  """States born sharded, and the step: the newest checkpoint's, else fresh (or `init_from`).

  Raises:
    ValueError: the working directory holds another run, or `init_from` no fitting model.
  """
  for line in run.feed.check_held_out():
    reports.warn("data", line)
  shardings = sharding.state_shardings(run.shapes, run.mesh)
  newest = checkpoints.newest(run.shapes, shardings, partial(check_same, run))
  if newest is not None:
    print(f"resuming at step {newest[1]} of {run.workdir}", file=sys.stderr)
    return newest
  found = load_start(run) if run.config.init_from else None  # before minutes of compiling
  options = compile_cache.unoptimised()
  states = jax.jit(run.init, out_shardings=shardings, compiler_options=options)(run.rng)
  return (start_from(run, found, states, shardings) if found else states), 0


def record(run: Run, step: int) -> dict[str, Any]:
  """What a checkpoint says of its run: without the same, the data would not go on."""
  found = {name: run.config[name] for name in SAME}
  found |= {f"model.{name}": value for name, value in run.config.model.items()}
  return found | {"batches": run.plan.batches(step), "data": run.feed.identity(step)}


def check_same(run: Run, step: int, before: dict[str, Any]) -> None:
  """Raises ValueError, one line, unless a checkpoint's record is that of this run; says changes."""
  here, before = record(run, step), EARLIER | before
  data = here.pop("data")
  for name, now in here.items():
    was = before.get(name, now)
    if was == now:
      continue
    if name == "batches":
      name, said = "batch_size", "the same batch_size and phases"
      was, now = (", ".join(f"{b} from image {i} on" for i, b in x) for x in (was, now))
    else:
      said = f"--config.{name}={was}"
      was, now = repr(was), repr(now)
    anew = f" (--config.init_from={run.workdir} starts from this run's networks)"
    raise ValueError(
      f"{run.workdir} holds a run with {name} {was}, this configuration has {now}: give {said}, "
      f"or another --workdir{anew if name.startswith('model.') else ''}"
    )
  for line in data_identity.check_resumed(before.get("data", data), data, str(run.workdir)):
    reports.warn(run.workdir, line)


def load_start(run: Run) -> dict[str, Any]:
  """The averages of the run `init_from`, or the package's model, by stage; float32."""
  start = run.config.init_from
  packed = start == PRETRAINED.name
  directory = PRETRAINED if packed else files.to_path(start) / "model"
  found, params = model_files.load_model(directory, needed=(LAYOUT,))
  if found["size"] != run.config.size:
    raise ValueError(f"{directory} is of size {found['size']!r}, not {run.config.size!r}")
  if not packed:
    _compare_data(run, start)
  return jax.tree.map(lambda x: np.asarray(x, np.float32), params)


def _compare_data(run: Run, start: str) -> None:
  """Says which faces the run `start` trained on, or held out, that this one should not."""
  about = files.to_path(start) / DATA
  if not about.exists():
    return
  try:
    before = json.loads(about.read_bytes())
    lines = data_identity.check_started(before, run.feed.sources, run.feed.held_out, start)
  except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
    reports.warn(about, f"cannot be read; which faces {start} held out is not known: {error}")
    return
  for line in lines:
    reports.warn("data", line)


def start_from(run: Run, params, states, shardings) -> dict[str, Any]:
  """`states` with these averages as parameters and averages."""
  copy = jax.jit(partial(jax.tree.map, lambda x: x + 0))  # the step donates what it is given
  for name in set(run.trained) & set(params):
    new = jax.device_put(params[name], shardings[name].params)
    states[name] = states[name].replace(params=copy(new), ema=copy(new))
  return states | {JUDGE: jax.device_put(params[LAYOUT], shardings[JUDGE])}
