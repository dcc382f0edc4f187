"""Layouts as a network would read them of a face that lies where the test says."""

import numpy as np

from facefill_jax.filling import align
from facefill_jax.labels import CLASSES, NUM_CLASSES


def layout_of(frame, seen, side=96, without=()):
  """What a network that sees through frame `seen` reads of a face that lies in `frame`."""
  ids = np.full((side, side), CLASSES.index("skin"))
  for name, point in zip(("r_eye", "l_eye", "nose", "l_lip"), align.PARTS, strict=True):
    if name in without:
      continue
    grid = np.stack(np.meshgrid(*[(np.arange(side) + 0.5) / side] * 2), -1).reshape(-1, 2)
    away = np.linalg.norm(seen.to_photo(grid) - frame.to_photo(point[None]), axis=1) / frame.size
    ids[away.reshape(side, side) < 0.035] = CLASSES.index(name)
  return np.eye(NUM_CLASSES, dtype=np.float32)[ids]
