"""Which squares of a photo are filled, one after the other: a face, another face, what is left.

    a person's frame, or YuNet on what is visible -> our layout network, which sees through the hole
    -> each face paints what its frame shows of the hole -> what is left, from a square around it

What one pass has painted is known to the next. NumPy and OpenCV; the networks come as a function.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from facefill_jax.filling import align
from facefill_jax.filling.frame import LARGEST, Frame
from facefill_jax.filling.membrane import membrane
from facefill_jax.pretrained_nets import yunet

Read = Callable[[np.ndarray, np.ndarray, Frame], np.ndarray]
"""(photo uint8 (h, w, 3), mask bool (h, w), frame) -> layout, float32 (r, r, 20), probabilities."""

_REFINEMENTS = 3  # of a frame by the layout read in it; a fourth moves it by less than it is wrong
_SETTLED = 0.02  # sides of the frame: it has moved by less
_SURE = 0.3  # of YuNet, with a hole in the face
_SIDES = (640, 1280)  # at which YuNet looks, the second one for small faces
# A frame that was found by the layout network alone is believed from here on. Of faces hidden by
# 60 %, 9 in 10 of those framed right are above; of pictures without a face 9 in 10 are below.
_CONFIDENCE, _MISFIT, _PART = 0.8, 0.05, 0.2
_STARTS = (1.3, 1.8, 2.6)  # sides of the frames it starts from, in square roots of the hole's area
_SMALLEST = 24  # side in pixels of a hole in which it looks for a face
_SEARCHES = 3  # holes, at most, in which it does
_AROUND = 4.0  # side of the square around a hole that is in no face, in thicknesses of the hole


@dataclass(frozen=True)
class Pass:
  """One square to fill.

  Attributes:
    frame: of the photo.
    paint: bool (h, w): the part of the hole that is painted through it; None: all that is left of
      the hole by then and lies in the frame.
    is_face: whether a face is framed in it.
  """

  frame: Frame
  paint: np.ndarray | None
  is_face: bool


def plan_passes(
  photo: np.ndarray,
  mask: np.ndarray,
  read: Read,
  resolution: int,
  faces: Iterable[Frame] = (),
) -> tuple[list[Pass], list[str]]:
  """Finds the faces that the hole is in, and how to paint all of it.

  Args:
    photo: uint8 (h, w, 3); what is under the mask has no influence.
    mask: bool (h, w), True = hole, with at least one hole pixel.
    read: the layout network.
    resolution: side in pixels of what the networks see.
    faces: frames that are known, by `align.frame_of_eyes` say; others are then not looked for.

  Returns:
    The passes, in order, which together paint the whole hole; and remarks for the photo's owner.

  """
  left, remarks = mask, []
  passes = _shared_out(mask, list(faces) or find_faces(photo, mask, read))
  for one in passes:
    left = left & ~one.paint
  if left.any() and not passes:
    remarks.append("no face was found at the hole: it is filled from the picture around it")
  return passes + _around(left, resolution), remarks


def find_faces(photo: np.ndarray, mask: np.ndarray, read: Read) -> list[Frame]:
  """The frames of the faces that the hole reaches; of all of them if there is no hole.

  See `plan_passes` for the arguments.
  """
  frames = [refined(photo, mask, frame, read)[0] for frame in _seen_faces(photo, mask)]
  return frames + _searched(photo, mask, _outside(mask, frames), read)


def _seen_faces(photo: np.ndarray, mask: np.ndarray) -> list[Frame]:
  """Frames, by YuNet if it is there, of the faces in view that the hole reaches, or of all."""
  if not yunet.is_there():
    return []
  for side in _SIDES:
    seen, scale = _continued(photo, mask, side)
    frames = [
      align.frame_of_landmarks(face.landmarks / scale)
      for face in yunet.detect_faces(seen, least_score=_SURE, side=side)
    ]
    if mask.any():
      frames = [frame for frame in frames if (frame.region(mask.shape) & mask).any()]
    if frames or scale == 1:
      break
  return frames


def _continued(photo: np.ndarray, mask: np.ndarray, side: int) -> tuple[np.ndarray, float]:
  """The photo, its longer side `side` at most, its hole filled smoothly; and its scale."""
  height, width = mask.shape
  scale = min(1.0, side / max(height, width))
  size = max(1, round(width * scale)), max(1, round(height * scale))
  hidden = np.where(mask[..., None], np.uint8(0), photo)
  small = cv2.resize(hidden, size, interpolation=cv2.INTER_AREA).astype(np.float32)
  hole = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
  known = (hole == 0).astype(np.float32)
  filled = membrane(small * known[..., None], known)
  return np.clip(np.rint(filled), 0, 255).astype(np.uint8), scale


def refined(
  photo: np.ndarray, mask: np.ndarray, frame: Frame, read: Read
) -> tuple[Frame, np.ndarray]:
  """A frame moved to where its layout has eyes, nose and mouth, and the layout read there."""
  layout = read(photo, mask, frame)
  for _ in range(_REFINEMENTS):
    better = align.frame_of_layout(frame, layout)
    if better is None or better.size < frame.size / 2 or better.size > 2 * frame.size:
      break
    moved = align.distance(frame, better)
    frame, layout = better, read(photo, mask, better)
    if moved < _SETTLED:
      break
  return frame, layout


def _searched(photo, mask, left: np.ndarray, read: Read) -> list[Frame]:
  """Frames, by the layout network alone, of faces in holes where YuNet saw none."""
  frames = []
  for hole in _groups(left)[:_SEARCHES]:
    rows, columns = np.nonzero(hole)
    side = np.sqrt(len(rows))
    if side < _SMALLEST:
      break
    best, least = None, np.inf
    for factor in _STARTS:
      start = align.centred_frame(columns.mean(), rows.mean(), factor * side)
      frame, layout = refined(photo, mask, start, read)
      confidence, misfit = float(layout.max(-1).mean()), align.misfit(layout)
      _, sizes = align.parts_of_layout(layout)
      is_face = confidence >= _CONFIDENCE and misfit <= _MISFIT and sizes.min() >= _PART
      if is_face and misfit - confidence < least and (frame.region(mask.shape) & hole).any():
        best, least = frame, misfit - confidence
    if best is not None:
      frames.append(best)
  return frames


def _outside(mask: np.ndarray, frames: list[Frame]) -> np.ndarray:
  """Holes, whole ones, that no frame reaches."""
  count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
  reached = np.zeros(count, bool)
  for frame in frames:
    reached[labels[frame.region(mask.shape)]] = True
  return mask & ~reached[labels]


def _groups(mask: np.ndarray) -> list[np.ndarray]:
  """Connected holes, bool (h, w) each, the largest first; the first `_SEARCHES`."""
  _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
  areas = stats[1:, cv2.CC_STAT_AREA]
  return [labels == 1 + i for i in np.argsort(-areas, kind="stable")[:_SEARCHES]]


def _shared_out(mask: np.ndarray, frames: list[Frame]) -> list[Pass]:
  """What of the hole each face paints: a connected hole goes to the face that shows most of it."""
  count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
  regions = [frame.region(mask.shape) & mask for frame in frames]
  if not regions:
    return []
  shown = np.stack([np.bincount(labels[region], minlength=count) for region in regions])
  owner, passes = shown.argmax(0).astype(np.int16)[labels], []
  # The face that a pixel is for, if its hole's own face shows it.
  own = np.full(mask.shape, -1, np.int16)
  for i, region in enumerate(regions):
    own[region & (owner == i)] = i
  left = mask.copy()
  for i in np.argsort(-shown.sum(1), kind="stable"):
    paint = regions[i] & left & ((own == i) | (own < 0))
    if paint.any():
      passes.append(Pass(frames[i], paint, True))
      left &= ~paint
  return passes


def _around(left: np.ndarray, resolution: int) -> list[Pass]:
  """Squares around what no face paints, where it is thickest first, until nothing is left.

  A scratch across the whole photo gets many small ones, in which it is thin.
  """
  left, passes = left.copy(), []
  height, width = left.shape
  largest = min(LARGEST, max(min(height, width), resolution // 2))
  depths = _depths(left, (slice(0, height), slice(0, width)), 1)
  while left.any():
    row, column = np.unravel_index(depths.argmax(), depths.shape)
    depth = depths[row, column]
    size = int(min(max(resolution, 2 * _AROUND * depth), largest))
    frame = Frame(_start(row, size, height), _start(column, size, width), size)
    passes.append(Pass(frame, None, False))
    left[frame.region(left.shape)] = False
    reach = int(depth) + 1  # no depth changes farther than that from the square
    near = tuple(
      slice(max(0, at - reach), min(extent, at + size + reach))
      for at, extent in zip((frame.top, frame.left), left.shape, strict=True)
    )
    depths[near] = _depths(left, near, reach)
  return passes


def _depths(mask: np.ndarray, part: tuple[slice, slice], reach: int) -> np.ndarray:
  """How far each pixel of a part is from the nearest that is no hole, float32.

  Beyond the photo's edges all counts as known, so that a hole there has a middle, too.

  Args:
    mask: bool (h, w).
    part: rows and columns.
    reach: pixels, 1 or more; no hole of the part may be deeper.
  """
  around = np.zeros([s.stop - s.start + 2 * reach for s in part], np.uint8)
  low = [s.start - reach for s in part]
  seen = tuple(
    slice(max(0, a), min(extent, s.stop + reach))
    for a, extent, s in zip(low, mask.shape, part, strict=True)
  )
  around[tuple(slice(s.start - a, s.stop - a) for s, a in zip(seen, low, strict=True))] = mask[seen]
  depths = cv2.distanceTransform(around, cv2.DIST_L2, 3)
  return depths[reach:-reach, reach:-reach]


def _start(middle: int, size: int, extent: int) -> int:
  """Where a span about `middle` begins, moved into the photo if it fits."""
  start = int(middle) - size // 2
  return (extent - size) // 2 if size >= extent else min(max(start, 0), extent - size)
