"""Masks by name that need no files: pure functions of (name, seed, index, size).

    name         what is hole                                                          source
    lama_thin    many thin strokes                                                     LaMa
    lama_medium  fewer, wider strokes, or small boxes                                  LaMa
    lama_thick   the same, wider and larger                                            LaMa
    comodgan     strokes and boxes, any share                                          CoModGAN
    mat_small    the same, but few                                                     MAT
    mat_large    the same, more than those, fewer than CoModGAN's                      MAT
    box          a square of half the side, anywhere                                   DPS
    half         the right half                                                        RePaint
    expand       all but a square of a quarter of the side in the centre               RePaint
    lines        every second row                                                      RePaint
    grid         all but one pixel of each 2 x 2                                       RePaint
    dots         single pixels at random, 30..70 % of all                              DPS

The bits depend on nothing else: not on the platform, nor on the version of Python or NumPy.

Hole ratios of masks drawn here (seed 0, indices from 0) and by the public generators (advimman/lama
at 786f593, zsyzzsoft/co-mod-gan at c8b9ffe, fenglinglwb/MAT at d273d89; OpenCV 5.0.0, Pillow
13.0.0): number of either, means, and the Kolmogorov-Smirnov distance of the two distributions,
which chance alone brings to .019 in 5 % and to .023 in 1 % of the cases for 10,000 of either.

                      number     mean here  there     distance
    lama_thin    256  10,000     .2870      .2858     .0105
    lama_medium  256  10,000     .2394      .2385     .0164
    lama_thick   256  10,000     .2673      .2661     .0102
    comodgan     256  10,000     .7294      .7308     .0086
    mat_small    256  10,000     .2198      .2214     .0116
    mat_large    256  10,000     .4054      .4082     .0140
    lama_thin    512  10,000     .2844      .2842     .0097
    lama_medium  512  10,000     .2701      .2718     .0106
    lama_thick   512  10,000     .2635      .2661     .0132
    mat_small    512  10,000     .2166      .2176     .0089
    mat_large    512  10,000     .4013      .4004     .0130

RePaint's and DPS's have not been compared.
"""

import dataclasses

import numpy as np

from facefill_jax.data.decoding import resize_nearest
from facefill_jax.data.masks.fixed_point import below, words
from facefill_jax.data.masks.free_form import Brush, Lama

VERSION = 1
"""Part of every random key: another number, another set of masks. Goes up if any bit changes."""

NAMES = (
  "lama_thin", "lama_medium", "lama_thick", "comodgan", "mat_small", "mat_large",
  "box", "half", "expand", "lines", "grid", "dots",
)  # fmt: skip
SMALLEST, LARGEST = 16, 4096  # sides

_LAMA_THIN = {256: Lama((4, 51), 10, 40), 512: Lama((4, 71), 20, 100)}
_LAMA_MEDIUM = {
  256: Lama((4, 6), 50, 100, boxes=(1, 5), box_sides=(10, 50)),
  512: Lama((4, 11), 100, 200, boxes=(1, 5), box_sides=(30, 150)),
}
_LAMA_THICK = {
  256: Lama((1, 6), 100, 200, boxes=(1, 3), box_sides=(30, 150), margin=10),
  512: Lama((1, 6), 250, 450, boxes=(1, 4), box_sides=(30, 300), margin=10),
}
_COMODGAN = Brush(small_boxes=9, large_boxes=4, strokes=19)
# Li et al., "MAT", CVPR 2022; `datasets/mask_generator_{256,512}{_small,}.py` of fenglinglwb/MAT.
_MAT_SMALL = {256: Brush(1, 1, 2), 512: Brush(2, 1, 3)}
_MAT_LARGE = {256: Brush(3, 1, 7), 512: Brush(4, 2, 8)}


def draw(name: str, seed: int, index: int, size: int) -> np.ndarray:
  """Mask `index` of a protocol.

  lama_* and mat_* are defined at 256 and 512 pixels. A mask of another size is the one of the same
  seed and index at 256 (sizes below 384) or 512 (from 384), resized by nearest. All others are
  defined at every size; comodgan's lengths are in pixels, as in its code, so that at 64 pixels
  nearly everything is hole.

  Args:
    name: one of NAMES. half, expand, lines and grid are the same for every seed and index.
    seed: 0 or more.
    index: 0 or more.
    size: side of the square, 16..4096.

  Returns:
    bool (size, size), True = hole.

  Raises:
    ValueError: an unknown name, or a number out of range.
  """
  _check(name, seed, index, size)
  shape, drawn_at = _free_form(name, size)
  key = f"facefill masks {VERSION}/{name}/{drawn_at}/{seed}/{index}"
  if shape is None:
    return _plain(name, key, size)
  attempt = 0
  while not shape.accepts(mask := shape.draw(f"{key}/{attempt}", drawn_at)):
    attempt += 1
  return np.ascontiguousarray(resize_nearest(mask, (size, size)))


def parameters(name: str, size: int) -> dict:
  """What `draw` uses at this size, as plain values; empty if the name says it all."""
  _check(name, 0, 0, size)
  shape, drawn_at = _free_form(name, size)
  return {} if shape is None else {"drawn_at": drawn_at, **dataclasses.asdict(shape)}


def check_size(size: int) -> None:
  """Raises ValueError for a side that no mask may have."""
  if not SMALLEST <= size <= LARGEST:
    raise ValueError(f"mask size {size} is not in {SMALLEST}..{LARGEST}")


def _check(name: str, seed: int, index: int, size: int) -> None:
  if name not in NAMES:
    raise ValueError(f"mask protocol {name!r} is unknown; valid names are {', '.join(NAMES)}")
  check_size(size)
  if seed < 0 or index < 0:
    raise ValueError(f"seed and index of a mask must be 0 or more; got {seed=}, {index=}")


def _free_form(name: str, size: int) -> tuple[Brush | Lama | None, int]:
  """The shape of a free-form protocol, or None, and the size that it is drawn at."""
  nearest = 256 if size < 384 else 512
  match name:
    case "lama_thin":
      return _LAMA_THIN[nearest], nearest
    case "lama_medium":
      return _LAMA_MEDIUM[nearest], nearest
    case "lama_thick":
      return _LAMA_THICK[nearest], nearest
    case "comodgan":
      return _COMODGAN, size
    case "mat_small":
      return _MAT_SMALL[nearest], nearest
    case "mat_large":
      return _MAT_LARGE[nearest], nearest
    case _:
      return None, size


def _plain(name: str, key: str, size: int) -> np.ndarray:
  """The other protocols.

  RePaint: Lugmayr et al., CVPR 2022, section 5, "Half", "Expand", "Alternating Lines" and
  "Super-Resolve 2x"; `confs/test_*_{genhalf,ex64,ev2li,nn2}.yml` of andreas128/RePaint, which name
  mask files that are not in it: they have not been compared, and which rows are known is ours.
  """
  mask = np.zeros((size, size), bool)
  match name:
    case "half":
      mask[:, size // 2 :] = True
    case "expand":
      side = size // 4  # 64 of 256
      first = (size - side) // 2
      mask[first : first + side, first : first + side] = True
      mask = ~mask
    case "lines":
      mask[1::2] = True  # rows 0, 2, ... are known
    case "grid":
      mask[::2, ::2] = True  # known: even rows and columns
      mask = ~mask
    case "box":
      mask = _box(key, size)
    case "dots":
      mask = _dots(key, size)
  return mask


def _box(key: str, size: int) -> np.ndarray:
  """A square of size // 2, at least size // 16 from the border: 128 and 16 of 256.

  Chung et al., "Diffusion Posterior Sampling", ICLR 2023, "box"; `mask_generator` in
  `util/img_utils.py` of DPS2022/diffusion-posterior-sampling, with mask_len_range (128, 129) and
  margin (16, 16). The last place on either axis is never drawn there; nor is it here.
  """
  side, margin = size // 2, size // 16
  top, left = (margin + below(words(key, 2), size - 2 * margin - side)).tolist()
  mask = np.zeros((size, size), bool)
  mask[top : top + side, left : left + side] = True
  return mask


def _dots(key: str, size: int) -> np.ndarray:
  """Single pixels are hole: 30..70 % of all, drawn evenly and rounded down, without order.

  The same file as for `_box`, "random", with the mask_prob_range (0.3, 0.7) of
  `configs/inpainting_config.yaml`. (The paper also speaks of 92 %.)
  """
  total = size * size
  stream = words(key, 1 + total)
  tenths = (3 << 32) + 4 * int(stream[0] >> np.uint64(32))  # 0.3..0.7 times 10 * 2**32
  hidden = total * tenths // (10 << 32)
  ranks = stream[1:]
  return (ranks < np.partition(ranks, hidden)[hidden]).reshape(size, size)
