"""Every configuration loads, says what it is for, and builds a run; `slow`: trains its `:smoke`."""

import re

import pytest
import short_run
from ml_collections import ConfigDict

from facefill_jax.training import from_config, loop
from facefill_jax.training.run import Run

NAMES = sorted(path.stem for path in (short_run.ROOT / "configs").glob("*.py"))
WANTED = ("quickstart", "folder", "finetune", "celebahq_256", "celebahq_512", "ffhq_256")
SIZES = ("tiny", "small", "base", "paper")


def flat(c, prefix=""):
  """{"layout.optimiser.lr": 4e-4, ...}; the kinds of masks are free to choose, so not listed."""
  found = {}
  for key, value in c.items():
    name = prefix + key
    nested = isinstance(value, ConfigDict) and name != "masks.weights"
    found |= flat(value, f"{name}.") if nested else {name: value}
  return found


def variants(name):
  """The variants that the docstring names."""
  text = short_run.load(name).__doc__.split("Variants:")[1]
  return re.findall(r"`:(\w+)`", text.split("\n\n")[0])


def test_all_are_there():
  assert set(WANTED) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring(name):
  text = short_run.load(name).__doc__
  command = f"python -m facefill_jax.main --config=configs/{name}.py"
  assert command in text and "--workdir=" in text
  assert "Cost:" in text and "eproduces" in text and "smoke" in variants(name)
  assert text.splitlines()[0].endswith((".", ":"))


@pytest.mark.parametrize("name", NAMES)
def test_one_set_of_keys(name):
  reference = flat(short_run.load("folder").get_config())
  for variant in (None, *variants(name)):
    get_config = short_run.load(name).get_config
    found = flat(get_config() if variant is None else get_config(variant))
    assert set(found) == set(reference), variant
    for key, value in found.items():
      # An int where another has a float could not be overridden by a float.
      assert type(value) is type(reference[key]), (variant, key)
    assert found["size"] in SIZES
    assert found["size"] == (variant if variant in SIZES else found["size"])


def test_keys_that_scripts_give():
  """Scripts that start runs on other machines name these."""
  found = flat(short_run.load("folder").get_config())
  for key in (
    "dtype", "init_from", "stages", "resolution", "batch_size", "total_images",
    "stop_after_minutes", "data.kind", "data.path", "data.labels", "data.held_out_path",
    "data.held_out_labels", "data.unlabelled", "data.workers", "eval.masks_folder",
    "eval.every_steps", "squeezenet_file", "lpips_vgg_file", "texture.perceptual",
  ):  # fmt: skip
    assert key in found, key


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_variant(name):
  with pytest.raises(ValueError, match=r"'bogus'.*smoke") as caught:
    short_run.load(name).get_config("bogus")
  for variant in variants(name):
    assert variant in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_smoke_builds_a_run(name, tmp_path, monkeypatch):
  monkeypatch.setattr(Run, "_compile_later", lambda self: None)  # seconds, and tested elsewhere
  c = short_run.load(name).get_config("smoke")
  assert (c.size, c.data.kind) == ("tiny", "drawn") and c.total_images <= 64
  run = Run(c, str(tmp_path / "run"))
  assert 2 <= run.plan.total <= 8 and run.trained
  assert set(run.stages) == set(run.trained)
  assert len(run.feed.fixed(64)["photo"]) == c.eval.count
  assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.xdist_group("train")
@pytest.mark.parametrize("name", NAMES)
def test_smoke_trains(name, tmp_path):
  loop.train(short_run.load(name).get_config("smoke"), str(tmp_path / "run"))
  assert (tmp_path / "run" / "model" / "SHA256SUMS").is_file()


def test_the_progressive_one_goes_from_small_faces_and_holes_to_large_ones():
  plan, _ = from_config.make_plan(short_run.load("celebahq_512").get_config())
  assert [phase.resolution for phase in plan.phases] == [64, 128, 256, 512]
  assert [phase.mask_ratio[1] for phase in plan.phases] == [0.7, 0.7, 0.95, 0.95]
