"""The checks find what they are there for."""

import numpy as np
import pytest

from facefill_jax.evaluation import checks, pairs, scoring

SIDE = 32


def flat_faces(number):
  """Face i has the colour of class i + 10 everywhere, of no side; all holes are rows 0..7."""
  classes = np.arange(10, number + 10, dtype=np.uint8)[:, None, None]
  labels = np.broadcast_to(classes, (number, SIDE, SIDE)).copy()
  mask = np.zeros((number, SIDE, SIDE, 1), bool)
  mask[:, :8] = True
  photo = np.repeat(labels[..., None] * 10, 3, axis=-1)
  return {"photo": photo, "labels": labels, "mask": mask}


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
