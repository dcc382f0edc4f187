"""Translates label maps of other class sets into ours; what they do not say becomes void.

A vocabulary says of each of its ids which of our classes (see `labels`) its pixels may be:
  one       the label is that class
  a pair    left and right of one part: resolved by `choose_sides`
  several   nobody can say which: void, which training ignores
So "eyes" never becomes one side's eye by decree, and a "background" that hides neck and clothes
teaches nothing wrong. It then teaches no background at all: who trains on such a set alone takes
"NAME:background", which reads its background as ours.

Left and right of other sets are not trusted, for they disagree on whose left is meant: both ids of
such a pair are resolved by where they lie. 255 is void in all but our own vocabulary, where 19 is.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from facefill_jax.labels import CLASSES, MIRROR_PAIRS, VOID, check_labels

OURS = "celebamask_hq"
IGNORED = 255
MOSTLY = 0.9  # share of a part's pixels that must lie on one side of the midline; ours

_ID = {name: i for i, name in enumerate(CLASSES)}
_NOSE = frozenset([_ID["nose"]])
_MOUTH = frozenset(_ID[name] for name in ("mouth", "u_lip", "l_lip"))
_UNNAMED = "background l_ear r_ear hat ear_r neck_l neck cloth"  # what Helen leaves out

# Smith et al., "Exemplar-Based Face Parsing", CVPR 2013: the README of their labels for Helen, with
# "face skin (excluding ears and neck)". Liu et al. (AAAI 2020) took the same list for LaPa.
_HELEN = (
  _UNNAMED, "skin", "l_brow r_brow", "l_brow r_brow", "l_eye r_eye", "l_eye r_eye", "nose",
  "u_lip", "mouth", "l_lip", "hair",
)  # fmt: skip

TABLES = {
  OURS: CLASSES,
  # The pairs of CelebAMask-HQ merged, else in its order, as many generators take it.
  "celebamask_hq_16": (
    "background", "skin", "nose", "eye_g", "l_eye r_eye", "l_brow r_brow", "l_ear r_ear", "mouth",
    "u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth",
  ),
  # The order in which github.com/zllrunning/face-parsing.PyTorch trained BiSeNet on CelebAMask-HQ;
  # its left and right are CelebAMask-HQ's.
  "bisenet_19": (
    "background", "skin", "l_brow", "r_brow", "l_eye", "r_eye", "eye_g", "l_ear", "r_ear", "ear_r",
    "nose", "mouth", "u_lip", "l_lip", "neck", "neck_l", "cloth", "hair", "hat",
  ),
  "helen_11": _HELEN,
  "lapa_11": _HELEN,
  # github.com/hhj1897/face_parsing (Lin et al. 2021, RoI Tanh-polar transformer, iBugMask).
  "ibug_14": (
    "background hat ear_r neck_l neck cloth", *_HELEN[1:], "l_ear r_ear", "l_ear r_ear", "eye_g",
  ),
  # Khan et al., "Multi-class semantic segmentation of faces", ICIP 2015 (FASSEG), in the abstract's
  # order, background first: they publish colours, no ids. Brows are not among their six classes,
  # nor is it said where ears and neck go: certain are hair, eyes and nose.
  "fasseg_6": (
    _UNNAMED, "skin l_brow r_brow l_ear r_ear neck eye_g", "hair", "l_eye r_eye", "nose",
    "mouth u_lip l_lip",
  ),
}  # fmt: skip
"""Name -> for each id the names of our classes that its pixels may be."""


@dataclass(frozen=True)
class Vocabulary:
  """What the ids of a set of label maps mean.

  Attributes:
    name: one of TABLES; with ":background", id 0 is our background whatever else it covers.
  """

  name: str = OURS

  def __post_init__(self):
    name, _, suffix = self.name.partition(":")
    if name not in TABLES or suffix not in ("", "background") or self.name.endswith(":"):
      raise ValueError(
        f"data.vocabulary {self.name!r} is not one of {', '.join(TABLES)}; each but the first also "
        "as NAME:background"
      )

  @property
  def meanings(self) -> tuple[frozenset[int], ...]:
    """For each id of the vocabulary, the ids of ours that its pixels may be."""
    name, _, suffix = self.name.partition(":")
    words = ["background", *TABLES[name][1:]] if suffix else TABLES[name]
    return tuple(frozenset(_ID[word] for word in each.split()) for each in words)

  def translate(self, labels: np.ndarray, where: str) -> np.ndarray:
    """Label map of this vocabulary -> ours: uint8 (h, w), ids 0..19.

    Args:
      labels: uint8 (h, w).
      where: its file, for the error.

    Raises:
      ValueError: a value that the vocabulary does not have.
    """
    if self.name == OURS:
      check_labels(labels, where)
      return labels
    meanings = self.meanings
    unknown = labels[(labels >= len(meanings)) & (labels != IGNORED)]
    if unknown.size:
      raise ValueError(
        f"{where}: label {int(unknown.max())} found; valid labels of {self.name} are "
        f"0..{len(meanings) - 1}, and {IGNORED} for void"
      )
    table = np.full(256, VOID, np.uint8)
    table[: len(meanings)] = [next(iter(m)) if len(m) == 1 else VOID for m in meanings]
    found = table[labels]
    midline = find_midline(*(_where(labels, meanings, part) for part in (_NOSE, _MOUTH)))
    for pair in MIRROR_PAIRS:
      masks = [labels == i for i, meaning in enumerate(meanings) if meaning == frozenset(pair)]
      if masks:
        sides = choose_sides(masks, midline)
        for side, own in zip((1, -1), pair, strict=True):
          found[sides == side] = own
    return found


def _where(labels: np.ndarray, meanings, part: frozenset[int]) -> np.ndarray:
  return np.isin(labels, [i for i, meaning in enumerate(meanings) if meaning <= part])


def find_midline(nose: np.ndarray, mouth: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
  """The line that parts a face's left from its right: (point, direction to the left), x before y.

  Through the centroids of nose and mouth, so that it leans as the face does; vertical through one
  of them if the other is not there.

  Args:
    nose, mouth: bool (h, w).

  Returns:
    Two float (2,), the person's left (larger x in an upright face) being where
    (x - point) . direction > 0; None without nose and mouth.
  """
  top, bottom = _centroid(nose), _centroid(mouth)
  if top is None and bottom is None:
    return None
  if top is None or bottom is None or np.allclose(top, bottom):
    return (bottom if top is None else top), np.array([1.0, 0.0])
  down = (bottom - top) / np.linalg.norm(bottom - top)
  return top, np.array([down[1], -down[0]])


def choose_sides(masks: list[np.ndarray], midline) -> np.ndarray:
  """Which side of a face each connected part of its eyes (brows, ears) is.

  A part is on the side of the midline where 90 % of its pixels lie. One that the midline crosses
  is on the side that all other parts leave free, as the far eye of a turned head may be; if they
  leave none, nobody knows (two brows grown together). Without a midline, two parts and no more are
  left and right of each other, and all else is unknown.

  Args:
    masks: bool (h, w), at least one; parts that touch stay apart if they are in different ones.
    midline: as `find_midline` gives it.

  Returns:
    int8 (h, w): 1 the person's left, -1 the right, 0 unknown or no part.
  """
  sides = np.zeros(masks[0].shape, np.int8)
  parts = [part for mask in masks for part in _parts(mask)]
  if midline is None:
    if len(parts) == 2 and parts[0][1].mean() != parts[1][1].mean():
      right, left = sorted(parts, key=lambda part: part[1].mean())
      sides[left], sides[right] = 1, -1
    return sides
  point, direction = midline
  found = []
  for rows, columns in parts:
    distance = (columns - point[0]) * direction[0] + (rows - point[1]) * direction[1]
    share = float((distance > 0).mean())
    found.append(1 if share >= MOSTLY else -1 if share <= 1 - MOSTLY else 0)
  decided = {side for side in found if side}
  free = -decided.pop() if len(decided) == 1 and found.count(0) == 1 else 0
  for part, side in zip(parts, found, strict=True):
    sides[part] = side or free
  return sides


def _parts(mask: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
  """(rows, columns) of each part connected by sides or corners."""
  count, numbers = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
  return [np.nonzero(numbers == k) for k in range(1, count)]


def _centroid(mask: np.ndarray) -> np.ndarray | None:
  rows, columns = np.nonzero(mask)
  return np.array([columns.mean(), rows.mean()]) if rows.size else None
