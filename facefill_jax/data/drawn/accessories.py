"""What a drawn person wears on face, ears and neck: glasses, earrings, necklaces."""

import numpy as np

from facefill_jax.data.drawn.canvas import Canvas, ellipse, moved, ribbon, spline
from facefill_jax.data.drawn.light import Pose
from facefill_jax.data.drawn.traits import Traits
from facefill_jax.labels import CLASSES

_ID = {name: i for i, name in enumerate(CLASSES)}

_LENSES = {
  "round": [(0, -0.33), (0.24, -0.24), (0.34, 0), (0.24, 0.25), (0, 0.34), (-0.24, 0.25),
            (-0.34, 0), (-0.24, -0.24)],
  "square": [(-0.33, -0.26), (0, -0.28), (0.36, -0.26), (0.4, -0.18), (0.36, 0.2), (0.26, 0.28),
             (-0.2, 0.28), (-0.31, 0.2), (-0.36, -0.16)],
  "aviator": [(-0.3, -0.22), (0, -0.27), (0.36, -0.22), (0.38, 0.05), (0.2, 0.37), (-0.05, 0.36),
              (-0.28, 0.12)],
  "cat": [(-0.32, -0.16), (0, -0.26), (0.34, -0.36), (0.46, -0.4), (0.4, -0.05), (0.22, 0.24),
          (-0.12, 0.27), (-0.3, 0.1)],
}  # fmt: skip


def glasses(canvas: Canvas, t: Traits, pose: Pose) -> None:
  """Frames and lenses. Eyes and brows keep their label behind clear glass, not behind dark."""
  if t.glasses == "none":
    return
  pen = t.scale * {"round": 0.045, "square": 0.065, "aviator": 0.032, "cat": 0.06}[t.glasses]
  rims, lenses = [], []
  for side in (-1, 1):
    points = np.array([(side * (0.53 + x), 0.03 + y) for x, y in _LENSES[t.glasses]])
    outline = spline(pose.frame(pose.on_face(points, 0.2)), closed=True)
    lenses.append(outline)
    rims.append(ribbon(np.concatenate([outline, outline[:1]]), pen))
    hinge = [
      (side * 0.88, -0.1, 1.0),
      (side * 1.08 * t.width, -0.1, 0.45),
      (side * 1.16 * t.width, -0.06, -0.1),
    ]
    if pose.visible(side) > 0.2:
      rims.append(ribbon(pose.frame(hinge), pen * 1.1))
  bridge = [(-0.2, -0.04), (0.0, -0.1), (0.2, -0.04)]
  rims.append(ribbon(spline(pose.face(bridge, 0.22)), pen))
  canvas.shade(
    canvas.soft(*[moved(r, -0.02 * t.light[0], 0.014) for r in rims], blur=0.008),
    (0.72, 0.64, 0.62),
  )
  glass, frame = canvas.stencil(*lenses), canvas.stencil(*rims)
  seen = [_ID[n] for n in ("l_eye", "r_eye", "l_brow", "r_brow")]
  view = canvas.labels[glass.rows, glass.cols]
  keep = np.isin(view, seen) & (not t.glasses_dark)
  view[(glass.alpha >= 0.5) & ~keep] = _ID["eye_g"]
  if t.glasses_dark:
    canvas.paint(glass, np.array(t.glasses_colour) * 0.35 + 12, None, 0.90)
  else:
    canvas.paint(glass, (236, 244, 248), None, 0.09)
  for lens in lenses:
    low, high = lens.min(axis=0), lens.max(axis=0)
    x, width, y0, y1 = low[0], high[0] - low[0], low[1], high[1]
    bar = np.array(
      [(x + 0.5 * width, y0), (x + 0.75 * width, y0), (x + 0.4 * width, y1), (x + 0.15 * width, y1)]
    )
    canvas.paint(canvas.stencil(bar, within=glass), (255, 255, 255), None, 0.14)
  canvas.paint(frame, t.glasses_colour, _ID["eye_g"])
  glint = canvas.stencil(*[moved(r, 0.0, -0.003) for r in rims], within=frame)
  canvas.paint(glint, np.minimum(np.array(t.glasses_colour) + 70, 255), None, 0.35)


def necklace(canvas: Canvas, t: Traits, pose: Pose) -> None:
  """A chain, pearls or a pendant on the neck."""
  if t.necklace == "none":
    return
  w, drop = 0.66 - 0.12 * t.feminine, 2.24 if t.necklace == "pendant" else 2.12
  arc = [
    (-w - 0.02, 1.74, 0.0),
    (-0.6 * w, 2.0, 0.4),
    (0, drop, 0.55),
    (0.6 * w, 2.0, 0.4),
    (w + 0.02, 1.74, 0),
  ]
  curve = spline(pose.frame(arc), steps=8)
  s, metal = t.scale, np.array(t.metal)
  if t.necklace == "pearls":
    metal = np.array([238.0, 230, 222])
    shapes = [ellipse(p, (0.058 * s,) * 2, points=12) for p in curve]
    lights = [
      ellipse(moved(p, 0.014 * s * np.sign(t.light[0]), -0.018 * s), (0.022 * s,) * 2, points=8)
      for p in curve
    ]
  else:
    shapes = [ribbon(curve, 0.05 * s)]
    lights = [
      ellipse(moved(p, 0, -0.006 * s), (0.018 * s, 0.012 * s), points=8) for p in curve[::2]
    ]
    if t.necklace == "pendant":
      shapes.append(ellipse(moved(curve[16], 0, 0.09 * s), (0.09 * s, 0.11 * s)))
  body = canvas.stencil(*shapes)
  canvas.shade(canvas.soft(*[moved(p, 0, 0.008) for p in shapes], blur=0.006), (0.74, 0.64, 0.64))
  canvas.paint(body, metal * 0.82, _ID["neck_l"])
  canvas.paint(canvas.stencil(*lights, within=body), np.minimum(metal + 50, 255), None, 0.9)
  if t.necklace == "pendant":
    stone = ellipse(moved(curve[16], 0, 0.09 * s), (0.055 * s, 0.07 * s))
    canvas.paint(canvas.stencil(stone), np.array(t.accent) * 0.8)


def earrings(canvas: Canvas, t: Traits, pose: Pose) -> None:
  """The same earring on each ear that is seen."""
  if t.earring == "none":
    return
  s, metal = t.scale, np.array(t.metal)
  for side in (-1, 1):
    if pose.visible(side) < 0.28:
      continue
    lobe = pose.frame(pose.rim([(side * 1.14 * t.width, 0.6, -0.05)]))[0]
    if t.earring == "stud":
      shapes = [ellipse(lobe, (0.075 * s,) * 2)]
    elif t.earring == "hoop":
      ring = ellipse(moved(lobe, 0, 0.2 * s), (0.17 * s, 0.2 * s))
      shapes = [ribbon(np.concatenate([ring, ring[:1]]), 0.06 * s)]
    else:
      wire = ribbon(np.array([lobe, moved(lobe, 0, 0.25 * s)]), 0.03 * s)
      stone = ellipse(moved(lobe, 0, 0.3 * s), (0.095 * s, 0.14 * s))
      shapes = [ellipse(lobe, (0.05 * s,) * 2), wire, stone]
    body = canvas.stencil(*shapes)
    canvas.paint(body, metal * 0.88, _ID["ear_r"])
    if t.earring == "drop":
      stone = ellipse(moved(lobe, 0, 0.3 * s), (0.06 * s, 0.1 * s))
      canvas.paint(canvas.stencil(stone, within=body), np.array(t.accent) * 0.85)
    spot = lobe + np.array([0.03 * np.sign(t.light[0]), 0.27 if t.earring == "drop" else -0.02]) * s
    canvas.paint(canvas.stencil(ellipse(spot, (0.03 * s,) * 2), within=body), (255, 252, 240))
