"""Where photos come from: folders and zips, subsets of them, and held-out parts.

A source is any picklable object with `len(source)` and `source[i]`, a dict of
  photo   uint8 (h, w, 3), sRGB as stored
  labels  uint8 (h, w), class ids 0..19; 19 (void) everywhere if the photo is unlabelled
  id      str, the same for the same photo whatever the order of the others
Sources with `ids` (a list of all ids) can name their photos without decoding them.
"""

import hashlib
import io
import os
import re
import struct
import threading
import zipfile
import zlib

import numpy as np
from PIL import Image, ImageOps

from facefill_jax.labels import VOID, check_labels

PHOTO_EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
MID_GREY = 128

# What Pillow and zipfile raise for a damaged file, depending on where the damage is.
DAMAGED = (
  OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError,
  struct.error, zlib.error, zipfile.BadZipFile, Image.DecompressionBombError,
)  # fmt: skip


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

  def __init__(self, path: str, labels: str = "", *, min_size: int | None = None):
    """Lists the files; opens none of them.

    A label map belongs to the photo with the same relative path, endings aside, or else to the
    only photo with the same stem. A photo without a label map is unlabelled: all void.

    Args:
      path: directory or .zip with photos; endings as in PHOTO_EXTENSIONS.
      labels: directory or .zip with 8-bit PNGs of class ids 0..19 of the photos' sizes, or "".
      min_size: large JPEGs may be decoded smaller, but with no side below this. The result is
        the block mean, so give the size that the photo will be shrunk to. None: full size.

    Raises:
      ValueError: a path does not exist or holds no photos; label maps fit no photo, or one of
        them fits several.
    """
    if labels and os.path.realpath(path) == os.path.realpath(labels):
      raise ValueError(f"labels: {labels} is the folder of the photos; keep the two apart")
    self._photos = Files(path, PHOTO_EXTENSIONS, "photos", skip=labels)
    self._labels = Files(labels, (".png",), "labels", skip=path) if labels else None
    self._label_of = match(self._photos, self._labels) if labels else {}
    self.min_size = min_size
    self.ids = self._photos.names

  def __len__(self) -> int:
    return len(self.ids)

  def __getitem__(self, index: int) -> dict:
    """Decodes one photo and its label map; ValueError names the file if that cannot be done."""
    name = self.ids[index]
    where = f"{self._photos.where(name)} (photo {index})"
    photo, size = _read(self._photos, name, where, lambda data: read_photo(data, self.min_size))
    label_name = self._label_of.get(name)
    if label_name is None:
      return {"photo": photo, "labels": np.full(photo.shape[:2], VOID, np.uint8), "id": name}
    label_where = self._labels.where(label_name)
    labels = _read(self._labels, label_name, label_where, read_labels)
    check_labels(labels, label_where)
    if labels.shape != size:
      raise ValueError(
        f"{where} is {size[1]} x {size[0]} and its labels {label_where} are "
        f"{labels.shape[1]} x {labels.shape[0]}; the two sizes must be equal"
      )
    return {"photo": photo, "labels": resize_nearest(labels, photo.shape[:2]), "id": name}


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


def match(photos: Files, labels: Files) -> dict[str, str]:
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
          f"labels: {photos.where(name)} shares its stem with other photos or label maps, for "
          f"example {labels.where(candidates[-1])}; give both the same relative path"
        )
      label = candidates[0] if candidates else None
    if label is not None:
      found[name] = label
  if not found:
    raise ValueError(
      f"labels: no photo in {photos.path} has a label map in {labels.path}; {photos.names[0]} "
      f"needs {os.path.splitext(photos.names[0])[0]}.png, found {labels.names[0]} and the like"
    )
  return found


def read_photo(data: bytes, min_size: int | None = None) -> tuple[np.ndarray, tuple[int, int]]:
  """Decodes a photo upright, as 8-bit RGB; ICC profiles are not applied.

  Alpha is laid over mid-grey, 16-bit values are divided by 257.

  Args:
    data: the content of a file that Pillow can read.
    min_size: see Folder.

  Returns:
    uint8 (h, w, 3), and (height, width) of the upright photo at full size.
  """
  with Image.open(io.BytesIO(data)) as image:
    turned = image.getexif().get(0x0112, 1)
    width, height = image.size
    if min_size is not None:
      image.draft(None, (min_size, min_size))  # a no-op unless the file is a JPEG
    image.load()
    if turned in range(2, 9):
      image = ImageOps.exif_transpose(image)
    if turned in (5, 6, 7, 8):
      width, height = height, width
    return np.ascontiguousarray(_to_rgb(image)), (height, width)


def read_labels(data: bytes) -> np.ndarray:
  """Decodes class ids from an 8-bit grey or palette picture: uint8 (h, w), not yet checked."""
  with Image.open(io.BytesIO(data)) as image:
    if image.mode not in ("L", "P"):
      raise ValueError(f"mode {image.mode}; labels must be 8-bit grey or palette pictures of ids")
    return np.array(image)


def read_grey(data: bytes) -> np.ndarray:
  """Decodes brightness: uint8 (h, w); 16-bit values are divided by 257, alpha is ignored."""
  with Image.open(io.BytesIO(data)) as image:
    if image.mode.startswith(("I", "F")):
      return _from_16_bit(image)
    return np.array(image.convert("L"))


def resize_nearest(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """(h, w) -> (height, width) of `size`, sampled at pixel centres; the same array if equal."""
  if array.shape == tuple(size):
    return array
  rows, columns = (
    (np.arange(new) * 2 + 1) * old // (2 * new) for old, new in zip(array.shape, size, strict=True)
  )
  return array.take(rows, 0).take(columns, 1)  # a third of the time of array[rows, columns]


def _to_rgb(image: Image.Image) -> np.ndarray:
  if image.mode.startswith(("I", "F")):
    return np.repeat(_from_16_bit(image)[..., None], 3, axis=-1)
  if image.has_transparency_data:
    image = image.convert("RGBA")
    backdrop = Image.new("RGBA", image.size, (MID_GREY, MID_GREY, MID_GREY, 255))
    image = Image.alpha_composite(backdrop, image)
  return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _from_16_bit(image: Image.Image) -> np.ndarray:
  values = np.asarray(image).astype(np.float64)
  return np.clip(np.round(values / 257.0), 0, 255).astype(np.uint8)


def _read(files: Files, name: str, where: str, decode):
  try:
    return decode(files.read(name))
  except DAMAGED as error:
    reason = str(error).split("\n")[0] or type(error).__name__
    # Pillow names the stream it was given, which helps nobody.
    reason = re.sub(r"\s*<_io\.BytesIO[^>]*>", "", reason)
    raise ValueError(f"{where} cannot be read: {reason}") from error


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
  return [entry.filename for entry in entries if not entry.is_dir()]


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
