"""Fine detail for fills that were painted small: from where the photo shows something alike.

What enlarging takes from a picture is known wherever the photo is: there it is the photo less its
own small version, enlarged. Each cell of a hole gets it from the known cell that looks most like
it, by colours around it and by class. The idea is contextual residual aggregation's (Yi et al.
2020, arXiv 2005.09704), with one nearest cell in place of an attention's mean, which would blur.

NumPy and OpenCV; linear in the cells of the hole.
"""

import cv2
import numpy as np

from facefill_jax.labels import NUM_CLASSES

KEYS = 4_000  # known cells that are looked through, at most
_AT_ONCE = 4096  # cells of the hole that are compared with them at once
# What another class, and the whole width of the picture, are worth beside 27 colours in 0..1.
_CLASS, _DISTANCE = 1.0, 0.5
_NEIGHBOURS = np.ones((3, 3), np.uint8)


def fine_detail(
  photo: np.ndarray, hole: np.ndarray, painted: np.ndarray, ids: np.ndarray
) -> np.ndarray:
  """What to add to a painted picture, enlarged by cubic interpolation, in its hole.

  Args:
    photo: uint8 (k * r, k * r, 3), black in the hole.
    hole: bool (k * r, k * r).
    painted: uint8 (r, r, 3), the whole picture, small.
    ids: uint8 (r, r), its class ids.

  Returns:
    float32 (k * r, k * r, 3), in levels of 0..255; 0 where the photo is known, and everywhere if
    no cell is known all around.
  """
  r, side = len(painted), len(photo)
  k = side // r
  enlarged = cv2.resize(painted, (side, side), interpolation=cv2.INTER_CUBIC)
  residual = np.where(hole[..., None], np.float32(0), photo.astype(np.float32) - enlarged)
  cells = hole.reshape(r, k, r, k).any((1, 3)).astype(np.uint8)
  beside = cv2.dilate(cells, _NEIGHBOURS, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
  unknown = cv2.dilate(cells, _NEIGHBOURS, borderType=cv2.BORDER_CONSTANT, borderValue=1) > 0
  unknown[[0, -1]] = unknown[:, [0, -1]] = True  # windows would end there
  keys, queries = np.flatnonzero(~unknown), np.flatnonzero(beside)
  if not len(keys) or not len(queries):
    return np.zeros_like(residual)
  if len(keys) > KEYS:
    keys = np.sort(np.random.default_rng(0).choice(keys, KEYS, replace=False))
  found = _nearest(_looks(painted, ids), keys, queries)
  moved = _copied(residual, k, np.divmod(queries, r), np.divmod(found, r))
  return np.where(hole[..., None], moved, np.float32(0))


def _looks(painted: np.ndarray, ids: np.ndarray) -> np.ndarray:
  """What cells are compared by: colours of 3 x 3 cells, class and place, float32 (r * r, 49)."""
  r = len(painted)
  padded = cv2.copyMakeBorder(painted, 1, 1, 1, 1, cv2.BORDER_REPLICATE).astype(np.float32) / 255
  around = [padded[i : i + r, j : j + r] for i in range(3) for j in range(3)]
  classes = _CLASS * np.eye(NUM_CLASSES, dtype=np.float32)[ids]
  place = _DISTANCE / r * np.stack(np.mgrid[:r, :r], axis=-1).astype(np.float32)
  return np.concatenate([*around, classes, place], axis=-1).reshape(r * r, -1)


def _nearest(looks: np.ndarray, keys: np.ndarray, queries: np.ndarray) -> np.ndarray:
  """For each query the key that looks most like it; all of them indices of cells."""
  known = looks[keys]
  squares = np.square(known).sum(1)
  found = np.empty_like(queries)
  for at in range(0, len(queries), _AT_ONCE):
    part = slice(at, at + _AT_ONCE)
    found[part] = keys[np.argmin(squares - 2 * looks[queries[part]] @ known.T, axis=1)]
  return found


def _copied(residual: np.ndarray, k: int, to: tuple, source: tuple) -> np.ndarray:
  """Windows of 2 x 2 cells about cells `source`, (rows, columns), laid about cells `to`.

  They overlap by half. Where those that meet were neighbours in the photo, too, they are averaged;
  where they have nothing to do with each other a mean would be weaker than each, and they are
  divided by the root of the squares of their weights.
  """
  half = np.sin(np.pi * (np.arange(2 * k) + 0.5) / (2 * k)).astype(np.float32)
  weight = half[:, None] * half
  window, margin = np.arange(2 * k) - k // 2, 2 * k
  padded = np.pad(residual, ((margin, margin), (margin, margin), (0, 0)))
  total = np.zeros_like(padded)
  shift = (source[0] - to[0]) * 2 * len(residual) + source[1] - to[1]  # alike for neighbours
  layers = []  # windows of one parity do not overlap: their weights, and their shifts
  for parity in range(4):
    here = (to[0] % 2 == parity // 2) & (to[1] % 2 == parity % 2)
    rows, columns, from_rows, from_columns = (
      k * x[here][:, None] + window + margin for x in (*to, *source)
    )
    at = rows[:, :, None], columns[:, None, :]
    taken = padded[from_rows[:, :, None], from_columns[:, None, :]]  # n 2k 2k 3
    total[at] += weight[..., None] * taken
    weights, shifts = np.zeros(total.shape[:2], np.float32), np.zeros(total.shape[:2], np.int32)
    weights[at], shifts[at] = weight, shift[here][:, None, None]
    layers.append((weights, shifts))
  square = sum(weights**2 for weights, _ in layers)
  for i, (weights, shifts) in enumerate(layers):
    for others, other_shifts in layers[:i]:
      square += np.where(shifts == other_shifts, 2 * weights * others, np.float32(0))
  total /= np.sqrt(np.maximum(square, 1e-6))[..., None]
  return total[margin:-margin, margin:-margin]
