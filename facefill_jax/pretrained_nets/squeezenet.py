"""SqueezeNet 1.1 of its authors' Caffe release: features for losses and distances.

Iandola et al., "SqueezeNet", 2016; release 1.1 gives the conventions: BGR input 0..255 minus the
mean colour, no padding in conv1, 3 x 3 max pools of stride 2 whose output size is rounded up. LPIPS
uses torchvision's release: `torchvision_nets`.
"""

import pathlib
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from facefill_jax.pretrained_nets.foreign_files import check_arrays, read_arrays
from facefill_jax.types import Photo

MEAN_BGR = (104.0, 117.0, 123.0)
FIRE = {
  2: (64, 16, 64), 3: (128, 16, 64), 4: (128, 32, 128), 5: (256, 32, 128),
  6: (256, 48, 192), 7: (384, 48, 192), 8: (384, 64, 256), 9: (512, 64, 256),
}  # fmt: skip
"""Fire module -> channels (in, squeezed, each of the two expansions)."""
POOLED_BEFORE = (2, 4, 6)
"""The fire modules that a max pool precedes."""
TAPPED = (3, 5, 6, 7, 8, 9)
"""The fire modules whose output is a tap; conv1's is the first tap."""
TAP_CHANNELS = (64, 128, 256, 384, 384, 512, 512)
MIN_SIDE = 25
"""The smallest side for which every pool sees at least one whole window."""


Params = Mapping[str, Array]
"""name -> float32 array: `<layer>.w` (h, w, in, out) and `<layer>.b` (out,)."""


def expected_shapes() -> dict[str, tuple[int, ...]]:
  """name -> shape of every array up to fire9, as stored in files: (out, in, h, w) and (out,)."""
  convolutions = {"conv1": (64, 3, 3, 3)}
  for number, (inputs, squeezed, expanded) in FIRE.items():
    convolutions[f"fire{number}.squeeze1x1"] = (squeezed, inputs, 1, 1)
    convolutions[f"fire{number}.expand1x1"] = (expanded, squeezed, 1, 1)
    convolutions[f"fire{number}.expand3x3"] = (expanded, squeezed, 3, 3)
  shapes = {}
  for name, shape in convolutions.items():
    shapes[f"{name}.w"], shapes[f"{name}.b"] = shape, shape[:1]
  return shapes


def load_squeezenet(path: str | pathlib.Path) -> dict[str, np.ndarray]:
  """Reads the weights from an .npz or .safetensors file; never unpickles anything.

  Args:
    path: a file with the arrays of `expected_shapes`, of any float type. Others (the classifier,
      conv10) are left unread.

  Returns:
    `Params` of NumPy arrays.

  Raises:
    WeightFileError: the file is missing or unreadable, an array is missing, misshapen, not of
      floats, or not finite.
  """
  path, shapes = pathlib.Path(path), expected_shapes()
  return arrange(check_arrays(path, read_arrays(path, shapes), shapes, "SqueezeNet 1.1"))


def arrange(stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Arrays as files have them -> `Params`."""
  return {name: x.transpose(2, 3, 1, 0) if x.ndim == 4 else x for name, x in stored.items()}


def squeezenet_features(
  params: Params, photo: Photo, dtype: jnp.dtype = jnp.float32
) -> tuple[Array, ...]:
  """The seven taps of a photo, after their ReLUs.

  Args:
    params: from `load_squeezenet`.
    photo: in [-1, 1], RGB, sides of at least MIN_SIDE.
    dtype: of the convolutions and of the result.

  Returns:
    (b, h', w', c) each, c as in TAP_CHANNELS, at 1/2, 1/4, 1/8, then four times 1/16.
  """
  if photo.ndim != 4 or photo.shape[-1] != 3 or min(photo.shape[1:3]) < MIN_SIDE:
    raise ValueError(f"photo must be (b, h, w, 3), sides from {MIN_SIDE} up, got {photo.shape}")
  x = (photo[..., ::-1].astype(jnp.float32) + 1.0) * 127.5 - jnp.array(MEAN_BGR, jnp.float32)
  x = _conv(params, "conv1", x.astype(dtype), stride=2)
  taps = [x]
  for number in FIRE:
    if number in POOLED_BEFORE:
      x = _max_pool(x)
    squeezed = _conv(params, f"fire{number}.squeeze1x1", x)
    narrow = _conv(params, f"fire{number}.expand1x1", squeezed)
    wide = _conv(params, f"fire{number}.expand3x3", squeezed, pad=1)
    x = jnp.concatenate((narrow, wide), axis=-1)
    if number in TAPPED:
      taps.append(x)
  return tuple(taps)


def _conv(params: Params, name: str, x: Array, stride: int = 1, pad: int = 0) -> Array:
  """Convolution, bias and ReLU, in x's dtype."""
  y = lax.conv_general_dilated(
    x,
    jnp.asarray(params[f"{name}.w"], x.dtype),
    window_strides=(stride, stride),
    padding=((pad, pad), (pad, pad)),
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
  )
  return jnp.maximum(y + jnp.asarray(params[f"{name}.b"], x.dtype), 0)


def _max_pool(x: Array) -> Array:
  """3 x 3, stride 2, size rounded up: the last window may hang over the right or lower edge."""
  # (n - 3) is odd for even n: one more row is needed, and minus infinity never wins.
  pads = tuple((0, (n - 3) % 2) for n in x.shape[1:3])
  return lax.reduce_window(
    x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), ((0, 0), *pads, (0, 0))
  )
