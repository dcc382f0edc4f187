"""Drawn faces: the same face on every machine, in every order, at every size."""

import hashlib
import pickle

import cv2
import numpy as np
import pytest

from facefill_jax.data.drawn.faces import DrawnFaces, traits_of
from facefill_jax.labels import CLASSES


def _digest(face: dict) -> str:
  return hashlib.sha256(face["photo"].tobytes() + face["labels"].tobytes()).hexdigest()


@pytest.fixture(scope="module")
def many() -> list[dict]:
  faces = DrawnFaces(size=48, length=200)
  return [faces[i] for i in range(200)]


def test_item_has_photo_labels_and_id():
  face = DrawnFaces(size=48, seed=3, start=10)[2]
  assert sorted(face) == ["id", "labels", "photo"]
  assert face["photo"].shape == (48, 48, 3) and face["photo"].dtype == np.uint8
  assert face["labels"].shape == (48, 48) and face["labels"].dtype == np.uint8
  assert face["id"] == "drawn-3-12"


@pytest.mark.parametrize("size", [32, 33, 512])
def test_any_size_in_range(size):
  face = DrawnFaces(size=size)[0]
  assert face["photo"].shape == (size, size, 3) and face["labels"].shape == (size, size)


def test_same_face_in_another_instance_order_start_and_pickle():
  plain = DrawnFaces(size=32, seed=5)
  expected = [_digest(plain[i]) for i in range(4)]
  shifted = pickle.loads(pickle.dumps(DrawnFaces(size=32, seed=5, start=2, length=2)))
  assert [_digest(shifted[i]) for i in (1, 0)] == [expected[3], expected[2]]
  assert shifted[0]["id"] == plain[2]["id"]
  assert len(set(expected)) == 4
  assert _digest(DrawnFaces(size=32, seed=6)[0]) != expected[0]


def test_all_classes_appear_and_no_other(many):
  seen = np.zeros(256, int)
  for face in many:
    seen[np.unique(face["labels"])] += 1
  names = [CLASSES[i] for i in range(19) if not seen[i]]
  assert names == []
  assert seen[19:].sum() == 0
  common = [CLASSES.index(n) for n in ("background", "skin", "nose", "u_lip", "l_lip", "hair")]
  assert (seen[common] >= 180).all()
  assert seen[CLASSES.index("neck")] >= 150


def test_left_parts_lie_at_larger_x(many):
  for left, right in (("l_eye", "r_eye"), ("l_brow", "r_brow"), ("l_ear", "r_ear")):
    compared = 0
    for face in many:
      ends = [np.nonzero(face["labels"] == CLASSES.index(n))[1] for n in (left, right)]
      if all(len(x) for x in ends):
        assert ends[0].mean() > ends[1].mean()
        compared += 1
    assert compared > 50


def test_eyes_are_where_celeba_hq_has_them(many):
  centres = {}
  for name in ("l_eye", "r_eye"):
    at = [np.argwhere(f["labels"] == CLASSES.index(name)).mean(axis=0)
          for f in many if (f["labels"] == CLASSES.index(name)).any()]  # fmt: skip
    centres[name] = (np.mean(at, axis=0) + 0.5) / 48
  np.testing.assert_allclose(centres["l_eye"], (0.47, 0.61), atol=0.025)
  np.testing.assert_allclose(centres["r_eye"], (0.47, 0.39), atol=0.025)


def test_rare_parts_come_at_their_rates():
  people = [traits_of(1, i) for i in range(1500)]

  def rate(part):
    return sum(getattr(p, part) != "none" for p in people) / len(people)

  assert abs(rate("glasses") - 0.15) < 0.03
  assert abs(rate("hat") - 0.10) < 0.03
  assert abs(rate("earring") - 0.20) < 0.03
  assert abs(rate("necklace") - 0.15) < 0.03


def test_every_size_shows_the_same_person():
  for i in range(6):
    large, small = DrawnFaces(size=128)[i], DrawnFaces(size=64)[i]
    shrunk = cv2.resize(large["photo"], (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(int) - small["photo"]).mean() < 8
    same = large["labels"][::2, ::2] == small["labels"]
    assert same.mean() > 0.93


def test_photo_and_labels_line_up():
  """Where the label changes from face to backdrop, so does the photo: same stencil, same edge."""
  aligned, shifted = [], []
  for i in range(12):
    face = DrawnFaces(size=64)[i]
    grey = cv2.cvtColor(face["photo"], cv2.COLOR_RGB2GRAY).astype(float)
    edge = np.abs(np.diff(grey, axis=1))
    change = np.diff(face["labels"].astype(int), axis=1) != 0
    aligned.append(edge[change].mean())
    shifted.append((edge[:, 2:][change[:, :-2]].mean() + edge[:, :-2][change[:, 2:]].mean()) / 2)
  assert np.mean(aligned) > 1.5 * np.mean(shifted)


@pytest.mark.parametrize("i", [-1, 3, 10**9])
def test_index_out_of_range(i):
  with pytest.raises(IndexError, match="of 3"):
    DrawnFaces(size=32, length=3)[i]


@pytest.mark.parametrize(
  ("kwargs", "word"),
  [
    ({"size": 31}, "size"),
    ({"size": 513}, "size"),
    ({"seed": -1}, "seed"),
    ({"start": -1}, "start"),
    ({"length": -1}, "length"),
  ],
)
def test_bad_arguments_are_named(kwargs, word):
  with pytest.raises(ValueError, match=word):
    DrawnFaces(**kwargs)
