"""z of a seed: the numbers of `jax.random.normal`, drawn without a program that takes long to
compile. A command that fills one photo draws one z, and waited a fifth of a second for it.
"""

import functools

import jax
import numpy as np

from facefill_jax.models.texture_net import LATENT

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)


@functools.lru_cache(maxsize=256)
def latent(seed: int) -> np.ndarray:
  """z of a seed, float32 (LATENT,), not to be written to. Drawn once: a batch shares its seed.

  Bit for bit `jax.random.normal(jax.random.key(seed), (LATENT,))`; of a seed, the last 32 bits.
  """
  lowest = np.nextafter(np.float32(-1), np.float32(0))
  mantissas = (_threefry(seed, LATENT) >> np.uint32(9)) | np.uint32(0x3F800000)
  zero_to_one = mantissas.view(np.float32) - np.float32(1)
  uniform = np.maximum(lowest, zero_to_one * (np.float32(1) - lowest) + lowest)
  return np.asarray(_normal(uniform))


@jax.jit
def _normal(uniform: jax.Array) -> jax.Array:
  """Standard normal numbers of uniform ones in (-1, 1): by JAX, whose last bit NumPy lacks."""
  return np.float32(np.sqrt(2)) * jax.lax.erf_inv(uniform)


def _threefry(seed: int, count: int) -> np.ndarray:
  """uint32 (count,): Threefry-2x32 with 20 rounds (Salmon et al., SC 2011) of 0, 1, 2 ..."""
  key = np.uint32(0), np.uint32(seed & 0xFFFFFFFF)
  keys = (*key, key[0] ^ key[1] ^ _PARITY)
  a = np.full(count, keys[0])
  b = np.arange(count, dtype=np.uint32) + keys[1]
  for block in range(5):
    for turn in _ROTATIONS[block % 2]:
      a = a + b
      b = ((b << np.uint32(turn)) | (b >> np.uint32(32 - turn))) ^ a
    a = a + keys[(block + 1) % 3]
    b = b + keys[(block + 2) % 3] + np.uint32(block + 1)
  return a ^ b
