"""Where photos come from: folders and zips, subsets of them, and held-out parts.

A source is any picklable object with `len(source)` and `source[i]`, a dict of
  photo   uint8 (h, w, 3), sRGB as stored
  labels  uint8 (h, w), class ids 0..19; 19 (void) everywhere if the photo is unlabelled
  confidence  uint8 (h, w), of the labels, 255 = sure; only if it was asked for
  id      str, the same for the same photo whatever the order of the others
Sources with `ids` (a list of all ids) can name their photos without decoding them.
"""

import hashlib
import logging
import os
from functools import partial

import numpy as np

from facefill_jax.data.bad_records import BadRecordError
from facefill_jax.data.decoding import (
  ENDINGS,
  read_grey,
  read_labels,
  read_photo,
  resize_nearest,
)
from facefill_jax.data.file_tree import Files, read_with
from facefill_jax.data.pairing import pair
from facefill_jax.data.vocabularies import OURS, Vocabulary
from facefill_jax.labels import VOID

SURE = 255
_log = logging.getLogger(__name__)


class Folder:
  """Photos in a directory tree or a .zip, with label maps beside them if there are any."""

  def __init__(
    self,
    path: str,
    labels: str = "",
    *,
    min_size: int | None = None,
    vocabulary: str = OURS,
    confidence: str | None = None,
  ):
    """Lists the files; opens none of them.

    A label map belongs to the photo of its name; see `data.pairing`. A photo without one is
    unlabelled: all void. How many there are is said in one line.

    Args:
      path: directory or .zip with photos; endings as in `decoding.ENDINGS`.
      labels: directory or .zip with 8-bit PNGs of class ids of the photos' sizes, or "".
      min_size: large JPEGs may be decoded smaller, but with no side below this. The result is
        the block mean, so give the size that the photo will be shrunk to. None: full size.
      vocabulary: what the class ids mean; see `data.vocabularies`.
      confidence: directory or .zip with grey PNGs, paired as the labels are: how sure these are.
        Photos that have none are sure everywhere, as all are with "". None: not asked for.

    Raises:
      ValueError: a path does not exist or holds no photos; label maps fit no photo, or one of
        them fits several.
    """
    for what, other in (("labels", labels), ("confidence", confidence)):
      if other and _real(path) == _real(other):
        raise ValueError(f"{what}: {other} is the folder of the photos; keep the two apart")
    self._vocabulary = Vocabulary(vocabulary)
    self._photos = Files(path, ENDINGS, "photos", skip=labels)
    self._maps = {"labels": self._match("labels", labels)}
    if confidence is not None:
      self._maps["confidence"] = self._match("confidence", confidence)
    self.min_size = min_size
    self.ids = self._photos.names

  def _match(self, what: str, path: str) -> tuple[Files | None, dict[str, str]]:
    """The files of the maps in `path`, and which photo has which of them; nothing for ""."""
    if not path:
      return None, {}
    files = Files(path, (".png",), what, skip=self._photos.path)
    then = "they count as unlabelled" if what == "labels" else "their labels count as sure"
    return files, match(self._photos, files, what, then)

  def __len__(self) -> int:
    return len(self.ids)

  def read(self, index: int) -> tuple[bytes, bytes | None]:
    """The contents of a photo's file and of its label map's, if it has one; not decoded."""
    name = self.ids[index]
    files, label_of = self._maps["labels"]
    labels = files.read(label_of[name]) if name in label_of else None
    return self._photos.read(name), labels

  def __getitem__(self, index: int) -> dict:
    """Decodes one photo and its label map.

    Raises:
      BadRecordError: a file is damaged, or the two do not fit; the message names it.
      ValueError: the disk failed (no such file any more, too many open ones, ...).
    """
    name = self.ids[index]
    where = f"{self._photos.where(name)} (photo {index})"
    decode = partial(read_photo, min_size=self.min_size)
    photo, size = read_with(self._photos, name, decode, where)
    item, shape = {"photo": photo, "id": name}, photo.shape[:2]
    for what in self._maps:
      found = self._read_map(what, name, where, size)
      nothing = VOID if what == "labels" else SURE
      item[what] = (
        np.full(shape, nothing, np.uint8) if found is None else resize_nearest(found, shape)
      )
    return item

  def _read_map(self, what: str, name: str, where: str, size) -> np.ndarray | None:
    """The labels or the confidence of a photo of that `size`, uint8 (h, w); None if it has none."""
    files, map_of = self._maps[what]
    if name not in map_of:
      return None
    map_where = files.where(map_of[name])
    decode = read_labels if what == "labels" else read_grey
    found = read_with(files, map_of[name], decode)
    if what == "labels":
      try:
        found = self._vocabulary.translate(found, map_where)
      except ValueError as error:
        raise BadRecordError(str(error)) from error
    if found.shape != size:
      raise BadRecordError(
        f"{where} is {size[1]} x {size[0]} and its {what} {map_where} "
        f"{'are' if what == 'labels' else 'is'} {found.shape[1]} x {found.shape[0]}; "
        "the two sizes must be equal"
      )
    return found


class Subset:
  """Some items of a source, in the order of `indices`."""

  def __init__(self, source, indices):
    self.source = source
    self.indices = [int(i) for i in indices]
    self.ids = [ids_of(source)[i] for i in self.indices]

  def __len__(self) -> int:
    return len(self.indices)

  def __getitem__(self, index: int) -> dict:
    return self.source[self.indices[index]]


def ids_of(source) -> list[str]:
  """All ids of a source without decoding: its `ids`, or its indices as text if it has none."""
  ids = getattr(source, "ids", None)
  return [str(i) for i in range(len(source))] if ids is None else ids


def hold_out(source, count: int, seed: int) -> tuple[Subset, Subset]:
  """Splits a source into (train, held out), the latter with `count` items.

  Each id is hashed with the seed and the lowest hashes are held out, so that the choice does not
  depend on the order, and photos that join the folder later move few of the others.

  Raises:
    ValueError: nothing would be left to train on.
  """
  if not 0 <= count < len(source):
    raise ValueError(
      f"cannot hold out {count} of {len(source)} photos; valid: 0..{len(source) - 1}"
    )
  ids = ids_of(source)
  ranks = [hashlib.sha256(f"{seed}/{name}".encode()).digest() for name in ids]
  held_out = set(sorted(range(len(ids)), key=lambda i: (ranks[i], i))[:count])
  train = [i for i in range(len(ids)) if i not in held_out]
  return Subset(source, train), Subset(source, sorted(held_out))


def spread(length: int, count: int) -> list[int]:
  """At most `count` of the indices below `length`, evenly spaced from 0."""
  count = min(count, length)
  return [i * length // count for i in range(count)]


def match(
  photos: Files, maps: Files, what: str = "labels", then: str = "they are left out"
) -> dict[str, str]:
  """Photo name -> name of its map, by `data.pairing`; one line says what has no partner.

  Args:
    photos, maps: the files.
    what: "labels" or "confidence".
    then: see `Pairing.remark`.

  Raises:
    ValueError: nothing fits, or something fits twice.
  """
  kind = "label map" if what == "labels" else f"{what} map"
  found = pair(photos.names, maps.names, what)
  if not found.file_of:
    raise ValueError(
      f"{what}: no photo in {photos.path} has a {kind} in {maps.path}; {photos.names[0]} "
      f"needs {os.path.splitext(photos.names[0])[0]}.png, found {maps.names[0]} and the like"
    )
  if remark := found.remark(kind, maps.path, then):
    _log.warning("%s: %s", what, remark)
  return found.file_of


def _real(path: str) -> str:
  return os.path.realpath(os.path.expanduser(path))
