"""Mask protocols by name: the ones that are drawn (`patterns`), and two that read files.

    parts:CLASS,...[@RADIUS]   parts of a face, from label maps; classes as in labels.CLASSES
    folder:DIR                 the masks of a directory or .zip

A protocol has `name`, `count` (masks it has; None: without end), `draw(seed, index, size)`,
`parameters(size)` and `source(index)`. Masks are bool (size, size), True = hole. All is done in
integers, so the same names, numbers and files give the same bits everywhere.
"""

import itertools

import numpy as np

from facefill_jax.data.decoding import DAMAGED, read_labels
from facefill_jax.data.file_tree import Files
from facefill_jax.data.masks import patterns, raster
from facefill_jax.data.masks.folder import FolderMasks
from facefill_jax.data.squares import centre_square, cut_map
from facefill_jax.labels import CLASSES, check_labels

NAMES = (*patterns.NAMES, "parts:CLASS,...", "folder:DIR")


class Drawn:
  """A protocol of `patterns`."""

  count = None

  def __init__(self, name: str):
    self.name = name

  def draw(self, seed: int, index: int, size: int) -> np.ndarray:
    """See `patterns.draw`."""
    return patterns.draw(self.name, seed, index, size)

  def parameters(self, size: int) -> dict:
    return {"version": patterns.VERSION, **patterns.parameters(self.name, size)}

  def source(self, index: int) -> None:
    """None: no file is read."""


class Parts:
  """Parts of a face, grown by a disk: mask i is that of label map i, in natural order.

  The centre square of the label map is resized to the mask's size by nearest, then grown. A mask
  whose label map has none of the classes is empty. The seed changes nothing.
  """

  def __init__(self, name: str, labels: str):
    """Lists the label maps.

    Args:
      name: "parts:CLASS,..." or "parts:CLASS,...@RADIUS", in pixels of the mask; without it the
        radius is size // 32: 8 at 256 pixels.
      labels: directory or .zip of 8-bit PNGs of class ids.

    Raises:
      ValueError: an unknown class, a radius that is none, or no label maps.
    """
    self.name = name
    self.classes, self.radius = parse_parts(name)
    if not labels:
      raise ValueError(f"mask protocol {name!r} needs label maps: give their folder (--labels)")
    self._files = Files(labels, (".png",), "labels")
    self.count = len(self._files)

  def draw(self, seed: int, index: int, size: int) -> np.ndarray:
    """ValueError names a label map that cannot be read or holds other values than class ids."""
    _check(index, self.count, size, self.name)
    where = self._files.where(self._files.names[index])
    try:
      labels = read_labels(self._files.read(self._files.names[index]))
    except DAMAGED as error:
      raise ValueError(f"{where} cannot be read as labels: {type(error).__name__}") from error
    check_labels(labels, where)
    return hide_parts(_square(labels, size), self.classes, self._radius(size))

  def parameters(self, size: int) -> dict:
    return {"classes": list(self.classes), "radius": self._radius(size)}

  def source(self, index: int) -> str:
    """The label map's relative path."""
    return self._files.names[index]

  def _radius(self, size: int) -> int:
    return size // 32 if self.radius is None else self.radius


class Folder:
  """The masks of a directory or .zip, in natural order (2 before 10); the seed changes nothing.

  If it has sub-folders (bins by hole ratio, say), these take turns in natural order, each giving
  its files in natural order until it has no more. The centre square is resized by nearest.
  """

  def __init__(self, name: str):
    """name: "folder:DIR". ValueError if DIR does not exist or holds no pictures."""
    self.name = name
    path = name.removeprefix("folder:")
    if not path:
      raise ValueError("mask protocol 'folder:' names no folder; give folder:DIR")
    self._masks = FolderMasks(path)
    self._order = _take_turns(self._masks.names)
    self.count = len(self._order)

  def draw(self, seed: int, index: int, size: int) -> np.ndarray:
    """ValueError names a file that cannot be read or has no hole."""
    _check(index, self.count, size, self.name)
    return _square(self._masks[self._order[index]], size)

  def parameters(self, size: int) -> dict:
    return {}

  def source(self, index: int) -> str:
    """The file's relative path."""
    return self._masks.names[self._order[index]]


def open_protocol(name: str, labels: str = "") -> Drawn | Parts | Folder:
  """The protocol of a name.

  Args:
    name: one of NAMES.
    labels: directory or .zip of label maps, for parts:... only.

  Raises:
    ValueError: as `check_name`; files are missing.
  """
  check_name(name)
  if name.startswith("parts:"):
    return Parts(name, labels)
  if labels:
    raise ValueError(f"mask protocol {name!r} uses no label maps; only parts:... does")
  return Folder(name) if name.startswith("folder:") else Drawn(name)


def check_name(name: str) -> None:
  """Raises ValueError naming all valid ones unless `name` is that of a protocol."""
  if name.startswith("parts:"):
    parse_parts(name)
  elif not name.startswith("folder:") and name not in patterns.NAMES:
    raise ValueError(f"mask protocol {name!r} is unknown; valid names are {', '.join(NAMES)}")


def parse_parts(name: str) -> tuple[tuple[str, ...], int | None]:
  """ "parts:nose,mouth@6" -> (("nose", "mouth"), 6); without "@" the second is None."""
  names, at, radius = name.removeprefix("parts:").partition("@")
  classes = tuple(names.split(","))
  for each in classes:
    if each not in CLASSES:
      raise ValueError(f"{name}: class {each!r} is unknown; valid classes: {', '.join(CLASSES)}")
  if at and not (radius.isascii() and radius.isdecimal() and len(radius) <= 4):
    raise ValueError(f"{name}: the radius after @ must be a whole number of pixels, 0..9999")
  return classes, int(radius) if at else None


def hide_parts(labels: np.ndarray, classes: tuple[str, ...], radius: int) -> np.ndarray:
  """uint8 (h, w) class ids -> bool (h, w): at most `radius` pixels from a pixel of the classes."""
  wanted = np.zeros(256, bool)
  wanted[[CLASSES.index(each) for each in classes]] = True
  return raster.dilate(wanted[labels], radius)


def _square(array: np.ndarray, size: int) -> np.ndarray:
  """The centre square of (h, w), resized to (size, size) by nearest."""
  return cut_map(array, centre_square(*array.shape), size)


def _take_turns(names: list[str]) -> list[int]:
  """Indices of naturally ordered paths, such that their folders take turns."""
  bins = [
    [index for index, _ in group]
    for _, group in itertools.groupby(enumerate(names), lambda each: each[1].rpartition("/")[0])
  ]
  rounds = itertools.zip_longest(*bins)
  return [index for turn in rounds for index in turn if index is not None]


def _check(index: int, count: int, size: int, name: str) -> None:
  if not 0 <= index < count:
    raise ValueError(f"{name}: mask {index} asked for; it has {count}, from 0")
  patterns.check_size(size)
