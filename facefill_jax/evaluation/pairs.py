"""Photos with their masks: what is filled, in one fixed order, one batch in memory at a time.

Photo i (by name, 2 before 10) gets mask i of each bin, mask i + n as its second, n being the number
of photos, and so on, starting over at the end. Bins are the sub-folders of a folder of masks;
without them, and for protocols, a fill's bin goes by its hole share. Photos are cut to their centre
squares and resized by Lanczos, masks by nearest; a mask is square, or of its photo's size and cut
alike.

The fill of a photo is named after it: `a/7` for the photo `a/7.jpg`. With several masks a photo the
k-th, from 0, is `a/7_mask002` (LaMa's way); with bins their names come first: `10-20/a/7`.
"""

import copy
import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from facefill_jax.data import opening
from facefill_jax.data.decoding import resize_nearest
from facefill_jax.data.drawn.faces import DrawnFaces
from facefill_jax.data.masks import protocols
from facefill_jax.data.masks.training import FolderMasks
from facefill_jax.data.sources import ids_of, natural

BIN_EDGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
BINS = ("0-10", "10-20", "20-30", "30-40", "40-50", "50-60", "60+")
"""Hole shares of a photo in percent, the lower end included. BIN_EDGES are where they meet."""
DRAWN = "drawn:"
"""Photos that are drawn: "drawn:50" are 50 faces that nothing was trained on."""


def bin_of(ratio: float) -> str:
  """The name in BINS of a hole share in 0..1."""
  return BINS[int(np.searchsorted(BIN_EDGES, ratio, side="right"))]


def in_order(names: Sequence[str]) -> list[str]:
  """Bins, each once: those of BINS in their order; others in natural order."""
  found = set(names)
  known = BINS.index if found <= set(BINS) else natural
  return sorted(found, key=known)


@dataclasses.dataclass(frozen=True)
class Pair:
  """A fill to be made: its name (see the top of the file), the photo's index, bin and mask.

  `bin` is "" if it goes by hole share; `index` is the mask's number in its bin.
  """

  id: str
  photo: int
  bin: str
  index: int


class FolderHoles:
  """The masks of a folder, its sub-folders as bins."""

  def __init__(self, directory: str | os.PathLike):
    """ValueError if it does not exist or a (sub-)folder holds no pictures."""
    root = Path(directory)
    folders = root.iterdir() if root.is_dir() else ()
    folders = sorted((p.name for p in folders if p.is_dir() and p.name[0] != "."), key=natural)
    self._masks = {name: FolderMasks(str(root / name)) for name in folders}
    self._masks = self._masks or {"": FolderMasks(str(root))}
    self.bins = tuple(self._masks)

  def index(self, name: str, photo: int, turn: int, photos: int) -> int:
    return (photo + turn * photos) % len(self._masks[name])

  def name(self, name: str, index: int) -> str:
    """The mask's relative path."""
    file = self._masks[name].names[index]
    return f"{name}/{file}" if name else file

  def read(self, name: str, index: int, size: int, frame: tuple[int, int]) -> np.ndarray:
    """bool (size, size). `frame`: height and width of the photo. ValueError names a bad file."""
    mask = self._masks[name][index]
    if mask.shape[0] != mask.shape[1]:
      if mask.shape != frame:
        raise ValueError(
          f"mask {self.name(name, index)} is {mask.shape[1]} x {mask.shape[0]} and its photo "
          f"{frame[1]} x {frame[0]}: a mask must be square, or of its photo's size"
        )
      mask = mask[centre_square(*frame)]
    return resize_nearest(mask, (size, size))


class ProtocolHoles:
  """The masks of a protocol of `data.protocols`, all in one bin that goes by hole share.

  As in the sets of `data.mask_sets`, empty masks are left out: mask k is file k of such a set.
  """

  bins = ("",)

  def __init__(
    self, name: str, seed: int, size: int, labels: str = "", photo_ids: Sequence[str] = ()
  ):
    """Args:
    name: of the protocol.
    seed, size: of its masks.
    labels, photo_ids: for parts:..., whose masks are those of the photos' label maps. A photo
      without such a part has no mask, and no fill.
    """
    self._protocol = protocols.open_protocol(name, labels if name.startswith("parts:") else "")
    self._seed, self._size = seed, size
    self._found, self._seen = [], 0  # numbers of masks that have a hole; masks looked at
    self._own = self._of_photos(photo_ids) if name.startswith("parts:") else None

  def index(self, name: str, photo: int, turn: int, photos: int) -> int | None:
    if self._own is not None:
      if turn:
        raise ValueError(f"{self._protocol.name} has one mask a photo: ask for no more")
      return self._own[photo]
    index = photo + turn * photos
    return index if self._protocol.count is None else index % self._protocol.count

  def name(self, name: str, index: int) -> str:
    """The file it was made from, or "PROTOCOL/NUMBER"."""
    number = self._number(index)
    return self._protocol.source(number) or f"{self._protocol.name}/{number}"

  def read(self, name: str, index: int, size: int, frame: tuple[int, int]) -> np.ndarray:
    """bool (size, size)."""
    return self._protocol.draw(self._seed, self._number(index), size)

  def _number(self, index: int) -> int:
    """The number in the protocol of its mask `index` that has a hole."""
    if self._protocol.count is not None:
      return index
    while len(self._found) <= index:
      if self._protocol.draw(self._seed, self._seen, self._size).any():
        self._found.append(self._seen)
      self._seen += 1
    return self._found[index]

  def _of_photos(self, photo_ids: Sequence[str]) -> list[int | None]:
    stems = {_stem(self._protocol.source(i)): i for i in range(self._protocol.count)}
    missing = [each for each in photo_ids if _stem(each) not in stems]
    if missing:
      raise ValueError(
        f"{self._protocol.name}: {len(missing)} photos have no label map, first {missing[0]}"
      )
    numbers = [stems[_stem(each)] for each in photo_ids]
    draw = self._protocol.draw
    return [i if draw(self._seed, i, self._size).any() else None for i in numbers]


class Pairs:
  """All fills of an evaluation: `pairs` in order, and `batches` of their arrays.

  Args:
    source: photos; see `data.sources`.
    holes: FolderHoles or ProtocolHoles.
    size: side of the square photos that are scored.
    masks_per_photo: masks that each photo gets of each bin.
    labelled: whether the photos' labels are more than void.

  Raises:
    ValueError: no photos, or as the holes have it.
  """

  def __init__(self, source, holes, size: int, masks_per_photo: int = 1, labelled: bool = True):
    self.source, self.holes, self.size, self.labelled = source, holes, size, labelled
    self.photo_ids = ids_of(source)
    self.pairs = [
      Pair(_fill_name(name, each, turn, masks_per_photo), i, name, index)
      for i, each in enumerate(self.photo_ids)
      for name in holes.bins for turn in range(masks_per_photo)
      if (index := holes.index(name, i, turn, len(source))) is not None
    ]  # fmt: skip
    if not self.pairs:
      raise ValueError("there is nothing to evaluate: no pairs of a photo and a mask")
    _check_names(self.pairs, self.photo_ids)
    self._last, self._may_vanish = (-1, None), False

  def __len__(self) -> int:
    return len(self.pairs)

  def at(self, size: int) -> "Pairs":
    """The same pairs at another size, where a thin hole may vanish."""
    other = copy.copy(self)
    other.size, other._last, other._may_vanish = size, (-1, None), True
    return other

  def batches(self, batch_size: int, picks: Sequence[int] | None = None) -> Iterator[dict]:
    """Batches of pairs, of all or of those numbered in `picks`; the last may be smaller.

    Yields:
      photo uint8 (b, size, size, 3), labels uint8 (b, size, size), mask bool (b, size, size, 1),
      True = hole; and lists: pair, mask_name, bin.

    Raises:
      ValueError: a file cannot be used; it is named.
    """
    picks = range(len(self)) if picks is None else picks
    for start in range(0, len(picks), batch_size):
      yield self._batch([self.pairs[k] for k in picks[start : start + batch_size]])

  def photos(self, batch_size: int) -> Iterator[np.ndarray]:
    """Each photo once, in order: uint8 (b, size, size, 3)."""
    for start in range(0, len(self.source), batch_size):
      stop = min(start + batch_size, len(self.source))
      yield np.stack([self._photo(i)[0] for i in range(start, stop)])

  def _batch(self, pairs: list[Pair]) -> dict:
    rows = {"photo": [], "labels": [], "mask": []}
    for pair in pairs:
      photo, labels, frame = self._photo(pair.photo)
      mask = self.holes.read(pair.bin, pair.index, self.size, frame)
      if not mask.any() and not self._may_vanish:
        raise ValueError(
          f"mask {self.holes.name(pair.bin, pair.index)} for {self.photo_ids[pair.photo]} has no "
          f"hole at {self.size} px; white is the hole"
        )
      for name, value in (("photo", photo), ("labels", labels), ("mask", mask[..., None])):
        rows[name].append(value)
    batch = {name: np.stack(values) for name, values in rows.items()}
    shares = batch["mask"].mean(axis=(1, 2, 3))
    return batch | {
      "pair": pairs,
      "mask_name": [self.holes.name(pair.bin, pair.index) for pair in pairs],
      "bin": [p.bin or bin_of(share) for p, share in zip(pairs, shares, strict=True)],
    }

  def _photo(self, i: int) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Photo and labels at the size, and the file's height and width; the last one is kept."""
    if self._last[0] != i:
      item = self.source[i]
      window, size = centre_square(*item["photo"].shape[:2]), (self.size, self.size)
      photo = Image.fromarray(item["photo"][window]).resize(size, Image.Resampling.LANCZOS)
      labels = resize_nearest(item["labels"][window], size)
      self._last = (i, (np.asarray(photo), labels, item["photo"].shape[:2]))
    return self._last[1]


def open_photos(path: str, size: int, labels: str = ""):
  """The photos to fill: a directory, a .zip, a built set, or "drawn:COUNT" faces.

  Raises:
    ValueError: as `opening.open_source`; a count that is none.
  """
  if not path.startswith(DRAWN):
    return opening.open_source(path, labels)
  count = path.removeprefix(DRAWN)
  if not (count.isascii() and count.isdecimal() and int(count)):
    raise ValueError(f"photos: {path!r}: say how many, drawn:50 for example")
  if labels:
    raise ValueError(f"labels: {path} has its own")
  # As they are at this size: drawn at another, they would be resized.
  return DrawnFaces(size, 0, opening.DRAWN_HELD_OUT, int(count))


def is_labelled(path: str, source, labels: str = "") -> bool:
  """Whether photos that `open_photos` opened have layouts."""
  return bool(labels) or path.startswith(DRAWN) or any(getattr(source, "labelled", ()))


def centre_square(height: int, width: int) -> tuple[slice, slice]:
  """Where the largest central square of a photo lies."""
  side = min(height, width)
  top, left = (height - side) // 2, (width - side) // 2
  return np.s_[top : top + side, left : left + side]


def spread(count: int, wanted: int) -> list[int]:
  """At most `wanted` of the numbers below `count`, evenly spaced from 0."""
  wanted = min(wanted, count)
  return [i * count // wanted for i in range(wanted)]


def _fill_name(name: str, photo: str, turn: int, turns: int) -> str:
  stem = os.path.splitext(photo)[0] + (f"_mask{turn:03d}" if turns > 1 else "")
  return f"{name}/{stem}" if name else stem


def _check_names(pairs: list[Pair], photo_ids: Sequence[str]) -> None:
  seen = {}
  for pair in pairs:
    other = seen.setdefault(pair.id, pair.photo)
    if other != pair.photo:
      raise ValueError(
        f"photos {photo_ids[other]} and {photo_ids[pair.photo]} would share the fill {pair.id}; "
        "rename one"
      )


def _stem(path: str) -> str:
  return os.path.splitext(path.rsplit("/", 1)[-1])[0]
