"""FFHQ (Karras et al., StyleGAN, CVPR 2019): the aligned photos, as its official download lies.

    images1024x1024/<nn000>/<nnnnn>.png    folders of 1,000, or one .zip of them
    ffhq-dataset-v2.json                   optional, beside the folder (or the .zip) or in it:
                                           68 landmarks a photo, of which 5 points are made

Thumbnails and photos in the wild, if they lie there too, are left out; in place of the aligned
photos they are refused.
"""

import json
import logging
import os
import re

import numpy as np

from facefill_jax.data.decoding import read_photo
from facefill_jax.data.file_tree import Files, count, read_with
from facefill_jax.data.sets import splits
from facefill_jax.labels import VOID

METADATA = "ffhq-dataset-v2.json"
ALIGNED = "images1024x1024"
OTHERS = {"in-the-wild-images", "thumbnails128x128"}
SIDE = 1024  # pixels: what the landmarks of the metadata refer to
_log = logging.getLogger(__name__)
_PHOTO = re.compile(r"(?:.*/)?(\d{5})\.png")


class FFHQ:
  """The set as a source; see `data.sets.builders`. It has no layouts: photos are unlabelled."""

  def __init__(self, path: str, *, size: int):
    """Lists the files, and reads the landmarks if they are there.

    Args:
      path: images1024x1024, the directory above it, or a .zip.
      size: see `open_originals`; smaller photos are refused.

    Raises:
      ValueError: no aligned photos are there, one twice, or metadata that cannot be read.
    """
    self._size = size
    self._files = Files(path, (".png",), "FFHQ")
    names = [name for name in self._files.names if _PHOTO.fullmatch(name)]
    aligned = [name for name in names if ALIGNED in name.split("/")]
    self._names = {}
    for name in aligned or _not_others(names, self._files.path):
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
    photo, size = read_with(self._files, name, read_photo)
    if size[0] != size[1] or size[0] < self._size:
      raise ValueError(
        f"{self._files.where(name)} is {size[1]} x {size[0]}: no aligned photo of FFHQ, or smaller "
        f"than the {self._size} px that are built; give {ALIGNED}"
      )
    item = {"photo": photo, "labels": np.full(size, VOID, np.uint8), "id": photo_id}
    if photo_id in self._landmarks:
      item["landmarks"] = self._landmarks[photo_id] * np.float32(size[0] / SIDE)
    return item


def five_points(landmarks: np.ndarray) -> np.ndarray:
  """68 landmarks in dlib's order, (68, 2) -> float32 (5, 2), in the order of `records`."""
  eyes = landmarks[36:42].mean(0), landmarks[42:48].mean(0)
  return np.stack([*eyes, landmarks[30], landmarks[48], landmarks[54]]).astype(np.float32)


def is_aligned(points: np.ndarray) -> bool:
  """Whether five points, (5, 2) in pixels of 1024, are those of a photo as FFHQ aligns it.

  It cuts a square about eye + (mouth - eye) / 10 whose half side is the larger of 2 distances
  between the eyes and 1.8 from eyes to mouth (`recreate_aligned_images` of its
  download_ffhq.py). An eighth of that half side is allowed for.
  """
  eyes, mouth = points[:2].mean(0), points[3:].mean(0)
  half, allowed = SIDE / 2, SIDE / 16
  reach = max(2.0 * np.hypot(*(points[1] - points[0])), 1.8 * np.hypot(*(mouth - eyes)))
  centre = eyes + 0.1 * (mouth - eyes)
  inside = (points >= 0).all() and (points <= SIDE).all()
  return bool(inside and abs(centre - half).max() <= allowed and abs(reach - half) <= allowed)


def _not_others(names: list[str], path: str) -> list[str]:
  """Those that are neither thumbnails nor in the wild; ValueError if only such are there."""
  above = os.path.abspath(path).split(os.sep)
  if ALIGNED in above:
    return names
  kept, others = [], set()
  for name in names:
    parts = {part.removesuffix(".zip") for part in (*above, *name.split("/"))}
    others |= parts & OTHERS
    if not parts & OTHERS:
      kept.append(name)
  if others and not kept:
    raise ValueError(
      f"FFHQ: {path} has {' and '.join(sorted(others))}, which are not the aligned photos of the "
      f"set; give {ALIGNED}"
    )
  return kept


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
  wrong = [photo for photo, points in found.items() if not is_aligned(points)]
  if wrong:
    _log.warning(
      "FFHQ: %d of %s in %s have landmarks that are not those of the aligned photo, for example "
      "%s: they are left out",
      len(wrong), count(found, "photo"), path, wrong[0],
    )  # fmt: skip
  return {photo: points for photo, points in found.items() if photo not in set(wrong)}
