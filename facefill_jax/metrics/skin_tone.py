"""How light skin is in a photo: the individual typology angle, and groups of it.

A photo's light moves the angle as much as the skin does, so that a photo says little of a person;
groups of many photos say whether a model serves some worse than others.
"""

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

LIGHTEST_FIRST = (
  ("very light", 55.0), ("light", 41.0), ("intermediate", 28.0), ("tan", 10.0), ("brown", -30.0),
  ("dark", -np.inf),
)  # fmt: skip
"""Groups, and the angle in degrees above which a photo is in them (Del Bino and Bernerd 2013)."""
_LEAST = 0.01  # share of the photo that must be skin


def typology_angle(photo: UInt8[np.ndarray, "h w 3"], skin: Bool[np.ndarray, "h w"]) -> float:
  """atan((L* - 50) / b*) of the median skin pixel, in degrees (Chardon et al. 1991).

  Args:
    photo: sRGB.
    skin: the pixels to look at.

  Returns:
    -90 (dark) to 90 (light); NaN where less than a hundredth of the photo is skin.

  Raises:
    ValueError: the shapes differ.
  """
  if photo.shape != (*skin.shape, 3):
    raise ValueError(f"photo must be (h, w, 3) and skin (h, w), got {photo.shape}, {skin.shape}")
  if skin.mean() < _LEAST:
    return float("nan")
  colours = np.float32(photo[skin])[None] / 255.0
  lightness, _, b = np.median(cv2.cvtColor(colours, cv2.COLOR_RGB2LAB)[0], axis=0)
  return float(np.degrees(np.arctan2(lightness - 50.0, max(b, 1e-3))))


def group(angle: float) -> str:
  """The name of an angle's group; "" of NaN."""
  return next((name for name, above in LIGHTEST_FIRST if angle > above), "")
