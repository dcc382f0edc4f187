"""Where a run begins: at its newest checkpoint, at another run's networks, or fresh."""

import dataclasses
import json
import sys
from functools import partial
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from facefill_jax import PRETRAINED, compile_cache, files, sharding
from facefill_jax.filling import model_directory, model_files
from facefill_jax.models.networks import LAYOUT, TEXTURE
from facefill_jax.models.texture_net import with_symmetry
from facefill_jax.training import data_identity, reports
from facefill_jax.training.checkpoint import Checkpoints
from facefill_jax.training.run import DATA, JUDGE, Run

SAME = ("seed", "size", "stages", "texture_starts_at_images")  # when resuming
# Of checkpoints that do not say it:
EARLIER = {"model.layout_resolution": 0, "model.layout_sharpening": 1.0, "model.symmetry": False}


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


@dataclasses.dataclass(frozen=True)
class Start:
  """What a run begins with, by stage; NumPy, float32. Critics of some stages, or of none."""

  params: dict[str, Any]
  critics: dict[str, Any]


def load_start(run: Run) -> Start:
  """The averages of the model `init_from`, and its critics if they lie beside them.

  Raises:
    ValueError: no such model, or one of other networks; one line.
  """
  directory = model_to_start_from(run.config.init_from)
  found, params = model_files.load_model(directory, needed=(LAYOUT,))
  if found["size"] != run.config.size:
    raise ValueError(f"{directory} is of size {found['size']!r}, not {run.config.size!r}")
  if directory != PRETRAINED:
    _compare_data(run, directory)
  both = params, model_files.load_critics(directory)
  start = Start(*jax.tree.map(lambda x: np.asarray(x, np.float32), both))
  options = found.get("model", {})
  if TEXTURE in params and run.networks.texture.symmetry and not options.get("symmetry"):
    start.params[TEXTURE] = with_symmetry(start.params[TEXTURE])
  for name in set(run.trained) & set(params):
    if not _alike(start.params[name], run.shapes[name].params):
      raise ValueError(
        f"{directory} holds a {name} network with model {options}, which cannot go on as "
        f"{run.config.model.to_dict()}"
      )
  return start


def model_to_start_from(init_from: str) -> files.PathLike:
  """The directory of a model: itself, or model/ or best/ of a run; "pretrained": the package's."""
  if init_from == PRETRAINED.name:
    return PRETRAINED
  given = files.to_path(init_from)
  try:
    for directory in (given, *(given / name for name in model_directory.OF_A_RUN)):
      if (directory / model_directory.SUMS).exists():
        return directory
  except (OSError, ImportError) as error:  # gs:// needs the package gcsfs
    raise model_directory.ModelError(f"{init_from}: cannot be read: {error}") from error
  return given / "model"  # what is wrong with it is said when it is read


def laid_over(fresh: dict, found: dict) -> dict:
  """A critic's fresh parameters, in their place those that were found of the same name and shape.

  One that learned on smaller pictures lacks the coarsest levels, which begin as mere averaging; of
  one that learned on larger ones they are not used.
  """
  found = traverse_util.flatten_dict(found)
  fresh = traverse_util.flatten_dict(fresh)
  fits = {k: v for k, v in found.items() if k in fresh and np.shape(v) == np.shape(fresh[k])}
  return traverse_util.unflatten_dict(fresh | fits)


def _alike(found, wanted) -> bool:
  """Whether two trees have the same names and shapes."""
  shapes = [jax.tree.map(np.shape, tree) for tree in (found, wanted)]
  return shapes[0] == shapes[1]


def _compare_data(run: Run, model: files.PathLike) -> None:
  """Says which faces a model's run trained on, or held out, that this one should not."""
  start = str(model.parent)
  about = model.parent / DATA
  if not about.exists():
    reports.warn(model, "what it was trained on is not known: held-out faces may be among it")
    return
  try:
    before = json.loads(about.read_bytes())
    lines = data_identity.check_started(before, run.feed.sources, run.feed.held_out, start)
  except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
    reports.warn(about, f"cannot be read; which faces {start} held out is not known: {error}")
    return
  for line in lines:
    reports.warn("data", line)


def start_from(run: Run, start: Start, states, shardings) -> dict[str, Any]:
  """`states` with these averages as parameters and averages, and these critics."""
  copy = jax.jit(partial(jax.tree.map, lambda x: x + 0))  # the step donates what it is given
  for name in set(run.trained) & set(start.params):
    new = jax.device_put(start.params[name], shardings[name].params)
    states[name] = states[name].replace(params=copy(new), ema=copy(new))
  for name in set(run.trained) & set(start.critics):
    critic = laid_over(states[name].critic_params, start.critics[name])
    new = jax.device_put(critic, shardings[name].critic_params)
    states[name] = states[name].replace(critic_params=copy(new))
  return states | {JUDGE: jax.device_put(start.params[LAYOUT], shardings[JUDGE])}
