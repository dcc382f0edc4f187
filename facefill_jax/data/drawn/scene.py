"""What is around a drawn face: backdrop, neck, clothes."""

import cv2
import numpy as np

from facefill_jax.data.drawn.canvas import Canvas, moved, ribbon, spline
from facefill_jax.data.drawn.light import Light, Pose
from facefill_jax.data.drawn.traits import Traits
from facefill_jax.labels import CLASSES

_ID = {name: i for i, name in enumerate(CLASSES)}
_CELLS = 96  # backdrops are made at this fixed side and stretched


def noise(rng: np.random.Generator, cells: int, octaves: int = 3) -> np.ndarray:
  """Smooth noise about 0, float32 (cells, cells), a standard deviation of about 1."""
  total = np.zeros((cells, cells), np.float32)
  for k in range(octaves):
    grid = rng.standard_normal((4 << k, 4 << k)).astype(np.float32)
    total += cv2.resize(grid, (cells, cells), interpolation=cv2.INTER_CUBIC) * np.float32(0.6**k)
  return total


def _discs(rng: np.random.Generator, first, second) -> np.ndarray:
  """Lamps out of focus."""
  picture = np.empty((_CELLS, _CELLS, 3), np.float32)
  picture[:] = second * 0.8
  for _ in range(26):
    x, y, r, shift = (rng.random(4) * (_CELLS, _CELLS, 1, 1)).tolist()
    rows, cols = (slice(max(0, int(v) - 18), int(v) + 19) for v in (y, x))
    layer = np.zeros(picture[rows, cols].shape[:2], np.uint8)
    centre = (round((x - cols.start) * 16), round((y - rows.start) * 16))
    cv2.circle(layer, centre, round((4 + 11 * r) * 16), 255, -1, cv2.LINE_AA, 4)
    colour = np.minimum(first * (0.85 + 0.4 * shift) + 25 * (1 - shift), 255).astype(np.float32)
    share = layer.astype(np.float32)[..., None] * np.float32(0.30 / 255)
    picture[rows, cols] += share * (colour - picture[rows, cols])
  return cv2.GaussianBlur(picture, (0, 0), 0.7)


def background(canvas: Canvas, t: Traits, rng: np.random.Generator) -> None:
  """The backdrop, over the whole board, lit from the side of the lamp."""
  first, second = np.array(t.colours, np.float32)
  axis = ((np.arange(_CELLS) + 0.5) / _CELLS).astype(np.float32)
  x, y = axis[None, :], axis[:, None]
  angle, phase = rng.random() * 2 * np.pi, rng.random()
  along = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
  cloud = noise(rng, _CELLS, 4)
  if t.background == "bokeh":
    picture = _discs(rng, first, second)
  else:
    if t.background == "gradient":
      mix = 0.5 + along * 0.9 + 0.03 * cloud
    elif t.background == "halo":
      distance = np.sqrt((x - 0.5 - 0.2 * t.light[0]) ** 2 + (y - 0.42) ** 2)
      mix = 0.05 + 1.5 * distance + 0.03 * cloud
    elif t.background == "stripes":
      mix = 0.5 + 0.42 * np.tanh(3.5 * np.sin((along + phase) * 2 * np.pi * (4 + 5 * phase)))
    elif t.background == "panels":
      grid = np.sin((x + phase) * 2 * np.pi * 2.5) + np.sin((y * 0.8 + phase) * 2 * np.pi * 2.5)
      mix = 0.5 + 0.38 * np.tanh(5 * grid) * (0.7 + 0.6 * along)
    else:
      mix = 0.5 + 0.32 * cloud
    mix = np.broadcast_to(np.clip(mix, 0, 1), (_CELLS, _CELLS))
    picture = first + (second - first) * mix[..., None]
  lamp = 1.0 + 0.16 * (x - 0.5) * np.sign(t.light[0]) - 0.14 * (y - 0.4)
  canvas.photo[:] = canvas.grow((picture * lamp[..., None]).astype(np.float32))


def neck(canvas: Canvas, t: Traits, pose: Pose, light: Light) -> None:
  """Neck and the skin below it, with the shadow of the head on it."""
  w = 0.70 - 0.14 * t.feminine
  right = [
    (w, 0.7, 0.1),
    (w * 0.98, 1.7, 0.0),
    (w * 1.06, 2.1, 0.0),
    (w * 1.9, 2.42, 0.0),
    (2.6, 2.9, 0.0),
  ]
  left = [(-x, y, z) for x, y, z in reversed(right)]
  shape = canvas.stencil(np.concatenate([spline(pose.frame(right)), spline(pose.frame(left))]))
  axis = (np.arange(_CELLS) + 0.5) / _CELLS
  middle = pose.frame([(0, 1.9, 0.4)])[0, 0]
  u = np.clip((axis - middle) / (w * t.scale * 1.15), -1, 1)[None, :]
  lit = t.light[2] * np.sqrt(1.05 - u * u) + t.light[0] * u
  lit = np.broadcast_to(np.clip(0.10 + 0.72 * lit, 0, 1), (_CELLS, _CELLS))
  canvas.paint(shape, canvas.grow(light.ramp(t.skin, lit).astype(np.float32)), _ID["neck"])
  cords = []
  for side in (-1, 1):
    cord = [(side * 0.5 * w, 1.9, 0.35), (side * 0.3 * w, 2.25, 0.45), (side * 0.1, 2.5, 0.5)]
    cords.append(ribbon(spline(pose.frame(cord)), 0.05 * t.scale))
  canvas.shade(canvas.soft(*cords, blur=0.012), (0.88, 0.81, 0.80))


def head_shadow(canvas: Canvas, t: Traits, pose: Pose, outline: np.ndarray) -> None:
  """What the head throws on neck and clothes."""
  thrown = pose.place(moved(outline, -0.35 * t.light[0], 0.34))
  only = np.isin(canvas.labels, [_ID["neck"], _ID["cloth"], _ID["neck_l"], _ID["hair"]])
  canvas.shade(canvas.soft(thrown, blur=0.022) * only.astype(np.float32), (0.56, 0.44, 0.46))


def _pattern(t: Traits, x: np.ndarray, y: np.ndarray) -> np.ndarray:
  """How much of the accent colour the cloth has at x, y: the pattern of its weave, 0..1."""
  wave = 2 * np.pi
  if t.cloth_pattern == "stripes":
    return 0.5 + 0.5 * np.tanh(4 * np.sin(y * wave * 14 + 0.8 * x))
  if t.cloth_pattern == "dots":
    return 0.5 + 0.5 * np.tanh(5 * (np.sin(x * wave * 11) * np.sin(y * wave * 11) - 0.55))
  if t.cloth_pattern == "check":
    a, b = np.tanh(3 * np.sin(x * wave * 8)), np.tanh(3 * np.sin(y * wave * 8))
    return 0.3 + 0.15 * (a + b)
  if t.cloth_pattern == "knit":
    return 0.12 + 0.12 * np.sin(x * wave * 30 + 1.6 * np.sin(y * wave * 36))
  return np.zeros_like(x + y)


def _neckline(t: Traits) -> list[tuple]:
  """The edge of the clothes from the middle to the person's left shoulder, (x, y, z)."""
  w = 0.70 - 0.14 * t.feminine
  return {
    "crew": [(0, 2.02, 0.5), (0.35, 1.98, 0.35), (w + 0.06, 1.82, 0.0)],
    "v": [(0, 2.5, 0.6), (0.3, 2.2, 0.4), (w + 0.12, 1.86, 0.0)],
    "scoop": [(0, 2.36, 0.6), (0.45, 2.26, 0.4), (w + 0.3, 1.98, 0.0)],
    "collar": [(0, 2.2, 0.6), (0.2, 2.05, 0.5), (w + 0.08, 1.72, 0.0)],
    "turtle": [(0, 1.72, 0.55), (0.35, 1.66, 0.4), (w + 0.07, 1.5, 0.0)],
  }[t.neckline]


def clothes(canvas: Canvas, t: Traits, pose: Pose, rng: np.random.Generator) -> None:
  """A garment with its neckline, weave and folds."""
  edge = _neckline(t)
  x, y, _ = edge[-1]
  shoulder = [(x + 0.5 * (1.9 - x), y + 0.42 * (2.3 - y), 0.0), (1.9, 2.3, 0.0), (3.2, 3.0, 0.0)]
  right = spline(pose.frame([*edge, *shoulder]))
  left = spline(pose.frame([(-x, y, z) for x, y, z in [*edge, *shoulder]]))
  low = np.array([(1.8, 2.0), (-0.8, 2.0)])
  shape = canvas.stencil(np.concatenate([left[::-1], right, low]))
  axis = (np.arange(canvas.side) + 0.5) / canvas.side
  x, y = axis[None, :], axis[shape.rows, None]
  weave = _pattern(t, x, y)
  base, accent = np.array(t.cloth), np.array(t.accent)
  colour = base + (accent - base) * weave[..., None]
  lamp = 0.86 + 0.3 * (x - 0.5) * np.sign(t.light[0]) - 0.5 * (y - 0.9)
  folds = cv2.resize(noise(rng, 32, 2), (canvas.side, canvas.side))[shape.rows]
  field = np.zeros((canvas.side, canvas.side, 3), np.float32)
  field[shape.rows] = colour * (lamp * (1 + 0.045 * folds))[..., None]
  under = canvas.soft(
    ribbon(np.concatenate([left[::-1], right[1:]]) - (0, 0.008), 0.02), blur=0.008
  )
  skin_only = (canvas.labels == _ID["neck"]).astype(np.float32)
  canvas.shade(under * skin_only, (0.66, 0.56, 0.56))
  canvas.paint(shape, field, _ID["cloth"])
  n = 16 if t.neckline == "turtle" else 17
  hem = np.concatenate([left[:n][::-1], right[1:n]])
  canvas.tint(canvas.stencil(ribbon(moved(hem, 0, 0.012), 0.004), within=shape), 0.72, 0.7)
  if t.neckline == "collar":
    _collar(canvas, t, pose, base + (accent - base) * 0.12)


def _collar(canvas: Canvas, t: Traits, pose: Pose, colour: np.ndarray) -> None:
  w = 0.70 - 0.14 * t.feminine
  for side in (-1, 1):
    flap = [(side * (w + 0.02), 1.62, 0.1), (side * 0.06, 2.16, 0.65), (side * 0.34, 2.5, 0.6),
            (side * (w + 0.3), 1.98, 0.2)]  # fmt: skip
    shape = canvas.stencil(pose.frame(flap))
    lamp = 0.9 + 0.12 * side * t.light[0]
    canvas.paint(shape, np.minimum(colour * lamp + 12, 255), _ID["cloth"])
    edge = ribbon(pose.frame(flap[1:]), 0.004)
    canvas.tint(canvas.stencil(edge), 0.7, 0.6)
