"""Six steps are three, a fall, a restart and three more: bit for bit."""

import json
import shutil
import subprocess
import sys
from unittest import mock

import jax
import numpy as np
import pytest
import short_run
from PIL import Image

from facefill_jax.training import progress

pytestmark = pytest.mark.xdist_group("train")


class PlugPulledError(Exception):
  pass


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
  return short_run.finished(tmp_path_factory)


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
  """Falls after the fifth step; the last checkpoint is of the third."""
  workdir = tmp_path_factory.mktemp("resumed") / "run"
  report = progress.Progress.report

  def fall(self, step, *args):
    if step == 5:
      raise PlugPulledError
    return report(self, step, *args)

  with mock.patch.object(progress.Progress, "report", fall), pytest.raises(PlugPulledError):
    short_run.train(short_run.config(), workdir)
  assert {path.name for path in (workdir / "checkpoints").glob("[0-9]*")} == {"3"}
  assert not (workdir / "model").exists()
  return short_run.train(short_run.config(), workdir)


def test_it_went_on_and_not_anew(resumed):
  assert f"resuming at step 3 of {resumed.workdir}" in resumed.err
  assert "then 3 steps, 12 photos" in resumed.err


def test_every_leaf_of_every_state_is_bit_for_bit_the_same(straight, resumed):
  assert set(straight.states) == {"layout", "texture", "judge"}
  for state in (straight.states["layout"], resumed.states["layout"]):
    assert (state.step, state.images) == (6, 24)
  assert straight.states["texture"].step == 4
  paths, structure = jax.tree_util.tree_flatten_with_path(straight.states)
  assert structure == jax.tree.structure(resumed.states) and len(paths) > 300
  for (path, one), other in zip(paths, jax.tree.leaves(resumed.states), strict=True):
    same = one.dtype == other.dtype and one.tobytes() == other.tobytes()
    assert same, jax.tree_util.keystr(path)


def test_the_states_had_moved(straight):
  """Else the test above would compare two runs that stand still."""
  for name in ("layout", "texture"):
    state = straight.states[name]
    pairs = zip(jax.tree.leaves(state.params), jax.tree.leaves(state.ema), strict=True)
    assert any(not np.array_equal(a, b) for a, b in pairs)


def test_the_metrics_and_pictures_are_the_same(straight, resumed):
  def curves(run):
    text = (run.workdir / "metrics.jsonl").read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    return [{k: v for k, v in line.items() if k != "photos_per_second"} for line in lines]

  # A step after a start is not reported: its time is that of compiling.
  one, two = ([x for x in curves(run) if x["step"] != 4] for run in (straight, resumed))
  assert one == two and [line["step"] for line in one] == [2, 3, 5, 6, 6]
  for name in ("0000003.png", "0000006.png"):
    assert (straight.workdir / "samples" / name).read_bytes() == (
      resumed.workdir / "samples" / name
    ).read_bytes()


def test_the_models_are_the_same(straight, resumed):
  for name in ("layout.safetensors", "texture.safetensors"):
    one, two = ((run.workdir / "model" / name).read_bytes() for run in (straight, resumed))
    assert one == two


def test_another_run_in_the_same_place_is_refused(straight, tmp_path):
  every = "4 from image 0 on"
  for key, value, said in (("batch_size", 8, every), ("seed", 1, "0")):
    changed = short_run.config(**{key: value}, texture_starts_at_images=8)
    with pytest.raises(ValueError, match=rf"holds a run with {key} {said}, .* has {value}.*: give"):
      short_run.train(changed, straight.workdir)
  changed = short_run.config(texture_starts_at_images=8)
  changed.model.layout_resolution = 0  # its parameters would fit
  said = "model.layout_resolution 128, .* has 0: give .*=128, or another --workdir .*init_from"
  with pytest.raises(ValueError, match=f"holds a run with {said}"):
    short_run.train(changed, straight.workdir)


@pytest.mark.parametrize("adversarial", [0.0, pytest.param(0.1, marks=pytest.mark.slow)])
def test_resumed_through_a_change_of_phase(tmp_path, adversarial):
  """Checkpoints from before the change and from after it lead to the same bits."""

  def config():
    change = {"from_images": 12, "resolution": 96, "batch_size": 8, "micro_batches": 2, "lr": 0.5}
    c = short_run.config(stages="layout", texture_starts_at_images=0, total_images=36)
    c.phases, c.checkpoint.every_steps, c.checkpoint.keep = (change,), 2, 9
    c.layout.losses.adversarial = adversarial
    return c

  straight = short_run.train(config(), tmp_path / "run")
  state = straight.states["layout"]
  assert (state.step, state.images) == (6, 36)  # 3 of 4, then 3 of 8
  shown = sorted(path.name for path in (straight.workdir / "samples").glob("*.png"))
  assert shown == ["0000003.png", "0000006.png"]
  for name in shown:  # what is seen at a change is seen as what follows
    with Image.open(straight.workdir / "samples" / name) as picture:
      assert picture.size == (4 * 96, 2 * 96)
  assert json.loads((straight.workdir / "model" / "config.json").read_text())["resolution"] == 96
  for last in (4, 2):
    for path in (straight.workdir / "checkpoints").glob("[0-9]*"):
      if int(path.name) > last:
        shutil.rmtree(path)
    resumed = short_run.train(config(), straight.workdir)
    assert f"resuming at step {last} of" in resumed.err
    pairs = zip(jax.tree.leaves(straight.states), jax.tree.leaves(resumed.states), strict=True)
    assert all(one.tobytes() == two.tobytes() for one, two in pairs)


@pytest.mark.slow
def test_killed_at_any_moment(straight, tmp_path):
  """A process that is killed, and not asked: what is on the disk is all that there is."""
  program = (
    "import sys; sys.path[:0] = ['tests', '.']; import conftest, pathlib, short_run, jax;"
    "jax.config.update('jax_compilation_cache_dir', sys.argv[2]);"
    "short_run.with_size().__enter__();"
    "from facefill_jax.training import loop;"
    "from absl import flags; flags.FLAGS.mark_as_parsed();"
    "loop.train(short_run.config(), sys.argv[1])"
  )
  cache = str(jax.config.jax_compilation_cache_dir)
  process = subprocess.Popen(
    [sys.executable, "-c", program, str(tmp_path / "run"), cache],
    cwd=short_run.ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
  )  # fmt: skip
  seen = []
  for line in process.stderr:
    seen.append(line)
    if line.startswith("step 5/6"):
      break
  process.kill()
  process.wait()
  process.stderr.close()
  assert any(line.startswith("step 5/6") for line in seen), "".join(seen)
  resumed = short_run.train(short_run.config(), tmp_path / "run")
  pairs = zip(jax.tree.leaves(straight.states), jax.tree.leaves(resumed.states), strict=True)
  assert all(one.tobytes() == two.tobytes() for one, two in pairs)
