"""The square of a photo that the networks see: out of the photo, and back into its hole only.

NumPy and OpenCV, no files, no jax. Masks are bool (h, w), True = hole.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from facefill_jax.filling.detail import fine_detail
from facefill_jax.filling.membrane import membrane
from facefill_jax.labels import VOID

LARGEST = 10_000  # side in pixels; a hole along a long panorama would ask for terabytes
# Side at which seams of larger squares are mended, for time and memory; a hole of thin lines that
# leaves no cell of that side wholly known is not.
SEAM = 1024
_ENLARGED, _TIMES = 1.2, 4  # a square enlarged by less needs no detail; by more, gets that of 4


class FrameError(ValueError):
  """A hole that no square of a sane size can hold."""


@dataclass(frozen=True)
class Frame:
  """A square of the photo, in its pixels: a similarity transform. It may reach past the edges.

  Attributes:
    top, left, size: of the square as it would lie upright.
    angle: degrees by which it is turned clockwise about its centre, as a head that leans to the
      right of the picture is; what it shows is then upright.
  """

  top: int
  left: int
  size: int
  angle: float = 0.0

  def __str__(self) -> str:
    x, y = self.left + self.size // 2, self.top + self.size // 2
    turned = f", turned by {self.angle:.0f} degrees" if self.angle else ""
    return f"{self.size} x {self.size} pixels about ({x}, {y}){turned}"

  def crop(
    self, pixels: np.ndarray, mask: np.ndarray, resolution: int
  ) -> tuple[np.ndarray, np.ndarray]:
    """The square at the model's resolution. No pixel under the mask has a say in it.

    A cell is hole as soon as one hole pixel, or anything outside the photo, has weight in it: all
    other cells are means of known pixels only, and need no normalisation by the mask.

    Args:
      pixels: uint8 (h, w, 3).
      mask: bool (h, w), True = hole.
      resolution: side of the result.

    Returns:
      uint8 (resolution, resolution, 3), black in the hole; bool (resolution, resolution).
    """
    inside = self._inside(mask.shape)
    hidden = np.where(mask[inside][..., None], np.uint8(0), pixels[inside])
    square = self._cut(hidden, inside, 0)
    weight = self._cut(mask[inside].astype(np.float32), inside, 1.0)
    # Linear where it grows: its weights are never negative, so that hole pixels cannot cancel.
    hole = _resize(weight, resolution, cv2.INTER_LINEAR) > 0
    cells = _resize(square, resolution, cv2.INTER_LINEAR)
    return np.where(hole[..., None], np.uint8(0), cells), hole

  def crop_labels(self, ids: np.ndarray, resolution: int) -> np.ndarray:
    """Class ids uint8 (h, w) -> (resolution, resolution): nearest; void outside the photo."""
    inside = self._inside(ids.shape)
    return _resize_nearest(self._cut(ids[inside], inside, VOID, cv2.INTER_NEAREST), resolution)

  def paste(
    self,
    pixels: np.ndarray,
    mask: np.ndarray,
    filled: np.ndarray,
    paint: np.ndarray | None = None,
    ids: np.ndarray | None = None,
  ) -> np.ndarray:
    """The photo with its hole, and nothing else, taken from the filled square.

    Enlarged, a filled square is blurred, and so wrong beside the hole: its error where the photo is
    known is continued smoothly into the hole and taken from it. On CelebA-HQ filled at 128 px and
    pasted at 256 px that is worth 1.4 dB in holes of 1-10 %, .3 dB in holes of 50-60 %.

    Args:
      pixels: uint8 (h, w, 3).
      mask: bool (h, w), True = hole.
      filled: uint8 (r, r, 3), the square at any resolution: the photo where it is known.
      paint: bool (h, w), the part of the mask to take from it, which must lie inside the frame;
        None: all of it.
      ids: uint8 (r, r), its class ids: with them an enlarged square gets `detail.fine_detail`.

    Returns:
      uint8 (h, w, 3): the bytes of `pixels` wherever nothing is painted.
    """
    paint = mask if paint is None else paint
    if not self.contains(paint):
      raise ValueError(f"{self}: does not contain the whole hole")
    if len(filled) != self.size:  # if nothing is enlarged, it is right beside the hole
      enlarged = _resize(filled, self.size, cv2.INTER_CUBIC)
      more = _resize(self._seam(pixels, mask, filled), self.size, cv2.INTER_LINEAR)
      if ids is not None and self.size >= _ENLARGED * len(filled):
        more = more + self._detail(pixels, mask, filled, ids)
      filled = cv2.add(enlarged, more, dtype=cv2.CV_8U)
    whole = pixels.copy()
    inside, placed = self._placed(filled, pixels.shape)
    whole[inside][paint[inside]] = placed[paint[inside]]
    return whole

  def _seam(self, pixels: np.ndarray, mask: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """What the enlarged square lacks beside the hole, continued into it: int16 (s, s, 3)."""
    side = min(self.size, SEAM)
    cells, hole = self.crop(pixels, mask, side)
    known = np.where(hole, np.float32(0), np.float32(1))
    error = cells.astype(np.float32) - _resize(filled, side, cv2.INTER_CUBIC)
    return np.rint(membrane(error * known[..., None], known)).astype(np.int16)

  def _detail(self, pixels, mask, filled: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Fine detail of the enlarged square, int16 (s, s, 3)."""
    times = min(math.ceil(self.size / len(filled)), _TIMES)
    photo, hole = self.crop(pixels, mask, times * len(filled))
    detail = _resize(fine_detail(photo, hole, filled, ids), self.size, cv2.INTER_LINEAR)
    return np.rint(detail).astype(np.int16)

  def paste_labels(self, ids: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Class ids (r, r) -> uint8 `size` = (h, w): nearest; void outside the frame."""
    whole = np.full(size, VOID, np.uint8)
    inside, placed = self._placed(_resize_nearest(ids, self.size), size, cv2.INTER_NEAREST)
    whole[inside] = np.where(self.region(size)[inside], placed, np.uint8(VOID))
    return whole

  def paste_layout(
    self, probabilities: np.ndarray, size: tuple[int, int]
  ) -> tuple[np.ndarray, np.ndarray]:
    """The most probable classes at the photo's size, their probabilities enlarged linearly first.

    Edges come out smooth; `crop_labels` does not bring all cells back, as it does what
    `paste_labels` made.

    Args:
      probabilities: float32 (r, r, k).
      size: (h, w).

    Returns:
      Class ids uint8 (h, w), void outside the frame; float32 (h, w), their probabilities, 0 there.
    """
    best = np.full((self.size, self.size), -1.0, np.float32)
    square = np.zeros(best.shape, np.uint8)
    for k in range(probabilities.shape[-1]):  # one at a time: a large photo has many pixels
      one = _resize(np.ascontiguousarray(probabilities[..., k]), self.size, cv2.INTER_LINEAR)
      higher = one > best
      square[higher] = k
      np.maximum(best, one, out=best)
    ids, probability = np.full(size, VOID, np.uint8), np.zeros(size, np.float32)
    inside, placed = self._placed(square, size, cv2.INTER_NEAREST)
    _, sure = self._placed(np.clip(best, 0.0, 1.0), size, cv2.INTER_NEAREST)
    seen = self.region(size)[inside]
    ids[inside], probability[inside] = np.where(seen, placed, np.uint8(VOID)), sure * seen
    return ids, probability

  def contains(self, mask: np.ndarray) -> bool:
    """Whether every hole pixel of the mask, bool (h, w), lies inside the frame."""
    return not np.logical_and(mask, ~self.region(mask.shape)).any()

  def region(self, size: tuple[int, int]) -> np.ndarray:
    """Which pixels of a photo of `size` = (h, w) the frame shows, bool (h, w)."""
    whole = np.zeros(size, bool)
    inside = self._inside(size)
    if not self.angle:
      whole[inside] = True
      return whole
    (cos, _, x0), (sin, _, y0) = self._matrix()
    y, x = np.ogrid[inside]
    x, y, middle = x - x0, y - y0, (self.size - 1) / 2
    column, row = cos * x + sin * y, cos * y - sin * x  # in the square
    whole[inside] = (np.abs(column - middle) <= middle + 0.5) & (
      np.abs(row - middle) <= middle + 0.5
    )
    return whole

  def to_photo(self, points: np.ndarray) -> np.ndarray:
    """Points (n, 2), x and y in sides of the frame, as its pixels' centres in the photo."""
    matrix = self._matrix()
    return (points * self.size - 0.5) @ matrix[:, :2].T + matrix[:, 2]

  def _matrix(self) -> np.ndarray:
    """(2, 3): from the centre of a pixel (x, y) of the square to the same in the photo."""
    turn, middle = math.radians(self.angle), (self.size - 1) / 2
    cos, sin = math.cos(turn), math.sin(turn)
    linear = np.array([[cos, -sin], [sin, cos]])
    centre = np.array([self.left + middle, self.top + middle])
    return np.column_stack([linear, centre - linear @ np.array([middle, middle])])

  def _inside(self, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The rows and columns of a photo that hold what the frame shows of it."""
    low, high = np.array([self.top, self.left]), np.array([self.top, self.left]) + self.size
    if self.angle:
      corners = self.to_photo(np.array([[0, 0], [0, 1], [1, 0], [1, 1]]))[:, ::-1]
      low, high = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int) + 1
    starts = np.maximum(0, low)
    ends = np.maximum(starts, np.minimum(shape[:2], high))
    return tuple(slice(int(a), int(b)) for a, b in zip(starts, ends, strict=True))

  def _of_square(self, inside: tuple[slice, slice]) -> tuple[slice, ...]:
    """The same rows and columns in the square of an upright frame."""
    corner = (self.top, self.left)
    return tuple(slice(s.start - a, s.stop - a) for s, a in zip(inside, corner, strict=True))

  def _cut(
    self, part: np.ndarray, inside: tuple[slice, slice], outside, how: int = cv2.INTER_LINEAR
  ) -> np.ndarray:
    """The square, from the part of a photo that is `inside`; `outside` where that ends.

    If it is turned, `how` interpolates.
    """
    if self.angle and part.size:
      return cv2.warpAffine(
        part, self._matrix_of(inside), (self.size, self.size), flags=how | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT, borderValue=(outside,) * 4,
      )  # fmt: skip
    cut = np.full((self.size, self.size, *part.shape[2:]), outside, part.dtype)
    if part.size:
      cut[self._of_square(inside)] = part
    return cut

  def _placed(self, square: np.ndarray, shape: tuple[int, ...], how: int = cv2.INTER_LINEAR):
    """Slices of the photo, and the square (size, size, ...) as it lies there.

    Where a turned frame does not reach, what is placed is its edge.
    """
    inside = self._inside(shape)
    if not self.angle:
      return inside, square[self._of_square(inside)]
    height, width = (s.stop - s.start for s in inside)
    if not height or not width:
      return inside, np.zeros((height, width, *square.shape[2:]), square.dtype)
    placed = cv2.warpAffine(
      square, self._matrix_of(inside), (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE
    )
    return inside, placed

  def _matrix_of(self, inside: tuple[slice, slice]) -> np.ndarray:
    """`_matrix` to a part of the photo."""
    matrix = self._matrix()
    matrix[:, 2] -= [inside[1].start, inside[0].start]
    return matrix


def square_frame(height: int, width: int, mask: np.ndarray) -> Frame:
  """The square that the networks see: the largest in the photo, as central as the hole allows.

  If the hole is wider than the photo's short side, it is the smallest square that holds the hole;
  it then reaches past both long edges, and what lies outside is hole too.

  Args:
    height, width: of the photo.
    mask: bool (height, width), True = hole, with at least one hole pixel.

  Raises:
    FrameError: the square would be larger than LARGEST.
  """
  spans = [np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0)]
  (top, bottom), (left, right) = [(int(s[0]), int(s[-1]) + 1) for s in spans]
  size = max(min(height, width), bottom - top, right - left)
  if size > LARGEST:
    raise FrameError(
      f"the hole needs a square of {size} x {size} pixels, and {LARGEST} is the largest: "
      f"make photo and mask smaller"
    )
  return Frame(_offset(height, size, top, bottom), _offset(width, size, left, right), size)


def _offset(extent: int, size: int, start: int, end: int) -> int:
  """Nearest to the centre such that [start, end) lies in [offset, offset + size)."""
  centre = (extent - size) // 2
  return centre if size >= extent else min(max(centre, end - size), start)


def _resize(array: np.ndarray, side: int, growing: int) -> np.ndarray:
  """Square -> square: means over areas when it shrinks, cv2's `growing` when it grows."""
  if array.shape[0] == side:
    return array
  how = cv2.INTER_AREA if array.shape[0] > side else growing
  return cv2.resize(array, (side, side), interpolation=how)


def _resize_nearest(ids: np.ndarray, side: int) -> np.ndarray:
  return cv2.resize(ids, (side, side), interpolation=cv2.INTER_NEAREST_EXACT)
