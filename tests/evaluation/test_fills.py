"""What makes fills: the model at its own and another size, pictures from elsewhere, methods."""

import numpy as np
import pytest
import tiny_model
from PIL import Image

from facefill_jax import sharding
from facefill_jax.evaluation import fills, pairs
from facefill_jax.filling import classical, model_files
from facefill_jax.filling.filler import Filled, Filler
from facefill_jax.filling.frame import Frame

SIDE = 64


@pytest.fixture(scope="module")
def model(tiny_model_directory):
  return Filler.from_directory(tiny_model_directory, mesh=sharding.local_mesh())


def batch_of(side, number=2):
  rng = np.random.default_rng(1)
  mask = np.zeros((number, side, side, 1), bool)
  mask[:, side // 4 : side // 2, side // 8 : side // 2] = True
  return {
    "photo": rng.integers(0, 256, (number, side, side, 3), dtype=np.uint8),
    "mask": mask,
    "pair": [pairs.Pair(f"a/{i}", i, "", i) for i in range(number)],
  }


def test_a_model_fills_holes_by_seed_and_leaves_the_rest(model):
  batch = batch_of(SIDE)
  found, again = (fills.fill_batch(model, batch, 3) for _ in range(2))
  np.testing.assert_array_equal(found["whole"], again["whole"])
  known = ~batch["mask"][..., 0]
  np.testing.assert_array_equal(found["whole"][known], batch["photo"][known])
  other = fills.fill_batch(model, batch, 4)
  assert (other["whole"] != found["whole"]).any()
  np.testing.assert_array_equal(other["layout"], found["layout"])
  assert len(model.sha256) == 64 and model.resolution == SIDE


def test_a_model_of_another_resolution_sees_the_whole_square(model, monkeypatch):
  batch, asked = batch_of(96), []

  def fill_many(requests, smooth):
    asked.extend(requests)
    layout = np.full((96, 96), 5, np.uint8)
    return [Filled(np.full((96, 96, 3), 77, np.uint8), layout, r.frame, SIDE) for r in requests]

  monkeypatch.setattr(model, "fill_many", fill_many)
  found = fills.fill_batch(model, batch, 4)
  assert [request.frame for request in asked] == [Frame(0, 0, 96)] * 2
  assert [request.seed for request in asked] == [4, 4]
  np.testing.assert_array_equal([r.photo for r in asked], batch["photo"])
  np.testing.assert_array_equal([r.mask for r in asked], batch["mask"][..., 0])
  assert (found["whole"] == 77).all() and (found["layout"] == 5).all()


def test_methods():
  batch = batch_of(SIDE)
  want = classical.navier_stokes(batch["photo"][0], batch["mask"][0, ..., 0])
  np.testing.assert_array_equal(fills.method("ns")(batch)["whole"][0], want)
  assert fills.method("identity")(batch)["whole"] is batch["photo"]
  with pytest.raises(ValueError, match="valid: telea, ns, mean_colour, identity"):
    fills.method("lama")


def test_outputs_are_found_by_name(tmp_path):
  batch = batch_of(SIDE)
  (tmp_path / "a").mkdir()
  for i in range(2):
    Image.fromarray(batch["photo"][i]).save(tmp_path / "a" / f"{i}.png")
  found = fills.Outputs(tmp_path, ["a/0", "a/1"], SIDE)(batch)
  np.testing.assert_array_equal(found["whole"], batch["photo"])
  assert found["layout"] is None

  with pytest.raises(ValueError, match=r"2 of 4 are missing in .*, for example a/2 "):
    fills.Outputs(tmp_path, ["a/0", "a/1", "a/2", "b"], SIDE)
  with pytest.raises(ValueError, match=r"a/0\.png is 64 x 64, scored are 32 x 32"):
    fills.Outputs(tmp_path, ["a/0"], 32)
  (tmp_path / "a" / "0.png").write_bytes(b"nothing")
  with pytest.raises(ValueError, match=r"a/0\.png cannot be read: cannot identify image file$"):
    fills.Outputs(tmp_path, ["a/0"], SIDE)
  data = (tmp_path / "a" / "1.png").read_bytes()
  (tmp_path / "a" / "1.png").write_bytes(data[: len(data) // 2])
  outputs = fills.Outputs(tmp_path, ["a/1"], SIDE)  # its header is whole
  with pytest.raises(ValueError, match=r"a/1\.png cannot be read"):
    outputs({"pair": batch["pair"][1:]})
  Image.fromarray(batch["photo"][1]).save(tmp_path / "a" / "1.bmp")
  with pytest.raises(ValueError, match=r"a/1\.bmp and a/1\.png both belong to a/1;"):
    fills.Outputs(tmp_path, ["a/1"], SIDE)


def test_outputs_of_no_fill_are_counted_and_unicode_forms_are_one(tmp_path, caplog):
  for name in ("e\u0301.v2.tif", "more.png", "notes.avif"):
    Image.new("RGB", (SIDE, SIDE)).save(tmp_path / name, "PNG")
  outputs = fills.Outputs(tmp_path, ["\u00e9.v2"], SIDE)
  assert outputs({"pair": [pairs.Pair("\u00e9.v2", 0, "", 0)]})["whole"].shape == (1, SIDE, SIDE, 3)
  said = [record.getMessage() for record in caplog.records]
  assert "1 picture left out for the ending, for example notes.avif" in said[0]
  assert said[1:] == [f"outputs: 1 picture in {tmp_path} belongs to no photo, for example more.png"]


def test_a_model_without_a_texture_network_cannot_fill(tmp_path):
  params = {"layout": tiny_model.random_params()["layout"]}
  config = tiny_model.CONFIG | {"stages_trained": ["layout"]}
  model_files.save_model(tmp_path / "m", params, config)
  with pytest.raises(model_files.ModelError, match="no texture network"):
    Filler.from_directory(tmp_path / "m")
