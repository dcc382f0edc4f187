"""Networks of minimal width, and random batches."""

import jax
import numpy as np

from facefill_jax.labels import NUM_CLASSES
from facefill_jax.models.critic import Critic
from facefill_jax.models.layout_net import LayoutNet
from facefill_jax.models.networks import DTYPES, Networks
from facefill_jax.models.texture_net import TextureNet

SIDE = 64


def networks(dtype="float32", symmetry=True) -> Networks:
  """Networks with every part of the real ones, as narrow as they can be."""
  d, stem, widths, decoder = DTYPES[dtype], 8, (16, 16, 16), (16, 16, 8)
  return Networks(
    layout=LayoutNet(stem, widths, 16, 1, 2, 16, decoder, dtype=d),
    texture=TextureNet(stem, widths, 1, decoder, (16, 8), 64, 8, symmetry=symmetry, dtype=d),
    layout_critic=Critic(stem, widths, dtype=d),
    texture_critic=Critic(stem, widths, dtype=d),
  )


def random_batch(count: int = 2, height: int = SIDE, width: int = SIDE, seed: int = 0) -> dict:
  """Noise: photo uint8, labels uint8 (void at the top), mask bool: a box off the centre."""
  rng = np.random.default_rng(seed)
  labels = rng.integers(0, NUM_CLASSES - 1, (count, height // 8, width // 8), np.uint8)
  labels = labels.repeat(8, 1).repeat(8, 2)
  labels[:, :4] = NUM_CLASSES - 1
  mask = np.zeros((count, height, width, 1), bool)
  mask[:, 14:50, 9:45] = True
  photo = rng.integers(0, 256, (count, height, width, 3), np.uint8)
  return {"photo": photo, "labels": labels, "mask": mask}


def jit(function):
  """jax.jit, compiled in half the time to a program that runs slower."""
  return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})
