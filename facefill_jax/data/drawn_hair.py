"""Hair and hats of a drawn face: locks between two curves, filled with strands that follow them."""

import numpy as np

from facefill_jax.data.drawn_canvas import Canvas, Stencil, ellipse, ribbon, spline
from facefill_jax.data.drawn_light import Light, Pose
from facefill_jax.data.drawn_traits import Traits
from facefill_jax.labels import CLASSES

_ID = {name: i for i, name in enumerate(CLASSES)}
_LONG = ("bob", "long", "wavy")


def _coat(t: Traits, light: Light, depth: float = 1.0) -> np.ndarray:
  """The lit colour of hair over the board, float32 (side, side, 3)."""
  base = np.array(t.hair, np.float32)
  lit, gloss = light.hair[..., :1], light.hair[..., 1:2]
  sheen = (base * 0.55 + 34).astype(np.float32)
  return base * (0.42 + 0.72 * lit) * np.float32(depth) + sheen * gloss * np.float32(0.75 * depth)


def _strands(canvas, shape: Stencil, curves: list, rng: np.random.Generator, contrast: float, pen):
  tones = 1 + contrast * (rng.random(len(curves)) * 2 - 1)
  canvas.texture(shape, canvas.lines(curves, tones, shape, pen))


def _between(inner, outer, rng, count: int, wave: float) -> list[np.ndarray]:
  """Strands that run along two curves (n, 2), between them; waves grow towards the tips."""
  share = np.sort(rng.random(count))
  order = rng.permutation(count)
  n = len(inner)
  t = np.linspace(0, 1, n)[:, None]
  curves = []
  for k in order:
    bend = wave * np.minimum(1, 1.6 * t) * np.sin(t * 15 + share[k] * 5 + 0.6 * rng.random())
    start = 0.35 * rng.random() * (rng.random() < 0.3)
    curve = inner * (1 - share[k]) + outer * share[k] + bend * (1.0, 0.25)
    curves.append(curve[int(start * n) :])
  return curves


def _panel(t: Traits, pose: Pose, side: int, long: bool) -> tuple[np.ndarray, np.ndarray]:
  """Hairline and outline of one side, each from the parting down to its tip, in the frame."""
  w, v, part = t.width, t.volume, t.part
  reach = abs(side * 1.0 - part)
  hairline = [
    (part, t.hairline, 0.75), (part + side * 0.5 * reach, t.hairline + 0.05, 0.6),
    (side * 0.93 * w, t.hairline + 0.36, 0.35), (side * 1.06 * w, -0.3, 0.05),
  ]  # fmt: skip
  outline = [
    (part * 0.9, t.top - v * 0.8, 0.0),
    (part + side * 0.45 * reach, t.top + 0.06 - v, 0.0),
    (side * (1.02 * w + v * 0.75), t.top + 0.62 - 0.35 * v, 0.0),
    (side * (1.14 * w + v), -0.35, 0.0),
  ]
  if long:
    spread = 0.10 + 0.5 * t.volume
    hairline += [(side * 1.05 * w, 0.45, 0.1), (side * 1.02 * w, 1.0, 0.15),
                 (side * (1.0 * w - 0.1), t.length, 0.2)]  # fmt: skip
    outline += [(side * (1.2 * w + v), 0.5, 0.0), (side * (1.22 * w + v + spread), 1.1, 0.0),
                (side * (1.05 * w + v + spread), t.length + 0.1, 0.0)]  # fmt: skip
  else:
    drop = {"buzz": 0.0, "crew": 0.05, "receding": 0.1}.get(t.hair_style, 0.15)
    hairline += [(side * 1.1 * w, drop, 0.0), (side * 1.12 * w, drop + 0.2, 0.0)]
    outline += [(side * (1.15 * w + 0.5 * v), drop - 0.08, 0.0), (side * 1.15 * w, drop + 0.2, 0.0)]
  place = lambda p: pose.frame(pose.rim(spline(p, steps=6)))  # noqa: E731
  return place(hairline), place(outline)


def _wavy(t: Traits, curve: np.ndarray, phase: float) -> np.ndarray:
  if t.wave < 0.05:
    return curve
  at = np.linspace(0, 1, len(curve))
  bend = t.wave * t.scale * 0.55 * np.minimum(1, 1.6 * at) * np.sin(at * 15 + phase)
  return curve + np.stack([bend, 0.3 * bend], axis=1)


def back_hair(canvas: Canvas, t: Traits, pose: Pose, light: Light, rng) -> None:
  """The hair behind neck and shoulders, and the bun."""
  style = t.hair_style
  s, count = t.scale, 70
  if style == "bun" and t.hat == "none":
    x = 0.35 * np.sign(t.part) * (abs(t.part) > 0.2)
    centre = pose.frame([(x, t.top - 0.3, -0.6)])[0]
    shape = canvas.stencil(ellipse(centre, (0.5 * s, 0.4 * s), turn=t.roll))
    canvas.paint(shape, _coat(t, light, 0.9), _ID["hair"])
    rings = [
      spline(
        ellipse(centre + (0, 0.03 * s * np.sin(a)), (s * r, s * r * 0.8), turn=a, points=9)[:7]
      )
      for r, a in zip(0.06 + 0.44 * rng.random(60), 6.3 * rng.random(60), strict=True)
    ]
    _strands(canvas, shape, rings, rng, 0.3, 0.004)
  if style in _LONG:
    w, v = t.width, t.volume
    right = [(0.0, t.top - 0.5 * v, -0.2), (1.0 * w + 0.7 * v, t.top + 0.7, -0.2), (1.2 * w + 0.8 * v, 0.0, -0.2),
             (1.28 * w + v, 1.0, -0.2), (1.2 * w + v, t.length, -0.2)]  # fmt: skip
    right = _wavy(t, pose.frame(pose.rim(spline(right))), 1.0)
    left = [(-x, y, z) for x, y, z in [(0.0, t.top - 0.5 * v, -0.2), (1.0 * w + 0.7 * v, t.top + 0.7, -0.2),
            (1.2 * w + 0.8 * v, 0.0, -0.2), (1.28 * w + v, 1.0, -0.2), (1.2 * w + v, t.length, -0.2)]]  # fmt: skip
    left = _wavy(t, pose.frame(pose.rim(spline(left))), 0.0)
    shape = canvas.stencil(np.concatenate([right, left[::-1]]))
    canvas.paint(shape, _coat(t, light, 0.62), _ID["hair"])
    _strands(canvas, shape, _between(left, right, rng, count, t.wave * s), rng, 0.3, 0.004)
  if style == "curly":
    _curls(canvas, t, pose, light, rng, behind=True)


def _curls(canvas: Canvas, t: Traits, pose: Pose, light: Light, rng, *, behind: bool) -> None:
  """A cloud of curls around the head, or the part of it over the forehead."""
  count = 110
  angle, radius, size = rng.random(count), rng.random(count), 0.14 + 0.1 * rng.random(count)
  turn = rng.random(count) * 6.28
  low = 1.25 if t.feminine > 0.5 else 0.62
  theta = (angle * 2 - 1) * np.pi * low / 1.6
  grow = t.volume * 0.8
  rx, ry = 1.1 * t.width + grow, -t.top * 0.93 + grow
  if behind:
    reach = 0.55 + 0.42 * radius
    x, y, z = np.sin(theta) * rx * reach, -np.cos(theta) * ry * reach, -0.1
  else:
    theta = (angle * 2 - 1) * 1.75
    reach = 0.78 + 0.24 * radius
    x, y, z = np.sin(theta) * rx * reach, -np.cos(theta) * (ry * reach + 0.05) + 0.12, 0.1
  points = np.stack([x, y, np.full(count, z)], axis=1)
  centres = pose.frame(pose.rim(points))
  s = t.scale
  blobs = [ellipse(c, (s * r, s * r), points=14) for c, r in zip(centres, size, strict=True)]
  shape = canvas.stencil(*blobs)
  canvas.paint(shape, _coat(t, light, 0.66 if behind else 0.85), _ID["hair"])
  arcs = []
  for c, r, a in zip(centres, size, turn, strict=True):
    for k in range(3):
      ring = ellipse(c, (s * r * (1 - 0.28 * k), s * r * (0.9 - 0.28 * k)), turn=a + k, points=16)
      arcs.append(ring[: 11 - k])
  _strands(canvas, shape, arcs, rng, 0.42, 0.007)


def front_hair(canvas: Canvas, t: Traits, pose: Pose, light: Light, rng, head: Stencil) -> None:
  """The hair that frames the face, its shadow on the skin, and the fringe."""
  if t.hair_style == "bald":
    return
  long = t.hair_style in _LONG and not t.tucked
  panels = [_panel(t, pose, side, long) for side in (-1, 1)]
  panels = [(_wavy(t, a, 0.4), _wavy(t, b, 0.0)) if long else (a, b) for a, b in panels]
  shapes = [np.concatenate([inner, outer[::-1]]) for inner, outer in panels]
  fringe = _fringe(t, pose, rng) if t.fringe else None
  on_skin = np.isin(canvas.labels, [1, 2, 4, 5, 6, 7, 8, 9, 17]).astype(np.float32)
  dark = [
    p + (-0.045 * t.light[0], 0.022) for p in (*shapes, *([] if fringe is None else [fringe[0]]))
  ]
  strength = (0.8, 0.74, 0.75) if t.hair_style == "buzz" else (0.56, 0.46, 0.47)
  canvas.shade(canvas.soft(*dark, blur=0.010) * on_skin, strength)
  if t.hair_style == "curly":
    _curls(canvas, t, pose, light, rng, behind=False)
    return
  coat = _coat(t, light)
  for (inner, outer), outline in zip(panels, shapes, strict=True):
    shape = canvas.stencil(outline)
    if t.hair_style == "buzz":
      canvas.paint(shape, coat, _ID["hair"], 0.78)
    else:
      canvas.paint(shape, coat, _ID["hair"])
    if t.hair_style in ("crew", "buzz"):
      curves, pen = _upright(inner, outer, rng, t), 0.0045
    else:
      curves, pen = _between(inner, outer, rng, 110, t.wave * t.scale), 0.0045
    _strands(canvas, shape, curves, rng, 0.34, pen)
  if fringe is not None:
    shape = canvas.stencil(fringe[0])
    canvas.paint(shape, coat, _ID["hair"])
    _strands(canvas, shape, fringe[1], rng, 0.34, 0.0045)


def _upright(inner, outer, rng, t: Traits) -> list[np.ndarray]:
  """Short strands from the hairline up and back."""
  n = len(inner)
  at, curves = rng.random(240) * (n - 1), []
  for a in at:
    k = int(a)
    root, tip = inner[k], outer[min(n - 1, k + 1)]
    start, end = 0.8 * rng.random(), 0.35 + 0.6 * rng.random()
    lean = np.array([0.02 * np.sign(t.part), -0.008])
    u = np.array([start, (start + end) / 2 + 0.1, min(1.0, start + end)])[:, None]
    curves.append(root * (1 - u) + tip * u + lean * u * (1 - u) * 2)
  return curves


def _fringe(t: Traits, pose: Pose, rng) -> tuple[np.ndarray, list[np.ndarray]]:
  """(outline, strands) of hair that hangs over the forehead."""
  low = -0.42 + 0.12 * (rng.random() - 0.5)
  x = np.linspace(-0.95, 0.95, 15)
  ragged = (rng.random(15) - 0.5) * 0.12
  tips = np.stack([x, low + ragged + 0.10 * x * x, 0.95 - 0.5 * x * x], axis=1)
  top_x = t.part * 0.6 + x * 0.75
  roots = np.stack([top_x, np.full(15, t.top + 0.16) + 0.3 * x * x, 0.35 - 0.2 * x * x], axis=1)
  tips, roots = spline(pose.frame(tips), steps=4), spline(pose.frame(roots), steps=4)
  curves = []
  for a in rng.permutation(90):
    k = int(a * (len(tips) - 1) / 90)
    bulge = np.array([(tips[k, 0] - roots[k, 0]) * 0.35, -0.004])
    u = np.linspace(0, 1, 6)[:, None]
    curves.append(roots[k] * (1 - u) + tips[k] * u + bulge * u * (1 - u) * 2)
  return np.concatenate([tips, roots[::-1]]), curves


def hat(canvas: Canvas, t: Traits, pose: Pose, light: Light, rng) -> None:
  """A beanie, a cap or a brimmed hat, and its shadow on the forehead."""
  if t.hat == "none":
    return
  w, v = t.width, 0.16 + 0.5 * min(t.volume, 0.3)
  edge = -0.72
  dome = [(-1.16 * w - v, edge + 0.12, 0), (-1.08 * w - v, -1.25, 0), (-0.62 * w, t.top - v - 0.12, 0),
          (0, t.top - v - 0.26, 0), (0.62 * w, t.top - v - 0.12, 0), (1.08 * w + v, -1.25, 0),
          (1.16 * w + v, edge + 0.12, 0)]  # fmt: skip
  front = [(1.0 * w + v, edge, 0.25), (0.6, edge - 0.02, 0.8), (0, edge - 0.04, 1.0), (-0.6, edge - 0.02, 0.8),
           (-1.0 * w - v, edge, 0.25)]  # fmt: skip
  upper = pose.frame(pose.rim(spline(dome)))
  lower = spline(pose.frame(front))
  brim = _brim(t, pose, edge, w, v)
  crown = np.concatenate([upper, lower])
  dark = [p + (-0.03 * t.light[0], 0.03) for p in (crown, brim)]
  on_head = np.isin(canvas.labels, [1, 2, 3, 4, 5, 6, 7, 8, 9, 13]).astype(np.float32)
  canvas.shade(canvas.soft(*dark, blur=0.014) * on_head, (0.50, 0.42, 0.46))
  base = np.array(t.hat_colour, np.float32)
  cloth = base * (0.40 + 0.72 * light.hair[..., :1])
  shape = canvas.stencil(crown)
  canvas.paint(shape, cloth, _ID["hat"])
  if t.hat == "beanie":
    ribs = [
      np.stack([a, (a + b) / 2 + (0, -0.01), b])
      for a, b in zip(
        upper[4:-4:1],
        lower[::-1][np.linspace(0, len(lower) - 1, len(upper[4:-4])).astype(int)],
        strict=True,
      )
    ]
    _strands(canvas, shape, ribs, rng, 0.0, 0.01)
    canvas.texture(shape, canvas.lines(ribs, np.full(len(ribs), 0.8), shape, 0.006))
  band = canvas.stencil(brim)
  if t.hat == "brim":
    ring = ribbon(lower - (0, 0.25 * t.scale), 0.3 * t.scale)
    canvas.paint(canvas.stencil(ring, within=shape), np.array(t.accent) * 0.7, None, 0.9)
  canvas.paint(band, cloth * np.float32(0.92) + 6, _ID["hat"])
  if t.hat == "beanie":
    ribs = [np.stack([p, p - (0, 0.42 * t.scale)]) for p in lower]
    canvas.texture(band, canvas.lines(ribs, np.full(len(ribs), 0.8), band, 0.007))
  rim = ribbon(np.concatenate([brim, brim[:1]]), 0.006)
  canvas.tint(canvas.stencil(rim, within=band), 0.7, 0.6)


def _brim(t: Traits, pose: Pose, edge: float, w: float, v: float) -> np.ndarray:
  """The outline of the brim, visor or fold."""
  if t.hat == "beanie":
    side = w + v + 0.2
    low = [(side, edge + 0.12, 0.1), (0.6, edge + 0.08, 0.85), (0, edge + 0.06, 1.05), (-0.6, edge + 0.08, 0.85),
           (-side, edge + 0.12, 0.1)]  # fmt: skip
    high = [(x, y - 0.42, z - 0.1) for x, y, z in reversed(low)]
    return np.concatenate([spline(pose.frame(pose.rim(low))), spline(pose.frame(pose.rim(high)))])
  if t.hat == "cap":
    points = [(-0.98, edge, 0.5), (-0.8, edge + 0.06, 1.2), (0, edge + 0.14, 1.75), (0.8, edge + 0.06, 1.2),
              (0.98, edge, 0.5), (0.6, edge - 0.16, 0.9), (0, edge - 0.22, 1.05), (-0.6, edge - 0.16, 0.9)]  # fmt: skip
    return spline(pose.frame(points), closed=True)
  centre = pose.frame([(0, edge - 0.02, 0.2)])[0]
  return ellipse(centre, (2.05 * t.scale, 0.30 * t.scale), turn=t.roll, points=40)
