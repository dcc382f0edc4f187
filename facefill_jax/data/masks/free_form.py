"""Free-form holes as CoModGAN, MAT and LaMa draw them, in integers: same bits everywhere.

The public generators draw through NumPy's global stream, libm, Pillow and OpenCV, so nobody gets
their very masks twice. These follow them draw by draw, with three differences: the random stream;
positions and angles in fixed point; strokes that are exact (`raster`) where Pillow's are up to half
a pixel off centre and OpenCV's rims are ragged. `patterns` has the names and the agreement.
"""

import math
from dataclasses import dataclass

import numpy as np

from facefill_jax.data.masks import raster
from facefill_jax.data.masks.fixed_point import (
  NORMAL_SHIFT,
  SHIFT,
  TURN,
  below,
  cosine,
  exact_sine,
  normal,
  sine,
  words,
)


@dataclass(frozen=True)
class Brush:
  """CoModGAN's strokes and boxes, which MAT took over with other counts.

  Zhao et al., "Large Scale Image Completion via Co-Modulated Generative Adversarial Networks",
  ICLR 2021; `training/mask_generator.py` of zsyzzsoft/co-mod-gan. Lengths are in pixels whatever
  the size, as there. A mask:

  1. 0..small_boxes boxes with sides 0..size // 2 - 1, then 0..large_boxes boxes with sides
     0..size - 1; at most half of a box lies outside.
  2. 0..strokes strokes of 4..17 straight pieces, each with one width of 12..47. Pieces turn to and
     fro: the even ones by minus, the odd ones by plus an angle between 1/5 - a and 1/5 + b of a
     turn, a and b drawn once a stroke from 0..1/15. Their lengths are normal with mean
     size * sqrt(2) / 8 and half of that, rounded down, as deviation, cut to 0..twice the mean;
     corners are cut to the picture and rounded down. On every corner lies a disk of radius
     width // 2.
  3. The strokes together are flipped, each way by chance 1/2. (The flips of single strokes in the
     public code have no effect: their result is dropped.)
  4. Masks without a hole or without a known pixel are drawn again: hole_range = [0, 1], both ends
     excluded, the default there and what all of its training and evaluation but `fid10k-h*` uses.
  """

  small_boxes: int
  large_boxes: int
  strokes: int

  def draw(self, key: str, size: int) -> np.ndarray:
    """One attempt: bool (size, size)."""
    stream = words(key, 5 + 4 * (self.small_boxes + self.large_boxes) + 40 * self.strokes)
    most = np.array([self.small_boxes, self.large_boxes, self.strokes])
    smalls, larges, strokes = below(stream[:3], most + 1).tolist()
    flips = below(stream[3:5], 2).astype(bool)
    stream = stream[5:]
    box_words, stream = np.split(stream, [4 * (self.small_boxes + self.large_boxes)])
    small, large = np.split(box_words.reshape(-1, 4), [self.small_boxes])
    holes = [
      _floating_boxes(small[:smalls], size // 2, size),
      _floating_boxes(large[:larges], size, size),
    ]
    mask = raster.union(size, *_strokes(stream.reshape(-1, 40)[:strokes], size))
    mask = mask[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
    return mask | raster.union(size, *holes)

  def accepts(self, mask: np.ndarray) -> bool:
    """Whether some of it is hole and some is known."""
    return bool(mask.any() and not mask.all())


def _floating_boxes(stream: np.ndarray, bound: int, size: int) -> raster.Runs:
  """Boxes with sides below `bound`; stream: uint64 (n, 4) for width, height, x, y."""
  width, height = below(stream[:, 0], bound), below(stream[:, 1], bound)
  left = below(stream[:, 2], size - width + width // 2 * 2) - width // 2
  top = below(stream[:, 3], size - height + height // 2 * 2) - height // 2
  return raster.boxes(left, top, width, height)


def _strokes(stream: np.ndarray, size: int) -> list[raster.Runs]:
  """Strokes of `Brush`; stream: uint64 (n, 40).

  Words: pieces, lowest angle, highest angle, x, y, width, 17 angles, 17 lengths.
  """
  pieces = 4 + below(stream[:, 0], 14)
  lowest = TURN // 5 - below(stream[:, 1], TURN // 15)
  highest = TURN // 5 + below(stream[:, 2], TURN // 15)
  width = 12 + below(stream[:, 5], 36)
  angle = lowest[:, None] + below(stream[:, 6:23], (highest - lowest)[:, None])
  angle[:, ::2] = TURN - angle[:, ::2]
  mean = math.isqrt(2 * (size << NORMAL_SHIFT) ** 2) // 8
  spread = mean >> (NORMAL_SHIFT + 1)
  length = np.clip(mean + normal(stream[:, 23:40]) * spread, 0, 2 * mean)
  ends = size << NORMAL_SHIFT
  xs, ys = [below(stream[:, 3], size)], [below(stream[:, 4], size)]
  for way, found in ((cosine, xs), (sine, ys)):
    steps = (length * way(angle)) >> SHIFT
    for step in steps.T:
      found.append(np.clip((found[-1] << NORMAL_SHIFT) + step, 0, ends) >> NORMAL_SHIFT)
  x, y = np.stack(xs, axis=1), np.stack(ys, axis=1)  # (n, 18)
  real = np.arange(17) < pieces[:, None]
  corner = np.arange(18) <= pieces[:, None]
  wide = np.broadcast_to(width[:, None], x.shape)
  radius = wide[corner] // 2
  x0, y0, x1, y1 = (each[real] for each in (x[:, :-1], y[:, :-1], x[:, 1:], y[:, 1:]))
  squares = wide[:, 1:][real] ** 2 * ((x1 - x0) ** 2 + (y1 - y0) ** 2)
  return [
    raster.bands(x0, y0, x1, y1, _roots(squares) // 2),  # half the width, to either side
    raster.disks(x[corner], y[corner], radius * radius + radius),  # 2 * radius + 1 across
  ]


@dataclass(frozen=True)
class Lama:
  """LaMa's strokes, or (medium and thick) boxes in 3 of 13 masks.

  Suvorov et al., "Resolution-robust Large Mask Inpainting with Fourier Convolutions", WACV 2022;
  `configs/data_gen/random_*.yaml`, `bin/gen_mask_dataset.py` and
  `saicinpainting/training/data/masks.py` of advimman/lama. A mask is either

  - strokes[0]..strokes[1] strokes (max_times + 1: the code counts one more than its configuration
    says) of 1..5 pieces, each piece with its own angle 0.01 + 0..3 radians (minus that in strokes
    0, 2, ...), length 10..9 + length, and width 5..4 + width; ends are rounded down and cut to the
    picture, 0..size; ends are round, with a radius of half the width, rounded up; or
  - boxes[0]..boxes[1] boxes with sides box_sides[0]..box_sides[1], at most
    size - 2 * margin - 1, all at least `margin` from the border.

  Masks with more than half hole are dropped (max_tamper_area: 0.5). The script draws five for an
  image and takes one of those left by chance: the same distribution.
  """

  strokes: tuple[int, int]
  width: int
  length: int
  boxes: tuple[int, int] = (0, 0)
  box_sides: tuple[int, int] = (0, 0)
  margin: int = 0

  def draw(self, key: str, size: int) -> np.ndarray:
    """One attempt: bool (size, size)."""
    stream = words(key, 2 + 18 * self.strokes[1])
    as_boxes = self.boxes[1] > 0 and int(below(stream[:1], 13)[0]) < 3
    low, high = self.boxes if as_boxes else self.strokes
    count = low + int(below(stream[1:2], high - low + 1)[0])
    if as_boxes:
      return raster.union(size, self._boxes(stream[2 : 2 + 4 * count].reshape(-1, 4), size))
    return raster.union(size, *self._strokes(stream[2 : 2 + 18 * count].reshape(-1, 18), size))

  def accepts(self, mask: np.ndarray) -> bool:
    """Whether at most half of it is hole."""
    return 2 * int(np.count_nonzero(mask)) <= mask.size

  def _boxes(self, stream: np.ndarray, size: int) -> raster.Runs:
    """stream: uint64 (n, 4) for width, height, x, y."""
    least, free = self.box_sides[0], size - 2 * self.margin
    bound = min(self.box_sides[1] + 1, free)
    width, height = (least + below(stream[:, k], bound - least) for k in (0, 1))
    left = self.margin + below(stream[:, 2], free - width + 1)
    top = self.margin + below(stream[:, 3], free - height + 1)
    return raster.boxes(left, top, width, height)

  def _strokes(self, stream: np.ndarray, size: int) -> list[raster.Runs]:
    """stream: uint64 (n, 18) for x, y, pieces, then angle, length, width of five pieces."""
    pieces = 1 + below(stream[:, 2], 5)
    choice = below(stream[:, 3::3], 4)
    sines, cosines = np.array([exact_sine(1 + 100 * k, 100) for k in range(4)], np.int64).T
    along_x, along_y = sines[choice], cosines[choice]  # an angle of 0 points down
    along_x[::2] *= -1
    length = 10 + below(stream[:, 4::3], self.length)
    width = 5 + below(stream[:, 5::3], self.width)
    points = []
    for start, way in ((stream[:, 0], along_x), (stream[:, 1], along_y)):
      found = [below(start, size)]
      for step in (length * way).T:
        found.append(np.clip(found[-1] + (step >> SHIFT), 0, size))
      points.append(np.stack(found, axis=1))
    x, y = points  # (n, 6)
    real = np.arange(5) < pieces[:, None]
    x0, y0, x1, y1 = (each[real] for each in (x[:, :-1], y[:, :-1], x[:, 1:], y[:, 1:]))
    radius = (width[real] + 1) // 2
    dx, dy = x1 - x0, y1 - y0
    # OpenCV draws the rim of the band as lines, which reach half a pixel further along an axis.
    reach = (_roots(4 * radius**2 * (dx**2 + dy**2)) + np.maximum(np.abs(dx), np.abs(dy))) // 2
    return [
      raster.bands(x0, y0, x1, y1, reach),
      raster.disks(x0, y0, radius**2),
      raster.disks(x1, y1, radius**2),
    ]


def _roots(values: np.ndarray) -> np.ndarray:
  """Integer square roots, rounded down: int64 (n,)."""
  return np.array([math.isqrt(value) for value in values.tolist()], np.int64)
