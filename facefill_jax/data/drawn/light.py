"""Pose and light of a drawn face: where a point of the head lands, and how bright it is there.

The head lives in units of the distance between the eyes, origin between the eyes: x towards the
person's left (right in the picture), y down, z towards the viewer, about 1 at the eyes.
Pose turns it (weak perspective); a height field lit by one lamp gives the shading, with the
shadows that the nose and brow cast (after Lambert; Horn, "Hill shading", 1981).
"""

import cv2
import numpy as np

from facefill_jax.data.drawn.canvas import Stencil, spline
from facefill_jax.data.drawn.traits import Traits

_GRID = 100  # cells of the height field, each way: the same for all sizes
_REACH = 2.5  # the field covers -2.5..2.5
_AXIS = (np.arange(_GRID) + 0.5) / _GRID * (2 * _REACH) - _REACH


class Pose:
  """Takes points of the head to the frame."""

  def __init__(self, traits: Traits):
    self.traits = traits
    self.cos_yaw, self.sin_yaw = np.cos(traits.yaw), np.sin(traits.yaw)
    self.cos_pitch, self.sin_pitch = np.cos(traits.pitch), np.sin(traits.pitch)
    c, s = np.cos(traits.roll), np.sin(traits.roll)
    self.across, self.down = np.array([c, s]) * traits.scale, np.array([-s, c]) * traits.scale
    self.centre = np.array(traits.centre)

  def project(self, points) -> np.ndarray:
    """(n, 3) of the head -> (n, 2), turned by yaw and pitch but not yet by roll."""
    x, y, z = np.asarray(points, np.float64).T
    depth = z - 1.0
    out = np.empty((len(x), 2))
    out[:, 0] = x * self.cos_yaw + depth * self.sin_yaw
    out[:, 1] = y * self.cos_pitch + (depth * self.cos_yaw - x * self.sin_yaw) * self.sin_pitch
    return out

  def place(self, points: np.ndarray) -> np.ndarray:
    """(n, 2) as `project` gives them -> (n, 2) in 0..1 of the frame."""
    return points[:, :1] * self.across + points[:, 1:] * self.down + self.centre

  def frame(self, points) -> np.ndarray:
    """(n, 3) of the head -> (n, 2) in 0..1 of the frame."""
    return self.place(self.project(points))

  def on_face(self, points, lift=0.0) -> np.ndarray:
    """(n, 2) seen from the front -> (n, 3) on the head, raised by `lift`, a number or (n,)."""
    p = np.asarray(points, np.float64)
    out = np.empty((len(p), 3))
    out[:, :2] = p
    out[:, 2] = 1.07 + lift - 0.30 * p[:, 0] * p[:, 0] - 0.05 * p[:, 1] * p[:, 1]
    return out

  def face(self, points, lift=0.0) -> np.ndarray:
    """(n, 2) seen from the front -> (n, 2) in 0..1 of the frame."""
    return self.frame(self.on_face(points, lift))

  def rim(self, points) -> np.ndarray:
    """(n, 3) on the outline of the head, moved to where the outline lies after turning.

    On the side that turns away the cheek makes the outline, on the other the back of the head.
    """
    p = np.array(points, np.float64)
    away = np.tanh(p[:, 0] * 3.0) * self.sin_yaw
    p[:, 2] += np.where(away > 0, 0.95 * away, 0.55 * away)
    return p

  def visible(self, side: int) -> float:
    """How much of that side of the head is seen: 0.5 from the front, 0..1."""
    return float(np.clip(0.5 - side * self.sin_yaw, 0.0, 1.0))


def head_outline(traits: Traits, pose: Pose) -> np.ndarray:
  """The outline of head and jaw, (n, 2) as `Pose.project` gives it, not yet in the frame."""
  w, jaw, top, chin = traits.width, traits.jaw, traits.top, traits.chin
  right = [
    (0.58 * w, top + 0.13, 0.05), (1.0 * w, top + 0.64, 0.0), (1.15 * w, -0.35, 0.0),
    (1.13 * w, 0.25, 0.0), (1.03 * w * (0.5 + 0.5 * jaw), 0.8, 0.1), (0.82 * jaw, 1.2, 0.3),
    (0.44 * jaw, chin - 0.14, 0.75),
  ]  # fmt: skip
  left = [(-x, y, z) for x, y, z in reversed(right)]
  points = [(0.0, top, 0.05), *right, (0.0, chin, 0.9), *left]
  return pose.project(pose.rim(spline(points, closed=True, steps=6)))


def _extents(outline: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Left and right end of the outline in every row of the grid; equal where it is not."""
  top, bottom = int(outline[:, 1].argmin()), int(outline[:, 1].argmax())
  around = np.roll(outline, -top, axis=0)
  cut = (bottom - top) % len(outline)
  right, left = around[: cut + 1], np.concatenate([around[cut:], around[:1]])[::-1]
  ends = []
  for edge in (left, right):
    y = np.maximum.accumulate(edge[:, 1])
    ends.append(np.interp(_AXIS, y, edge[:, 0]))
  return ends[0], ends[1]


def _bumps(traits: Traits) -> list[tuple]:
  """(x, y, lift, sigma x, sigma y, height) of what stands out of a face, or lies deeper."""
  n, tip = traits.nose_width, traits.nose_length
  smile = max(traits.smile, 0.0)
  bumps = [
    (0.0, 0.18, 0.1, 0.12 * n, 0.34, 0.17), (0.0, tip - 0.06, 0.38, 0.16 * n, 0.15, 0.30),
    (0.0, tip + 0.16, 0.1, 0.24, 0.06, -0.05), (0.0, 0.9, 0.1, 0.05, 0.09, -0.02),
    (0.0, 1.1, 0.05, 0.40, 0.26, 0.09), (0.0, 1.36, 0.05, 0.26, 0.07, -0.05),
    (0.0, traits.chin - 0.2, 0.0, 0.26, 0.17, 0.11), (0.0, -0.95, 0.0, 0.6, 0.35, 0.06),
    (0.0, -0.3, 0.0, 0.14, 0.2, -0.02),
  ]  # fmt: skip
  for side in (-1, 1):
    bumps += [
      (side * 0.2 * n, tip + 0.01, 0.15, 0.09, 0.08, 0.10),
      (side * 0.47, -0.04, 0.0, 0.27, 0.17, -0.14),
      (side * 0.5, 0.02, 0.0, 0.18, 0.13, 0.09),
      (side * 0.48, -0.38, 0.0, 0.34, 0.12, 0.06),
      (side * 0.66, 0.52, 0.0, 0.30, 0.26, 0.08 + 0.09 * smile),
      (side * 0.42, 0.95, 0.0, 0.12, 0.22, -0.02 - 0.05 * smile),
      (side * 0.95, 1.0, -0.4, 0.3, 0.4, 0.02),
    ]
  return bumps


def _hills(pose: Pose, hills: list[tuple]) -> np.ndarray:
  """The sum of Gaussian hills (x, y, lift, sigma x, sigma y, height), float32 (grid, grid)."""
  x, y, lift, sx, sy, height = np.array(hills).T[..., None]
  at = pose.project(pose.on_face(np.concatenate([x, y], axis=1), lift[:, 0]))
  rows = (height * np.exp(-(((_AXIS - at[:, 1:]) / sy) ** 2) / 2)).astype(np.float32)
  cols = np.exp(-(((_AXIS - at[:, :1]) / sx) ** 2) / 2).astype(np.float32)
  total = np.zeros((_GRID, _GRID), np.float32)
  for row, col in zip(rows, cols, strict=True):
    total += row[:, None] * col[None, :]
  return total


def _height(traits: Traits, pose: Pose, outline: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Heights (grid, grid) of the face, and of the bare skull that hair and hats follow."""
  left, right = _extents(outline)
  half = np.maximum((right - left) / 2, 1e-3)[:, None]
  u = (_AXIS[None, :] - ((left + right) / 2)[:, None]) / half
  skull = (np.sqrt(np.maximum(0.0, 1.02 - u * u)) * half).astype(np.float32)
  return skull + _hills(pose, _bumps(traits)), skull


def _slopes(height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  step = 2 * _REACH / _GRID
  height = cv2.GaussianBlur(height, (0, 0), 1.2)
  dy, dx = np.gradient(height, step)
  return np.clip(dx, -3, 3), np.clip(dy, -3, 3)


def _lit(height: np.ndarray, light: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """(diffuse in 0..1, shine in 0..1, turn to the right in -1..1) of a height field, one lamp."""
  dx, dy = _slopes(height)
  length = np.sqrt(1 + dx * dx + dy * dy)
  diffuse = (light[2] - dx * light[0] - dy * light[1]) / length
  hx, hy, hz = light[0], light[1], light[2] + 1.0
  norm = np.sqrt(hx * hx + hy * hy + hz * hz)
  shine = np.clip((hz - dx * hx - dy * hy) / (norm * length), 0, 1)
  return np.clip(0.22 + 0.78 * diffuse, 0, 1), shine, -dx / length


def _cast(height: np.ndarray, light: tuple) -> np.ndarray:
  """Soft shadow that parts of a height field throw on others: 0 = lit, 1 = in shadow."""
  step = 2 * _REACH / _GRID
  shadow = np.zeros_like(height)
  for reach in (3, 5, 8, 12):
    move = np.array([[1, 0, -reach * light[0]], [0, 1, -reach * light[1]]], np.float64)
    towards = cv2.warpAffine(height, move, (_GRID, _GRID), borderMode=cv2.BORDER_REPLICATE)
    shadow = np.maximum(shadow, towards - height - reach * step * light[2] * 0.75)
  return cv2.GaussianBlur(np.clip(shadow * 7.0, 0, 1), (0, 0), 1.5)


class Light:
  """The lit skin and the lit hair of one face, as fields over the board."""

  def __init__(self, traits: Traits, pose: Pose, outline: np.ndarray, side: int):
    self.side = side
    red, green, blue = traits.skin
    self.usual = red + green + blue  # not sum(), whose rounding changed in Python 3.12
    self.key = np.array([1 + 0.05 * traits.warmth, 1.0, 1 - 0.07 * traits.warmth], np.float32)
    face, skull = _height(traits, pose, outline)
    diffuse, shine, facing = _lit(face, traits.light)
    shadow = _cast(face, traits.light)
    first = _AXIS[0]  # cell 0 is here; pixel p of the board is at (p + 0.5) / side of the frame
    origin = (pose.centre + first * (pose.across + pose.down)) * side - 0.5
    step = 2 * _REACH / _GRID * side
    self.warp = np.stack([pose.across * step, pose.down * step, origin], axis=1)
    skin = self._skin(traits, pose, diffuse * (1 - 0.38 * shadow), shine)
    away = np.clip((-np.sign(traits.light[0]) * facing - 0.62) / 0.38, 0, 1)[..., None]
    skin += away * away * (0.30 * np.array(traits.colours[0], np.float32))
    self.skin = self._spread(skin)
    self.skull, _, _ = _lit(skull, traits.light)

  def _spread(self, field: np.ndarray, grown: float = 1.0) -> np.ndarray:
    """A field over the board, float32; `grown` stretches it about the middle of the skull."""
    warp = self.warp.copy()
    middle = (np.array([0.0, -0.4]) - _AXIS[0]) * _GRID / (2 * _REACH)
    warp[:, 2] += (1 - grown) * (warp[:, 0] * middle[0] + warp[:, 1] * middle[1])
    warp[:, :2] *= grown
    return cv2.warpAffine(
      field.astype(np.float32), warp, (self.side, self.side),
      flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip

  def ramp(self, base, diffuse: np.ndarray, depth: float = 1.0) -> np.ndarray:
    """A colour from shadow (warm and dark) to light: diffuse (...,) -> float (..., 3)."""
    base = np.asarray(base, np.float64)
    dark = (base * (1 - depth * np.array([0.56, 0.68, 0.68]))).astype(np.float32)
    bright = np.minimum(base * 1.02 + 2, 250) * self.key
    return dark + (bright - dark).astype(np.float32) * diffuse[..., None].astype(np.float32)

  def falling_on(self, stencil: Stencil) -> np.ndarray:
    """How bright the skin would be there, float32 (h, w) about 1, to shade what lies on it."""
    skin = self.skin[stencil.rows, stencil.cols]
    return (skin[..., 0] + skin[..., 1] + skin[..., 2]) * np.float32(1 / self.usual)

  def hair(self, base, depth: float = 1.0) -> np.ndarray:
    """Hair of a colour over the board, float32 (side, side, 3), with the bow of light on it."""
    base = np.asarray(base, np.float32) * np.float32(depth)
    bow = np.exp(-(((_AXIS[:, None] + 1.22 - 0.22 * _AXIS[None] ** 2) / 0.18) ** 2))
    gloss = (self.skull * bow)[..., None].astype(np.float32)
    lit = (0.42 + 0.72 * self.skull)[..., None].astype(np.float32)
    return self._spread(base * lit + (base * 0.36 + np.float32(22 * depth)) * gloss, 1.1)

  def cloth(self, base) -> np.ndarray:
    """Matt cloth that follows the skull, float32 (side, side, 3)."""
    lit = (0.40 + 0.72 * self.skull)[..., None].astype(np.float32)
    return self._spread(np.asarray(base, np.float32) * lit, 1.3)

  def _skin(self, traits: Traits, pose: Pose, diffuse, shine) -> np.ndarray:
    colour = self.ramp(traits.skin, diffuse)
    spots = [(0.0, traits.nose_length, 0.35, 0.16, 0.14, 0.8)]
    spots += [(side * 0.68, 0.55, 0.0, 0.26, 0.2, 1.0) for side in (-1, 1)]
    spots += [(side * 0.5, 0.0, 0.0, 0.3, 0.2, 0.35) for side in (-1, 1)]
    flush = np.minimum(_hills(pose, spots), 1.2) * (0.55 * traits.flush + 0.25 * traits.makeup)
    colour *= 1 - flush[..., None] * np.array([0.03, 0.22, 0.20], np.float32)
    eighth = shine * shine
    eighth = eighth * eighth
    eighth = eighth * eighth
    gloss = 0.34 * eighth * eighth * eighth + 0.05 * eighth
    return colour + gloss[..., None] * (262 - colour) * 0.9 * self.key
