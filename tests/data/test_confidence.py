"""Confidence maps beside the labels: whose they are, and that they move as the photo does."""

import zipfile

import numpy as np
import pytest
from drawn_sets import photo_folder, save

from facefill_jax.data import opening, pipeline, sources
from facefill_jax.data.masks.training import MaskMix
from facefill_jax.labels import CLASSES, VOID

BOX = MaskMix({"box": 1.0})


@pytest.fixture
def places(tmp_path):
  """(photos, labels, confidence): five photos, the last unlabelled; 3 and 4 have confidence.

  The confidence is 10 x the class id, so that it must go where the labels go.
  """
  photos, labels = photo_folder(tmp_path)
  folder = sources.Folder(photos, labels)
  for i in (3, 4):
    ids = folder[i]["labels"]
    save(tmp_path / "sure" / f"face-{i}.png", np.where(ids == VOID, 7, 10 * ids).astype(np.uint8))
  return str(photos), str(labels), str(tmp_path / "sure")


def test_a_folder_has_it_only_if_asked(places):
  photos, labels, sure = places
  assert "confidence" not in sources.Folder(photos, labels)[3]
  assert (sources.Folder(photos, labels, confidence="")[3]["confidence"] == 255).all()
  folder = sources.Folder(photos, labels, confidence=sure)
  assert (folder[0]["confidence"] == 255).all() and (folder[4]["confidence"] == 7).all()
  found = folder[3]
  assert found["confidence"].dtype == np.uint8
  np.testing.assert_array_equal(found["confidence"], 10 * found["labels"])


def test_a_zip_will_do(places, tmp_path):
  photos, labels, sure = places
  with zipfile.ZipFile(tmp_path / "sure.zip", "w") as archive:
    archive.write(f"{sure}/face-3.png", "face-3.png")
  found = sources.Folder(photos, labels, confidence=str(tmp_path / "sure.zip"))[3]
  np.testing.assert_array_equal(found["confidence"], 10 * found["labels"])


def test_batches_have_it_for_all_photos(places, tmp_path):
  photos, labels, sure = places
  save(tmp_path / "more" / "0.png", np.zeros((70, 64, 3), np.uint8))
  found, held_out = opening.open_data(
    kind="folder", path=photos, labels=labels, confidence=sure, held_out=1,
    unlabelled=(str(tmp_path / "more"),), resolution=64, seed=1, zoom=(0.8, 1.0),
  )  # fmt: skip
  assert 3 in found[0][0].indices
  fixed = pipeline.fixed_batch(held_out, BOX, resolution=64, count=1, seed=0)
  assert fixed["confidence"].shape == (1, 64, 64)
  options = {"resolution": 64, "batch_size": 8, "seed": 0, "zoom": (0.8, 1.0)}
  with pipeline.batches(found, BOX, **options) as stream:
    batches = [next(stream) for _ in range(6)]
  kinds = set()
  for batch in batches:
    assert batch["confidence"].dtype == np.uint8 and batch["confidence"].shape == (8, 64, 64)
    for ids, confidence in zip(batch["labels"], batch["confidence"], strict=True):
      if (confidence == 255).all() or (confidence == 7).all():
        kinds.add("constant")
        continue
      kinds.add("own")
      # Flipped or not: left and right have swapped ids then, and keep their confidence.
      near = np.abs(10 * ids.astype(int) - confidence)
      sided = np.isin(
        ids, [CLASSES.index(f"{s}_{p}") for s in "lr" for p in ("eye", "brow", "ear")]
      )
      assert (near[~sided] == 0).all() and (near[sided] <= 10).all() and sided.any()
  assert kinds == {"constant", "own"}


def test_without_the_key_nothing_has_it(places):
  photos, labels, _ = places
  _, held_out = opening.open_data(kind="folder", path=photos, labels=labels, held_out=2,
                                  resolution=64, seed=0)  # fmt: skip
  assert set(pipeline.fixed_batch(held_out, BOX, resolution=64, count=2, seed=0)) == {
    "photo", "labels", "mask",
  }  # fmt: skip


def test_a_held_out_folder_is_sure(places):
  photos, labels, sure = places
  _, held_out = opening.open_data(
    kind="folder", path=photos, labels=labels, confidence=sure, held_out_path=photos,
    held_out_labels=labels, resolution=64, seed=0,
  )  # fmt: skip
  assert (held_out[3]["confidence"] == 255).all()


def test_mistakes(places, tmp_path):
  photos, labels, sure = places
  save(tmp_path / "sure" / "face-3.png", np.zeros((8, 9), np.uint8))
  message = r"face-3\.png \(photo 3\) is 64 x 64 and its confidence .*face-3\.png is 9 x 8; the two"
  with pytest.raises(ValueError, match=message):
    sources.Folder(photos, labels, confidence=sure)[3]
  save(tmp_path / "other" / "x.png", np.zeros((8, 9), np.uint8))
  with pytest.raises(
    ValueError, match=r"confidence: no photo in .* has a confidence map in .*other"
  ):
    sources.Folder(photos, labels, confidence=str(tmp_path / "other"))
  with pytest.raises(ValueError, match=r"confidence: .* is the folder of the photos"):
    sources.Folder(photos, labels, confidence=photos)
  with pytest.raises(ValueError, match="for the kind 'folder'; 'records' has its own labels"):
    opening.open_data(kind="records", path=photos, confidence=sure, resolution=64, seed=0)
