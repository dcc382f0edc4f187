"""The drawing board of the drawn faces: one stencil paints the photo and its label together.

Points are in 0..1 of the frame, x right and y down, so that nothing here depends on the size
but the board itself. Label and photo of a shape come from the same stencil: they cannot drift.
"""

import functools
import math
from typing import NamedTuple

import cv2
import numpy as np

SUPERSAMPLE = 2
_SOFT_SIDE = 96  # soft shapes are drawn at this fixed side: the same shadow at every size
_FRACTION_BITS = 4


class Stencil(NamedTuple):
  """Where a shape is: its coverage inside a window of the board."""

  alpha: np.ndarray  # float32 (h, w), 0..1
  rows: slice
  cols: slice


_BASIS = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]], np.float64) / 2


@functools.cache
def _weights(steps: int) -> np.ndarray:
  t = np.arange(steps) / steps
  powers = np.stack([np.ones_like(t), t, t * t, t * t * t])
  return (powers[:, :, None] * _BASIS[:, None, :]).sum(axis=0).T[:, :, None]  # 4 steps 1


def spline(points, *, closed: bool = False, steps: int = 8) -> np.ndarray:
  """A Catmull-Rom curve through (n, d) points: (n * steps, d), or one more row if open."""
  p = np.asarray(points, np.float64)
  if closed:
    p = np.concatenate([p[-1:], p, p[:2]])
  else:
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
  a, b, c, d = _weights(steps)
  n, p = len(p) - 3, p[:, None]
  curve = a * p[:n] + b * p[1 : n + 1] + c * p[2 : n + 2] + d * p[3:]
  curve = curve.reshape(-1, curve.shape[-1])
  return curve if closed else np.concatenate([curve, p[-2]])


def ribbon(curve: np.ndarray, widths) -> np.ndarray:
  """The outline of a curve (n, 2) drawn with a pen whose width varies: widths (n,) or a number."""
  across = np.empty_like(curve)
  across[1:-1] = (curve[2:] - curve[:-2])[:, ::-1]
  across[0], across[-1] = (curve[1] - curve[0])[::-1], (curve[-1] - curve[-2])[::-1]
  across[:, 0] *= -1
  length = np.sqrt(across[:, 0] ** 2 + across[:, 1] ** 2) + 1e-9
  across *= (np.asarray(widths) / (2 * length))[:, None]
  return np.concatenate([curve + across, (curve - across)[::-1]])


@functools.cache
def _circle(points: int) -> tuple[np.ndarray, np.ndarray]:
  angle = np.arange(points) * (2 * np.pi / points)
  return np.cos(angle), np.sin(angle)


def ellipse(centre, radii, *, turn: float = 0.0, points: int = 28) -> np.ndarray:
  """The outline of an ellipse, (points, 2), turned by `turn` radians."""
  x, y = _circle(points)
  x, y = radii[0] * x, radii[1] * y
  c, s = math.cos(turn), math.sin(turn)
  return np.stack([centre[0] + c * x - s * y, centre[1] + s * x + c * y], axis=1)


def moved(points: np.ndarray, dx: float, dy: float) -> np.ndarray:
  """(n, 2) points, all moved by the same step."""
  return points + np.array([dx, dy])


class Canvas:
  """photo float32 (side, side, 3) in 0..255 and labels uint8 (side, side), drawn together."""

  def __init__(self, size: int):
    self.side = size * SUPERSAMPLE
    self.photo = np.zeros((self.side, self.side, 3), np.float32)
    self.labels = np.zeros((self.side, self.side), np.uint8)

  def _fixed(self, points: np.ndarray, side: int) -> np.ndarray:
    return np.rint((points * side - 0.5) * (1 << _FRACTION_BITS)).astype(np.int32)

  def stencil(self, *shapes: np.ndarray, within: Stencil | None = None) -> Stencil:
    """The union of filled outlines, (n, 2) each; `within` clips it to another stencil."""
    points = shapes[0] if len(shapes) == 1 else np.concatenate(shapes)
    if within is not None:
      rows, cols = within.rows, within.cols
    else:
      low, high = points.min(axis=0).tolist(), points.max(axis=0).tolist()
      starts = [min(max(int(v * self.side) - 2, 0), self.side) for v in low]
      stops = [
        min(max(int(v * self.side) + 3, a), self.side) for v, a in zip(high, starts, strict=True)
      ]
      cols, rows = (slice(a, b) for a, b in zip(starts, stops, strict=True))
    drawn = np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.uint8)
    if drawn.size:
      corner = np.array([cols.start, rows.start], np.int32) << _FRACTION_BITS
      fixed, first = self._fixed(points, self.side) - corner, 0
      for shape in shapes:
        outline = fixed[first : first + len(shape)]
        cv2.fillPoly(drawn, [outline], 255, cv2.LINE_AA, _FRACTION_BITS)
        first += len(shape)
    alpha = drawn.astype(np.float32) * np.float32(1 / 255)
    return Stencil(alpha if within is None else alpha * within.alpha, rows, cols)

  def soft(self, *shapes: np.ndarray, blur: float) -> np.ndarray:
    """A blurred union of outlines, float32 (side, side) in 0..1; `blur` is a sigma in 0..1."""
    drawn = np.zeros((_SOFT_SIDE, _SOFT_SIDE), np.uint8)
    for shape in shapes:
      cv2.fillPoly(drawn, [self._fixed(shape, _SOFT_SIDE)], 255, cv2.LINE_AA, _FRACTION_BITS)
    drawn = cv2.GaussianBlur(drawn, (0, 0), max(blur * _SOFT_SIDE, 0.3))
    return self.grow(drawn.astype(np.float32) * np.float32(1 / 255))

  def grow(self, field: np.ndarray) -> np.ndarray:
    """A small square field (g, g) or (g, g, 3), stretched smoothly over the board."""
    return cv2.resize(field, (self.side, self.side), interpolation=cv2.INTER_LINEAR)

  def paint(self, stencil: Stencil, colour, label: int | None = None, opacity=1.0) -> None:
    """Covers with a colour, (3,) or a field; sets the label where half of a pixel is covered.

    Fields are (side, side, 3), or (h, w, 3) as the stencil. `opacity` is a number or a float32
    (side, side).
    """
    alpha, rows, cols = stencil
    if not alpha.size:
      return
    colour = np.asarray(colour, np.float32)
    if colour.ndim == 3 and colour.shape[:2] != alpha.shape:
      colour = colour[rows, cols]
    share = alpha * (np.float32(opacity) if np.isscalar(opacity) else opacity[rows, cols])
    view = self.photo[rows, cols]
    view += share[..., None] * (colour - view)
    if label is not None:
      self.labels[rows, cols][alpha >= 0.5] = label

  def tint(self, stencil: Stencil, factor, amount=1.0) -> None:
    """Multiplies by a factor (3,) or number, as far as the stencil and `amount` reach."""
    alpha, rows, cols = stencil
    if not alpha.size:
      return
    share = alpha * (np.float32(amount) if np.isscalar(amount) else amount[rows, cols])
    self.photo[rows, cols] *= 1 + share[..., None] * (np.asarray(factor, np.float32) - 1)

  def shade(self, soft: np.ndarray, factor) -> None:
    """Multiplies the whole board by a factor (3,) or number where `soft` (side, side) is 1."""
    used_rows = np.flatnonzero(soft.max(axis=1) > 0)
    used_cols = np.flatnonzero(soft.max(axis=0) > 0)
    if used_rows.size:
      rows = slice(used_rows[0], used_rows[-1] + 1)
      cols = slice(used_cols[0], used_cols[-1] + 1)
      self.tint(Stencil(soft[rows, cols], rows, cols), factor)

  def lines(self, curves: np.ndarray, tones: np.ndarray, like: Stencil, width: float):
    """Thin curves of several tones over mid-grey: float32 (h, w) about 1, in a stencil's window.

    Args:
      curves: (count, n, 2), later ones over earlier ones.
      tones: (count,) brightness, 1 = unchanged, in 0..2.
      like: whose window to use.
      width: of the pen, in 0..1 of the frame; below a pixel of the board, lines get paler instead.
    """
    drawn = np.full(like.alpha.shape, 128, np.uint8)
    if drawn.size:
      corner = np.array([like.cols.start, like.rows.start], np.int32) << _FRACTION_BITS
      pen = max(1, round(width * self.side))
      tones = 1 + (tones - 1) * math.sqrt(min(1.0, width * self.side))
      fixed = self._fixed(curves, self.side) - corner
      for curve, tone in zip(fixed, np.rint(np.clip(tones, 0, 1.99) * 128).tolist(), strict=True):
        cv2.polylines(drawn, [curve], False, tone, pen, cv2.LINE_AA, _FRACTION_BITS)
    return drawn.astype(np.float32) * np.float32(1 / 128)

  def texture(self, stencil: Stencil, drawn: np.ndarray) -> None:
    """Multiplies by `drawn` (h, w), as `lines` returns it, inside its stencil."""
    self.photo[stencil.rows, stencil.cols] *= (1 + stencil.alpha * (drawn - 1))[..., None]

  def finish(self) -> tuple[np.ndarray, np.ndarray]:
    """(photo uint8 (size, size, 3), labels uint8 (size, size)): means and majorities of cells."""
    size = self.side // SUPERSAMPLE
    photo = cv2.resize(self.photo, (size, size), interpolation=cv2.INTER_AREA)
    photo = np.rint(np.clip(photo, 0, 255)).astype(np.uint8)
    a, b, c, d = (self.labels[i::2, j::2] for i in (0, 1) for j in (0, 1))
    labels = np.where((b == c) | (b == d), b, np.where(c == d, c, a))
    return photo, labels
