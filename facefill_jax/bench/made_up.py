"""Random numbers in place of trained parameters and photos: enough for everything but pictures."""

from typing import Any

import jax
import numpy as np

from facefill_jax.labels import NUM_CLASSES
from facefill_jax.pretrained_nets.kinds import KNOWN

_CELL = 16  # px of one class in made-up labels


def parameters(shapes: Any, seed: int = 0) -> Any:
  """A tree of random float32 NumPy arrays in the shapes of `shapes`, scaled so that sums stay near
  1. Initialising the networks would compile programs of their own."""
  rng = np.random.default_rng(seed)

  def value(path, leaf):
    x = rng.standard_normal(leaf.shape, np.float32)
    if leaf.ndim > 1:
      return x / np.sqrt(np.prod(leaf.shape[:-1])).astype(np.float32)
    return np.float32(path[-1].key == "scale") + np.float32(0.1) * x

  return jax.tree_util.tree_map_with_path(value, shapes)


def frozen_network(kind: str, seed: int = 0) -> dict[str, np.ndarray]:
  """Random weights of a network that others trained; `kind`: of `pretrained_nets.kinds`."""
  rng, known = np.random.default_rng(seed), KNOWN[kind]
  stored = {
    name: (rng.standard_normal(shape) / np.sqrt(max(np.prod(shape[1:]), 1))).astype(np.float32)
    for name, shape in known.expected_shapes(()).items()
  }
  return known.arrange(stored)


def photos(count: int, side: int, seed: int = 0) -> dict[str, np.ndarray]:
  """{"photo": uint8 (b, h, w, 3), "labels": uint8 (b, h, w), "mask": bool (b, h, w, 1)}.

  Noise, labels in cells, and a hole of a quarter of the photo in its middle.
  """
  rng = np.random.default_rng(seed)
  cells = -(-side // _CELL)
  labels = rng.integers(0, NUM_CLASSES - 1, (count, cells, cells), np.uint8)
  labels = labels.repeat(_CELL, 1).repeat(_CELL, 2)[:, :side, :side]
  mask = np.zeros((count, side, side, 1), bool)
  mask[:, side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = True
  photo = rng.integers(0, 256, (count, side, side, 3), np.uint8)
  return {"photo": photo, "labels": labels, "mask": mask}
