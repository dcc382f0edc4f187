"""SqueezeNet 1.1 as a judge of likeness: its features, and a distance between them.

Network: Iandola et al., "SqueezeNet", 2016, release 1.1 for Caffe, which gives its conventions:
BGR input 0..255 minus the mean colour, no padding in conv1, 3 x 3 max pools of stride 2 whose
output size is rounded up. Distance: Zhang et al., "The Unreasonable Effectiveness of Deep
Features as a Perceptual Metric", CVPR 2018, eq. 1, at the taps that its SqueezeNet variant uses.
With equal channel weights and these network weights it is a SqueezeNet perceptual distance; it
is not LPIPS, whose channel weights were fitted to people's choices on another release.
"""

import pathlib
import zipfile
from collections.abc import Iterable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
from jax import lax
from jaxtyping import Array, Bool, Float

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

EPSILON = 1e-6  # under the root of a feature's squared length; lengths here are 1 to 1000

Params = Mapping[str, Array]
"""name -> float32 array: `<layer>.w` (h, w, in, out) and `<layer>.b` (out,)."""


class WeightFileError(ValueError):
  """A weight file is missing, unreadable, or not of this network; the message names the file."""


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


def read_arrays(path: pathlib.Path, names: Iterable[str]) -> dict[str, np.ndarray]:
  """The named arrays of an .npz or .safetensors file, as far as they are there.

  Raises:
    WeightFileError: the file is missing or unreadable.
  """
  try:
    return _read(path, names)
  except (OSError, ValueError, EOFError, zipfile.BadZipFile, safetensors.SafetensorError) as error:
    raise WeightFileError(f"{path}: cannot read weights: {error}") from error


def check_arrays(
  where: object, stored: Mapping[str, np.ndarray], shapes: Mapping[str, tuple], network: str
) -> dict[str, np.ndarray]:
  """The arrays that `shapes` names, as float32.

  Args:
    where: what messages begin with: a file's name.
    stored: name -> array.
    shapes: name -> wanted shape.
    network: its name, for messages.

  Raises:
    WeightFileError: an array is missing, misshapen, not of floats, or not finite.
  """
  missing = [name for name in shapes if name not in stored]
  if missing:
    raise WeightFileError(
      f"{where}: not {network}: {len(missing)} of {len(shapes)} arrays are missing, first "
      f"{missing[0]!r} of shape {shapes[missing[0]]}"
    )
  for name, shape in shapes.items():
    x = stored[name]
    if x.shape != shape or not np.issubdtype(x.dtype, np.floating):
      raise WeightFileError(
        f"{where}: not {network}: {name!r} is {x.dtype} {x.shape}, want floats {shape}"
      )
    if not np.isfinite(x).all():
      raise WeightFileError(f"{where}: {name!r} has values that are not finite")
  return {name: stored[name].astype(np.float32) for name in shapes}


def _read(path: pathlib.Path, names: Iterable[str]) -> dict[str, np.ndarray]:
  if path.suffix == ".npz":
    # Given a name, NumPy would leave a damaged file open.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
      return {name: archive[name] for name in names if name in archive.files}
  if path.suffix == ".safetensors":
    with safetensors.safe_open(path, framework="numpy") as archive:
      present = set(archive.keys())
      return {name: archive.get_tensor(name) for name in names if name in present}
  raise ValueError(f"unknown kind of file {path.suffix!r}; valid: '.npz', '.safetensors'")


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


def perceptual_distance(
  features_a: Sequence[Array],
  features_b: Sequence[Array],
  weights: Sequence[Array] | None = None,
) -> Float[Array, "b"]:
  """How far apart two sets of feature maps are: 0 for the same photo. Differentiable.

  At each position both features are divided by their length; the squared differences are
  weighted over channels, meaned over positions, and summed over taps.

  Args:
    features_a: feature maps (b, h', w', c), as many as there are taps.
    features_b: the same shapes.
    weights: one (c,) a tap; 1 / c without it.

  Raises:
    ValueError: the shapes of the maps or weights do not agree.
  """
  return sum(x.mean(axis=(1, 2)) for x in _differences(features_a, features_b, weights))


def distance_map(
  features_a: Sequence[Array],
  features_b: Sequence[Array],
  size: tuple[int, int],
  weights: Sequence[Array] | None = None,
) -> Float[Array, "b h w"]:
  """`perceptual_distance` before its mean: every tap's map resized to `size`, and their sum.

  Bilinear, as the spatial form of LPIPS is; its mean is the distance but for that resizing.
  """
  differences = _differences(features_a, features_b, weights)
  return sum(jax.image.resize(x, (len(x), *size), "linear") for x in differences)


def hole_distance(
  features_a: Sequence[Array], features_b: Sequence[Array], mask: Bool[Array, "b h w 1"]
) -> Float[Array, "b"]:
  """Mean of `distance_map`, at the mask's size, over hole pixels; 0 if there are none."""
  found = distance_map(features_a, features_b, mask.shape[1:3])[..., None]
  return jnp.where(mask, found, 0.0).sum((1, 2, 3)) / jnp.maximum(mask.sum((1, 2, 3)), 1)


def _differences(features_a, features_b, weights) -> list[Array]:
  """(b, h', w') of each tap: squared differences of unit features, weighted over channels."""
  shapes_a, shapes_b = [a.shape for a in features_a], [b.shape for b in features_b]
  if shapes_a != shapes_b:
    raise ValueError(f"feature maps differ in shape: {shapes_a} and {shapes_b}")
  if weights is None:
    weights = [np.full(s[-1], 1.0 / s[-1], np.float32) for s in shapes_a]
  if [w.shape for w in weights] != [s[-1:] for s in shapes_a]:
    raise ValueError(f"weights {[w.shape for w in weights]} do not fit feature maps {shapes_a}")
  return [
    (jnp.square(_unit_length(a) - _unit_length(b)) * weight).sum(axis=-1)
    for a, b, weight in zip(features_a, features_b, weights, strict=True)
  ]


def _unit_length(x: Array) -> Array:
  """Divides each feature by its length over channels, in float32; zeros stay zeros."""
  x = x.astype(jnp.float32)
  return x * lax.rsqrt(jnp.square(x).sum(axis=-1, keepdims=True) + EPSILON)


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
