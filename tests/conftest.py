"""What all tests share: two CPU devices, a cache of compiled programs, networks of minimal width.

Compiling is what tests cost. Programs compiled by one worker, or by an earlier run, are reused.
"""

import os
import pathlib

# Two devices share two cores: on a busy machine one waits for the other longer than XLA's 40 s.
os.environ["XLA_FLAGS"] = (
  os.environ.get("XLA_FLAGS", "")
  + " --xla_force_host_platform_device_count=2"
  # Half of a test is LLVM optimising a program that runs for some milliseconds.
  + " --xla_backend_optimization_level=0"
  + " --xla_cpu_collective_call_terminate_timeout_seconds=300"
).strip()
# Each collective keeps a thread while it waits. Where there are but two threads, and each device
# begins with another collective, both would wait for ever.
os.environ.setdefault("PJRT_NPROC", "8")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import dataclasses
from functools import partial

import jax
import micro_model
import micro_step
import pytest
import tiny_model
from absl import flags

from facefill_jax.bench import made_up
from facefill_jax.filling import model_files
from facefill_jax.models import networks
from facefill_jax.pretrained_nets import yunet


def pytest_configure(config):
  flags.FLAGS.mark_as_parsed()  # libraries read flags that only absl.app.run parses
  config.addinivalue_line("markers", "xdist_group(name): known without xdist, too")
  if hasattr(config, "cache"):
    jax.config.update("jax_compilation_cache_dir", str(config.cache.mkdir("jax")))
    # Programs that tests start keep theirs here, too, and not in the home directory.
    os.environ.setdefault("FACEFILL_COMPILE_CACHE", str(config.cache.mkdir("facefill_jax")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    # Another worker may be writing the entry that this one reads: then it compiles itself.
    config.addinivalue_line(
      "filterwarnings", "ignore:Error (reading|writing) persistent compilation cache:UserWarning"
    )


@pytest.fixture
def yunet_network(monkeypatch):
  """YuNet's network, of the development data: it is not in the repository."""
  shared = pathlib.Path(__file__).parents[1].parent / "shared" / "data"
  data = pathlib.Path(os.environ.get("FACEFILL_DATA", shared))
  path = data / "weights" / "yunet" / yunet.FILE
  if not path.is_file():
    pytest.skip(f"no {path}: YuNet's network")
  monkeypatch.setattr(yunet, "path", lambda: path)
  yunet._network.cache_clear()
  yield path
  yunet._network.cache_clear()


@pytest.fixture(scope="session")
def tiny_model_directory(tmp_path_factory):
  """A model on the disk, of `tiny_model`'s networks; not to be changed."""
  directory = tmp_path_factory.mktemp("models") / "tiny"
  model_files.save_model(directory, tiny_model.random_params(), tiny_model.CONFIG)
  return directory


@pytest.fixture(scope="session")
def micro() -> networks.Networks:
  """The narrowest networks, float32."""
  return micro_model.networks()


@pytest.fixture(scope="session")
def micro_params(micro) -> dict:
  """Parameters of all four, by the network's name. NumPy: nothing can change them in place."""
  names = ("layout", "texture", "layout_critic", "texture_critic")
  init = partial(partial, networks.init_params, micro, resolution=micro_model.SIDE)
  return {name: made_up.parameters(jax.eval_shape(init(name), jax.random.key(0))) for name in names}


# Steps cost 10 to 30 seconds of compiling each. Tests that ask for one are in an xdist group, so
# that one worker compiles it.


@pytest.fixture(scope="session")
def layout_step(micro, micro_params) -> micro_step.CompiledStep:
  """The layout stage on one device, four photos, the generator at every second step.

  The critic's rate is 0 in the first step (it warms up).
  """
  return _layout_step(micro, micro_params)


@pytest.fixture(scope="session")
def layout_step_in_parts(micro, micro_params) -> micro_step.CompiledStep:
  """As `layout_step`, the batch split over two devices, and there into two micro-batches."""
  return _layout_step(micro, micro_params, devices=2, micro_batches=2)


def _layout_step(micro, micro_params, devices=1, **options):
  stage = micro_step.make_stage(
    "layout", micro, micro_params, generator_every=2,
    critic_optimiser=dataclasses.replace(micro_step.STEADY, warmup_images=1), **options,
  )  # fmt: skip
  state = micro_step.make_state(stage, micro_params)
  return micro_step.CompiledStep(stage, state, micro_step.uneven_batch(micro), devices)


@pytest.fixture(scope="session")
def texture_step(micro, micro_params) -> micro_step.CompiledStep:
  """The texture stage on two devices, a photo each.

  The critic's rate is 0 in the first step (it warms up), the generator's in the third.
  """
  stage = micro_step.make_stage(
    "texture", micro, micro_params,
    optimiser=dataclasses.replace(micro_step.STEADY, total_images=2, decay_images=1, final=0.0),
    critic_optimiser=dataclasses.replace(micro_step.STEADY, warmup_images=1),
  )  # fmt: skip
  state = micro_step.make_state(stage, micro_params)
  return micro_step.CompiledStep(stage, state, micro_step.make_batch(micro), devices=2)


@pytest.fixture
def batch() -> dict:
  """Two random photos of 64 px; see `micro_model.random_batch`."""
  return micro_model.random_batch()
