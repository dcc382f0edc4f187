"""Hair and hats of a drawn face: locks between two curves, filled with strands that follow them."""

import numpy as np

from facefill_jax.data.drawn.canvas import Canvas, Stencil, ellipse, moved, ribbon, spline
from facefill_jax.data.drawn.light import Light, Pose
from facefill_jax.data.drawn.traits import Traits
from facefill_jax.labels import CLASSES

_ID = {name: i for i, name in enumerate(CLASSES)}
_LONG = ("bob", "long", "wavy")
_PEN = 0.0042  # of a strand, in 0..1 of the frame
_SKULL_Y = -0.45  # height of the ellipse that the top of the head follows


def _strands(canvas: Canvas, shape: Stencil, curves: np.ndarray, rng, contrast: float, pen=_PEN):
  tones = 1 + contrast * (rng.random(len(curves)) * 2 - 1)
  canvas.texture(shape, canvas.lines(curves, tones, shape, pen))


def _between(inner: np.ndarray, outer: np.ndarray, rng, count: int, wave: float) -> np.ndarray:
  """Strands (count, n, 2) that run along two curves (n, 2), between them, waving at the tips."""
  n = len(inner)
  share = rng.random((count, 1, 1))
  t = np.linspace(0, 1, n)[None, :, None]
  phase = share * 5 + 0.6 * rng.random((count, 1, 1))
  bend = wave * np.minimum(1, 1.6 * t) * np.sin(t * 15 + phase)
  curves = inner * (1 - share) + outer * share + bend * np.array([1.0, 0.25])
  late = (0.4 * rng.random(count) * (rng.random(count) < 0.35) * n).astype(int)
  at = np.maximum(np.arange(n)[None, :], late[:, None])
  return np.take_along_axis(curves, at[..., None], axis=1)


def _evenly(curve: np.ndarray, count: int = 36) -> np.ndarray:
  """A curve (n, d) cut into pieces of one length: (count, d)."""
  steps = np.sqrt((np.diff(curve[:, :2], axis=0) ** 2).sum(axis=1))
  along = np.concatenate([[0.0], np.cumsum(steps)])
  at = np.linspace(0, along[-1], count)
  return np.stack([np.interp(at, along, curve[:, k]) for k in range(curve.shape[1])], axis=1)


def _dome(t: Traits, side: int, volume: float, count: int = 7) -> list[tuple]:
  """The outline of the skull from the parting down to the temple, grown by the hair's volume."""
  rx, ry = 1.15 * t.width + volume, _SKULL_Y - t.top + volume
  if t.hair_style == "crew":
    rx, ry = rx - 0.6 * volume, ry + 0.25 * volume
  start = np.arcsin(np.clip(t.part * 0.8 / rx, -1, 1))
  angle = start + (side * np.pi / 2 - start) * np.linspace(0, 0.96, count)
  return [(np.sin(a) * rx, _SKULL_Y - np.cos(a) * ry, 0.0) for a in angle]


def _panel(t: Traits, pose: Pose, side: int, long: bool) -> tuple[np.ndarray, np.ndarray]:
  """Hairline and outline of one side, each from the parting down to its tip, in the frame."""
  w, v, part = t.width, t.volume, t.part
  reach = side * 0.86 - part
  line = max(t.hairline, t.top + 0.36) + (
    0.34 if t.fringe else 0.0
  )  # a fringe leaves no forehead bare beside it
  hairline = [
    (part, line, 0.75), (part + 0.62 * reach, line + 0.04, 0.6),
    (side * 0.93 * w, line + 0.32, 0.35), (side * 1.05 * w, -0.35, 0.05),
  ]  # fmt: skip
  outline = _dome(t, side, v)
  if long:
    spread = 0.06 + 0.4 * v
    hairline += [(side * 1.05 * w, 0.45, 0.1), (side * 1.0 * w, 1.0, 0.15),
                 (side * (0.98 * w - 0.08), t.length, 0.2)]  # fmt: skip
    outline += [(side * (1.19 * w + v), 0.45, 0.0), (side * (1.2 * w + v + spread), 1.1, 0.0),
                (side * (1.08 * w + v + spread), t.length + 0.1, 0.0)]  # fmt: skip
  else:
    low = {"buzz": 0.0, "crew": 0.05, "receding": 0.1}.get(t.hair_style, 0.15)
    hairline += [(side * 1.08 * w, low, 0.0), (side * 1.12 * w, low + 0.22, 0.0)]
    outline += [(side * (1.15 * w + 0.4 * v), low - 0.08, 0.0), (side * 1.15 * w, low + 0.22, 0.0)]
  inner, outer = (pose.frame(pose.rim(spline(p, steps=6))) for p in (hairline, outline))
  inner, outer = _evenly(inner), _evenly(outer)
  return (_wavy(t, inner, 0.4), _wavy(t, outer, 0.0)) if long else (inner, outer)


def _ragged(outer: np.ndarray, rng, t: Traits) -> np.ndarray:
  """An outline that locks of hair push in and out, but not at its ends."""
  if t.hair_style == "buzz":
    return outer
  size = 0.05 if t.hair_style == "crew" else 0.03
  bumps = spline(rng.standard_normal((9, 2)), steps=5)[: len(outer)] * (size * t.scale)
  return outer + bumps * np.sin(np.linspace(0, np.pi, len(outer)))[:, None]


def _wavy(t: Traits, curve: np.ndarray, phase: float) -> np.ndarray:
  if t.wave < 0.05:
    return curve
  at = np.linspace(0, 1, len(curve))
  bend = t.wave * t.scale * 0.55 * np.minimum(1, 1.6 * at) * np.sin(at * 15 + phase)
  return curve + np.stack([bend, 0.3 * bend], axis=1)


def back_hair(canvas: Canvas, t: Traits, pose: Pose, light: Light, rng) -> None:
  """The hair behind neck and shoulders, the bun, and the far side of curls."""
  if t.hair_style == "bun" and t.hat == "none":
    _bun(canvas, t, pose, light, rng)
  if t.hair_style == "curly":
    _curls(canvas, t, pose, light, rng, behind=True)
  if t.hair_style not in _LONG:
    return
  w, v = t.width, t.volume
  edges = []
  for side in (-1, 1):
    points = [(0.0, t.top - 0.5 * v, -0.2), (side * (w + 0.6 * v), t.top + 0.7, -0.2),
              (side * (1.18 * w + 0.8 * v), 0.0, -0.2), (side * (1.24 * w + v), 1.0, -0.2),
              (side * (1.16 * w + v), t.length, -0.2)]  # fmt: skip
    edges.append(_wavy(t, pose.frame(pose.rim(spline(points))), 0.5 + 0.5 * side))
  shape = canvas.stencil(np.concatenate([edges[1], edges[0][::-1]]))
  canvas.paint(shape, light.hair(t.hair, 0.6), _ID["hair"])
  _strands(canvas, shape, _between(*edges, rng, 70, t.wave * t.scale), rng, 0.3)


def _bun(canvas: Canvas, t: Traits, pose: Pose, light: Light, rng) -> None:
  x = 0.35 * np.sign(t.part) * (abs(t.part) > 0.2)
  centre, s = pose.frame([(x, t.top - 0.26, -0.6)])[0], t.scale
  shape = canvas.stencil(ellipse(centre, (0.5 * s, 0.4 * s), turn=t.roll))
  canvas.paint(shape, light.hair(t.hair, 0.95), _ID["hair"])
  rings = [
    spline(ellipse(centre, (s * r, s * r * 0.8), turn=a, points=9)[:7])
    for r, a in zip(0.06 + 0.44 * rng.random(60), 6.3 * rng.random(60), strict=True)
  ]
  _strands(canvas, shape, np.stack(rings), rng, 0.3)


def _curls(canvas: Canvas, t: Traits, pose: Pose, light: Light, rng, *, behind: bool) -> None:
  """A cloud of curls around the head, or the part of it over the forehead."""
  count, s = 110, t.scale
  angle, radius, size = rng.random(count), rng.random(count), 0.14 + 0.1 * rng.random(count)
  turn = rng.random(count) * 6.28
  low = 2.45 if t.feminine > 0.5 else 1.5
  rx, ry = 1.1 * t.width + t.volume * 0.8, -t.top * 0.93 + t.volume * 0.8
  if behind:
    theta, reach, depth = (angle * 2 - 1) * low, 0.55 + 0.42 * radius, -0.1
    x, y = np.sin(theta) * rx * reach, -np.cos(theta) * ry * reach
  else:
    theta, reach, depth = (angle * 2 - 1) * 1.75, 0.76 + 0.26 * radius, 0.1
    x, y = np.sin(theta) * rx * reach, -np.cos(theta) * (ry * reach + 0.05) + 0.12
  points = np.stack([x, y, np.full(count, depth)], axis=1)
  centres = pose.frame(pose.rim(points))
  angle = np.arange(14) * (2 * np.pi / 14)
  circle = np.stack([np.cos(angle), np.sin(angle)], axis=1) * s
  blobs = centres[:, None] + size[:, None, None] * circle  # curls 14 2
  shape = canvas.stencil(*blobs)
  canvas.paint(shape, light.hair(t.hair, 0.66 if behind else 0.9), _ID["hair"])
  ring = np.arange(3)
  angle = angle[:9] + turn[:, None, None] + ring[:, None]  # curls rings 9
  arcs = np.stack([np.cos(angle), 0.92 * np.sin(angle)], axis=-1)
  arcs *= (s * size[:, None] * (1 - 0.28 * ring))[..., None, None]
  arcs = (centres[:, None, None] + arcs).reshape(-1, 9, 2)
  _strands(canvas, shape, arcs, rng, 0.34, 0.007)


def front_hair(canvas: Canvas, t: Traits, pose: Pose, light: Light, rng) -> None:
  """The hair that frames the face, its shadow on the skin, and the fringe."""
  if t.hair_style == "bald":
    return
  long = t.hair_style in _LONG and not t.tucked
  panels = [_panel(t, pose, side, long) for side in (-1, 1)]
  panels = [(inner, _ragged(outer, rng, t)) for inner, outer in panels]
  shapes = [np.concatenate([inner, outer[::-1]]) for inner, outer in panels]
  fringe = _fringe(t, pose, rng) if t.fringe else None
  on_skin = np.isin(canvas.labels, [1, 2, 4, 5, 6, 7, 8, 9, 17]).astype(np.float32)
  dark = shapes if fringe is None else [*shapes, fringe[0]]
  dark = [moved(p, -0.040 * t.light[0], 0.020) for p in dark]
  strength = (0.8, 0.74, 0.75) if t.hair_style == "buzz" else (0.60, 0.48, 0.48)
  canvas.shade(canvas.soft(*dark, blur=0.010) * on_skin, strength)
  if t.hair_style == "curly":
    _curls(canvas, t, pose, light, rng, behind=False)
    return
  coat = light.hair(t.hair)
  for (inner, outer), outline in zip(panels, shapes, strict=True):
    shape = canvas.stencil(outline)
    canvas.paint(shape, coat, _ID["hair"], 0.78 if t.hair_style == "buzz" else 1.0)
    roots = ribbon(inner, 0.07 * t.scale)
    canvas.tint(canvas.stencil(roots, within=shape), 0.72, 0.7)
    if t.hair_style in ("crew", "buzz"):
      curves = _upright(inner, outer, rng, t)
    else:
      curves = _between(inner, outer, rng, 110, t.wave * t.scale)
    _strands(canvas, shape, curves, rng, 0.32)
  if t.hair_style in (*_LONG, "side", "bun"):
    parting = ribbon(np.stack([panels[0][0][0], panels[0][1][0]]), 0.035 * t.scale)
    canvas.tint(canvas.stencil(parting), 0.6, 0.6)
  if fringe is not None:
    shape = canvas.stencil(fringe[0])
    canvas.paint(shape, coat, _ID["hair"])
    _strands(canvas, shape, fringe[1], rng, 0.32)


def _upright(inner: np.ndarray, outer: np.ndarray, rng, t: Traits) -> np.ndarray:
  """Short strands (count, 3, 2) from the hairline up and back."""
  n, count = len(inner), 240
  at = (rng.random(count) * (n - 1)).astype(int)
  root, tip = inner[at][:, None], outer[np.minimum(n - 1, at + 1)][:, None]
  start, end = 0.8 * rng.random(count), 0.35 + 0.6 * rng.random(count)
  u = np.stack([start, start + end / 2, np.minimum(1.0, start + end)], axis=1)[..., None]
  lean = np.array([0.02 * np.sign(t.part), -0.008])
  return root * (1 - u) + tip * u + lean * u * (1 - u) * 2


def _fringe(t: Traits, pose: Pose, rng) -> tuple[np.ndarray, np.ndarray]:
  """(outline, strands) of hair that hangs over the forehead."""
  low = -0.50 + 0.12 * (rng.random() - 0.5)
  x = np.linspace(-0.97, 0.97, 15)
  ragged = (rng.random(15) - 0.5) * 0.10
  tips = np.stack([x, low + ragged + 0.12 * x * x, 0.95 - 0.5 * x * x], axis=1)
  top_x = t.part * 0.4 * (1 - x * x) + x * 0.98
  roots = np.stack([top_x, t.top + 0.12 + 0.42 * x * x, 0.35 - 0.2 * x * x], axis=1)
  tips, roots = spline(pose.frame(tips), steps=4), spline(pose.frame(roots), steps=4)
  at = rng.permutation(90) * (len(tips) - 1) // 90
  root, tip = roots[at][:, None], tips[at][:, None]
  u = np.linspace(0, 1, 6)[None, :, None]
  bulge = np.stack([(tip - root)[..., 0] * 0.35, np.full((90, 1), -0.004)], axis=-1)
  curves = root * (1 - u) + tip * u + bulge * u * (1 - u) * 2
  return np.concatenate([tips, roots[::-1]]), curves


def hat(canvas: Canvas, t: Traits, pose: Pose, light: Light, rng) -> None:
  """A beanie, a cap or a brimmed hat, and its shadow on the forehead."""
  if t.hat == "none":
    return
  w, v, edge = t.width, 0.13 + 0.5 * min(t.volume, 0.3), -0.72
  side = 1.02 * w + v
  half = [(1.14 * w + v, edge + 0.1, 0), (1.06 * w + v, -1.25, 0), (0.62 * w, t.top - v - 0.08, 0)]
  dome = [*((-x, y, z) for x, y, z in half), (0, t.top - v - 0.2, 0), *reversed(half)]
  front = [(side, edge, 0.25), (0.6, edge - 0.02, 0.8), (0, edge - 0.04, 1.0),
           (-0.6, edge - 0.02, 0.8), (-side, edge, 0.25)]  # fmt: skip
  upper = pose.frame(pose.rim(spline(dome, steps=6)))
  lower = spline(pose.frame(front), steps=9)
  brim = _brim(t, pose, edge, w, v)
  crown = np.concatenate([upper, lower])
  on_head = np.isin(canvas.labels, [1, 2, 3, 4, 5, 6, 7, 8, 9, 13]).astype(np.float32)
  dark = [moved(p, -0.03 * t.light[0], 0.03) for p in (crown, brim)]
  canvas.shade(canvas.soft(*dark, blur=0.014) * on_head, (0.54, 0.44, 0.46))
  cloth = light.cloth(t.hat_colour)
  shape, band = canvas.stencil(crown), canvas.stencil(brim)
  canvas.paint(shape, cloth, _ID["hat"])
  if t.hat == "brim":
    ring = ribbon(moved(lower, 0, -0.2 * t.scale), 0.34 * t.scale)
    canvas.paint(canvas.stencil(ring, within=shape), np.array(t.accent) * 0.6, None, 0.9)
  if t.hat == "beanie":
    _ribs(canvas, shape, upper, lower[::-1])
  if t.hat == "cap":
    middle = np.stack([upper[18], (upper[18] + lower[18]) / 2, lower[18]])
    seams = np.stack([middle, moved(middle, -0.12, 0.01), moved(middle, 0.12, 0.01)])
    canvas.texture(shape, canvas.lines(seams, np.full(3, 0.75), shape, 0.003))
  canvas.paint(band, cloth * np.float32(0.9) + 8, _ID["hat"])
  if t.hat == "beanie":
    _ribs(canvas, band, moved(lower, 0, -0.45 * t.scale), moved(lower, 0, 0.1 * t.scale))
  rim = ribbon(np.concatenate([brim, brim[:1]]), 0.006)
  canvas.tint(canvas.stencil(rim, within=band), 0.7, 0.6)


def _ribs(canvas: Canvas, shape: Stencil, first: np.ndarray, last: np.ndarray) -> None:
  """The ribs of knitwear, from one curve (n, 2) to another."""
  ribs = np.stack([first, moved((first + last) / 2, 0, -0.01), last], axis=1)
  canvas.texture(shape, canvas.lines(ribs, np.full(len(ribs), 0.82), shape, 0.006))


def _brim(t: Traits, pose: Pose, edge: float, w: float, v: float) -> np.ndarray:
  """The outline of the brim, visor or fold."""
  if t.hat == "beanie":
    side = w + v + 0.17
    low = [(side, edge + 0.12, 0.1), (0.6, edge + 0.08, 0.85), (0, edge + 0.06, 1.05),
           (-0.6, edge + 0.08, 0.85), (-side, edge + 0.12, 0.1)]  # fmt: skip
    high = [(x, y - 0.42, z - 0.1) for x, y, z in reversed(low)]
    return np.concatenate([spline(pose.frame(pose.rim(low))), spline(pose.frame(pose.rim(high)))])
  if t.hat == "cap":
    right = [(0.6, edge - 0.16, 0.9), (1.0, edge, 0.45), (0.82, edge + 0.08, 1.15)]
    left = [(-x, y, z) for x, y, z in reversed(right)]
    points = [(0, edge - 0.22, 1.05), *right, (0, edge + 0.16, 1.7), *left]
    return spline(pose.frame(points), closed=True)
  centre = pose.frame([(0, edge - 0.02, 0.2)])[0]
  return ellipse(centre, (2.05 * t.scale, 0.28 * t.scale), turn=t.roll, points=40)
