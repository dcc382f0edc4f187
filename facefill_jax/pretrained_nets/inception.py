"""The Inception v3 of FID: 2,048 features a photo, as `pytorch-fid` computes them.

Network: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2015, with the
weights that TensorFlow published on 2015-12-05 and the FID of Heusel et al. (2017) is defined on.
`pytorch-fid` 0.3.0 ported them (`pt_inception-2015-12-05-6726825d.pth`) and keeps what the port
needs: average pools that count no padding, and a max pool in the last block (an oddity of that
graph, not of the paper). torchvision's own Inception weights give other numbers, which are no FID.

Photos of any size are resized to 299 x 299, bilinearly, with half-pixel centres and without
antialiasing: shrinking aliases, and that is part of this FID (clean-fid's resizes otherwise, and
differs by that). `pytorch-fid` takes photos in [0, 1] and maps them to [-1, 1] after resizing; here
they come in [-1, 1] and nothing is mapped. Both are the same, since resizing is linear. The port
leaves out the (x - 128) / 128 of the original graph in favour of 2 x - 1; so do we.

Parity (tests/parity): with the same random weights and two photos of 320 x 64 px (shrunk one way,
stretched the other), float32 on a CPU, the largest feature is 8.87872887 in both, and no feature is
further from `pytorch-fid`'s than 6e-7 of it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from facefill_jax.types import Photo

Params = Mapping[str, Array]
"""`<name>.weight` (h, w, in, out) and `<name>.bias` (out,), the norms folded in; see `arrange`."""

SIDE = 299
WIDTH = 2048
"""Features of a photo."""
NORM_EPSILON = 1e-3


class Conv(NamedTuple):
  """A convolution, its norm and its ReLU."""

  inputs: int
  outputs: int
  kernel: tuple[int, int] = (1, 1)
  stride: int = 1
  pad: tuple[int, int] = (0, 0)


def _square(inputs: int, outputs: int, side: int, stride: int = 1, pad: int = 0) -> Conv:
  return Conv(inputs, outputs, (side, side), stride, (pad, pad))


def _wide(inputs: int, outputs: int, length: int) -> Conv:
  return Conv(inputs, outputs, (1, length), pad=(0, length // 2))


def _tall(inputs: int, outputs: int, length: int) -> Conv:
  return Conv(inputs, outputs, (length, 1), pad=(length // 2, 0))


def _block_a(inputs: int, pooled: int) -> dict[str, Conv]:
  return {
    "branch1x1": Conv(inputs, 64),
    "branch5x5_1": Conv(inputs, 48),
    "branch5x5_2": _square(48, 64, 5, pad=2),
    "branch3x3dbl_1": Conv(inputs, 64),
    "branch3x3dbl_2": _square(64, 96, 3, pad=1),
    "branch3x3dbl_3": _square(96, 96, 3, pad=1),
    "branch_pool": Conv(inputs, pooled),
  }


def _block_b(inputs: int) -> dict[str, Conv]:
  return {
    "branch3x3": _square(inputs, 384, 3, stride=2),
    "branch3x3dbl_1": Conv(inputs, 64),
    "branch3x3dbl_2": _square(64, 96, 3, pad=1),
    "branch3x3dbl_3": _square(96, 96, 3, stride=2),
  }


def _block_c(inputs: int, width: int) -> dict[str, Conv]:
  return {
    "branch1x1": Conv(inputs, 192),
    "branch7x7_1": Conv(inputs, width),
    "branch7x7_2": _wide(width, width, 7),
    "branch7x7_3": _tall(width, 192, 7),
    "branch7x7dbl_1": Conv(inputs, width),
    "branch7x7dbl_2": _tall(width, width, 7),
    "branch7x7dbl_3": _wide(width, width, 7),
    "branch7x7dbl_4": _tall(width, width, 7),
    "branch7x7dbl_5": _wide(width, 192, 7),
    "branch_pool": Conv(inputs, 192),
  }


def _block_d(inputs: int) -> dict[str, Conv]:
  return {
    "branch3x3_1": Conv(inputs, 192),
    "branch3x3_2": _square(192, 320, 3, stride=2),
    "branch7x7x3_1": Conv(inputs, 192),
    "branch7x7x3_2": _wide(192, 192, 7),
    "branch7x7x3_3": _tall(192, 192, 7),
    "branch7x7x3_4": _square(192, 192, 3, stride=2),
  }


def _block_e(inputs: int) -> dict[str, Conv]:
  return {
    "branch1x1": Conv(inputs, 320),
    "branch3x3_1": Conv(inputs, 384),
    "branch3x3_2a": _wide(384, 384, 3),
    "branch3x3_2b": _tall(384, 384, 3),
    "branch3x3dbl_1": Conv(inputs, 448),
    "branch3x3dbl_2": _square(448, 384, 3, pad=1),
    "branch3x3dbl_3a": _wide(384, 384, 3),
    "branch3x3dbl_3b": _tall(384, 384, 3),
    "branch_pool": Conv(inputs, 192),
  }


def _within(block: str, convolutions: Mapping[str, Conv]) -> dict[str, Conv]:
  return {f"{block}.{name}": conv for name, conv in convolutions.items()}


CONVOLUTIONS: dict[str, Conv] = {
  "Conv2d_1a_3x3": _square(3, 32, 3, stride=2),
  "Conv2d_2a_3x3": _square(32, 32, 3),
  "Conv2d_2b_3x3": _square(32, 64, 3, pad=1),
  "Conv2d_3b_1x1": Conv(64, 80),
  "Conv2d_4a_3x3": _square(80, 192, 3),
  **_within("Mixed_5b", _block_a(192, 32)),
  **_within("Mixed_5c", _block_a(256, 64)),
  **_within("Mixed_5d", _block_a(288, 64)),
  **_within("Mixed_6a", _block_b(288)),
  **_within("Mixed_6b", _block_c(768, 128)),
  **_within("Mixed_6c", _block_c(768, 160)),
  **_within("Mixed_6d", _block_c(768, 160)),
  **_within("Mixed_6e", _block_c(768, 192)),
  **_within("Mixed_7a", _block_d(768)),
  **_within("Mixed_7b", _block_e(1280)),
  **_within("Mixed_7c", _block_e(2048)),
}
"""torchvision's name -> convolution, in the order of the network."""


def expected_shapes() -> dict[str, tuple[int, ...]]:
  """name -> shape of every array that `arrange` wants, named and shaped as torch stores them."""
  shapes = {}
  for name, conv in CONVOLUTIONS.items():
    shapes[f"{name}.conv.weight"] = (conv.outputs, conv.inputs, *conv.kernel)
    for part in ("weight", "bias", "running_mean", "running_var"):
      shapes[f"{name}.bn.{part}"] = (conv.outputs,)
  return shapes


def arrange(stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Arrays as torch stores them -> `Params`: each norm, an affine map, folded into its kernel."""
  params = {}
  for name in CONVOLUTIONS:
    gain, bias, mean, variance = (
      stored[f"{name}.bn.{part}"].astype(np.float64)
      for part in ("weight", "bias", "running_mean", "running_var")
    )
    gain = gain / np.sqrt(variance + NORM_EPSILON)
    kernel = stored[f"{name}.conv.weight"].transpose(2, 3, 1, 0) * gain
    params[f"{name}.weight"] = np.ascontiguousarray(kernel, np.float32)
    params[f"{name}.bias"] = (bias - mean * gain).astype(np.float32)
  return params


def features(params: Params, photo: Photo) -> Float[Array, "b 2048"]:
  """The features of the last average pool, at least 0; see the top of the file.

  Args:
    params: from `arrange`.
    photo: in [-1, 1], of any size. What `pytorch-fid` reads from files is uint8: quantise
      (`images.to_uint8`) before comparing with published numbers.

  Raises:
    ValueError: not (b, h, w, 3).
  """
  if photo.ndim != 4 or photo.shape[-1] != 3:
    raise ValueError(f"photo must be (b, h, w, 3), got {photo.shape}")
  size = (len(photo), SIDE, SIDE, 3)
  return pooled(
    params, jax.image.resize(photo.astype(jnp.float32), size, "linear", antialias=False)
  )


def pooled(params: Params, x: Float[Array, "b 299 299 3"]) -> Float[Array, "b 2048"]:
  """`features` of photos that have the network's size."""
  for name in ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3"):
    x = _conv(params, name, x)
  x = _max_pool(x)  # b 73 73 64
  for name in ("Conv2d_3b_1x1", "Conv2d_4a_3x3"):
    x = _conv(params, name, x)
  x = _max_pool(x)  # b 35 35 192
  for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
    x = _run_a(params, name, x)
  x = _run_b(params, "Mixed_6a", x)  # b 17 17 768
  for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
    x = _run_c(params, name, x)
  x = _run_d(params, "Mixed_7a", x)  # b 8 8 1280
  x = _run_e(params, "Mixed_7b", x, _mean_pool)
  x = _run_e(params, "Mixed_7c", x, _max_pool_same)
  return x.mean(axis=(1, 2))


def _run_a(params, block, x):
  return _join(
    _chain(params, block, x, "branch1x1"),
    _chain(params, block, x, "branch5x5_1", "branch5x5_2"),
    _chain(params, block, x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
    _chain(params, block, _mean_pool(x), "branch_pool"),
  )


def _run_b(params, block, x):
  return _join(
    _chain(params, block, x, "branch3x3"),
    _chain(params, block, x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
    _max_pool(x),
  )


def _run_c(params, block, x):
  return _join(
    _chain(params, block, x, "branch1x1"),
    _chain(params, block, x, *(f"branch7x7_{i}" for i in (1, 2, 3))),
    _chain(params, block, x, *(f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5))),
    _chain(params, block, _mean_pool(x), "branch_pool"),
  )


def _run_d(params, block, x):
  return _join(
    _chain(params, block, x, "branch3x3_1", "branch3x3_2"),
    _chain(params, block, x, *(f"branch7x7x3_{i}" for i in (1, 2, 3, 4))),
    _max_pool(x),
  )


def _run_e(params, block, x, pool):
  one = _chain(params, block, x, "branch3x3_1")
  two = _chain(params, block, x, "branch3x3dbl_1", "branch3x3dbl_2")
  return _join(
    _chain(params, block, x, "branch1x1"),
    *(_chain(params, block, one, f"branch3x3_2{end}") for end in "ab"),
    *(_chain(params, block, two, f"branch3x3dbl_3{end}") for end in "ab"),
    _chain(params, block, pool(x), "branch_pool"),
  )


def _chain(params: Params, block: str, x: Array, *names: str) -> Array:
  for name in names:
    x = _conv(params, f"{block}.{name}", x)
  return x


def _join(*branches: Array) -> Array:
  return jnp.concatenate(branches, axis=-1)


def _conv(params: Params, name: str, x: Array) -> Array:
  conv = CONVOLUTIONS[name]
  y = lax.conv_general_dilated(
    x,
    params[f"{name}.weight"],
    window_strides=(conv.stride, conv.stride),
    padding=tuple((pad, pad) for pad in conv.pad),
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
    precision=lax.Precision.HIGHEST,  # a score must not depend on the accelerator
  )
  return jnp.maximum(y + params[f"{name}.bias"], 0.0)


def _max_pool(x: Array) -> Array:
  return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID")


def _max_pool_same(x: Array) -> Array:
  return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")


def _mean_pool(x: Array) -> Array:
  """3 x 3, stride 1, each mean over the pixels that are there."""
  window = ((1, 3, 3, 1), (1, 1, 1, 1), "SAME")
  total = lax.reduce_window(x, 0.0, lax.add, *window)
  return total / lax.reduce_window(jnp.ones((1, *x.shape[1:3], 1)), 0.0, lax.add, *window)
