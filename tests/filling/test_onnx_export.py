"""ONNX: what is converted is the filler's program, and what jax2onnx makes of it fills alike."""

import ast
import re

import jax
import micro_model
import numpy as np
import pytest
import tiny_model

from facefill_jax.filling import export_folder, model_files, onnx_export
from facefill_jax.filling.filler import filling_program
from facefill_jax.filling.latents import latent
from facefill_jax.filling.unrolled import unrolled
from facefill_jax.labels import VOID
from facefill_jax.models import networks
from facefill_jax.models.texture_net import Grain

SIDE = 64


@pytest.fixture(scope="module")
def inputs():
  """Of one photo; a part of the hole must be hair."""
  batch = micro_model.random_batch(1)
  edit = np.full((1, SIDE, SIDE), VOID, np.uint8)
  edit[:, 20:40, 20:30] = 13
  z = latent(3)[None]
  shape = onnx_export.noise_of(1, SIDE).shape
  noise = np.asarray(Grain().draw(z, shape[1:]))
  assert noise.shape == shape
  return batch["photo"], batch["mask"], edit, z, noise


def test_the_program_without_loops_fills_as_the_filler_does(micro, micro_params, inputs):
  params = {name: micro_params[name] for name in networks.STAGES}
  expected = filling_program(micro)(params, *inputs[:-1])
  function = unrolled(onnx_export.filling_with_noise(micro, params), *inputs)
  fill = micro_model.jit(function)
  found = fill(*inputs)
  same(found, expected)
  other = fill(*inputs[:-1], -inputs[-1])
  assert (np.asarray(other[0]) != np.asarray(found[0])).mean() > 0.01
  loops = {equation.primitive.name for equation in jax.make_jaxpr(function)(*inputs).jaxpr.eqns}
  assert not loops & {"scan", "while", "jit", "threefry2x32", "random_bits"}


def test_onnxruntime_fills_as_the_filler_does(inputs, tmp_path):
  pytest.importorskip("jax2onnx", reason="jax2onnx is large and not among the test's packages")
  onnxruntime = pytest.importorskip("onnxruntime")
  params = tiny_model.random_params()
  model_files.save_model(tmp_path / "tiny", params, tiny_model.CONFIG)
  size = onnx_export.export_model(tmp_path / "tiny", tmp_path / "out")
  file = tmp_path / "out" / export_folder.ONNX_FILE
  assert file.stat().st_size == size
  session = onnxruntime.InferenceSession(file)
  found = session.run(None, dict(zip(onnx_export.INPUTS, inputs, strict=True)))
  same(found, filling_program(networks.build_networks("tiny"))(params, *inputs[:-1]))


def same(found, expected):
  """The whole at most one level apart, in a value of a thousand; the layout the same."""
  for a, b in zip(found, expected, strict=True):
    apart = np.abs(np.asarray(a, int) - np.asarray(b, int))
    assert apart.max() <= 1 and (apart > 0).mean() <= 0.001


def test_the_readme_says_what_goes_in():
  readme = onnx_export.describe(2, SIDE)
  script = re.search(r"```python\n(.*?)```", readme, re.DOTALL)[1]
  ast.parse(script)
  for name in (*onnx_export.INPUTS, *onnx_export.OUTPUTS):
    assert f"| {name} |" in readme and name in script
