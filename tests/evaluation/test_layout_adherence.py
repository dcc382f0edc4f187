"""The layout is obeyed: the model of the quickstart paints what another face's layout says."""

import importlib.util
import os
import pathlib

import jax
import jax.numpy as jnp
import pytest

from facefill_jax.data import opening, pipeline
from facefill_jax.data.masks import training
from facefill_jax.evaluation import checks, scoring
from facefill_jax.filling import model_files
from facefill_jax.models.networks import networks_of_model
from facefill_jax.training import loop

CONFIG = pathlib.Path(__file__).parent.parent / "configs" / "quickstart.py"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
  """The quickstart's model: FACEFILL_QUICKSTART_MODEL, or trained here (ten minutes)."""
  directory = os.environ.get("FACEFILL_QUICKSTART_MODEL")
  if not directory:
    spec = importlib.util.spec_from_file_location("quickstart", CONFIG)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    directory = loop.train(module.get_config(), str(tmp_path_factory.mktemp("quickstart")))
  return model_files.load_model(directory)


@pytest.mark.slow
def test_the_given_layout_is_painted_and_not_the_predicted_one(model):
  config, params = model
  _, held_out = opening.open_data(kind="drawn", held_out=64, resolution=64, seed=0)
  mix = training.MaskMix({"free_form": 1.0}, ratio=(0.3, 0.6))
  faces = pipeline.fixed_batch(held_out, mix, resolution=64, count=64, seed=1)
  networks = networks_of_model(config)
  params = jax.tree.map(jnp.asarray, params)
  found = checks.guidance(networks, params, scoring.slices(faces, 16))
  assert found["pixels"] > 10_000
  assert found["parser_accuracy"] > 0.8
  assert found["ratio"] >= 3.0, found
