"""Random augmentation of photos: affine (their maps alike), colour, blur.

The geometry is one view of the photo in place of a crop: a single resampling, as sharp as a crop.
Ranges at strength 1 are ours, about half of those of Karras et al. 2020 (StyleGAN2-ADA, appendix
B): what is varied here is what the networks learn, not only what a critic sees.
"""

from dataclasses import dataclass, fields

import cv2
import numpy as np

TURN = 15.0  # degrees either way
SCALE = 0.15  # natural logarithm
SHIFT = 0.08  # of the side
SHEAR = 0.1
GAIN = 0.25  # brightness: natural logarithm
CONTRAST = 0.25  # natural logarithm, about mid-grey
SATURATION = 0.4  # natural logarithm
HUE = 12.0  # degrees about the grey axis
BALANCE = 0.1  # natural logarithm, red against blue
BLUR = 1.5  # pixels at the training resolution: the largest standard deviation

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_GREY_CROSS = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)  # x -> grey axis x x


@dataclass(frozen=True)
class Augment:
  """How much is varied. Nothing is drawn for what is off, so streams without it stay the same.

  Attributes:
    share: of the photos, for each of the three kinds apart; 0..1.
    affine: strength 0..1 of turning, scaling, shifting and shearing.
    colour: of brightness, contrast, saturation, hue and white balance.
    blur: of Gaussian blur. What was never sharp cannot be learned sharp: for photos that are.
  """

  share: float = 0.0
  affine: float = 0.0
  colour: float = 0.0
  blur: float = 0.0

  def __post_init__(self):
    for field in fields(self):
      value = getattr(self, field.name)
      if not 0 <= value <= 1:
        raise ValueError(f"data.augment.{field.name} must be in 0..1, got {value}")

  def _applies(self, strength: float, rng: np.random.Generator) -> bool:
    return bool(self.share and strength) and rng.random() < self.share

  def view(self, square, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray | None:
    """A parallelogram about a square, to sample in its place; None to leave the square as it is.

    Moved so that all of it lies within the photo where that can be; its corners may not.

    Args:
      square: (top, left, side) in pixels.
      size: height and width of the photo.
      rng: the only source of chance.

    Returns:
      float64 (2, 3): maps (x, y, 1) of the view, 0..1 from its edges, to pixels of the photo, 0
      being the outer edge of the first.
    """
    if not self._applies(self.affine, rng):
      return None
    turn, scale, shear, *shift = self.affine * rng.uniform(-1, 1, 5)
    top, left, side = square
    cos, sin = np.cos(np.radians(TURN * turn)), np.sin(np.radians(TURN * turn))
    axes = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1.0, SHEAR * shear], [0.0, 1.0]])
    axes *= side * np.exp(SCALE * scale)
    centre = np.array([left, top]) + side * (0.5 + SHIFT * np.array(shift))
    for axis, extent in enumerate((size[1], size[0])):
      reach = np.abs(axes[axis]).sum() / 2
      low, high = sorted((reach, extent - reach))
      centre[axis] = np.clip(centre[axis], low, high)
    return np.column_stack([axes, centre - axes @ [0.5, 0.5]])

  def recolour(self, photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Other colours and blur, by chance: uint8 (h, w, 3) -> the same."""
    if self._applies(self.colour, rng):
      photo = cv2.transform(photo, colour_matrix(self.colour * rng.uniform(-1, 1, 5)))
    if self._applies(self.blur, rng):
      photo = cv2.GaussianBlur(photo, (0, 0), BLUR * self.blur * rng.uniform(0.2, 1))
    return photo


NONE = Augment()


def colour_matrix(amounts: np.ndarray) -> np.ndarray:
  """float64 (3, 4): (r, g, b, 1), 0..255 -> varied (r, g, b).

  Args:
    amounts: of gain, contrast, saturation, hue and balance, -1..1; zeros give the identity.
  """
  gain, contrast, saturation, hue, balance = amounts
  angle, keep = np.radians(HUE * hue), np.exp(SATURATION * saturation)
  # Rodrigues' formula about the grey axis.
  turned = np.eye(3) + np.sin(angle) * _GREY_CROSS
  turned += (1 - np.cos(angle)) * _GREY_CROSS @ _GREY_CROSS
  luma = np.tile(_LUMA, (3, 1))
  linear = (luma + keep * (np.eye(3) - luma)) @ turned
  linear = np.exp(BALANCE * balance * np.array([1.0, 0.0, -1.0]))[:, None] * linear
  slope = np.exp(CONTRAST * contrast)
  linear, offset = slope * linear, 127.5 * (1 - slope) * np.ones(3)
  return np.exp(GAIN * gain) * np.column_stack([linear, offset])


def sample_photo(photo: np.ndarray, view: np.ndarray, resolution: int) -> np.ndarray:
  """What a view shows: uint8 (h, w, 3) -> (resolution, resolution, 3); mirrored beyond the edges.

  Shrinking takes means over areas as `squares.cut` does: a whole number of linear samples for each
  pixel. Enlarging is cubic.
  """
  side = np.linalg.norm(view[:, :2], axis=0).max()
  fine = max(int(np.ceil(side / resolution - 1e-9)), 1) * resolution
  kind = cv2.INTER_LINEAR if side >= resolution else cv2.INTER_CUBIC
  found = _warp(photo, view, fine, kind, borderMode=cv2.BORDER_REFLECT_101)
  if fine == resolution:
    return found
  return cv2.resize(found, (resolution, resolution), interpolation=cv2.INTER_AREA)


def sample_map(values: np.ndarray, view: np.ndarray, resolution: int, outside: int) -> np.ndarray:
  """The same of a map, uint8 (h, w), at pixel centres; `outside` beyond the edges."""
  return _warp(values, view, resolution, cv2.INTER_NEAREST, borderValue=outside)


def _warp(picture, view: np.ndarray, resolution: int, kind: int, **border) -> np.ndarray:
  axes, origin = view[:, :2] / resolution, view[:, 2]
  pixels = np.column_stack([axes, origin + axes @ [0.5, 0.5] - 0.5])  # centres to centres
  size = (resolution, resolution)
  return cv2.warpAffine(picture, pixels, size, flags=kind | cv2.WARP_INVERSE_MAP, **border)
