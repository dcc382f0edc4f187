"""The classes of a face layout: names, ids, mirror pairs and colours. NumPy only.

Ids 0..18 are those of CelebAMask-HQ (Lee et al., "MaskGAN", CVPR 2020), in its order. The paper
speaks of K = 20 classes and does not list them: id 19 is our choice, "void", for pixels that no
label covers. Losses and metrics ignore void. `l_` is the person's left: larger x in the picture.
"""

import numpy as np

CLASSES = (
  "background", "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear",
  "mouth", "u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth", "void",
)  # fmt: skip
NUM_CLASSES = len(CLASSES)
VOID = CLASSES.index("void")

MIRROR_PAIRS = ((4, 5), (6, 7), (8, 9))  # eyes, brows, ears

MIRROR = np.arange(NUM_CLASSES, dtype=np.uint8)
"""MIRROR[c] is the class that class c becomes when the picture is flipped left to right."""
for _left, _right in MIRROR_PAIRS:
  MIRROR[_left], MIRROR[_right] = _right, _left

PALETTE = np.array([
  (40, 44, 52), (233, 186, 150), (201, 126, 96), (95, 205, 228), (64, 128, 255), (0, 70, 190),
  (150, 96, 40), (105, 62, 22), (246, 150, 121), (214, 106, 80), (120, 20, 40), (224, 60, 90),
  (190, 30, 66), (92, 58, 120), (255, 200, 40), (60, 220, 150), (30, 160, 110), (208, 152, 118),
  (90, 140, 90), (0, 0, 0),
], np.uint8)  # fmt: skip
"""uint8 (20, 3): one colour a class, for pictures of layouts."""


def flip_labels(labels: np.ndarray) -> np.ndarray:
  """Mirrors label maps left to right and swaps the left and right classes.

  Args:
    labels: uint8 (..., h, w), values 0..19.

  Returns:
    The same shape and dtype.
  """
  return MIRROR.take(labels[..., ::-1])


def colourise(labels: np.ndarray) -> np.ndarray:
  """A picture of label maps: integer (..., h, w), 0..19 -> uint8 (..., h, w, 3)."""
  return PALETTE[labels]


def check_labels(labels: np.ndarray, where: str) -> None:
  """Raises ValueError naming `where` (a file, say) if a value is not a class id."""
  if labels.size and int(labels.max()) >= NUM_CLASSES:
    raise ValueError(f"{where}: label {int(labels.max())} found; valid labels are 0..{VOID}")
