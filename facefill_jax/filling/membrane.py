"""What is known of a picture, continued smoothly into its hole: `images.membrane` without jax.

NumPy and OpenCV: for pictures of any size, each of which would be a program to compile.
"""

import cv2
import numpy as np

RELAXATIONS = 6  # of each scale, as in `images.membrane`


def membrane(weighted: np.ndarray, weight: np.ndarray) -> np.ndarray:
  """`images.membrane` of one picture of any size: what is known, continued smoothly.

  Args:
    weighted: float32 (h, w, 3), values times weight.
    weight: float32 (h, w), 0..1, how much is known.
  """
  known = weight[..., None]
  mean = weighted / np.maximum(known, 1e-6)
  h, w = weight.shape
  if min(h, w) == 1:
    whole = weighted.sum((0, 1)) / max(weight.sum(), 1e-6)
    return np.where(known > 0, mean, whole)
  even = ((0, h % 2), (0, w % 2))
  half = ((w + 1) // 2, (h + 1) // 2)
  shrunk = cv2.resize(np.pad(weight, even), half, interpolation=cv2.INTER_AREA)
  gain = np.minimum(4 * shrunk, 1) / np.maximum(shrunk, 1e-6)
  coarse = cv2.resize(np.pad(weighted, (*even, (0, 0))), half, interpolation=cv2.INTER_AREA)
  coarse = membrane(coarse * gain[..., None], shrunk * gain)
  smooth = cv2.resize(coarse, (2 * half[0], 2 * half[1]), interpolation=cv2.INTER_LINEAR)[:h, :w]
  smooth = known * mean + (1 - known) * smooth
  for _ in range(RELAXATIONS):
    blurred = cv2.GaussianBlur(smooth, (3, 3), 0, borderType=cv2.BORDER_REPLICATE)
    smooth = known * mean + (1 - known) * blurred
  return smooth
