"""Where photos come from: folders and zips, subsets of them, and held-out parts.

A source is any picklable object with `len(source)` and `source[i]`, a dict of
  photo   uint8 (h, w, 3), sRGB as stored
  labels  uint8 (h, w), class ids 0..19; 19 (void) everywhere if the photo is unlabelled
  confidence  uint8 (h, w), of the labels, 255 = sure; only if it was asked for
  id      str, the same for the same photo whatever the order of the others
Sources with `ids` (a list of all ids) can name their photos without decoding them.
"""

import hashlib
import os
import re
import threading
import zipfile
from functools import partial

import numpy as np

from facefill_jax.data.bad_records import BadRecordError
from facefill_jax.data.decoding import (
  DAMAGED,
  read_grey,
  read_labels,
  read_photo,
  reason,
  resize_nearest,
)
from facefill_jax.data.vocabularies import OURS, Vocabulary
from facefill_jax.labels import VOID

PHOTO_EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
SURE = 255


class Files:
  """The files of a directory tree or a .zip, by relative path in natural order (2 before 10).

  Hidden files and the `__MACOSX` entries of zips are left out. Safe to pickle and to read from
  several threads and processes.
  """

  def __init__(self, path: str, extensions: tuple[str, ...], what: str, skip: str = ""):
    """Lists the files.

    Args:
      path: a directory or a .zip.
      extensions: lower-case endings that count.
      what: "photos", say: used in error messages.
      skip: a directory below `path` to leave out, or "".

    Raises:
      ValueError: the path does not exist, is neither of the two, or holds no such file.
    """
    self.path = os.fspath(path)
    self._handle = None
    self._lock = threading.Lock()
    if os.path.isdir(self.path):
      found = _walk(self.path, os.path.realpath(skip) if skip else "")
    elif os.path.isfile(self.path):
      found = _list_zip(self.path, what)
    else:
      raise ValueError(f"{what}: {self.path} does not exist; give a directory or a .zip")
    self.names = sorted((n for n in found if _wanted(n, extensions)), key=natural)
    if not self.names:
      raise ValueError(f"{what}: none in {self.path}; valid endings are {', '.join(extensions)}")

  def __len__(self) -> int:
    return len(self.names)

  def where(self, name: str) -> str:
    """The path of a file as a person would write it: `faces.zip/a/1.png` inside a zip."""
    return os.path.join(self.path, name)

  def read(self, name: str) -> bytes:
    """The content of one file."""
    if os.path.isdir(self.path):
      with open(os.path.join(self.path, name), "rb") as file:
        return file.read()
    with self._lock:
      # A handle shared over a fork would share its file offset too: one for each process.
      if self._handle is None or self._handle[0] != os.getpid():
        self._handle = (os.getpid(), zipfile.ZipFile(self.path))
      return self._handle[1].read(name)

  def __getstate__(self) -> dict:
    return {"path": self.path, "names": self.names}

  def __setstate__(self, state: dict) -> None:
    self.__dict__.update(state, _handle=None, _lock=threading.Lock())

  def __del__(self):
    if getattr(self, "_handle", None) is not None and self._handle[0] == os.getpid():
      self._handle[1].close()


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

    A label map belongs to the photo with the same relative path, endings aside, or else to the
    only photo with the same stem. A photo without a label map is unlabelled: all void.

    Args:
      path: directory or .zip with photos; endings as in PHOTO_EXTENSIONS.
      labels: directory or .zip with 8-bit PNGs of class ids of the photos' sizes, or "".
      min_size: large JPEGs may be decoded smaller, but with no side below this. The result is
        the block mean, so give the size that the photo will be shrunk to. None: full size.
      vocabulary: what the class ids mean; see `data.vocabularies`.
      confidence: directory or .zip with grey PNGs, matched as the labels are: how sure these are.
        Photos that have none are sure everywhere, as all are with "". None: not asked for.

    Raises:
      ValueError: a path does not exist or holds no photos; label maps fit no photo, or one of
        them fits several.
    """
    for what, other in (("labels", labels), ("confidence", confidence)):
      if other and os.path.realpath(path) == os.path.realpath(other):
        raise ValueError(f"{what}: {other} is the folder of the photos; keep the two apart")
    self._vocabulary = Vocabulary(vocabulary)
    self._photos = Files(path, PHOTO_EXTENSIONS, "photos", skip=labels)
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
    return files, match(self._photos, files, what)

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


def natural(name: str) -> tuple:
  """A sort key in which "2.png" comes before "10.png"."""
  parts = re.split(r"(\d+)", name)
  return [int(p) if i % 2 else p for i, p in enumerate(parts)], name


def match(photos: Files, labels: Files, what: str = "labels") -> dict[str, str]:
  """Photo name -> label name; see Folder. ValueError if nothing fits or something fits twice."""
  by_path = {os.path.splitext(name)[0]: name for name in labels.names}
  labels_by_stem, photos_by_stem = _by_stem(labels.names), _by_stem(photos.names)
  found = {}
  for name in photos.names:
    label = by_path.get(os.path.splitext(name)[0])
    if label is None:
      candidates = labels_by_stem.get(_stem(name), [])
      if candidates and (len(candidates) > 1 or len(photos_by_stem[_stem(name)]) > 1):
        raise ValueError(
          f"{what}: {photos.where(name)} shares its stem with other photos or label maps, for "
          f"example {labels.where(candidates[-1])}; give both the same relative path"
        )
      label = candidates[0] if candidates else None
    if label is not None:
      found[name] = label
  if not found:
    kind = "label map" if what == "labels" else "map"
    raise ValueError(
      f"{what}: no photo in {photos.path} has a {kind} in {labels.path}; {photos.names[0]} "
      f"needs {os.path.splitext(photos.names[0])[0]}.png, found {labels.names[0]} and the like"
    )
  return found


def read_with(files: Files, name: str, decode, where: str = ""):
  """decode(content of a file). BadRecordError if it is damaged, ValueError if the disk fails."""
  where = where or files.where(name)
  try:
    return decode(files.read(name))
  except DAMAGED as error:
    # With an errno it is the system that speaks, of a file it cannot give, and not a decoder.
    from_system = isinstance(error, OSError) and error.errno is not None
    kind = ValueError if from_system else BadRecordError
    raise kind(f"{where} cannot be read: {reason(error)}") from error


def _walk(root: str, skip: str):
  """Relative paths of all files below root; follows links, but enters no directory twice."""
  seen = {os.path.realpath(root)}
  for directory, children, names in os.walk(root, followlinks=True):
    keep = []
    for child in sorted(children):
      real = os.path.realpath(os.path.join(directory, child))
      if real not in seen and real != skip and not child.startswith("."):
        seen.add(real)
        keep.append(child)
    children[:] = keep
    relative = os.path.relpath(directory, root)
    for name in names:
      path = name if relative == "." else os.path.join(relative, name)
      yield path.replace(os.sep, "/")


def _list_zip(path: str, what: str) -> list[str]:
  try:
    with zipfile.ZipFile(path) as archive:
      entries = archive.infolist()
  except (zipfile.BadZipFile, OSError) as error:
    raise ValueError(f"{what}: {path} is neither a directory nor a readable .zip") from error
  if any(entry.flag_bits & 1 for entry in entries):
    raise ValueError(f"{what}: {path} is encrypted; give a .zip without a password")
  names = [entry.filename for entry in entries if not entry.is_dir()]
  for name in names:  # what is made of a file gets its name
    if name.startswith("/") or ".." in name.split("/"):
      raise ValueError(f"{what}: {path} has an entry that leads out of it: {name}")
  return names


def _wanted(name: str, extensions: tuple[str, ...]) -> bool:
  parts = name.split("/")
  hidden = "__MACOSX" in parts or parts[-1].startswith(".")
  return not hidden and name.lower().endswith(extensions)


def _stem(name: str) -> str:
  return os.path.splitext(name.rsplit("/", 1)[-1])[0]


def _by_stem(names: list[str]) -> dict[str, list[str]]:
  groups = {}
  for name in names:
    groups.setdefault(_stem(name), []).append(name)
  return groups
