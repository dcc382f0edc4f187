"""`facefill data label` from folder to folder: files, exit codes, one line for each mistake."""

import numpy as np
import pytest
import tiny_model
from PIL import Image

from facefill_jax.cli import main
from facefill_jax.filling import model_files


@pytest.fixture(scope="module")
def model(tmp_path_factory):
  """A model of which only the layout stage was trained."""
  directory = tmp_path_factory.mktemp("models") / "layout"
  params = {"layout": tiny_model.random_params()["layout"]}
  model_files.save_model(directory, params, tiny_model.CONFIG | {"stages_trained": ["layout"]})
  return directory


@pytest.fixture
def photos(tmp_path, monkeypatch):
  (tmp_path / "photos").mkdir()
  for i in range(3):
    noise = np.random.default_rng(i).integers(0, 256, (70, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "photos" / f"{i}.png")
  monkeypatch.chdir(tmp_path)
  return tmp_path / "photos"


def command(model, *more):
  return ["data", "label", "--model", str(model), "--from", "photos", "--to", "labels", *more]


def failed(capsys, code, arguments, *words):
  assert main(arguments) == code
  said = capsys.readouterr().err
  assert "Traceback" not in said
  last = said.strip().splitlines()[-1]
  assert last.startswith("facefill: ") and all(word in last for word in words), said


def test_layouts_and_confidence(photos, model, capsys):
  assert main(command(model, "--confidence", "sure")) == 0
  assert "layouts of 3 photos are in labels" in capsys.readouterr().err
  for folder in ("labels", "sure"):
    names = sorted(p.name for p in (photos.parent / folder).glob("*.png"))
    assert names == ["0.png", "1.png", "2.png"]
    with Image.open(photos.parent / folder / "0.png") as image:
      assert (image.mode, image.size) == ("L", (64, 70))
  assert main(command(model, "--confidence", "sure")) == 0  # nothing left to do


def test_mistakes(photos, model, capsys):
  failed(capsys, 4, command("nowhere"), "nowhere", "no such model")
  (photos.parent / "full").write_text("")
  failed(capsys, 2, [*command(model), "--to", "full"], "full", "is a file")
  failed(capsys, 2, command(model, "--confidence", "labels"), "the same directory")
  failed(capsys, 3, [*command(model), "--from", "none"], "none does not exist")
  (photos / "1.png").write_bytes(b"")
  failed(capsys, 5, command(model), "1 of 3 photos could not be read; the others are done")
  assert (photos.parent / "labels" / "2.png").exists()
