"""Masks in files: one of them, or all of a folder; see `data.mask_pictures` for what is a mask."""

import logging
import os
import re
from collections.abc import Callable

import numpy as np

from facefill_jax.data.decoding import DAMAGED, ENDINGS, resize_nearest
from facefill_jax.data.file_tree import Files
from facefill_jax.data.mask_pictures import MOST, examine_mask

_log = logging.getLogger(__name__)


class FolderMasks:
  """The masks of a directory tree or .zip, by relative path: `masks[i]` is bool (h, w)."""

  def __init__(self, path: str, most: float = MOST):
    """ValueError if the path does not exist or holds no pictures. most: see `check_hole`."""
    self._most = most
    self._files = Files(path, ENDINGS, "masks")
    self.names = self._files.names
    self.path = self._files.path
    self._said = set()

  def __len__(self) -> int:
    return len(self.names)

  def __getitem__(self, index: int) -> np.ndarray:
    """One mask at its own size; ValueError names a file that is none. A remark is logged."""
    name = self.names[index]
    mask, remarks = _examine(lambda: self._files.read(name), self._files.where(name), self._most)
    for remark in remarks:
      self.say(index, remark)
    return mask

  def say(self, index: int, remark: str) -> None:
    """Logs what there is to say of a mask, unless the same was said of another of this folder."""
    kind = re.sub(r"[\d.]+", "", remark)
    if kind not in self._said:
      self._said.add(kind)
      where = self._files.where(self.names[index])
      _log.warning("%s: %s (only the first mask of which this is true is named)", where, remark)


def load_mask(path: str, size: tuple[int, int] | None = None) -> np.ndarray:
  """Reads one mask file: bool (h, w), True = hole, resized by nearest to (height, width).

  Raises:
    ValueError: the file cannot be read or is no mask.
  """

  def read() -> bytes:
    with open(path, "rb") as file:
      return file.read()

  mask, _ = _examine(read, os.fspath(path))
  return mask if size is None else resize_nearest(mask, size)


def _examine(
  read: Callable[[], bytes], where: str, most: float = MOST
) -> tuple[np.ndarray, list[str]]:
  try:
    data = read()
  except DAMAGED as error:
    raise ValueError(f"{where} cannot be read as a mask: {type(error).__name__}") from error
  return examine_mask(data, where, most=most)
