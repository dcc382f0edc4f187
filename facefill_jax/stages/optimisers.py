"""The optimisers: Adam and AdamW with warm-up, cosine decay and clipping, counted in images."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from facefill_jax.models.networks import choose

OPTIMISERS = {"adam": optax.adam, "adamw": optax.adamw}


def kernels(params) -> Any:
  """A tree of bool like `params`: True for the leaves named "kernel"."""
  return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)


@dataclasses.dataclass(frozen=True)
class Optimiser:
  """Numbers of one optimiser. Lengths are in images of the stage; a critic's, since it trains.

  Attributes:
    name: "adam" or "adamw".
    lr: peak learning rate, after `warmup_images` of linear warm-up; constant until the last
      `decay_images` of `total_images`, where a cosine takes it to `final` of the peak.
    clip: bound of the gradient's global norm; 0 for none.
    segments: of the schedule, (first update, images seen before it, images an update, factor of the
      rate), in order: how updates and images go together, which changes with the batch.
    weight_decay: of kernels only; biases, norms' scales and embeddings do not decay.
  """

  name: str
  lr: float
  b1: float
  b2: float
  weight_decay: float
  clip: float
  warmup_images: int
  decay_images: int
  total_images: int
  final: float = 0.05
  segments: tuple[tuple[int, int, int, float], ...] = ((0, 0, 1, 1.0),)

  def __post_init__(self):
    choose("optimiser", self.name, OPTIMISERS)

  def schedule(self) -> optax.Schedule:
    """Learning rate as a function of the number of updates before."""
    begins, seen, each, factors = (np.array(column) for column in zip(*self.segments, strict=True))
    begin = max(self.total_images - self.decay_images, self.warmup_images)

    def rate(count):
      k = jnp.searchsorted(begins, count, side="right") - 1
      images = jnp.asarray(seen)[k] + (count - jnp.asarray(begins)[k]) * jnp.asarray(each)[k]
      rate = self.lr * jnp.asarray(factors, jnp.float32)[k]
      if self.warmup_images:
        rate = rate * jnp.minimum(images / self.warmup_images, 1.0)
      if self.decay_images:
        way = jnp.clip((images - begin) / self.decay_images, 0.0, 1.0)
        rate = rate * (self.final + (1.0 - self.final) * 0.5 * (1.0 + jnp.cos(jnp.pi * way)))
      return rate

    return rate

  def make(self) -> optax.GradientTransformation:
    """The optax chain."""
    clip = [optax.clip_by_global_norm(self.clip)] if self.clip else []
    decay = {}
    if self.name == "adamw":
      decay = {"weight_decay": self.weight_decay, "mask": kernels}
    return optax.chain(*clip, OPTIMISERS[self.name](self.schedule(), self.b1, self.b2, **decay))
