"""Which mask a photo gets, of a folder of masks or of a protocol.

Masks of a folder belong to photos by their names if names fit (see `data.pairing`): one a photo,
and a photo without one is refused. If no name fits they go by order: photo i (by name, 2 before
10) gets mask i of each bin, mask i + n as its second, n being the number of photos, and so on,
starting over at the end; so do the masks of a protocol. Bins are the sub-folders of a folder of
masks, unless these are the sub-folders of the photos.
"""

import dataclasses
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facefill_jax.data.decoding import resize_nearest
from facefill_jax.data.file_tree import count, is_hidden, natural
from facefill_jax.data.mask_pictures import fit, same_aspect
from facefill_jax.data.masks import protocols
from facefill_jax.data.masks.folder import FolderMasks
from facefill_jax.data.pairing import key, pair
from facefill_jax.data.squares import centre_square

_log = logging.getLogger(__name__)


class FolderHoles:
  """The masks of a directory or a .zip; see the head of this file.

  Attributes:
    bins: names of the bins, in natural order; ("",) without sub-folders.
  """

  def __init__(self, directory: str | os.PathLike, photo_ids: Sequence[str]):
    """Lists the masks, and pairs them with the photos.

    Args:
      directory: of the masks.
      photo_ids: relative paths of all photos; () if they have no names, and go by order.

    Raises:
      ValueError: it does not exist, it or a sub-folder holds no pictures, a file name fits two
        photos, or names fit in part; one line.
    """
    self._masks = FolderMasks(str(directory))
    self._of_bin = self._sort(photo_ids)
    self.bins = tuple(self._of_bin)
    self._own = self._by_name(photo_ids)

  def index(self, name: str, photo: int, turn: int, photos: int) -> int | None:
    """The number of a photo's mask within a bin, None if there is none.

    turn: 0 for its first mask, 1 for its second, ...; photos: how many there are.
    """
    if self._own is None:
      return (photo + turn * photos) % len(self._of_bin[name])
    if turn:
      raise ValueError(
        f"masks: those in {self._masks.path} are named as the photos: one a photo, ask for no more"
      )
    return self._own[name].get(photo)

  def name(self, name: str, index: int) -> str:
    """The mask's relative path."""
    return self._masks.names[self._of_bin[name][index]]

  def read(self, name: str, index: int, size: int, frame: tuple[int, int]) -> np.ndarray:
    """bool (size, size). `frame`: height and width of the photo. ValueError names a bad file."""
    number = self._of_bin[name][index]
    mask = self._masks[number]
    if mask.shape[0] != mask.shape[1]:
      if not same_aspect(mask.shape, frame):
        raise ValueError(
          f"mask {self.name(name, index)} is {mask.shape[1]} x {mask.shape[0]} and its photo "
          f"{frame[1]} x {frame[0]}: a mask must be square, or of its photo's size or aspect"
        )
      mask, remarks = fit(mask, frame, self.name(name, index))
      for remark in remarks:
        self._masks.say(number, remark)
      top, left, side = centre_square(*frame)
      mask = mask[top : top + side, left : left + side]
    return resize_nearest(mask, (size, size))

  def _sort(self, photo_ids: Sequence[str]) -> dict[str, list[int]]:
    """Numbers of the masks by bin."""
    names, place = self._masks.names, self._masks.path
    keys = {key(name) for name in names if "/" in name}
    if any(key(photo) in keys for photo in photo_ids):  # the photos' own sub-folders
      return {"": list(range(len(names)))}
    found = {}
    for i, name in enumerate(names):
      found.setdefault(name.partition("/")[0] if "/" in name else "", []).append(i)
    beside = found.pop("", [])
    if not found:
      return {"": beside}
    if os.path.isdir(place):
      folders = {path.name for path in Path(place).iterdir() if path.is_dir()}
      for folder in sorted(folders - set(found), key=natural):
        if not is_hidden(folder):
          raise ValueError(f"masks: none in {os.path.join(place, folder)}; remove the empty folder")
    if beside:
      _log.warning(
        "masks: %s beside the sub-folders of %s left out, for example %s: sub-folders are bins",
        count(beside, "picture"), place, names[beside[0]],
      )  # fmt: skip
    return {name: found[name] for name in sorted(found, key=natural)}

  def _by_name(self, photo_ids: Sequence[str]) -> dict[str, dict[int, int]] | None:
    """By bin, photo -> place of its mask in the bin; None if no name fits."""
    pairings = {}
    for name, numbers in self._of_bin.items():
      within = [self._masks.names[i].removeprefix(f"{name}/") for i in numbers]
      found = pair(photo_ids, within, "masks")
      place = {file: i for i, file in enumerate(within)}
      own = {i: place[found.file_of[p]] for i, p in enumerate(photo_ids) if p in found.file_of}
      pairings[name] = found, own
    having = [photo for found, _ in pairings.values() for photo in found.file_of]
    if not having:
      if photo_ids:
        _log.warning(
          "masks: none in %s is named as a photo: taken in order, %s first for %s",
          self._masks.path, self.name(self.bins[0], 0), photo_ids[0],
        )  # fmt: skip
      return None
    # Masks sorted into bins by their hole share: each photo is in one of them, and nothing else is.
    sorted_once = len(having) == len(set(having)) == len(photo_ids) == len(self._masks)
    for name, (found, _) in pairings.items():
      where = os.path.join(self._masks.path, name) if name else self._masks.path
      if found.alone and not sorted_once:
        raise ValueError(
          f"masks: {len(found.alone)} of {len(photo_ids)} photos have no mask of their name in "
          f"{where}, for example {found.alone[0]}, while {having[0]} has one: give each its own, "
          "or name none after a photo, and they are taken in order"
        )
      if found.spare:
        _log.warning("masks: %s", dataclasses.replace(found, alone=[]).remark("mask", where, ""))
    return {name: own for name, (_, own) in pairings.items()}


class ProtocolHoles:
  """The masks of a protocol of `data.masks.protocols`, all in one bin that goes by hole share.

  As in the sets of `data.masks.files`, empty masks are left out: mask k is file k of such a set.
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
    maps = [self._protocol.source(i) for i in range(self._protocol.count)]
    found = pair(photo_ids, maps, "labels")
    if found.alone:
      raise ValueError(
        f"{self._protocol.name}: {len(found.alone)} of {len(photo_ids)} photos have no label map "
        f"of their name, for example {found.alone[0]}"
      )
    number_of = {name: i for i, name in enumerate(maps)}
    numbers = [number_of[found.file_of[each]] for each in photo_ids]
    draw = self._protocol.draw
    return [i if draw(self._seed, i, self._size).any() else None for i in numbers]
