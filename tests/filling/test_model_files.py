"""Models on disk come back bit for bit, and whatever is wrong with one is named in one line."""

import hashlib
import json
import struct

import fake_bucket
import jax
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from facefill_jax.filling import model_files
from facefill_jax.models import networks

CONFIG = {"format": 1, "size": "tiny", "resolution": 64, "stages_trained": ["layout", "texture"]}
FILES = ("config.json", "labels.json", "README.md", "layout.safetensors", "texture.safetensors")


@pytest.fixture(scope="module")
def params():
  """Random values in the shapes of the tiny networks."""
  rng = np.random.default_rng(0)
  return jax.tree.map(
    lambda x: rng.standard_normal(x.shape, np.float32), networks.abstract_params("tiny")
  )


@pytest.fixture(scope="module")
def saved(params, tmp_path_factory):
  directory = tmp_path_factory.mktemp("saved") / "model"
  model_files.save_model(directory, params, CONFIG)
  return directory


@pytest.fixture
def model(saved, tmp_path):
  """A copy that a test may damage."""
  directory = tmp_path / "model"
  directory.mkdir()
  for path in saved.iterdir():
    (directory / path.name).write_bytes(path.read_bytes())
  return directory


def sign(directory):
  """Makes SHA256SUMS right again, so that the checks behind it are reached."""
  names = [p.name for p in sorted(directory.iterdir()) if p.name != "SHA256SUMS"]
  lines = [f"{hashlib.sha256((directory / n).read_bytes()).hexdigest()}  {n}\n" for n in names]
  (directory / "SHA256SUMS").write_text("".join(lines))


def change_tensors(directory, change):
  path = directory / "texture.safetensors"
  tensors = safetensors.numpy.load_file(path)
  change(tensors)
  safetensors.numpy.save_file(tensors, path)
  sign(directory)


def refused(directory, *words):
  with pytest.raises(model_files.ModelError) as error:
    model_files.load_model(directory)
  said = str(error.value)
  assert "\n" not in said
  for word in words:
    assert word in said, said


def test_round_trip_is_bit_for_bit(saved, params):
  config, loaded = model_files.load_model(saved)
  assert config == CONFIG
  same = jax.tree.map(
    lambda a, b: a.dtype == b.dtype and a.tobytes() == b.tobytes(), loaded, params
  )
  assert jax.tree.all(same)
  assert not [p for p in saved.parent.iterdir() if p.name.startswith(".")]


def test_bfloat16_and_strided_arrays_round_trip(params, tmp_path):
  half = jax.tree.map(lambda x: np.asfortranarray(x.astype(ml_dtypes.bfloat16)), params)
  model_files.save_model(tmp_path / "m", half, CONFIG)
  _, loaded = model_files.load_model(tmp_path / "m")
  kernel = loaded["layout"]["fuse"]["kernel"]
  assert kernel.dtype == ml_dtypes.bfloat16
  assert jax.tree.all(jax.tree.map(lambda a, b: np.array_equal(a, b), loaded, half))


def test_a_packed_model_is_half_as_large(saved, params, tmp_path):
  model_files.pack_model(saved, tmp_path / "half", "# What it is\n")
  config, loaded = model_files.load_model(tmp_path / "half")
  assert config == CONFIG
  assert (tmp_path / "half" / "README.md").read_text() == "# What it is\n"
  sizes = [(path / "texture.safetensors").stat().st_size for path in (saved, tmp_path / "half")]
  assert 0.5 < sizes[1] / sizes[0] < 0.55
  for one, two in zip(jax.tree.leaves(params), jax.tree.leaves(loaded), strict=True):
    assert two.dtype == ml_dtypes.bfloat16
    np.testing.assert_allclose(two.astype(np.float32), one, rtol=2**-8)


def test_files_follow_sha256sum_and_hold_classes(saved):
  for line in (saved / "SHA256SUMS").read_text().splitlines():
    digest, name = line.split("  ")
    assert hashlib.sha256((saved / name).read_bytes()).hexdigest() == digest
  assert {p.name for p in saved.iterdir()} == {*FILES, "SHA256SUMS"}
  held = json.loads((saved / "labels.json").read_text())
  assert held["classes"][1] == "skin" and len(held["palette"]) == 20
  assert "tiny" in (saved / "README.md").read_text()
  assert len({path.stat().st_mode for path in saved.iterdir()}) == 1  # who may read one, all


def test_a_newer_model_replaces_an_older_one(model, params):
  other = jax.tree.map(lambda x: x + 1, params)
  model_files.save_model(model, other, {**CONFIG, "data": "others"})
  config, loaded = model_files.load_model(model)
  assert config["data"] == "others"
  assert jax.tree.all(jax.tree.map(np.array_equal, loaded, other))


def test_a_model_may_be_one_stage(params, tmp_path):
  config = {**CONFIG, "stages_trained": ["layout"]}
  model_files.save_model(tmp_path / "m", {"layout": params["layout"]}, config)
  assert not (tmp_path / "m" / "texture.safetensors").exists()
  assert list(model_files.load_model(tmp_path / "m")[1]) == ["layout"]


def test_a_failed_save_leaves_the_old_model(model, params, monkeypatch):
  def full(*_):
    raise OSError(28, "No space left on device")

  monkeypatch.setattr(safetensors.numpy, "save", full)
  with pytest.raises(OSError, match="No space"):
    model_files.save_model(model, params, CONFIG)
  model_files.load_model(model)
  assert [p.name for p in model.parent.iterdir()] == ["model"]


def tree(directory):
  """Path -> content of all files below a directory."""
  return {
    str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()
  }


def other_model(path):
  (path / "config.json").write_text('{"format": 2}')
  (path / "SHA256SUMS").write_text("0  config.json\n")


def unlisted_config(path):
  (path / "config.json").write_text('{"format": 1}')
  (path / "SHA256SUMS").write_text("0  dear.txt\n")


@pytest.mark.parametrize(
  "prepare",
  [
    lambda path: None,
    lambda path: (path / "config.json").write_text('{"seed": 0, "format": 1}'),  # of a run
    lambda path: (path / "SHA256SUMS").write_text("0  dear.txt\n"),
    lambda path: (path / "SHA256SUMS").mkdir(),
    other_model,
    unlisted_config,
  ],
)
def test_save_never_replaces_what_is_no_model(params, tmp_path, prepare):
  run = tmp_path / "run"
  (run / "checkpoints" / "7").mkdir(parents=True)
  (run / "checkpoints" / "7" / "state").write_text("days of work")
  (run / "dear.txt").write_text("x")
  prepare(run)
  before = tree(run)
  with pytest.raises(model_files.ModelError, match="holds no model"):
    model_files.save_model(run, params, CONFIG)
  with pytest.raises(model_files.ModelError, match="is a file"):
    model_files.save_model(run / "dear.txt", params, CONFIG)
  assert tree(run) == before and [p.name for p in tmp_path.iterdir()] == ["run"]


def test_what_is_not_of_the_model_survives_a_new_one(model, params):
  (model / "notes").mkdir()
  (model / "notes" / "mine.txt").write_text("keep")
  (model / "link").symlink_to("notes")
  config = {**CONFIG, "stages_trained": ["layout"]}
  model_files.save_model(model, {"layout": params["layout"]}, config)
  assert (model / "notes" / "mine.txt").read_text() == "keep" and (model / "link").is_symlink()
  assert not (model / "texture.safetensors").exists()  # it was of the old model
  (model / "texture.safetensors").write_text("not listed")
  with pytest.raises(FileExistsError, match=r"texture\.safetensors: is in the way"):
    model_files.save_model(model, params, CONFIG)
  assert list(model_files.load_model(model)[1]) == ["layout"]


def test_a_model_in_a_bucket(params, tmp_path, monkeypatch):
  fake_bucket.install(monkeypatch, tmp_path)
  where, bucket = "gs://bucket/run/model", tmp_path / "bucket" / "run" / "model"
  model_files.save_model(where, params, CONFIG)
  config, loaded = model_files.load_model(where)
  assert config == CONFIG and jax.tree.all(jax.tree.map(np.array_equal, loaded, params))
  only = {**CONFIG, "stages_trained": ["layout"]}
  model_files.save_model(where, {"layout": params["layout"]}, only)
  assert not (bucket / "texture.safetensors").exists()
  (bucket / "SHA256SUMS").unlink()  # a killed copy: not readable, but replaceable
  refused(where, "gs://bucket/run/model/SHA256SUMS", "missing")
  model_files.save_model(where, params, CONFIG)
  model_files.load_model(where)
  (bucket / "SHA256SUMS").unlink()
  (bucket / "dear.txt").write_text("x")
  with pytest.raises(model_files.ModelError, match="holds no model"):
    model_files.save_model(where, params, CONFIG)
  refused("gs://bucket/nowhere", "gs://bucket/nowhere", "no such model directory")


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_or_a_missing_file_is_named(model, name):
  data = bytearray((model / name).read_bytes())
  data[-3] ^= 1
  (model / name).write_bytes(data)
  refused(model, name)
  (model / name).unlink()
  refused(model, name, "missing")


def test_no_directory_no_sums_no_json(model, tmp_path):
  refused(tmp_path / "nowhere", "nowhere", "no such model directory")
  refused(tmp_path / ("x" * 300), "xxx: no such model directory")
  (model / "SHA256SUMS").unlink()
  refused(model, "SHA256SUMS", "missing")
  (model / "config.json").write_text("{")
  refused(model, "config.json", "not valid JSON")
  (model / "config.json").write_text("[]")
  refused(model, "config.json", "object")


def test_the_working_directory_of_a_run_is_no_model(tmp_path):
  (tmp_path / "config.json").write_text('{"seed": 0, "size": "tiny"}')
  (tmp_path / "checkpoints").mkdir()
  refused(tmp_path, "working directory of a run that has written no model yet")
  (tmp_path / "model").mkdir()
  (tmp_path / "best").mkdir()
  refused(tmp_path, "training run", f"give its model/ or best/, say {tmp_path / 'model'}")


@pytest.mark.parametrize(
  ("change", "words"),
  [
    ({"format": 2}, ("format 2", "reads 1")),
    ({"size": "huge"}, ("'huge'", "tiny, small, base, paper")),
    ({"size": ["tiny"]}, ("unknown size",)),
    ({"resolution": 72}, ("72", "multiple of 32")),
    ({"resolution": "64"}, ("'64'",)),
    ({"model": {"attention_values": "all"}}, ("config.json", "'all'", "unpooled")),
    ({"model": {"class_style": []}}, ("config.json", "class_style")),
    ({"stages_trained": []}, ("stages_trained []", "layout, texture")),
    ({"stages_trained": [["layout"]]}, ("stages_trained",)),
    ({"size": "small"}, ("safetensors (size 'small')", "tensors missing")),
  ],
)
def test_a_config_that_does_not_fit_is_refused(model, change, words):
  (model / "config.json").write_text(json.dumps({**CONFIG, **change}))
  sign(model)
  refused(model, *words)


def test_missing_extra_and_misshapen_tensors_are_named(model):
  change_tensors(model, lambda t: t.update(stray=t.pop("join/bias")))
  refused(model, "texture.safetensors", "missing join/bias", "unexpected stray")
  change_tensors(
    model, lambda t: t.update({"join/bias": np.zeros(7, np.float32)}) or t.pop("stray")
  )
  refused(model, "join/bias", "(7,)", "expected (128,)")
  change_tensors(model, lambda t: t.update({"join/bias": np.zeros(128, np.float64)}))
  refused(model, "join/bias", "F64", "F32, BF16")


def test_other_classes_are_refused(model):
  (model / "labels.json").write_text(json.dumps({"classes": ["cat", "dog"]}))
  sign(model)
  refused(model, "labels.json", "cat")


def test_a_lying_header_costs_no_memory(tmp_path):
  header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}})
  path = tmp_path / "big.safetensors"
  path.write_bytes(struct.pack("<Q", len(header)) + header.encode())
  with pytest.raises(model_files.ModelError, match="big"):
    model_files.load_safetensors(path)


def test_load_safetensors_nests_names(tmp_path):
  value = np.arange(6, dtype=np.float32).reshape(2, 3)
  safetensors.numpy.save_file({"a/b/kernel": value, "c": value[0]}, tmp_path / "x.safetensors")
  tree = model_files.load_safetensors(tmp_path / "x.safetensors")
  assert list(tree) == ["a", "c"]
  np.testing.assert_array_equal(tree["a"]["b"]["kernel"], value)


def test_save_checks_params(params, tmp_path):
  with pytest.raises(model_files.ModelError, match="layout"):
    model_files.save_model(tmp_path / "m", {"texture": params["texture"]}, CONFIG)
  wide = {**params, "layout": jax.tree.map(np.float64, params["layout"])}
  with pytest.raises(model_files.ModelError, match="float64"):
    model_files.save_model(tmp_path / "m", wide, CONFIG)
  assert not list(tmp_path.iterdir())


def test_critics_lie_beside_a_model_but_not_in_the_packed_one(params, tmp_path):
  critics = {"texture": {"stem": {"kernel": np.arange(12, dtype=np.float32).reshape(4, 3).T}}}
  size = model_files.save_model(tmp_path / "model", params, CONFIG, critics=critics)
  assert size == sum(path.stat().st_size for path in (tmp_path / "model").iterdir())
  found = model_files.load_critics(tmp_path / "model")["texture"]["stem"]["kernel"]
  assert found.dtype == ml_dtypes.bfloat16
  np.testing.assert_array_equal(found.astype(np.float32), critics["texture"]["stem"]["kernel"])
  model_files.pack_model(tmp_path / "model", tmp_path / "packed")
  assert not (tmp_path / "packed" / model_files.CRITIC).exists()
  assert model_files.load_critics(tmp_path / "packed") == {}
  model_files.save_model(tmp_path / "model", params, CONFIG)  # the one of before goes with it
  assert not (tmp_path / "model" / model_files.CRITIC).exists()
  model_files.save_model(tmp_path / "model", params, CONFIG, critics=critics)
  (tmp_path / "packed" / model_files.CRITIC).write_bytes(b"not listed, so not the model's")
  assert model_files.load_critics(tmp_path / "packed") == {}
  (tmp_path / "model" / model_files.CRITIC).write_bytes(b"torn")
  with pytest.raises(model_files.ModelError, match=r"critic\.safetensors: changed or damaged"):
    model_files.load_critics(tmp_path / "model")
  (tmp_path / "model" / model_files.CRITIC).unlink()
  with pytest.raises(model_files.ModelError, match=r"critic\.safetensors: missing"):
    model_files.load_critics(tmp_path / "model")
