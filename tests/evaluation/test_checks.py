"""The checks find what they are there for, with networks simple enough to know what they do."""

import types

import numpy as np
import pytest

from facefill_jax.evaluation import checks, pairs, scoring
from facefill_jax.models.texture_net import LATENT

SIDE = 32


class Reader:
  """A layout network: class = red / 10; in the hole, the class of the last pixel, always known."""

  def apply(self, variables, photo, mask):
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


@pytest.mark.parametrize(("rows", "given", "ratio"), [(8, 1, np.inf), (6, 0.75, 3), (0, 0, 0)])
def test_guidance_counts_what_is_read(rows, given, ratio):
  networks = types.SimpleNamespace(layout=Reader(), texture=Painter(rows))
  batch = flat_faces(5)
  batch["labels"][0] = 0  # one face of five is labelled as the reader does not read it
  params = {"layout": {}, "texture": {}}
  found = checks.guidance(networks, params, scoring.slices(batch, 3))
  assert found["pixels"] == 5 * 8 * SIDE  # no face of a batch is like the next
  assert found["given_share"] == pytest.approx(given)
  assert found["predicted_share"] == pytest.approx(1 - given)
  assert found["ratio"] == ratio
  assert found["parser_accuracy"] == pytest.approx(0.8)
  assert found["passed"] is (ratio > 1) and found["trained_on"]


def test_guidance_of_one_face_has_nothing_to_compare():
  networks = types.SimpleNamespace(layout=Reader(), texture=Painter(8))
  found = checks.guidance(networks, {"layout": {}, "texture": {}}, [flat_faces(1)])
  assert found["pixels"] == 0 and np.isnan(found["given_share"]) and np.isnan(found["ratio"])
  assert found["passed"] is None


def named(batch):
  return batch | {"pair": [pairs.Pair(f"p{i}", i, "", i) for i in range(len(batch["photo"]))]}


def test_a_changed_known_pixel_is_found():
  batch, known = named(flat_faces(3)), checks.KnownPixels()
  whole = np.where(batch["mask"], 0, batch["photo"]).astype(np.uint8)
  known.add(batch, whole, 3)
  assert known.report() == {"passed": True, "detail": "identical in all 3 fills"}
  whole[1, 20, 5, 2] += 7
  whole[2, 20, 5, 2] += 9
  known.add(batch, whole, 2)  # the third row is padding
  found = known.report()
  assert found["passed"] is False
  assert "1 of 5 fills, first p1" in found["detail"] and "up to 7 of 255" in found["detail"]


def test_whoever_looks_under_the_mask_is_found():
  batch = named(flat_faces(5))

  def honest(batch):
    seen = np.where(batch["mask"], 0, batch["photo"])
    return {"whole": seen, "layout": seen[..., 0] // 10}

  def leaking_layout(batch):
    return honest(batch) | {"layout": batch["photo"][..., 0] // 10}

  def run(fill):
    return checks.known_only(fill, scoring.slices(batch, 2), 2)

  assert run(honest)["passed"] is True and "5 layouts and fills" in run(honest)["detail"]
  found = run(leaking_layout)
  assert found["passed"] is False and "5 of 5 layouts" in found["detail"]
  found = run(lambda batch: {"whole": batch["photo"], "layout": None})
  assert found["passed"] is False and "5 of 5 fills" in found["detail"]
  assert "no layout" in run(lambda b: honest(b) | {"layout": None})["detail"]


def test_diversity_by_hand():
  batch = named(flat_faces(3))

  def fill(batch, seed):
    grey = np.full_like(batch["photo"], 10 * seed)
    return {"whole": np.where(batch["mask"], grey, batch["photo"])}

  found = checks.diversity(fill, scoring.slices(batch, 2), 2, {})
  # Seeds 0, 10, 20 and 30: distances 10 (three times), 20 (twice) and 30.
  assert found["mean"] == pytest.approx(10 * (3 + 4 + 3) / 6 / 255, rel=1e-4)
  assert found["distance"] == "l1" and found["passed"] is None and "3 fills" in found["detail"]
  same = checks.diversity(lambda b, seed: {"whole": b["photo"]}, [batch], 3, {})
  assert same["mean"] == 0.0
