"""Masks for training: several kinds, drawn or read from files, mixed by weight.

Everywhere here a mask is bool (h, w), True = hole.
"""

import math

import cv2
import numpy as np

from facefill_jax.data.decoding import resize_nearest
from facefill_jax.data.masks import patterns
from facefill_jax.data.masks.folder import FolderMasks
from facefill_jax.data.sources import spread
from facefill_jax.labels import CLASSES

KINDS = ("free_form", "box", "half", "border", "part", "empty", "folder")
PROTOCOLS = tuple(name for name in patterns.NAMES if name not in KINDS)  # kinds, too

_EYES = ("eye_g", "l_eye", "r_eye", "l_brow", "r_brow")
_MOUTH = ("mouth", "u_lip", "l_lip")
_PARTS = {
  "eyes": _EYES,
  "nose": ("nose",),
  "mouth": _MOUTH,
  "hair": ("hair", "hat"),
  "ears": ("l_ear", "r_ear", "ear_r"),
  "face": ("skin", "nose", *_EYES, *_MOUTH),
}
# bool (parts, 256): row p says which ids belong to part p.
_PART_TABLE = np.zeros((len(_PARTS), 256), bool)
for _row, _names in enumerate(_PARTS.values()):
  _PART_TABLE[_row, [CLASSES.index(_name) for _name in _names]] = True

_TRIES = 8  # masks drawn before the one closest to the wanted share is taken
_SHAPES = 40  # strokes and boxes tried for one free-form mask
_SMALLEST_PART = 1e-3  # of the picture; below it a part is a few stray pixels


class MaskMix:
  """Masks of several kinds, mixed by weight."""

  def __init__(self, weights: dict[str, float], folder: str = "", ratio=(0.0, 1.0)):
    """Checks the choice and lists the folder.

    Args:
      weights: kind -> weight from 0; only their proportions count. Kinds:
        free_form: strokes and boxes (as in CoModGAN, Zhao et al., ICLR 2021), any hole share;
        box: one rectangle; half: left, right, top or bottom;
        border: all but a window in the centre (outpainting);
        part: one face part that the labels have, dilated; a box if they have none;
        empty: no hole; folder: a random file of `folder`, flipped and turned at random;
        lama_thick, mat_large, ... (PROTOCOLS): as `patterns` draws them, for square photos.
      folder: directory tree or .zip of masks, white = hole; needed by the kind `folder`.
      ratio: (low, high) hole share wanted of every kind but `empty`. A mask is drawn again, up
        to 8 times, until it lies within; then the closest one is taken (a half stays a half).

    Raises:
      ValueError: an unknown kind, weights that are negative or all 0, a bad ratio, a kind
        `folder` without a folder, or a folder without pictures.
    """
    self.weights = {str(kind): float(weight) for kind, weight in dict(weights).items()}
    valid = (*KINDS, *PROTOCOLS)
    unknown = sorted(set(self.weights) - set(valid))
    if unknown:
      raise ValueError(f"mask kind {unknown[0]!r} is unknown; valid kinds are {', '.join(valid)}")
    values = np.array(list(self.weights.values()))
    if not np.all(np.isfinite(values)) or np.any(values < 0) or not values.sum() > 0:
      raise ValueError(f"mask weights must be 0 or more, one of them above 0; got {self.weights}")
    self.low, self.high = (float(share) for share in ratio)
    if not 0 <= self.low <= self.high <= 1:
      raise ValueError(f"mask ratio must be 0 <= low <= high <= 1, got ({self.low}, {self.high})")
    if self.weights.get("folder", 0) > 0 and not folder:
      raise ValueError("mask kind 'folder' has a weight but no folder of masks is given")
    self.folder = FolderMasks(folder) if self.weights.get("folder", 0) > 0 else None
    self._kinds = [kind for kind in valid if self.weights.get(kind, 0) > 0]
    self._edges = np.cumsum([self.weights[kind] for kind in self._kinds]) / values.sum()

  def check(self, files: int = 64) -> None:
    """Decodes up to `files` masks, spread over the folder; ValueError names a bad one."""
    if self.folder is not None:
      for index in spread(len(self.folder), files):
        self.folder[index]

  def sample(self, rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """Draws a mask.

    Args:
      rng: the only source of randomness.
      labels: uint8 (h, w), class ids of the photo: the size, and the parts for `part`.

    Returns:
      bool (h, w), True = hole.
    """
    drawn = int(np.searchsorted(self._edges, rng.random(), side="right"))
    kind = self._kinds[min(drawn, len(self._kinds) - 1)]
    if kind == "empty":
      return np.zeros(labels.shape, bool)
    best, best_miss = None, math.inf
    for _ in range(_TRIES):
      mask = self._draw(kind, rng, labels)
      share = np.count_nonzero(mask) / mask.size
      miss = max(self.low - share, share - self.high, 0.0) if share > 0 else 2.0
      if miss < best_miss:
        best, best_miss = mask, miss
      if miss == 0:
        break
    return best

  def _draw(self, kind: str, rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    if kind == "free_form":
      return draw_free_form(rng, labels.shape, self.low, self.high)
    if kind == "box":
      return draw_box(rng, labels.shape, self.low, self.high)
    if kind == "half":
      return draw_half(rng, labels.shape)
    if kind == "border":
      return draw_border(rng, labels.shape, self.low, self.high)
    if kind == "part":
      part = draw_part(rng, labels)
      return draw_box(rng, labels.shape, self.low, self.high) if part is None else part
    if kind == "folder":
      return draw_from_folder(rng, labels.shape, self.folder)
    return draw_protocol(kind, rng, labels.shape)


def draw_protocol(name: str, rng: np.random.Generator, size) -> np.ndarray:
  """A mask of `patterns` under a random seed: bool `size`, which must be square."""
  if size[0] != size[1]:
    raise ValueError(f"masks of the kind {name!r} are square, the photo is {size[1]} x {size[0]}")
  return patterns.draw(name, int(rng.integers(2**62)), 0, size[0])


def draw_free_form(rng: np.random.Generator, size, low=0.0, high=1.0) -> np.ndarray:
  """Strokes and boxes up to a hole share drawn evenly from low..high: bool (h, w).

  Wandering strokes and boxes as in CoModGAN (Zhao et al., ICLR 2021, section 5.1); there the share
  is whatever comes out, here shapes are added until a share drawn beforehand is reached, and a
  shape that would overshoot it is dropped. So every share is equally likely.
  """
  h, w = size
  target = rng.uniform(low, high)
  hole = np.zeros((h, w), np.uint8)
  share = 0.0
  for _ in range(_SHAPES):
    before = hole.copy()
    missing = max(target - share, 0.002)
    if rng.random() < 0.3:
      _add_box(rng, hole, missing)
    else:
      _add_stroke(rng, hole, missing)
    new = cv2.countNonZero(hole) / hole.size
    if new > min(high, 1.1 * target + 0.02):
      hole = before
    else:
      share = new
    if share >= max(0.95 * target, low) and share > 0:
      break
  return hole.view(bool)


def _add_box(rng: np.random.Generator, hole: np.ndarray, missing: float) -> None:
  """Sets a box of about `missing` (or less) of the picture, partly outside at times."""
  h, w = hole.shape
  area = min(missing, 0.6) * rng.uniform(0.3, 1.0)
  aspect = math.exp(rng.uniform(-0.7, 0.7))
  height = max(round(h * min(math.sqrt(area * aspect), 1.0)), 1)
  width = max(round(w * min(math.sqrt(area / aspect), 1.0)), 1)
  top = int(rng.integers(-height // 4, h - height + height // 4 + 1))
  left = int(rng.integers(-width // 4, w - width + width // 4 + 1))
  hole[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = 1


def _add_stroke(rng: np.random.Generator, hole: np.ndarray, missing: float) -> None:
  """Sets a wandering stroke that bends by about 72 degrees to and fro at each corner."""
  h, w = hole.shape
  count = int(rng.integers(3, 10))
  widest = min(0.2 + 0.2 * missing, 0.5 * math.sqrt(missing))
  thickness = max(round(min(h, w) * min(rng.uniform(0.04, 0.3), widest)), 1)
  bends = rng.normal(0.4 * math.pi, 0.13 * math.pi, count)
  bends[::2] *= -1
  angles = rng.uniform(0, 2 * math.pi) + np.cumsum(bends)
  # The whole stroke covers about length * thickness, so short strokes for small holes.
  length = min(math.hypot(h, w) / 8, 1.5 * missing * h * w / (thickness * count))
  lengths = np.abs(rng.normal(length, length / 2, count))
  points = np.empty((count + 1, 2))  # x, y
  points[0] = rng.random(2) * (w, h)
  points[1:, 0] = points[0, 0] + np.cumsum(lengths * np.cos(angles))
  points[1:, 1] = points[0, 1] + np.cumsum(lengths * np.sin(angles))
  cv2.polylines(hole, [points.astype(np.int32)], False, 1, thickness)


def _draw_share(rng: np.random.Generator, usual_low, usual_high, low, high) -> float:
  """A hole share within the usual bounds and low..high; within low..high if they do not meet."""
  bounds = max(usual_low, low), min(usual_high, high)
  return rng.uniform(*bounds) if bounds[1] - bounds[0] > 0.01 else rng.uniform(low, high)


def draw_box(rng: np.random.Generator, size, low=0.0, high=1.0) -> np.ndarray:
  """One rectangle with 5..75 % of the picture, within low..high: bool (h, w)."""
  h, w = size
  area = _draw_share(rng, 0.05, 0.75, low, high)
  # Within these bounds neither side is longer than the picture's.
  limit = min(math.log(2.0), abs(math.log(area)) if area > 0 else 1.0)
  aspect = math.exp(rng.uniform(-limit, limit))
  height = min(max(round(h * math.sqrt(area * aspect)), 1), h)
  width = min(max(round(w * math.sqrt(area / aspect)), 1), w)
  top, left = rng.integers(0, h - height + 1), rng.integers(0, w - width + 1)
  mask = np.zeros((h, w), bool)
  mask[top : top + height, left : left + width] = True
  return mask


def draw_half(rng: np.random.Generator, size) -> np.ndarray:
  """The left, right, top or bottom half: bool (h, w)."""
  h, w = size
  mask = np.zeros((h, w), bool)
  halves = (np.s_[:, : w // 2], np.s_[:, w // 2 :], np.s_[: h // 2], np.s_[h // 2 :])
  mask[halves[rng.integers(4)]] = True
  return mask


def draw_border(rng: np.random.Generator, size, low=0.0, high=1.0) -> np.ndarray:
  """All but a window in the centre; 25..85 % hole, within low..high: bool (h, w)."""
  h, w = size
  window = 1.0 - _draw_share(rng, 0.25, 0.85, low, high)
  limit = min(0.3, abs(math.log(window)) if window > 0 else 0.3)
  aspect = math.exp(rng.uniform(-limit, limit))
  height = min(round(h * math.sqrt(window * aspect)), h)
  width = min(round(w * math.sqrt(window / aspect)), w)
  mask = np.ones((h, w), bool)
  top, left = (h - height) // 2, (w - width) // 2
  mask[top : top + height, left : left + width] = False
  return mask


def draw_part(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray | None:
  """One of the face parts that uint8 (h, w) labels have, dilated; None if they have none."""
  # OpenCV's histogram and table take a tenth of the time of NumPy's.
  counts = cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel()
  present = np.flatnonzero(_PART_TABLE @ counts >= max(_SMALLEST_PART * labels.size, 1))
  if not present.size:
    return None
  part = cv2.LUT(labels, _PART_TABLE[rng.choice(present)].view(np.uint8))
  radius = max(round(min(labels.shape) * rng.uniform(0.02, 0.08)), 1)
  disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
  # Only where the part reaches: the cost goes with the area, and a nose is small.
  left, top, width, height = cv2.boundingRect(part)
  window = np.s_[max(top - radius, 0) : top + height + radius,
                 max(left - radius, 0) : left + width + radius]  # fmt: skip
  part[window] = cv2.dilate(part[window], disk)
  return part.view(bool)


def draw_from_folder(rng: np.random.Generator, size, folder: FolderMasks) -> np.ndarray:
  """A random mask of the folder, flipped and turned by quarters at random: bool `size`."""
  mask = folder[int(rng.integers(len(folder)))]
  if rng.random() < 0.5:
    mask = mask[:, ::-1]
  return np.ascontiguousarray(resize_nearest(np.rot90(mask, int(rng.integers(4))), size))
