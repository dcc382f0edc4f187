"""Layouts of photos that have none: the network's own answer, at the photo's size, resumably."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
import tiny_model
from PIL import Image

from facefill_jax import images
from facefill_jax.data.sources import Folder
from facefill_jax.filling import labelling, model_files
from facefill_jax.labels import VOID
from facefill_jax.models import networks

CONFIG = tiny_model.CONFIG | {"stages_trained": ["layout"]}


def photos_of(*sizes):
  rng = np.random.default_rng(0)
  return [rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in sizes]


@pytest.fixture(scope="module")
def params():
  return tiny_model.random_params()["layout"]


@pytest.fixture(scope="module")
def labeller():
  return labelling.Labeller(tiny_model.filler(), batch_size=2)


def folder_of(path, names, size=(64, 64)):
  for name, photo in zip(names, photos_of(*[size] * len(names)), strict=True):
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo).save(path / name)
  return Folder(path)


def run(labeller, source, outputs):
  bad = []
  total = sum(labelling.label_source(labeller, source, outputs, bad=bad.append))
  assert total == len(source)
  return bad


def test_the_answer_is_the_networks_own(labeller, params):
  (photo,) = photos_of((64, 64))
  (found,) = labeller([photo])
  net = networks.build_networks("tiny").layout
  predict = jax.jit(
    lambda params, photo, mask: networks.predict_layout_twice(
      net, params, images.to_float(photo), mask
    )[0]
  )  # word for word the labeller's, of its batch: compiled once
  expected = predict(params, np.stack([photo] * 2), np.zeros((2, 64, 64, 1), bool))
  np.testing.assert_array_equal(found.ids, expected[0].argmax(-1))
  np.testing.assert_allclose(found.probability, expected[0].max(-1), atol=1e-4)
  face = np.isin(found.ids, labelling.FACE)
  assert face.any() and not face.all()
  assert found.confidence == pytest.approx(found.probability[face].mean(), abs=1e-6)


def test_the_photos_own_size_and_void_beside_the_square(labeller):
  wide, large = labeller(photos_of((64, 100), (160, 160)))
  assert wide.ids.shape == (64, 100) and wide.ids.dtype == np.uint8
  outside = np.ones((64, 100), bool)
  outside[:, 18:82] = False
  assert (wide.ids[outside] == VOID).all() and not wide.probability[outside].any()
  assert (wide.probability[~outside] > 1 / 20).all()
  assert large.ids.shape == large.probability.shape == (160, 160)
  with pytest.raises(ValueError, match=r"give 1\.\.2 photos, got 3"):
    labeller(photos_of((64, 64), (64, 64), (64, 64)))


def test_enlarging_is_linear_before_the_choice_is_made():
  probabilities = np.zeros((2, 2, 20), np.float32)
  probabilities[:, 0, 3], probabilities[:, 1, 7] = 1.0, 1.0
  ids, probability = labelling.Frame(0, 0, 8).paste_layout(probabilities, (8, 8))
  np.testing.assert_array_equal(ids, np.repeat([[3] * 4 + [7] * 4], 8, axis=0))
  # Centres of columns at .25, .75 of a cell: 1, 1, .875, .625 of the class of that side.
  np.testing.assert_allclose(probability[0], [1, 1, 0.875, 0.625, 0.625, 0.875, 1, 1])


def test_no_face_no_confidence():
  ids, sure = np.zeros((4, 4), np.uint8), np.ones((4, 4), np.float32)
  assert labelling.Labelled(ids, sure).confidence == 0.0
  ids[0, 0], sure[0, 0] = 1, 0.25
  assert labelling.Labelled(ids, sure).confidence == 0.25


def test_a_folder_and_its_files(labeller, tmp_path):
  source = folder_of(tmp_path / "photos", ["b/1.png", "2.jpg", "10.png"], (64, 80))
  outputs = labelling.Outputs(tmp_path / "labels", tmp_path / "sure")
  assert run(labeller, source, outputs) == []
  lines = (tmp_path / "labels" / "confidence.csv").read_text().splitlines()
  assert lines[0] == "photo,confidence"
  assert [line.split(",")[0] for line in lines[1:]] == source.ids == ["2.jpg", "10.png", "b/1.png"]
  labelled = Folder(tmp_path / "photos", tmp_path / "labels")
  for i, line in enumerate(lines[1:]):
    (found,) = labeller([source[i]["photo"]])
    np.testing.assert_array_equal(labelled[i]["labels"], found.ids)
    assert line.split(",")[1] == f"{found.confidence:.4f}"
  with Image.open(tmp_path / "sure" / "b" / "1.png") as image:
    np.testing.assert_array_equal(np.array(image), np.round(255 * found.probability))
  with Image.open(tmp_path / "labels" / "2.png") as image:
    assert image.mode == "L"


def test_layouts_of_two_models_are_not_mixed(labeller, tmp_path):
  source = folder_of(tmp_path / "photos", ["0.png"])
  outputs = labelling.Outputs(tmp_path / "labels")
  run(labeller, source, outputs)
  other = SimpleNamespace(batch_size=2, sha256="0" * 64)
  with pytest.raises(ValueError, match=r"labels has layouts that another model made: give another"):
    run(other, source, outputs)


def test_it_goes_on_where_it_stopped(labeller, tmp_path):
  source = folder_of(tmp_path / "photos", [f"{i}.png" for i in range(5)])
  outputs = labelling.Outputs(tmp_path / "labels")
  steps_made = labelling.label_source(labeller, source, outputs, bad=print)
  assert [next(steps_made), next(steps_made)] == [0, 2]  # killed after the first batch of two
  steps_made.close()
  table = tmp_path / "labels" / "confidence.csv"
  table.write_text(table.read_text() + "2.png,0.1")  # and in the middle of a line
  times = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "labels").glob("*.png")}
  assert set(times) == {"0.png", "1.png"}
  run(labeller, source, outputs)
  finished = table.read_text().splitlines()
  assert [line.split(",")[0] for line in finished[1:]] == source.ids
  assert all(len(line.split(",")[1]) == 6 for line in finished[1:])
  assert {n: (tmp_path / "labels" / n).stat().st_mtime_ns for n in times} == times
  (tmp_path / "labels" / "3.png").unlink()
  (tmp_path / "labels" / ".4.png.part").write_bytes(b"half")
  assert list(labelling.label_source(labeller, source, outputs, bad=print)) == [4, 1]
  assert (tmp_path / "labels" / "3.png").exists()
  assert sorted(table.read_text().splitlines()) == sorted(finished)


def test_a_damaged_photo_is_reported_and_the_others_are_done(labeller, tmp_path):
  folder_of(tmp_path / "photos", ["0.png", "2.png"])
  (tmp_path / "photos" / "1.png").write_bytes(b"no picture")
  bad = run(labeller, Folder(tmp_path / "photos"), labelling.Outputs(tmp_path / "labels"))
  assert len(bad) == 1 and "1.png (photo 1) cannot be read" in str(bad[0])
  assert sorted(p.name for p in (tmp_path / "labels").glob("*.png")) == ["0.png", "2.png"]


def test_two_photos_with_one_layout_are_refused(labeller, tmp_path):
  source = folder_of(tmp_path / "photos", ["0.png", "0.jpg"])
  with pytest.raises(ValueError, match=r"0\.\w+ and 0\.\w+ would share the layout 0\.png"):
    run(labeller, source, labelling.Outputs(tmp_path / "labels"))


def test_a_model_without_a_layout_network(tmp_path):
  texture = {"texture": tiny_model.random_params()["texture"]}
  model_files.save_model(tmp_path / "m", texture, CONFIG | {"stages_trained": ["texture"]})
  with pytest.raises(model_files.ModelError, match="holds no layout network"):
    labelling.Labeller.from_directory(tmp_path / "m")
