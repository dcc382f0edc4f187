"""Drawn faces: an endless, labelled, freely usable set of portraits that needs no download.

Each face is a person (`traits`), turned and lit (`light`), drawn part by part from back
to front (`scene`, `features`, `accessories`, `hair`) on a board that keeps photo and
labels together (`canvas`). The framing is that of CelebA-HQ: eyes at 47 % of the height, at
39 % and 61 % of the width when the face looks into the camera.
"""

import cv2
import numpy as np

from facefill_jax.data.drawn import accessories, features, hair, scene
from facefill_jax.data.drawn.canvas import Canvas, ellipse
from facefill_jax.data.drawn.light import Light, Pose, head_outline
from facefill_jax.data.drawn.scene import noise
from facefill_jax.data.drawn.traits import Traits, sample_traits
from facefill_jax.labels import CLASSES

SMALLEST, LARGEST = 32, 512
_FRECKLED = ((-0.55, 0.45), (0.0, 0.38), (0.55, 0.45))
_SKIN = CLASSES.index("skin")
_GRAIN = 160  # cells of the skin grain: the same at every size


def traits_of(seed: int, index: int) -> Traits:
  """The person that (seed, index) stands for, at any size."""
  return sample_traits(np.random.Generator(np.random.PCG64([seed, index])))


def _grain(canvas: Canvas, t: Traits, pose: Pose, rng, on_skin: np.ndarray) -> None:
  """Mottled skin, pores and freckles."""
  pores = rng.standard_normal((_GRAIN, _GRAIN), dtype=np.float32) * np.float32(0.022)
  mottle = cv2.resize(noise(rng, 64, 4), (_GRAIN, _GRAIN)) * np.float32(0.012)
  dots = (rng.random((_GRAIN, _GRAIN)) < 0.05).astype(np.float32)
  canvas.photo *= (1 + canvas.grow(pores + mottle) * on_skin)[..., None]
  if t.freckles > 0:
    cheeks = [ellipse(p, (0.5 * t.scale, 0.22 * t.scale)) for p in pose.face(_FRECKLED)]
    canvas.shade(canvas.soft(*cheeks, blur=0.03) * canvas.grow(dots) * on_skin, (0.72, 0.58, 0.5))


def render(traits: Traits, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
  """Draws one person: (photo uint8 (size, size, 3), labels uint8 (size, size), 0..18)."""
  canvas = Canvas(size)
  pose = Pose(traits)
  outline = head_outline(traits, pose)
  light = Light(traits, pose, outline, canvas.side)
  scene.background(canvas, traits, rng)
  hair.back_hair(canvas, traits, pose, light, rng)
  scene.neck(canvas, traits, pose, light)
  scene.clothes(canvas, traits, pose, rng)
  accessories.necklace(canvas, traits, pose)
  scene.head_shadow(canvas, traits, pose, outline)
  for side in (-1, 1):
    features.ear(canvas, traits, pose, light, side)
  head = canvas.stencil(pose.place(outline))
  canvas.paint(head, light.skin, _SKIN)
  on_skin = np.zeros((canvas.side, canvas.side), np.float32)
  on_skin[head.rows, head.cols] = head.alpha
  _grain(canvas, traits, pose, rng, on_skin)
  features.beard(canvas, traits, pose, rng, on_skin)
  features.nose(canvas, traits, pose)
  for side in (-1, 1):
    features.eye(canvas, traits, pose, light, side)
    features.brow(canvas, traits, pose, light, rng, side)
  features.mouth(canvas, traits, pose, light)
  accessories.glasses(canvas, traits, pose)
  hair.front_hair(canvas, traits, pose, light, rng)
  accessories.earrings(canvas, traits, pose)
  hair.hat(canvas, traits, pose, light, rng)
  return canvas.finish()


class DrawnFaces:
  """A source of drawn faces. Item i depends on (seed, start + i, size) only.

  Args:
    size: side of the pictures, 32..512. Every size shows the same people.
    seed: chooses the set of people, from 0 up.
    start: the first face's place in that set: sets with other places share nobody.
    length: how many faces.
    keep: whether faces once drawn are kept in memory, 4 size^2 bytes each.

  Raises:
    ValueError: for a size, seed, start or length outside these ranges.
  """

  def __init__(
    self, size: int = 256, seed: int = 0, start: int = 0, length: int = 10_000, keep: bool = False
  ):
    if not SMALLEST <= size <= LARGEST:
      raise ValueError(f"size must be {SMALLEST}..{LARGEST}, got {size}")
    for name, value in (("seed", seed), ("start", start), ("length", length)):
      if value < 0:
        raise ValueError(f"{name} must be 0 or more, got {value}")
    self.size, self.seed, self.start, self.length = size, seed, start, length
    self._kept = {} if keep else None

  def __len__(self) -> int:
    return self.length

  def __getitem__(self, i: int) -> dict:
    """dict(photo=uint8 (size, size, 3), labels=uint8 (size, size), 0..18, id=str)."""
    if not 0 <= i < self.length:
      raise IndexError(f"face {i} of {self.length}")
    if self._kept is None:
      return self._draw(int(i))
    if i not in self._kept:
      self._kept[i] = self._draw(int(i))
    return dict(self._kept[i])

  def __getstate__(self) -> dict:
    kept = self._kept  # other processes draw their own
    return self.__dict__ | {"_kept": None if kept is None else {}}

  def _draw(self, i: int) -> dict:
    index = self.start + i
    rng = np.random.Generator(np.random.PCG64([self.seed, index, 1]))
    photo, labels = render(traits_of(self.seed, index), self.size, rng)
    return {"photo": photo, "labels": labels, "id": f"drawn-{self.seed}-{index}"}
