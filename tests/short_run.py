"""A training run of six steps with networks of minimal width: seconds, once it is compiled.

All tests that train use these shapes, so that each program compiles once for all of them.
"""

import contextlib
import dataclasses
import importlib.util
import io
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import jax

from facefill_jax import main
from facefill_jax.models import networks
from facefill_jax.training import loop as loop_lib

ROOT = Path(__file__).parent.parent
SIZE = "micro"
SIZES = {
  **networks.SIZES,
  SIZE: networks.Size(8, (16, 16, 16), (16, 1, 2), (16, 16, 8), 1, (16,), 64, 8),
}


def with_size():
  """The size `micro` is known while the block runs."""
  return mock.patch.object(networks, "SIZES", SIZES)


def give_flags(monkeypatch, config, workdir, debug=False) -> None:
  """What the command line would have said to `main.run`."""
  for name, value in (("_CONFIG", config), ("_WORKDIR", str(workdir)), ("_DEBUG", debug)):
    monkeypatch.setattr(main, name, SimpleNamespace(value=value))


def load(name: str):
  """configs/NAME.py as a module, wherever the tests are started."""
  spec = importlib.util.spec_from_file_location(f"configs_{name}", ROOT / "configs" / f"{name}.py")
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


def config(**changes):
  """Six steps of four drawn faces, both stages; `changes` by key, "data__path" for data.path."""
  c = load("folder").get_config("smoke")
  c.size, c.batch_size, c.total_images, c.texture_starts_at_images = SIZE, 4, 24, 8
  c.log_every_steps, c.judge_every_steps = 1, 3
  c.eval.every_steps, c.eval.count, c.eval.batch_size = 3, 3, 2
  c.eval.raw_count, c.eval.train_count = 2, 3
  c.checkpoint.every_steps = 3
  for stage in (c.layout, c.texture):
    stage.optimiser.warmup_images, stage.optimiser.decay_images = 8, 12
  for name, value in changes.items():
    section, _, key = name.rpartition("__")
    (c[section] if section else c)[key] = value
  return c


@dataclasses.dataclass(frozen=True)
class Finished:
  """What a run left. states: by name, as NumPy, at the end; err, out: what it printed."""

  workdir: Path
  states: dict
  err: str
  out: str


def train(c, workdir: Path) -> Finished:
  """Trains; `states` are empty if an error stopped the run, which is raised anew."""
  states, err, out = {}, io.StringIO(), io.StringIO()

  def loop(*args):
    made = original(*args)
    states.update(jax.device_get(made[0]))
    return made

  original = loop_lib.loop
  with (
    with_size(),
    mock.patch.object(loop_lib, "loop", loop),
    contextlib.redirect_stderr(err),
    contextlib.redirect_stdout(out),
  ):
    loop_lib.train(c, str(workdir))
  return Finished(workdir, states, err.getvalue(), out.getvalue())


_FINISHED = []


def finished(tmp_path_factory) -> Finished:
  """The one run of six steps that all tests of this process look at. Leave it as it is."""
  if not _FINISHED:
    _FINISHED.append(train(config(), tmp_path_factory.mktemp("finished") / "run"))
  return _FINISHED[0]
