"""What sits in a drawn face: ears, nose, eyes, brows, mouth, beard.

Every function draws on a Canvas, in the units of `light`. `side` is +1 for the person's left.
"""

import numpy as np

from facefill_jax.data.drawn.canvas import Canvas, ellipse, moved, ribbon, spline
from facefill_jax.data.drawn.light import Light, Pose
from facefill_jax.data.drawn.traits import Traits
from facefill_jax.labels import CLASSES

_ID = {name: i for i, name in enumerate(CLASSES)}


def _of_side(left: str, right: str, side: int) -> int:
  return _ID[left] if side > 0 else _ID[right]


def _crease(canvas: Canvas, outline: np.ndarray, depth: float, opacity: float) -> None:
  """A fold in the skin: darkens what is there, in the light as in the shade."""
  canvas.tint(canvas.stencil(outline), 1 - depth * np.array([0.80, 0.87, 0.85]), opacity)


def _dark(traits: Traits, amount: float) -> np.ndarray:
  """A dark line colour that suits the skin: 0 = the skin, 1 = nearly black."""
  skin = np.array(traits.skin)
  return skin * (1 - amount * np.array([0.80, 0.87, 0.85]))


def ear(canvas: Canvas, t: Traits, pose: Pose, light: Light, side: int) -> None:
  """An ear with its inner fold."""
  w = t.width
  outer = [(1.07, -0.12), (1.2, -0.26), (1.34, -0.16), (1.33, 0.14), (1.22, 0.42), (1.17, 0.6),
           (1.06, 0.58), (1.02, 0.2)]  # fmt: skip
  inner = [(1.14, -0.06), (1.22, -0.14), (1.27, -0.02), (1.24, 0.16), (1.16, 0.3), (1.15, 0.12)]

  def to_frame(points):
    return pose.frame(pose.rim([(side * x * w, y, -0.05) for x, y in points]))

  shape = canvas.stencil(spline(to_frame(outer), closed=True))
  lamp = 0.62 + 0.3 * side * t.light[0]
  colour = light.ramp(t.skin, np.array(lamp)) * np.array([1.0, 0.93, 0.92])
  canvas.paint(shape, colour, _of_side("l_ear", "r_ear", side))
  fold = canvas.stencil(spline(to_frame(inner), closed=True), within=shape)
  canvas.tint(fold, (0.78, 0.64, 0.62), 0.75)
  rim = spline(to_frame([(1.13, -0.13), (1.22, -0.19), (1.29, -0.08), (1.27, 0.16)]))
  canvas.paint(
    canvas.stencil(ribbon(rim, t.scale * 0.03), within=shape), np.add(colour, 16), None, 0.6
  )


def nose(canvas: Canvas, t: Traits, pose: Pose) -> None:
  """The label of the nose, its wings and nostrils; the height field has shaded it already."""
  n, tip = t.nose_width, t.nose_length
  right = np.array([(0.11, 0.02), (0.12, 0.3), (0.2 * n, tip - 0.14), (0.29 * n, tip + 0.0),
           (0.24 * n, tip + 0.11), (0.1, tip + 0.12), (0.0, tip + 0.15)])  # fmt: skip
  lifts = np.array([0.12, 0.2, 0.16, 0.06, 0.08, 0.22, 0.26])
  outline = np.concatenate([right, right[-2::-1] * (-1, 1)])
  lifts = np.concatenate([lifts, lifts[-2::-1]])
  shape = canvas.stencil(spline(pose.face(outline, lifts), closed=True))
  canvas.labels[shape.rows, shape.cols][shape.alpha >= 0.5] = _ID["nose"]
  for side in (-1, 1):
    wing = [(side * 0.215 * n, tip - 0.12), (side * 0.285 * n, tip - 0.02),
            (side * 0.26 * n, tip + 0.09), (side * 0.2 * n, tip + 0.1)]  # fmt: skip
    line = ribbon(
      spline(pose.face(wing, 0.08)),
      t.scale * np.interp(np.arange(25), [0, 14, 24], [0, 0.035, 0.01]),
    )
    _crease(canvas, line, 0.5, 0.5)
    hole = pose.face([(side * 0.11 * n, tip + 0.075)], 0.22)[0]
    shape = ellipse(hole, (t.scale * 0.075 * n, t.scale * 0.034), turn=t.roll - side * 0.3)
    canvas.paint(canvas.stencil(shape), _dark(t, 0.75), None, 0.8)


def _lids(t: Traits, side: int) -> tuple[np.ndarray, np.ndarray]:
  """Upper and lower lid from the inner to the outer corner, (n, 2) seen from the front."""
  size = t.eye_size
  up, low = 0.165 * size * t.eye_open, 0.10 * size * (0.6 + 0.4 * t.eye_open)
  low *= 1 - 0.3 * max(t.smile, 0.0)
  tilt = t.eye_tilt
  inner, outer = (0.5 - 0.26 * size, 0.05), (0.5 + 0.29 * size, 0.02 - tilt)
  upper = [inner, (0.39, -0.6 * up), (0.52, -up), (0.66, -0.68 * up - tilt * 0.5), outer]
  lower = [inner, (0.40, low * 0.75 + 0.02), (0.52, low), (0.66, low * 0.7 - tilt * 0.4), outer]
  upper, lower = spline(upper, steps=6), spline(lower, steps=6)
  return upper * (side, 1.0), lower * (side, 1.0)


def eye(canvas: Canvas, t: Traits, pose: Pose, light: Light, side: int) -> None:
  """One eye: white, iris, pupil, light spot, lids and lashes. Both look the same way."""
  upper, lower = _lids(t, side)
  u, low = pose.face(upper), pose.face(lower)
  s = t.scale
  if t.makeup > 0.35:
    lid = canvas.soft(np.concatenate([u, pose.face(upper - (0, 0.13))[::-1]]), blur=0.010)
    canvas.shade(lid, 1 - 0.5 * t.makeup * (1 - np.array(t.accent) / 300))
  shape = canvas.stencil(np.concatenate([u, low[::-1]]))
  canvas.paint(shape, (240, 236, 232), _of_side("l_eye", "r_eye", side))
  middle = pose.face([(side * 0.515 + 0.1 * t.gaze[0], -0.02 + 0.06 * t.gaze[1])])[0]
  narrow = max(0.6, float(np.cos(t.yaw + 0.25 * side)))

  def disc(radius, shift=(0.0, 0.0)):
    centre = (middle[0] + shift[0] * s, middle[1] + shift[1] * s)
    outline = ellipse(centre, (radius * s * narrow, radius * s), points=24)
    return canvas.stencil(outline, within=shape)

  iris = np.array(t.iris)
  canvas.paint(disc(0.152), iris * 0.42)
  canvas.paint(disc(0.135), iris)
  canvas.paint(
    disc(0.095, (-0.02 * t.light[0], 0.035)), np.minimum(iris * 1.45 + 14, 255), None, 0.6
  )
  canvas.paint(disc(0.066), (18, 14, 16))
  lid_shadow = ribbon(moved(u, 0, 0.028 * s), s * 0.085)
  canvas.tint(canvas.stencil(lid_shadow, within=shape), (0.60, 0.58, 0.62), 0.65)
  canvas.paint(disc(0.036, (0.06 * t.light[0] * 1.2, -0.055)), (255, 255, 255), None, 0.95)
  canvas.paint(disc(0.016, (-0.05 * t.light[0], 0.06)), (255, 255, 255), None, 0.5)
  corner = ellipse(pose.face([(side * 0.27, 0.045)])[0], (0.03 * s, 0.02 * s))
  canvas.paint(canvas.stencil(corner, within=shape), (214, 140, 130), None, 0.8)
  canvas.texture(shape, np.clip(0.5 + 0.55 * light.falling_on(shape), 0, 1.03))
  _lashes(canvas, t, pose, upper, lower, side)


def _lashes(canvas: Canvas, t: Traits, pose: Pose, upper, lower, side: int) -> None:
  """Lash lines and the crease over the eye; long lashes for some."""
  s, n = t.scale, len(upper)
  grow = np.interp(np.arange(n), [0, n * 0.3, n * 0.8, n - 1], [0.25, 0.8, 1.0, 0.45])
  weight = 0.042 + 0.022 * t.feminine + 0.02 * t.makeup
  line = pose.face(upper)
  canvas.paint(canvas.stencil(ribbon(line, s * weight * grow)), _dark(t, 0.97), None, 0.92)
  if t.feminine > 0.5:
    lashes = []
    for k, reach in ((n - 9, 0.06), (n - 6, 0.08), (n - 3, 0.10)):
      root = upper[k]
      tip = root + np.array([side * reach * 0.9, -reach * (0.75 + 0.5 * t.makeup)])
      lash = pose.face(spline([root, moved((root + tip) / 2, 0, 0.012), tip], steps=4))
      lashes.append(ribbon(lash, s * np.linspace(0.04, 0.006, 9)))
    canvas.paint(canvas.stencil(*lashes), _dark(t, 0.97))
  canvas.paint(canvas.stencil(ribbon(pose.face(lower), s * 0.02 * grow)), _dark(t, 0.62), None, 0.7)
  crease = ribbon(pose.face(moved(upper * (1.0, 1.15), 0.0, -0.075)), s * 0.026 * grow)
  _crease(canvas, crease, 0.5, 0.5)
  bag = pose.face(moved(lower[3:-4], 0.0, 0.10))
  bag = ribbon(bag, s * 0.03 * np.sin(np.linspace(0, np.pi, len(bag))))
  _crease(canvas, bag, 0.35, 0.15 + 0.35 * t.age)


def brow(canvas: Canvas, t: Traits, pose: Pose, light: Light, rng, side: int) -> None:
  """One brow with its hairs."""
  y, arch = -t.brow_height, t.brow_arch
  middle = [(0.2, y + 0.0), (0.42, y - arch * 0.6), (0.64, y - arch), (0.88, y + 0.08)]
  curve = spline(middle, steps=8) * (side, 1.0)
  n = len(curve)
  widths = t.brow_width * np.interp(np.arange(n), [0, 4, n * 0.6, n - 1], [0.7, 1.15, 0.85, 0.12])
  shape = canvas.stencil(ribbon(pose.face(curve, 0.03), t.scale * widths))
  colour = np.array(t.brow, np.float32) * np.clip(light.falling_on(shape), 0.3, 1.1)[..., None]
  canvas.paint(shape, colour, _of_side("l_brow", "r_brow", side), 0.86)
  at = np.sort(rng.random(26) * (n - 4)).astype(int)
  up = rng.random((26, 1))
  root, tip = curve[at].copy(), curve[at + 3].copy()
  root[:, 1:] += widths[at][:, None] * (0.5 - 0.4 * up)
  tip[:, 1:] -= widths[at + 3][:, None] * (0.3 + 0.3 * up)
  hairs = np.stack([root, moved((root + tip) / 2, 0, -0.01), tip], axis=1)
  hairs = pose.face(hairs.reshape(-1, 2), 0.03).reshape(26, 3, 2)
  tones = 0.7 + 0.75 * rng.random(26)
  canvas.texture(shape, canvas.lines(hairs, tones, shape, 0.0035))


def _lip_curves(t: Traits, pose: Pose) -> list[np.ndarray]:
  """Edges of the upper lip (outer, inner), then of the lower (inner, outer), each (n, 2)."""
  w, y, up = t.mouth_width * (1 + 0.16 * t.smile), 1.07, -0.11 * t.smile
  gap, full = t.mouth_open, t.lip_fullness
  rights = [  # from the middle to the corner, which all four share
    [(0, y - 0.09 * full), (0.15 * w, y - 0.115 * full), (0.55 * w, y - 0.055 * full + 0.45 * up)],
    [(0, y + 0.018), (0.5 * w, y + 0.012 + 0.3 * up)],
    [(0, y + gap + 0.025), (0.55 * w, y + gap * 0.72 + 0.02 + 0.2 * up)],
    [(0, y + gap + 0.165 * full), (0.55 * w, y + gap * 0.85 + 0.105 * full + 0.15 * up)],
  ]
  curves = []
  for right in rights:
    right = [*right, (w, y + up)]
    left = [(-px, py) for px, py in right[:0:-1]]
    curves.append(spline(pose.face([*left, *right], 0.1)))
  return curves


def mouth(canvas: Canvas, t: Traits, pose: Pose, light: Light) -> None:
  """Lips, the open mouth between them, and the folds that a smile makes."""
  cupid, seam, under, bottom = _lip_curves(t, pose)
  if t.mouth_open > 0.02:
    _inner_mouth(canvas, t, pose, light, np.concatenate([seam, under[::-1]]), seam)
  skin = np.maximum(np.array(t.skin), 1.0)
  field = light.skin * (np.array(t.lips) / skin).astype(np.float32)
  canvas.paint(canvas.stencil(np.concatenate([cupid, seam[::-1]])), field * 0.90, _ID["u_lip"])
  lower = canvas.stencil(np.concatenate([under, bottom[::-1]]))
  canvas.paint(lower, field, _ID["l_lip"])
  spot = (0.05 * np.sign(t.light[0]), 1.07 + t.mouth_open + 0.075 * t.lip_fullness)
  shine = ellipse(pose.face([spot], 0.12)[0], (0.17 * t.scale, 0.03 * t.scale), turn=t.roll)
  shine = canvas.stencil(shine, within=lower)
  canvas.paint(shine, (255, 236, 230), None, 0.10 + 0.3 * t.makeup)
  if t.mouth_open <= 0.02:
    pen = np.interp(np.arange(len(seam)), [0, 16, len(seam) - 1], [0.02, 0.04, 0.02]) * t.scale
    canvas.paint(canvas.stencil(ribbon(seam, pen)), _dark(t, 0.88), None, 0.85)
  _smile_folds(canvas, t, pose)


def _smile_folds(canvas: Canvas, t: Traits, pose: Pose) -> None:
  w, corner = t.mouth_width * (1 + 0.16 * t.smile), 1.07 - 0.11 * t.smile
  strength = 0.10 + 0.22 * max(t.smile, 0.0) + 0.25 * t.age
  for side in (-1, 1):
    fold = np.array([(0.34, 0.70), (0.5, 0.84), (w + 0.12, 1.0), (w + 0.13, 1.12)]) * (side, 1)
    fold = spline(pose.face(fold, 0.06))
    pen = 0.05 * t.scale * np.sin(np.linspace(0.05, np.pi - 0.05, len(fold)))
    _crease(canvas, ribbon(fold, pen), 0.4, strength)
    dimple = pose.face([(side * (w + 0.02), corner)], 0.05)[0]
    _crease(canvas, ellipse(dimple, (0.035 * t.scale,) * 2), 0.5, 0.4)


def _inner_mouth(canvas: Canvas, t: Traits, pose: Pose, light: Light, outline, seam) -> None:
  w, y, gap = t.mouth_width * (1 + 0.16 * t.smile), 1.07, t.mouth_open
  inside = canvas.stencil(outline)
  canvas.paint(inside, (74, 22, 28), _ID["mouth"])
  tongue = pose.face([(0.0, y + gap + 0.02)], 0.1)[0]
  radii = (0.5 * w * t.scale, 0.55 * gap * t.scale)
  canvas.paint(canvas.stencil(ellipse(tongue, radii), within=inside), (196, 92, 94), None, 0.8)
  depth = y + (0.11 if t.smile > 0.2 else 0.06)
  right = [(0.4 * w, depth - 0.02), (0.75 * w, y + 0.02), (0.9 * w, y - 0.1)]
  left = [(-px, py) for px, py in reversed(right)]
  edge = pose.face([*left, (0, depth), *right], 0.1)
  teeth = canvas.stencil(spline(edge), within=inside)
  canvas.paint(teeth, (246, 240, 230))
  gaps = [
    pose.face([(k * w, y - 0.1), (k * w, y + 0.2)], 0.1) for k in (-0.45, -0.22, 0, 0.22, 0.45)
  ]
  canvas.texture(teeth, canvas.lines(np.stack(gaps), np.full(5, 0.9), teeth, 0.002))
  lip_shadow = ribbon(moved(seam, 0, 0.02 * t.scale), 0.06 * t.scale)
  canvas.tint(canvas.stencil(lip_shadow, within=inside), (0.62, 0.55, 0.55), 0.7)
  canvas.texture(inside, np.clip(0.5 + 0.55 * light.falling_on(inside), 0, 1.03))


def beard(canvas: Canvas, t: Traits, pose: Pose, rng: np.random.Generator, on_skin) -> None:
  """A beard: soft stubble, or hairs that follow the jaw. Labelled skin, as the data sets do."""
  if t.beard == "none":
    return
  j, chin = t.jaw, t.chin
  lip = [(-0.55, 1.18), (-0.42, 0.92), (-0.14, 0.84), (0.14, 0.84), (0.42, 0.92), (0.55, 1.18),
         (0.4, 1.06), (0, 0.97), (-0.4, 1.06)]  # fmt: skip
  goatee = [(-0.3, 1.3), (-0.34, 1.55), (-0.22, chin), (0.22, chin), (0.34, 1.55), (0.3, 1.3),
            (0, 1.36)]  # fmt: skip
  full = [(-1.08 * j, 0.3), (-0.98 * j, 0.75), (-0.6, 1.0), (-0.42, 0.9), (0, 0.86), (0.42, 0.9),
          (0.6, 1.0), (0.98 * j, 0.75), (1.08 * j, 0.3), (1.12 * j, 0.9), (0.9 * j, 1.35),
          (0.5 * j, chin), (0, chin + 0.06), (-0.5 * j, chin), (-0.9 * j, 1.35),
          (-1.12 * j, 0.9)]  # fmt: skip
  parts = {"moustache": [lip], "goatee": [lip, goatee]}.get(t.beard, [full, lip])
  outlines = [spline(pose.face(p, 0.05), closed=True) for p in parts]
  mask = canvas.soft(*outlines, blur=0.012) * on_skin
  strength = 0.34 if t.beard == "stubble" else 0.86
  everywhere = canvas.stencil(np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64))
  coat = np.array(t.brow) * 0.95 + 0.05 * np.array(t.skin)
  shade = canvas.photo.mean(axis=2, keepdims=True) / (np.mean(t.skin) + 1e-6)
  canvas.paint(everywhere, coat * (0.35 + 0.75 * shade), None, mask * np.float32(strength))
  count = 700
  x = (rng.random(count) * 2 - 1) * 1.05
  y = 0.8 + rng.random(count) * (chin - 0.75)
  lean = np.stack([x * 0.08, np.full(count, 0.09)], axis=1) * (0.6 + 0.8 * rng.random((count, 1)))
  if t.beard == "stubble":
    lean *= 0.3
  roots = np.stack([x, y], axis=1)
  curves = np.stack([pose.face(roots), pose.face(roots + lean)], axis=1)
  tones = 0.55 + 0.8 * rng.random(count)
  drawn = canvas.lines(curves, tones, everywhere, 0.0025)
  canvas.photo *= (1 + mask * np.float32(0.8) * (drawn - 1))[..., None]
