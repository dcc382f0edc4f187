"""CelebAMask-HQ (Lee et al., "MaskGAN", CVPR 2020), as its official download unpacks.

    CelebA-HQ-img/<i>.jpg                                     1024 x 1024, i from 0
    CelebAMask-HQ-mask-anno/<i // 2000>/<i:05d>_<part>.png    512 x 512, 0 or 255, if it is visible
    CelebA-HQ-to-CelebA-mapping.txt                           optional; the split "celeba" needs it

Every face of the set has skin: one that has parts, but no skin, was not unpacked whole, and counts
as unlabelled. How many these are, and how many have no part at all, is said in one line.

Parts overlap. They are merged in the order of the class ids, each over those before: skin first,
cloth last. It is the order in which the authors' own script paints them.

About one pair in fourteen of the annotation has left and right the wrong way round. `l_` is the
person's left, which is the larger x in the picture, so:
  both there    the one with the larger centroid x gets the name l_
  one there     it is held against the centroid of the nose, if that is there, and renamed only if
                it lies beyond it by a tenth of the picture's width: the far eye of a turned head
                comes near the tip of the nose. Seen on 950 maps: of 4,268 parts alone and rightly
                named it renames none, of 4,639 wrongly named ones it finds 92 %
"""

import logging
import re

import numpy as np

from facefill_jax.data.decoding import read_grey, read_photo, resize_nearest
from facefill_jax.data.file_tree import Files, count, read_with
from facefill_jax.data.sets import splits
from facefill_jax.labels import CLASSES, MIRROR_PAIRS, VOID

PARTS = CLASSES[1:VOID]
PAIRS = tuple((CLASSES[left], CLASSES[right]) for left, right in MIRROR_PAIRS)
SKIN = "skin"
MARGIN = 0.1  # of the picture's width
MAPPING = "CelebA-HQ-to-CelebA-mapping.txt"
_log = logging.getLogger(__name__)
_PHOTO = re.compile(r"(?:.*/)?CelebA-HQ-img/(\d+)\.jpg")
_PART = re.compile(r"(?:.*/)?CelebAMask-HQ-mask-anno/\d+/(\d{5})_(\w+)\.png")


class CelebAMaskHQ:
  """The set as a source; see `data.sets.builders`. Photos without skin are unlabelled."""

  def __init__(self, path: str, *, size: int):
    """Lists the files.

    Args:
      path: the directory that holds CelebA-HQ-img, one above it, or a .zip of either.
      size: see `open_originals`.

    Raises:
      ValueError: no photos are there, one twice, an unknown part, or a mapping that does not fit.
    """
    self._files = Files(path, (".jpg", ".png", MAPPING.lower()), "CelebAMask-HQ")
    self._size = size
    self._photos, self._parts = {}, {}
    mapping = ""
    for name in self._files.names:
      if found := _PHOTO.fullmatch(name):
        if found[1] in self._photos:
          raise ValueError(f"{self._files.where(name)}: photo {found[1]} is there twice")
        self._photos[found[1]] = name
      elif found := _PART.fullmatch(name):
        if found[2] not in PARTS:
          raise ValueError(f"{self._files.where(name)}: part {found[2]!r} is not one of {PARTS}")
        self._parts.setdefault(str(int(found[1])), {})[found[2]] = name
      elif name.endswith(MAPPING):
        mapping = name
    if not self._photos:
      raise ValueError(f"{path}: no CelebA-HQ-img/<number>.jpg there or below")
    self.ids = list(self._photos)
    if remark := self._unlabelled():
      _log.warning("CelebAMask-HQ: %s", remark)
    self.numbers = self._read_mapping(mapping) if mapping else [0] * len(self.ids)
    self.official = [splits.celeba_part(n) if n else "" for n in self.numbers]

  def __len__(self) -> int:
    return len(self.ids)

  def __getitem__(self, index: int) -> dict:
    """Decodes one photo and merges its parts; ValueError names the file if that cannot be done."""
    photo_id = self.ids[index]
    photo, _ = read_with(
      self._files, self._photos[photo_id], lambda data: read_photo(data, self._size)
    )
    parts = self._parts.get(photo_id, {})
    masks = {part: read_with(self._files, name, read_grey) > 127 for part, name in parts.items()}
    if SKIN not in masks or not masks[SKIN].any():
      void = np.full(photo.shape[:2], VOID, np.uint8)
      return {"photo": photo, "labels": void, "id": photo_id, "mended": ()}
    if len({mask.shape for mask in masks.values()}) > 1:
      raise ValueError(f"{self._files.where(self._photos[photo_id])}: its parts differ in size")
    masks, mended = mend_pairs(masks)
    labels = resize_nearest(merge(masks), photo.shape[:2])
    return {"photo": photo, "labels": labels, "id": photo_id, "mended": mended}

  def _unlabelled(self) -> str:
    """What there is to say of photos without parts or skin, and of parts without a photo."""
    bare = [photo for photo in self.ids if photo not in self._parts]
    cut = [photo for photo in self.ids if SKIN not in self._parts.get(photo, {SKIN: ""})]
    stray = sorted(set(self._parts) - set(self._photos), key=int)
    unlabelled, remarks = [], []
    if bare:
      unlabelled.append(f"{len(bare)} without parts, for example {bare[0]}")
    if cut:
      unlabelled.append(
        f"{len(cut)} with parts but no skin, not unpacked whole, for example {cut[0]}"
      )
    if unlabelled:
      remarks = [f"{' and '.join(unlabelled)}, of {count(self.ids, 'photo')}: unlabelled"]
    if stray:
      remarks.append(f"parts of {count(stray, 'photo')} not there, for example {stray[0]}")
    return "; ".join(remarks)

  def _read_mapping(self, name: str) -> list[int]:
    """The CelebA number of each id, from lines such as `0 119613 119614.jpg`."""
    numbers = {}
    for line in self._files.read(name).decode("utf-8", "replace").splitlines()[1:]:
      fields = line.split()
      if fields:
        if len(fields) != 3 or not re.fullmatch(r"\d+ \d+ \d+\.jpg", " ".join(fields)):
          raise ValueError(f"{self._files.where(name)}: {line!r} is not `idx orig_idx orig_file`")
        numbers[str(int(fields[0]))] = int(fields[2].removesuffix(".jpg"))
    missing = [photo for photo in self.ids if photo not in numbers]
    if missing:
      raise ValueError(f"{self._files.where(name)}: has no line for photo {missing[0]}")
    return [numbers[photo] for photo in self.ids]


def merge(masks: dict[str, np.ndarray]) -> np.ndarray:
  """Masks bool (h, w) by part -> class ids uint8 (h, w): background, then PARTS in their order."""
  labels = np.zeros(next(iter(masks.values())).shape, np.uint8)
  for part in PARTS:
    if part in masks:
      labels[masks[part]] = CLASSES.index(part)
  return labels


def mend_pairs(masks: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
  """Left and right by the rule at the head of this file.

  Args:
    masks: bool (h, w) by part.

  Returns:
    The masks by their right names, and of each pair that was mended the name without l_.
  """
  masks, mended = dict(masks), []
  nose = _centre(masks.get("nose"))
  for left, right in PAIRS:
    x_left, x_right = _centre(masks.get(left)), _centre(masks.get(right))
    if x_left is not None and x_right is not None:
      wrong = x_left < x_right
    elif nose is None or x_left is x_right is None:
      wrong = False
    else:
      margin = MARGIN * next(iter(masks.values())).shape[1]
      wrong = x_right > nose + margin if x_left is None else x_left < nose - margin
    if wrong:
      swapped = {left: masks.pop(right, None), right: masks.pop(left, None)}
      masks |= {part: mask for part, mask in swapped.items() if mask is not None}
      mended.append(left.removeprefix("l_"))
  return masks, tuple(mended)


def _centre(mask: np.ndarray | None) -> float | None:
  """The mean x of a mask; None if it is empty or not there."""
  columns = None if mask is None else mask.sum(0, dtype=np.int64)
  if columns is None or not columns.any():
    return None
  return float(columns @ np.arange(columns.size)) / float(columns.sum())
