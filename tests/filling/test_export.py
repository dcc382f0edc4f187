"""The exported file does what the filler does, by its README's script and for any batch."""

import ast
import importlib.util
import re
import runpy
import sys

import jax
import jax.export
import numpy as np
import pytest
import tiny_model

from facefill_jax.filling import export, export_folder, model_files
from facefill_jax.filling.filler import Filler, Request
from facefill_jax.filling.latents import LATENT, latent
from facefill_jax.labels import VOID

SIDE = tiny_model.CONFIG["resolution"]


@pytest.fixture(scope="module")
def exported(tiny_model_directory, tmp_path_factory):
  """The directory of an export."""
  directory = tmp_path_factory.mktemp("exports") / "a" / "b"
  assert (
    export.export_model(tiny_model_directory, directory)
    == (directory / export_folder.JAX_FILE).stat().st_size
  )
  return directory


@pytest.fixture(scope="module")
def requests():
  """Three random photos, their holes and their edits: ids that a box of the hole must follow."""
  rng = np.random.default_rng(0)
  photos = rng.integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
  masks = np.zeros((3, SIDE, SIDE), bool)
  for i, mask in enumerate(masks):
    mask[10 + 5 * i : 50, 20 : 40 + 5 * i] = True
  edits = np.full((3, SIDE, SIDE), VOID, np.uint8)
  edits[:, 25:45, 25:35] = 13
  return photos, masks, edits


@pytest.fixture(scope="module")
def filler(tiny_model_directory):
  return Filler.from_directory(tiny_model_directory)


def test_the_script_of_the_readme_fills_as_the_filler_does(
  exported, requests, filler, tmp_path, monkeypatch
):
  photos, masks, _ = requests
  script = re.search(
    r"```python\n(.*?)```", (exported / export_folder.README).read_text(), re.DOTALL
  )[1]
  names = [n for node in ast.walk(ast.parse(script)) for n in getattr(node, "names", ())]
  assert {alias.name.split(".")[0] for alias in names} == {"sys", "jax", "numpy"}
  (tmp_path / "run.py").write_text(script)
  (tmp_path / export_folder.JAX_FILE).write_bytes((exported / export_folder.JAX_FILE).read_bytes())
  np.save(tmp_path / "photos.npy", photos)
  np.save(tmp_path / "masks.npy", masks[..., None])
  monkeypatch.chdir(tmp_path)
  monkeypatch.setattr(sys, "argv", ["run.py", "photos.npy", "masks.npy"])
  runpy.run_path("run.py")
  whole, layout = np.load("whole.npy"), np.load("layout.npy")
  filled = filler.fill_many([Request(photos[i], masks[i], seed=i) for i in range(3)])
  same(whole, [answer.whole for answer in filled])
  same(layout, [answer.layout for answer in filled])
  np.testing.assert_array_equal(whole[~masks], photos[~masks])
  assert (whole[masks] != photos[masks]).mean() > 0.5


def test_one_photo_follows_its_edit(exported, requests, filler):
  photo, mask, edit = (x[:1] for x in requests)
  fill = jax.export.deserialize(bytearray((exported / export_folder.JAX_FILE).read_bytes())).call
  z = latent(5)[None]
  whole, layout = jax.jit(fill)(photo, mask[..., None], edit, z)
  (answer,) = filler.fill_many([Request(photo[0], mask[0], edit[0], seed=5)])
  same(whole[0], answer.whole)
  same(layout[0], answer.layout)
  assert (np.asarray(layout)[edit == 13] == 13).all()


def same(a, b):
  """At most one level apart, in a value of a thousand: XLA may fuse another batch otherwise."""
  apart = np.abs(np.asarray(a, int) - np.asarray(b, int))
  assert apart.max() <= 1 and (apart > 0).mean() <= 0.001


def test_it_is_for_any_batch_and_all_platforms(exported):
  program = jax.export.deserialize(bytearray((exported / export_folder.JAX_FILE).read_bytes()))
  assert program.platforms == ("cpu", "cuda", "tpu")
  b = program.in_avals[0].shape[0]
  assert jax.export.is_symbolic_dim(b)
  assert [(str(x.dtype), x.shape) for x in program.in_avals] == [
    ("uint8", (b, SIDE, SIDE, 3)),
    ("bool", (b, SIDE, SIDE, 1)),
    ("uint8", (b, SIDE, SIDE)),
    ("float32", (b, LATENT)),
  ]
  assert [x.shape for x in program.out_avals] == [(b, SIDE, SIDE, 3), (b, SIDE, SIDE)]


def test_the_card_of_the_model_comes_along(exported, tiny_model_directory):
  names = {path.name for path in exported.iterdir()}
  assert names == {export_folder.JAX_FILE, export_folder.README, export_folder.CARD}
  assert (exported / export_folder.CARD).read_bytes() == (
    tiny_model_directory / "README.md"
  ).read_bytes()
  readme = (exported / export_folder.README).read_text()
  assert f"uint8 (b, {SIDE}, {SIDE}, 3)" in readme and "13 hair" in readme
  assert max(map(len, readme.splitlines())) < 250


def test_a_model_without_textures_cannot_be_exported(tiny_model_directory, tmp_path):
  config = tiny_model.CONFIG | {"stages_trained": ["layout"]}
  params = {"layout": tiny_model.random_params()["layout"]}
  model_files.save_model(tmp_path / "layout", params, config)
  with pytest.raises(model_files.ModelError, match="holds no texture network"):
    export.export_model(tmp_path / "layout", tmp_path / "out")
  assert not (tmp_path / "out").exists()


def test_without_flatbuffers_it_says_what_to_install(tiny_model_directory, tmp_path, monkeypatch):
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  with pytest.raises(export_folder.ExportError, match=r"pip install 'facefill_jax\[export\]'"):
    export.export_model(tiny_model_directory, tmp_path / "out")
  assert not (tmp_path / "out").exists()


def test_what_may_be_replaced(tmp_path):
  export_folder.check_replaceable(tmp_path / "none", overwrite=False)
  export_folder.check_replaceable(tmp_path, overwrite=False)  # empty
  (tmp_path / "README.md").write_text("mine")
  for overwrite, words in ((False, "not empty"), (True, "holds no fill.jax_export or fill.onnx")):
    with pytest.raises(export_folder.ExportError, match=words):
      export_folder.check_replaceable(tmp_path, overwrite)
  (tmp_path / export_folder.JAX_FILE).write_bytes(b"old")
  with pytest.raises(export_folder.ExportError, match="--overwrite"):
    export_folder.check_replaceable(tmp_path, overwrite=False)
  export_folder.check_replaceable(tmp_path, overwrite=True)
