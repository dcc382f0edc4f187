"""What both sides of a parity test start from, made from seeds: weights, photos and features.

NumPy only, and only PCG64's uniform numbers, which do not change between versions: the script that
runs the reference packages and the tests of ours draw the same arrays.
"""

import zlib

import numpy as np

LPIPS_SIZE = (64, 56)
INCEPTION_SIZE = (320, 64)  # shrunk one way, stretched the other
EVERY_FEATURE = 16  # of the 2,048, this many apart are kept
EVERY_PIXEL = (9, 8)  # of a distance map


def uniform(name: str, shape: tuple[int, ...]) -> np.ndarray:
  """float64 in [-1, 1): a stream of its own for each name."""
  rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
  return 2.0 * rng.random(shape) - 1.0


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
  """A float32 array fit for a network: He-scaled kernels, heads and variances above 0."""
  x = uniform(name, shape)
  if name.startswith("lin"):
    x = 0.55 + 0.45 * x
  elif name.endswith("running_var"):
    x = 1.0 + 0.45 * x
  elif len(shape) > 1:
    x = x * np.sqrt(6.0 / np.prod(shape[1:]))
  elif name.endswith("bn.weight"):
    x = 1.0 + 0.3 * x
  else:
    x = 0.1 * x
  return x.astype(np.float32)


def weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
  return {name: weight(name, shape) for name, shape in shapes.items()}


def photos(name: str, height: int, width: int, count: int = 2) -> np.ndarray:
  """uint8 (count, h, w, 3): waves of a few colours under noise, so that no tap is dead."""
  y, x = np.mgrid[:height, :width] / 16.0
  tone = uniform(f"{name} tones", (count, 1, 1, 3))
  waves = np.sin(x[..., None] + 3 * tone) * np.cos(y[..., None] - 2 * tone)
  noise = uniform(f"{name} noise", (count, height, width, 3))
  return np.round(127.5 + 80.0 * waves + 40.0 * noise).astype(np.uint8)


def features() -> tuple[np.ndarray, np.ndarray]:
  """Fills (300, 24) and photos (260, 24), correlated, with different means and spreads."""
  mix = uniform("mix", (24, 24))
  fills = uniform("fills", (300, 24)) @ mix
  real = 0.8 * uniform("real", (260, 24)) @ (mix + 0.3 * uniform("other", (24, 24))) + 0.2
  return fills, real


def pairs() -> tuple[np.ndarray, np.ndarray]:
  """Photos and fills (200, 12), row by row of the same face: near each other, and not the same."""
  real = uniform("pair", (200, 12))
  return real, real + 0.4 * uniform("change", (200, 12)) + 0.05
