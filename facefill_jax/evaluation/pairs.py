"""Photos with their masks: what is filled, in one fixed order, one batch in memory at a time.

Which mask a photo gets is said in `holes`. Photos are cut to their centre squares and resized by
Lanczos, masks by nearest; a mask is square, or of its photo's size and cut alike. A fill's bin is
the sub-folder of its mask; without sub-folders, and for protocols, it goes by the hole share.

The fill of a photo is named after it: `a/7` for the photo `a/7.jpg`. With several masks a photo the
k-th, from 0, is `a/7_mask002` (LaMa's way); with bins their names come first: `10-20/a/7`.
"""

import copy
import dataclasses
import os
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from facefill_jax.data import opening
from facefill_jax.data.decoding import resize_nearest
from facefill_jax.data.drawn.faces import DrawnFaces
from facefill_jax.data.file_tree import natural
from facefill_jax.data.sources import ids_of
from facefill_jax.data.squares import centre_square

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


class Pairs:
  """All fills of an evaluation: `pairs` in order, and `batches` of their arrays.

  Args:
    source: photos; see `data.sources`.
    holes: `holes.FolderHoles` or `holes.ProtocolHoles`, of the same photos.
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
      top, left, side = centre_square(*item["photo"].shape[:2])
      window, size = np.s_[top : top + side, left : left + side], (self.size, self.size)
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
