"""Boxes, disks, thick strokes and dilation on pixel grids, in integers only.

Pixels are points at whole coordinates, x the column and y the row. Every shape is convex, so it
covers one run of pixels of each row; n shapes are `Runs`: int64 (n, k) each of rows and of first
and last columns (last < first: no pixel of this row). Runs may lie outside the picture. All is
exact, so the same shapes are the same bits everywhere.
"""

import math

import numpy as np

Runs = tuple[np.ndarray, np.ndarray, np.ndarray]


def union(size: int, *shapes: Runs) -> np.ndarray:
  """All pixels that some run covers: bool (size, size)."""
  columns = zip(*shapes, strict=True)
  row, first, last = (np.concatenate([each.ravel() for each in parts]) for parts in columns)
  first, last = np.maximum(first, 0), np.minimum(last, size - 1)
  real = (first <= last) & (row >= 0) & (row < size)
  row, cells = row[real] * (size + 1), size * (size + 1)  # one column more, for runs to end in
  depth = np.bincount(row + first[real], minlength=cells)
  depth -= np.bincount(row + last[real] + 1, minlength=cells)
  return np.cumsum(depth.reshape(size, size + 1)[:, :size], axis=1) > 0


def boxes(left, top, width, height) -> Runs:
  """Boxes of width x height pixels; int64 (n,) each."""
  left, top, width, height = (_column(each) for each in (left, top, width, height))
  rows = np.arange(height.max(initial=0))
  last = left - 1 + np.where(rows < height, width, 0)
  return top + rows, np.broadcast_to(left, last.shape), last


def disks(x, y, square) -> Runs:
  """Pixels with dx**2 + dy**2 <= square; centres and squared radius, int64 (n,) each."""
  x, y, square = (_column(each) for each in (x, y, square))
  roots = _roots(int(square.max(initial=0)))
  rows = np.arange(-roots[-1], roots[-1] + 1)
  rest = square - rows**2
  half = np.where(rest < 0, -1, roots[np.maximum(rest, 0)])
  return y + rows, x - half, x + half


def bands(x0, y0, x1, y1, reach) -> Runs:
  """Straight strokes with flat ends, from (x0, y0) to (x1, y1); int64 (n,) each.

  A pixel p belongs to one if its foot falls between the ends, both included, and
  |(p - p0) x (p1 - p0)| <= reach, that is: distance to the line <= reach / length. A stroke of
  length 0 has no pixels.
  """
  x0, y0, x1, y1, reach = (_column(each) for each in (x0, y0, x1, y1, reach))
  dx, dy = x1 - x0, y1 - y0
  square = dx * dx + dy * dy
  # The width reaches at most this many rows above and below the ends.
  beyond = reach // np.maximum(np.maximum(np.abs(dx), np.abs(dy)), 1)
  count = int((np.abs(dy) + 2 * beyond + 1).max(initial=0))
  v = np.minimum(dy, 0) - beyond + np.arange(count)
  along = _between(dx, -dy * v, square - dy * v)
  across = _between(dy, dx * v - reach, dx * v + reach)
  first, last = np.maximum(along[0], across[0]), np.minimum(along[1], across[1])
  return y0 + v, x0 + first, x0 + np.where(square == 0, first - 1, last)


def _between(a: np.ndarray, low: np.ndarray, high: np.ndarray):
  """The integers u with low <= a * u <= high, as (first, last)."""
  low, high = np.where(a < 0, -high, low), np.where(a < 0, -low, high)
  a = np.abs(a)
  far = 1 << 30  # beyond any picture; a = 0 leaves all of u or nothing
  whole = np.where((low <= 0) & (high >= 0), far, -1)
  step = np.maximum(a, 1)
  return np.where(a == 0, -whole, -(-low // step)), np.where(a == 0, whole, high // step)


def dilate(mask: np.ndarray, radius: int) -> np.ndarray:
  """bool (h, w), grown by a disk: every pixel at most `radius` >= 0 from a set pixel is set."""
  h, w = mask.shape
  grown = np.zeros((h, w), bool)
  sums = np.zeros((h, w + 1), np.int64)
  np.cumsum(mask, axis=1, out=sums[:, 1:])
  columns = np.arange(w)
  for dy in range(min(radius, h - 1) + 1):
    half = math.isqrt(radius * radius - dy * dy)
    right, left = np.minimum(columns + half + 1, w), np.maximum(columns - half, 0)
    wide = sums[:, right] > sums[:, left]
    grown[: h - dy] |= wide[dy:]
    grown[dy:] |= wide[: h - dy]
  return grown


def _column(values) -> np.ndarray:
  return np.asarray(values, np.int64).reshape(-1, 1)


def _roots(largest: int) -> np.ndarray:
  """Integer square roots of 0..largest (and a few more), rounded down."""
  numbers = np.arange(math.isqrt(largest) + 1)
  return np.repeat(numbers, 2 * numbers + 1)
