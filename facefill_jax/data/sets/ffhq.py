"""FFHQ (Karras et al., StyleGAN, CVPR 2019): the aligned photos, as its official download lies.

    images1024x1024/<nn000>/<nnnnn>.png    folders of 1,000, or one .zip of them
    ffhq-dataset-v2.json                   optional, beside the folder (or the .zip) or in it:
                                           68 landmarks a photo, of which 5 points are made

Thumbnails and photos in the wild, if they lie there too, are left out.
"""

import json
import os
import re

import numpy as np

from facefill_jax.data.decoding import DAMAGED, read_photo, reason
from facefill_jax.data.sets import splits
from facefill_jax.data.sources import Files
from facefill_jax.labels import VOID

METADATA = "ffhq-dataset-v2.json"
SIDE = 1024  # pixels: what the landmarks of the metadata refer to
_PHOTO = re.compile(r"(?:.*/)?(\d{5})\.png")


class FFHQ:
  """The set as a source; see `data.builders`. It has no layouts: all photos are unlabelled."""

  def __init__(self, path: str):
    """Lists the files, and reads the landmarks if they are there.

    Args:
      path: images1024x1024, the directory above it, or a .zip.

    Raises:
      ValueError: no photos are there, one twice, or metadata that cannot be read.
    """
    self._files = Files(path, (".png",), "FFHQ")
    names = [name for name in self._files.names if _PHOTO.fullmatch(name)]
    aligned = [name for name in names if "images1024x1024" in name.split("/")]
    self._names = {}
    for name in aligned or names:
      photo_id = _PHOTO.fullmatch(name)[1]
      if photo_id in self._names:
        raise ValueError(
          f"{self._files.where(name)}: photo {photo_id} is also {self._names[photo_id]}"
        )
      self._names[photo_id] = name
    if not self._names:
      raise ValueError(f"{path}: no photos like images1024x1024/00000/00000.png there")
    self.ids = list(self._names)
    self.numbers = [0] * len(self.ids)
    self.official = [splits.ffhq_part(int(photo)) for photo in self.ids]
    self._landmarks = _read_landmarks(_metadata_of(self._files.path), self.ids)

  def __len__(self) -> int:
    return len(self.ids)

  def __getitem__(self, index: int) -> dict:
    """Decodes one photo; ValueError names the file if that cannot be done."""
    photo_id = self.ids[index]
    name = self._names[photo_id]
    try:
      photo, size = read_photo(self._files.read(name))
    except DAMAGED as error:
      raise ValueError(f"{self._files.where(name)} cannot be read: {reason(error)}") from error
    item = {"photo": photo, "labels": np.full(size, VOID, np.uint8), "id": photo_id}
    if photo_id in self._landmarks:
      scale = np.array([size[1], size[0]], np.float32) / SIDE
      item["landmarks"] = self._landmarks[photo_id] * scale
    return item


def five_points(landmarks: np.ndarray) -> np.ndarray:
  """68 landmarks in dlib's order, (68, 2) -> float32 (5, 2), in the order of `data.records`."""
  eyes = landmarks[36:42].mean(0), landmarks[42:48].mean(0)
  return np.stack([*eyes, landmarks[30], landmarks[48], landmarks[54]]).astype(np.float32)


def _metadata_of(path: str) -> str:
  """The metadata file that belongs to the photos at `path`, or ""."""
  places = (path, os.path.dirname(os.path.abspath(path)))
  files = [os.path.join(place, METADATA) for place in places]
  return next((file for file in files if os.path.isfile(file)), "")


def _read_landmarks(path: str, ids: list[str]) -> dict[str, np.ndarray]:
  if not path:
    return {}
  wanted, found = set(ids), {}
  try:
    with open(path, encoding="utf-8") as file:
      metadata = json.load(file)
    for key, entry in metadata.items():
      if (photo_id := f"{int(key):05d}") in wanted:
        points = np.array(entry["image"]["face_landmarks"], np.float64).reshape(68, 2)
        found[photo_id] = five_points(points)
  except (ValueError, KeyError, TypeError, AttributeError) as error:
    raise ValueError(f"{path} cannot be read as FFHQ's metadata: {error}") from error
  return found
