"""Any set that TFDS prepared in array_record and that has photos, as a source.

What TFDS keeps in such a set decides what a photo comes with:
  labels      of a feature `layout`, uint8 (h, w) of our class ids, as in sets that we built; other
              sets count as unlabelled, for the classes of their maps are not ours
  landmarks   of a feature `landmarks`, as in ours and in celeb_a
TFDS keeps no file names: ids are places in TFDS's order, the same for the same version of the set.
"""

import zlib

import numpy as np

from facefill_jax.data.bad_records import BadRecordError
from facefill_jax.data.decoding import DAMAGED, read_photo, reason
from facefill_jax.data.sets import records
from facefill_jax.data.sets.prepared import Prepared
from facefill_jax.labels import VOID, check_labels

POINTS = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")  # left as seen
LAYOUT = "layout"


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
      return item | _landmarks(features)
    except DAMAGED as error:
      raise BadRecordError(f"{where} cannot be decoded: {reason(error)}") from error


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


def _landmarks(features: dict) -> dict:
  """{"landmarks": float32 (5, 2)}, or {} if they are not known."""
  names = [f"landmarks/{point}_{axis}" for point in POINTS for axis in "xy"]
  if all(name in features for name in names):
    values = np.array([features[name] for name in names], np.float32)
  else:
    values = np.asarray(features.get("landmarks", ()), np.float32)
  known = values.size == 10 and not np.isnan(values).any()
  return {"landmarks": values.reshape(5, 2)} if known else {}
