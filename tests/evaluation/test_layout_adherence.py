"""Layout adherence: donors are other photos, pixels are counted by hand, the quickstart obeys."""

import importlib.util
import os
import pathlib
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from facefill_jax.data import opening, pipeline
from facefill_jax.data.masks import training
from facefill_jax.evaluation import layout_adherence, scoring
from facefill_jax.filling import model_files
from facefill_jax.models.networks import networks_of_model
from facefill_jax.models.texture_net import LATENT
from facefill_jax.training import loop

CONFIG = pathlib.Path(__file__).parents[2] / "configs" / "quickstart.py"
SIDE = 32


class Reader:
  """A layout network: class = red / 10; in the hole, the class of the last pixel, always known."""

  sharpening = 1.0

  def shrinks(self, height, width):
    return 1

  def apply(self, variables, photo, mask, enlarged):
    red = np.float32(127.5) * (photo[..., 0] + 1)
    seen = (red / 10).round().astype(int)
    classes = mask[..., 0] * seen[:, -1:, -1:] + ~mask[..., 0] * seen
    logits = 50.0 * (classes[..., None] == np.arange(20))
    return logits.astype(np.float32), photo[:, ::16, ::16]


class Painter:
  """A texture network: paints what the layout says in the first `rows` rows, its own below."""

  def __init__(self, rows):
    self.rows = rows

  def apply(self, variables, photo, mask, layout, features, z, use_features):
    assert z.shape == (len(photo), LATENT)
    own = photo[:, -1:, -1:, :1]
    asked = layout.argmax(-1)[..., None] * 10 / 127.5 - 1
    obeys = np.arange(photo.shape[1])[:, None, None] < self.rows
    return (obeys * asked + ~obeys * own).repeat(3, axis=-1).astype(np.float32)


def flat_faces(number):
  """Face i has the colour of class i + 10 everywhere, of no side; all holes are rows 0..7."""
  classes = np.arange(10, number + 10, dtype=np.uint8)[:, None, None]
  labels = np.broadcast_to(classes, (number, SIDE, SIDE)).copy()
  mask = np.zeros((number, SIDE, SIDE, 1), bool)
  mask[:, :8] = True
  photo = np.repeat(labels[..., None] * 10, 3, axis=-1)
  return {"photo": photo, "labels": labels, "mask": mask}


def measured(batch, photos, rows=8, size=3):
  networks = types.SimpleNamespace(layout=Reader(), texture=Painter(rows))
  batches = list(scoring.slices(batch, size))
  return layout_adherence.measure(networks, {"layout": {}, "texture": {}}, batches, photos)


@pytest.mark.parametrize(
  ("photos", "wanted"),
  [
    ("abcd", [2, 3, 0, 1]),
    ("aabbc", [2, 3, 4, 0, 1]),  # fills of one photo follow each other
    ("aaab", [3, 3, 3, 1]),
    ("aa", None),
    ("", None),
  ],
)
def test_donors_are_other_photos(photos, wanted):
  assert layout_adherence.donors(photos) == wanted


@pytest.mark.parametrize(("rows", "given", "ratio"), [(8, 1, np.inf), (6, 0.75, 3), (0, 0, 0)])
def test_pixels_are_counted_as_they_are_read(rows, given, ratio):
  batch = flat_faces(5)
  batch["labels"][0] = 0  # one face of five is labelled as the reader does not read it
  found = measured(batch, range(5), rows)
  assert found["pixels"] == 5 * 8 * SIDE  # no face is like the next
  assert found["given_share"] == pytest.approx(given)
  assert found["predicted_share"] == pytest.approx(1 - given)
  assert found["ratio"] == ratio
  assert found["parser_accuracy"] == pytest.approx(0.8)
  assert found["passed"] is (ratio > 1) and found["trained_on"]


def test_several_masks_of_a_photo_count_even_one_at_a_time():
  batch = {name: np.repeat(x, 2, axis=0) for name, x in flat_faces(3).items()}
  found = measured(batch, [0, 0, 1, 1, 2, 2], size=1)
  assert found["pixels"] == 6 * 8 * SIDE  # with a donor of the same photo nothing would differ
  assert found["given_share"] == 1


def test_one_photo_has_no_donor():
  batch = {name: np.repeat(x, 2, axis=0) for name, x in flat_faces(1).items()}
  found = measured(batch, [0, 0])
  assert found == {"passed": None, "not_computed": layout_adherence.ONE_PHOTO}


def test_equal_layouts_have_nothing_to_compare():
  batch = {name: np.repeat(x, 2, axis=0) for name, x in flat_faces(1).items()}
  found = measured(batch, [0, 1])
  assert found["pixels"] == 0 and np.isnan(found["given_share"]) and np.isnan(found["ratio"])
  assert found["passed"] is None


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
  found = layout_adherence.measure(networks, params, list(scoring.slices(faces, 16)), range(64))
  assert found["pixels"] > 10_000
  assert found["parser_accuracy"] > 0.8
  assert found["ratio"] >= 3.0, found
