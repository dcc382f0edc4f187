"""The face detector, where its network is at hand, on the portraits of the package."""

import numpy as np
import pytest
from PIL import Image

from facefill_jax.cli.demo import NAMES, PORTRAITS
from facefill_jax.pretrained_nets import yunet


@pytest.mark.parametrize("name", NAMES)
def test_it_finds_a_face_and_where_its_eyes_are(name, yunet_network):
  photo = np.array(Image.open(PORTRAITS / f"{name}.jpg"))
  [face] = yunet.detect_faces(photo)
  assert face.score > 0.8
  left, right, nose, *mouth = face.landmarks / 256
  np.testing.assert_allclose([left, right], [[0.38, 0.48], [0.62, 0.48]], atol=0.04)
  assert left[1] < nose[1] < mouth[0][1] and mouth[0][0] < mouth[1][0]
  low, high = face.box[:2] / 256, face.box[2:] / 256
  assert (low < left).all() and (high > mouth[1]).all()


def test_it_finds_all_of_them_at_any_size(yunet_network):
  faces = [np.array(Image.open(PORTRAITS / f"{name}.jpg")) for name in NAMES]
  photo = np.full((900, 1700, 3), 90, np.uint8)
  for i, face in enumerate(faces):
    photo[100 + 50 * i : 356 + 50 * i, 50 + 400 * i : 306 + 400 * i] = face
  found = yunet.detect_faces(photo)
  assert len(found) == 4
  starts = np.array([[50 + 400 * i, 100 + 50 * i] for i in range(4)])
  eyes = np.sort(np.array([face.landmarks[0] for face in found]), axis=0)
  np.testing.assert_allclose(eyes, starts + 256 * np.array([0.38, 0.48]), atol=14)


def test_no_face_no_detection(yunet_network):
  assert yunet.detect_faces(np.zeros((64, 200, 3), np.uint8)) == []
  assert yunet.detect_faces(np.zeros((1, 3, 3), np.uint8)) == []


def test_a_damaged_network_is_refused(tmp_path, monkeypatch):
  (tmp_path / yunet.FILE).write_bytes(b"?")
  monkeypatch.setenv("FACEFILL_WEIGHTS", str(tmp_path))
  yunet._network.cache_clear()
  with pytest.raises(RuntimeError, match="changed or damaged"):
    yunet.detect_faces(np.zeros((64, 64, 3), np.uint8))


def test_without_its_network_it_says_so(tmp_path, monkeypatch):
  monkeypatch.setenv("FACEFILL_WEIGHTS", str(tmp_path))
  yunet._network.cache_clear()
  assert not yunet.is_there()
  with pytest.raises(RuntimeError, match=f"{yunet.FILE}: missing"):
    yunet.detect_faces(np.zeros((64, 64, 3), np.uint8))
