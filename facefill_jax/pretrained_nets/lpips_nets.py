"""The networks and heads of LPIPS v0.1: AlexNet, VGG16 and SqueezeNet of `torchvision_nets`."""

from collections.abc import Mapping

import numpy as np

from facefill_jax.pretrained_nets import torchvision_nets
from facefill_jax.pretrained_nets.torchvision_nets import NETS


def expected_shapes(net: str) -> dict[str, tuple[int, ...]]:
  """name -> shape of every array that `arrange` wants: torchvision's names, and the heads'.

  Kernels are (out, in, h, w). The heads are `lin0.model.1.weight` ... of shape (1, c, 1, 1).

  Raises:
    ValueError: `net` is not a name of NETS.
  """
  layers = layers_of(net)
  heads = {head(i): (1, c, 1, 1) for i, c in enumerate(torchvision_nets.tapped_channels(layers))}
  return torchvision_nets.expected_shapes(layers) | heads


def arrange(stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Arrays as torch stores them -> `Params`: kernels (h, w, in, out), heads (c,)."""
  heads = {name: x.reshape(-1) for name, x in stored.items() if name.startswith("lin")}
  return torchvision_nets.arrange({**stored, **heads})


def layers_of(net: str) -> tuple:
  if net not in NETS:
    raise ValueError(f"unknown LPIPS network {net!r}; valid: {', '.join(NETS)}")
  return NETS[net]


def head(i: int) -> str:
  return f"lin{i}.model.1.weight"
