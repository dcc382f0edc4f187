"""The individual typology angle of skin, by hand, and its groups."""

import cv2
import numpy as np
import pytest

from facefill_jax.metrics import skin_tone


def photo_of(lightness, a, b, side=20):
  lab = np.full((side, side, 3), (lightness, a, b), np.float32)
  return np.uint8(np.round(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * 255))


@pytest.mark.parametrize(
  ("lightness", "b", "name"),
  [(78, 14, "very light"), (66, 17, "light"), (61, 17, "intermediate"), (55, 17, "tan"),
   (48, 17, "brown"), (35, 16, "dark")],
)  # fmt: skip
def test_skin_of_one_colour(lightness, b, name):
  photo = photo_of(lightness, 12, b)
  angle = skin_tone.typology_angle(photo, np.ones((20, 20), bool))
  assert angle == pytest.approx(np.degrees(np.arctan((lightness - 50) / b)), abs=1.5)
  assert skin_tone.group(angle) == name


def test_only_skin_is_looked_at():
  photo, skin = photo_of(66, 12, 17), np.zeros((20, 20), bool)
  skin[:, :10] = True
  want = skin_tone.typology_angle(photo, skin)
  photo[:, 10:] = (0, 0, 255)
  photo[0, :2] = 255  # a highlight: the median does not see it
  assert skin_tone.typology_angle(photo, skin) == want


def test_without_skin_there_is_no_angle():
  photo, skin = photo_of(66, 12, 17), np.zeros((20, 20), bool)
  skin[0, :3] = True
  assert np.isnan(skin_tone.typology_angle(photo, skin))
  assert skin_tone.group(np.nan) == ""
  with pytest.raises(ValueError, match=r"got \(20, 20, 3\), \(20, 10\)"):
    skin_tone.typology_angle(photo, skin[:, :10])


def test_blue_skin_has_an_angle():
  assert skin_tone.typology_angle(photo_of(60, 0, -20), np.ones((20, 20), bool)) > 85
