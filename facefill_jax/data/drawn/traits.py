"""Who a drawn person is: every number that a drawn face needs, sampled once. NumPy only.

Traits do not know the size of the picture, so all sizes show the same person. Lengths are in
units of the distance between the eyes, angles in radians, colours in 0..255.
"""

import dataclasses

import numpy as np

Colour = tuple[float, float, float]

_SKINS = np.array([
  (251, 222, 202), (245, 208, 182), (236, 192, 160), (224, 174, 138), (204, 150, 111),
  (176, 122, 86), (146, 97, 68), (114, 74, 54), (88, 57, 45),
], np.float64)  # fmt: skip
_NATURAL_HAIR = np.array([
  (30, 26, 30), (52, 36, 32), (84, 54, 38), (122, 82, 52), (124, 52, 34), (196, 98, 46),
  (212, 168, 104), (234, 210, 166), (146, 144, 146), (204, 200, 198),
], np.float64)  # fmt: skip
_DYED_HAIR = np.array([(226, 112, 150), (58, 142, 158), (132, 92, 178), (70, 92, 190)], np.float64)
_IRISES = np.array([
  (92, 56, 32), (70, 42, 28), (124, 84, 44), (112, 124, 70), (84, 132, 150), (86, 116, 176),
  (128, 142, 150),
], np.float64)  # fmt: skip
_PALETTES = np.array([  # background, background, cloth, accent
  [(226, 205, 186), (178, 132, 112), (56, 84, 108), (232, 176, 88)],
  [(150, 186, 196), (70, 110, 132), (214, 120, 92), (246, 226, 190)],
  [(196, 208, 180), (104, 138, 112), (240, 226, 204), (186, 84, 74)],
  [(236, 196, 190), (196, 124, 142), (94, 72, 120), (250, 232, 214)],
  [(88, 96, 126), (38, 42, 66), (196, 84, 88), (238, 190, 120)],
  [(240, 222, 170), (222, 160, 96), (62, 118, 122), (250, 246, 232)],
  [(204, 198, 214), (126, 120, 158), (48, 50, 66), (222, 200, 120)],
  [(120, 150, 124), (48, 78, 68), (224, 196, 150), (200, 92, 60)],
  [(222, 226, 228), (158, 170, 180), (172, 52, 62), (36, 48, 72)],
  [(196, 150, 120), (108, 68, 60), (232, 220, 200), (66, 110, 100)],
], np.float64)  # fmt: skip

HAIR_STYLES = (
  "bald", "buzz", "receding", "crew", "side", "bob", "long", "wavy", "curly", "bun",
)  # fmt: skip
_HAIR_WEIGHTS_MASCULINE = (0.09, 0.12, 0.08, 0.28, 0.26, 0.02, 0.02, 0.05, 0.08, 0.00)
_HAIR_WEIGHTS_FEMININE = (0.01, 0.02, 0.00, 0.04, 0.08, 0.20, 0.24, 0.21, 0.12, 0.08)


@dataclasses.dataclass(frozen=True)
class Traits:
  """One person, one expression, one light. Sides: +1 is the person's left, at larger x."""

  yaw: float  # > 0: the nose points to larger x
  pitch: float  # > 0: looking down
  roll: float
  centre: tuple[float, float]  # middle between the eyes, in 0..1 of the frame
  scale: float  # distance between the eyes, in 0..1 of the frame
  feminine: float  # 0..1, moves hair, brows, lips, jaw and jewellery together
  age: float  # 0..1
  width: float
  jaw: float
  chin: float
  top: float
  skin: Colour
  flush: float
  freckles: float
  eye_size: float
  eye_open: float
  eye_tilt: float
  iris: Colour
  gaze: tuple[float, float]
  makeup: float
  brow_height: float
  brow_arch: float
  brow_width: float
  nose_width: float
  nose_length: float
  mouth_width: float
  lip_fullness: float
  lips: Colour
  smile: float
  mouth_open: float
  hair_style: str
  hair: Colour
  brow: Colour
  part: float
  hairline: float
  volume: float
  length: float
  wave: float
  tucked: bool
  fringe: bool
  beard: str  # none, stubble, moustache, goatee, full
  glasses: str  # none, round, square, aviator, cat
  glasses_colour: Colour
  glasses_dark: bool
  hat: str  # none, beanie, cap, brim
  hat_colour: Colour
  earring: str  # none, stud, hoop, drop
  necklace: str  # none, chain, pearls, pendant
  metal: Colour
  light: tuple[float, float, float]  # towards the light; x right, y down, z to the viewer
  warmth: float  # > 0: warm key light
  background: str  # gradient, bokeh, stripes, clouds, panels, halo
  colours: tuple[Colour, Colour]
  neckline: str  # crew, v, scoop, collar, turtle
  cloth_pattern: str  # plain, stripes, dots, check, knit
  cloth: Colour
  accent: Colour


def _colour(values: np.ndarray) -> Colour:
  return tuple(float(v) for v in np.clip(values, 0.0, 255.0))


def _pick(rng: np.random.Generator, weights: dict[str, float]) -> str:
  names = list(weights)
  bounds = np.cumsum(list(weights.values()))
  return names[min(int(np.searchsorted(bounds, rng.random() * bounds[-1])), len(names) - 1)]


def _between(rng: np.random.Generator, low: float, high: float) -> float:
  return low + (high - low) * rng.random()


def _bell(rng: np.random.Generator, limit: float) -> float:
  """In [-limit, limit], around 0."""
  return limit * (rng.random() + rng.random() + rng.random() - 1.5) / 1.5


def _colouring(rng: np.random.Generator, age: float) -> dict:
  """Skin, hair, brows and irises, drawn together: dark skin goes with dark hair and irises."""
  tone = rng.random() ** 1.25 * (len(_SKINS) - 1)
  low = min(int(tone), len(_SKINS) - 2)
  skin = _SKINS[low] + (tone - low) * (_SKINS[low + 1] - _SKINS[low])
  skin = skin + np.array([1.0, 0.0, -1.0]) * _bell(rng, 7.0)
  fair = max(0.0, 1.0 - tone / 4.5)
  weights = np.array([1.2, 1.6, 1.4, 1.3 * fair, 0.7 * fair, 0.8 * fair, 1.3 * fair, 0.4 * fair])
  weights = np.concatenate([weights, np.array([1.2, 0.9]) * max(0.0, age - 0.6) * 6.0])
  bounds = np.cumsum(weights)
  hair = _NATURAL_HAIR[int(np.searchsorted(bounds, rng.random() * bounds[-1]))]
  dyed = _DYED_HAIR[int(rng.integers(len(_DYED_HAIR)))]
  brow = hair * 0.72 + 0.08 * skin
  if rng.random() < 0.06:
    hair = dyed
  hair = hair * _between(rng, 0.88, 1.12)
  weights = np.array([1.5, 1.5, 1.0, 1.0 * fair, 0.9 * fair, 1.3 * fair, 0.6 * fair])
  bounds = np.cumsum(weights)
  iris = _IRISES[int(np.searchsorted(bounds, rng.random() * bounds[-1]))]
  return {
    "skin": _colour(skin),
    "hair": _colour(hair),
    "brow": _colour(brow),
    "iris": _colour(iris * _between(rng, 0.9, 1.15)),
  }


def _expression(rng: np.random.Generator) -> dict:
  mood = _pick(rng, {"calm": 0.3, "smile": 0.24, "laugh": 0.28, "surprise": 0.08, "talk": 0.1})
  amount = rng.random()
  smile = {"calm": 0.1, "smile": 0.65, "laugh": 0.8, "surprise": -0.15, "talk": 0.15}[mood]
  opened = {"calm": 0.0, "smile": 0.0, "laugh": 0.14, "surprise": 0.22, "talk": 0.08}[mood]
  lids = {"calm": 0.0, "smile": -0.08, "laugh": -0.18, "surprise": 0.28, "talk": 0.0}[mood]
  brows = {"calm": 0.0, "smile": 0.0, "laugh": 0.02, "surprise": 0.12, "talk": 0.02}[mood]
  return {
    "smile": smile + 0.35 * (amount - 0.5),
    "mouth_open": opened * (0.7 + 0.7 * amount),
    "eye_open": 1.0 + lids + _bell(rng, 0.14),
    "brow_height": 0.40 + brows + _bell(rng, 0.05),
  }


def _hair(rng: np.random.Generator, feminine: float, age: float) -> dict:
  weights = np.array(_HAIR_WEIGHTS_FEMININE if feminine > 0.5 else _HAIR_WEIGHTS_MASCULINE)
  weights[2] *= 0.4 + 2.0 * age
  style = _pick(rng, dict(zip(HAIR_STYLES, weights.tolist(), strict=True)))
  part = _bell(rng, 0.3) + (0.45 if rng.random() < 0.5 else -0.45)
  if style in ("bun", "wavy", "long") and rng.random() < 0.45:
    part *= 0.15
  volume = {"buzz": 0.05, "receding": 0.11, "crew": 0.26, "curly": 0.42, "bun": 0.12}
  length = {"bob": _between(rng, 1.25, 1.9), "long": 3.4, "wavy": _between(rng, 2.2, 3.4)}
  wave = {"wavy": 0.11, "curly": 0.1, "bob": 0.03, "long": 0.02}
  return {
    "hair_style": style,
    "part": part,
    "hairline": _between(rng, -1.22, -1.02) - (0.32 if style == "receding" else 0.0),
    "volume": volume.get(style, 0.24) * _between(rng, 0.75, 1.3),
    "length": length.get(style, 0.35),
    "wave": wave.get(style, 0.01) * _between(rng, 0.6, 1.4),
    "tucked": bool(rng.random() < 0.3),
    "fringe": style in ("bob", "long", "bun", "side", "wavy") and bool(rng.random() < 0.28),
  }


def _extras(rng: np.random.Generator, feminine: float, hair: dict, palette: np.ndarray) -> dict:
  """Glasses 15 %, hats 10 %, earrings 20 %, necklaces 15 % of all faces; beards."""
  glasses = _pick(rng, {"round": 1.0, "square": 1.2, "aviator": 0.6, "cat": 0.7 * feminine})
  frames = np.array([(38, 34, 38), (92, 54, 36), (176, 142, 84), (150, 44, 52), (120, 126, 134)])
  frame = frames[int(rng.integers(len(frames)))]
  wears_glasses, dark = rng.random() < 0.15, rng.random() < 0.22
  hat = _pick(rng, {"beanie": 1.0, "cap": 0.8, "brim": 1.0})
  wears_hat = rng.random() < 0.10
  earring = _pick(rng, {"stud": 0.6, "hoop": 1.0, "drop": 1.0})
  wears_earring = rng.random() < (0.32 if feminine > 0.5 else 0.07)
  necklace = _pick(rng, {"chain": 1.0, "pearls": 0.8, "pendant": 1.0})
  wears_necklace = rng.random() < (0.24 if feminine > 0.5 else 0.055)
  beard = _pick(rng, {"none": 0.5, "stubble": 0.2, "moustache": 0.06, "goatee": 0.08, "full": 0.18})
  metal = ((226, 184, 96), (206, 210, 218), (214, 150, 124))[int(rng.integers(3))]
  if wears_hat and hair["hair_style"] in ("curly", "bun"):
    hat = "none"  # these stand higher than a hat; the rate of hats is set for the others
  neckline = _pick(
    rng, {"crew": 1.2, "v": 1.0, "scoop": 1.2 * feminine, "collar": 1.0, "turtle": 0.35}
  )
  if wears_necklace and neckline in ("turtle", "collar", "crew"):
    neckline = "scoop"
  return {
    "glasses": glasses if wears_glasses else "none",
    "glasses_colour": _colour(frame),
    "glasses_dark": bool(dark),
    "hat": hat if wears_hat else "none",
    "hat_colour": _colour(palette[3] if rng.random() < 0.5 else palette[2] * 0.8),
    "earring": earring if wears_earring else "none",
    "necklace": necklace if wears_necklace else "none",
    "metal": _colour(np.array(metal, np.float64)),
    "beard": beard if feminine < 0.5 else "none",
    "neckline": neckline,
    "tucked": hair["tucked"] or wears_earring,
  }


def _scene(rng: np.random.Generator, palette: np.ndarray) -> dict:
  flip = rng.random() < 0.35
  first, second = (palette[1], palette[0]) if flip else (palette[0], palette[1])
  kind = _pick(
    rng, {"gradient": 1, "bokeh": 1.3, "stripes": 0.8, "clouds": 1, "panels": 0.9, "halo": 1}
  )
  side = 1.0 if rng.random() < 0.5 else -1.0
  light = np.array([side * _between(rng, 0.25, 0.95), -_between(rng, 0.25, 0.8), 0.95])
  light /= np.sqrt((light * light).sum())
  return {
    "light": tuple(float(v) for v in light),
    "warmth": _bell(rng, 1.0),
    "background": kind,
    "colours": (_colour(first), _colour(second)),
    "cloth_pattern": _pick(
      rng, {"plain": 1.3, "stripes": 1, "dots": 0.6, "check": 0.7, "knit": 0.8}
    ),
    "cloth": _colour(palette[2] * _between(rng, 0.8, 1.1)),
    "accent": _colour(palette[3]),
  }


def sample_traits(rng: np.random.Generator) -> Traits:
  """Draws one person. The number and order of draws never depends on the picture's size."""
  feminine = 0.5 + (0.18 + 0.32 * rng.random()) * (1.0 if rng.random() < 0.55 else -1.0)
  age = rng.random()
  palette = _PALETTES[int(rng.integers(len(_PALETTES)))]
  palette = np.clip(palette + np.array([_bell(rng, 16.0) for _ in range(3)]), 0, 255)
  colouring = _colouring(rng, age)
  hair = _hair(rng, feminine, age)
  skin = np.array(colouring["skin"])
  makeup = max(0.0, feminine - 0.5) * 2.0 * rng.random()
  rouge = np.array([(0.86, 0.36, 0.38), (0.92, 0.48, 0.46), (0.72, 0.24, 0.34)])[rng.integers(3)]
  natural = skin * np.array([0.90, 0.66, 0.66])
  lips = natural + makeup * (rouge * (95.0 + 0.62 * skin[0]) - natural)
  fields = {
    "yaw": _bell(rng, 0.62),
    "pitch": _bell(rng, 0.22),
    "roll": _bell(rng, 0.12),
    "centre": (0.5 + _bell(rng, 0.02), 0.475 + _bell(rng, 0.02)),
    "scale": 0.22 * _between(rng, 0.95, 1.05),
    "feminine": feminine,
    "age": age,
    "width": _between(rng, 0.93, 1.06),
    "jaw": _between(rng, 0.9, 1.12) - 0.1 * (feminine - 0.5),
    "chin": _between(rng, 1.62, 1.82),
    "top": -_between(rng, 1.62, 1.78),
    "flush": _between(rng, 0.3, 1.0),
    "freckles": max(0.0, _between(rng, -3.0, 1.0)) if skin[0] > 215 else 0.0,
    "eye_size": _between(rng, 0.92, 1.1) + 0.06 * feminine,
    "eye_tilt": _bell(rng, 0.05) + 0.02,
    "gaze": (_bell(rng, 0.5), _bell(rng, 0.3)),
    "makeup": makeup,
    "brow_arch": _between(rng, 0.05, 0.13),
    "brow_width": _between(rng, 0.085, 0.13) - 0.035 * feminine,
    "nose_width": _between(rng, 0.84, 1.2),
    "nose_length": _between(rng, 0.64, 0.76),
    "mouth_width": _between(rng, 0.42, 0.52),
    "lip_fullness": _between(rng, 0.75, 1.15) + 0.2 * feminine,
    "lips": _colour(lips),
  }
  fields |= _expression(rng) | colouring | hair
  fields |= _extras(rng, feminine, hair, palette) | _scene(rng, palette)
  return Traits(**fields)
