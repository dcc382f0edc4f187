"""Any set that TFDS prepared in array_record and that has photos, as a source.

What TFDS keeps in such a set decides what a photo comes with:
  labels      of a feature `layout`, uint8 (h, w) of our class ids, as in sets that we built; other
              sets count as unlabelled, for the classes of their maps are not ours
  landmarks   of a feature `landmarks`, as in ours and in celeb_a; those outside of their photo are
              of another frame (celeb_a before its alignment, say) and left out
TFDS keeps no file names: ids are places in TFDS's order, the same for the same version of the set.
"""

import logging
import zlib

import numpy as np

from facefill_jax.data.bad_records import BadRecordError
from facefill_jax.data.decoding import DAMAGED, read_photo, reason
from facefill_jax.data.sets import records
from facefill_jax.data.sets.prepared import Prepared
from facefill_jax.labels import VOID, check_labels

POINTS = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")  # left as seen
LAYOUT = "layout"
_log = logging.getLogger(__name__)


class TfdsFaces:
  """The photos of a set that TFDS prepared; see `data.sets.builders`.

  labelled: of each record, whether it has a layout.
  """

  def __init__(self, path: str, name: str = ""):
    """Opens a prepared directory, such as ~/tensorflow_datasets/celeb_a/2.1.0.

    Args:
      path: the directory.
      name: what the set must be called; "": any set will do.

    Raises:
      ValueError: as `Prepared`; a set of another name.
    """
    self._records = Prepared(path)
    if name and self._records.name != name:
      raise ValueError(f"{path}: holds the TFDS set {self._records.name!r}, not {name!r}")
    self._said = False
    self.name, self.ids = self._records.name, self._records.ids
    self.numbers = [0] * len(self.ids)
    parts = self._records.splits if self.name == "celeb_a" else [""] * len(self.ids)
    self.official = parts  # celeb_a's splits are CelebA's partition
    if records.is_build(self._records.path):
      self.labelled = records.Records(self._records.path).labelled
    else:
      self.labelled = [int(LAYOUT in self._records.names)] * len(self.ids)

  def __len__(self) -> int:
    return len(self.ids)

  def __getitem__(self, index: int) -> dict:
    """Decodes one photo; BadRecordError names shard, position and id if that cannot be done."""
    features, where = self._records.features(index)
    try:
      photo, size = read_photo(features[self._records.image])
      item = {"photo": photo, "labels": _layout(features, size), "id": self.ids[index]}
      landmarks = _landmarks(features)
    except DAMAGED as error:
      raise BadRecordError(f"{where} cannot be decoded: {reason(error)}") from error
    if landmarks is None or _is_inside(landmarks, size):
      return item if landmarks is None else item | {"landmarks": landmarks}
    if not self._said:
      self._said = True
      _log.warning("%s: landmarks outside of the photo are left out; others may be, too", where)
    return item


def _layout(features: dict, size: tuple[int, int]) -> np.ndarray:
  """uint8 (h, w): the layout, or void. ValueError if it does not fit the photo."""
  if LAYOUT not in features:
    return np.full(size, VOID, np.uint8)
  layout = features[LAYOUT]
  if isinstance(layout, bytes):  # read without TFDS
    layout = np.frombuffer(zlib.decompress(layout), np.uint8)
  layout = np.asarray(layout, np.uint8).reshape(size)
  check_labels(layout, "its layout")
  return layout


def _is_inside(points: np.ndarray, size: tuple[int, int]) -> bool:
  """Whether points (x, y) lie in a photo of (height, width), or a tenth of its side beyond."""
  margin = max(size) / 10
  low, high = points.min(0), points.max(0)
  return bool((low >= -margin).all() and (high <= np.array(size[::-1]) + margin).all())


def _landmarks(features: dict) -> np.ndarray | None:
  """float32 (5, 2), or None if they are not known."""
  names = [f"landmarks/{point}_{axis}" for point in POINTS for axis in "xy"]
  if all(name in features for name in names):
    values = np.array([features[name] for name in names], np.float32)
  else:
    values = np.asarray(features.get("landmarks", ()), np.float32)
  known = values.size == 10 and not np.isnan(values).any()
  return values.reshape(5, 2) if known else None
