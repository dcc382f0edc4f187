"""Randomness, sines and normal deviates in integers only.

The mask protocols must give the same bits on every machine and with every version of NumPy. So
nothing here goes through floating point, libm or `np.random.Generator` (whose streams NumPy may
change); tables are computed from integers of any length, which Python has exactly.
"""

import functools
import hashlib

import numpy as np

TURN = 1 << 32
"""Angles are in this part of a full turn."""

SHIFT = 30
"""Sines are integers of value times 2**SHIFT."""

_BITS = 64  # fraction bits of the tables while they are computed
_PI = 0x3243F6A8885A308D3  # pi * 2**64, rounded down
_QUARTER = 1 << 10  # steps of the sine table in a quarter turn
_STEP = 7  # normal table: 2**_STEP entries a standard deviation
_LONGEST = 6  # standard deviations; beyond lie 2e-9 of all draws, which become 6
NORMAL_SHIFT = 16
"""Normal deviates are integers of standard deviations times 2**NORMAL_SHIFT."""


def words(key: str, count: int) -> np.ndarray:
  """Random words: uint64 (count,), a pure function of the key; a longer call only adds words.

  SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), counter-based: word i is the finaliser of
  start + (i + 1) * 0x9E3779B97F4A7C15 modulo 2**64, where start is the first 8 bytes, big-endian,
  of the SHA-256 of the key in UTF-8.
  """
  start = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
  z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(start)
  z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
  z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
  return z ^ (z >> np.uint64(31))


def below(word: np.ndarray, bound: int | np.ndarray) -> np.ndarray:
  """Words -> int64 in 0..bound - 1, evenly but for 2**-32: (upper 32 bits * bound) >> 32.

  Args:
    word: uint64, any shape.
    bound: 1..2**31, an integer or an array that broadcasts.
  """
  upper = (word >> np.uint64(32)).astype(np.int64)
  return (upper * bound) >> 32


def exact_sine(numerator: int, denominator: int) -> tuple[int, int]:
  """(sine, cosine) of an angle in radians, numerator / denominator, times 2**SHIFT, rounded."""
  angle = (numerator << _BITS) // denominator
  half = 1 << (_BITS - SHIFT - 1)
  return tuple((_series(angle, first) + half) >> (_BITS - SHIFT) for first in (1, 0))


def _series(angle: int, first: int) -> int:
  """Taylor's series of the sine (first=1) or cosine (first=0) with _BITS fraction bits."""
  term = angle if first else 1 << _BITS
  total, sign, power = 0, 1, first
  while term:
    total += sign * term
    term = (term * angle * angle >> 2 * _BITS) // ((power + 1) * (power + 2))
    sign, power = -sign, power + 2
  return total


@functools.cache
def _sine_table() -> np.ndarray:
  """int64 (_QUARTER + 2,): sines of 0 to a quarter turn; the last entry only ends the table."""
  table = [exact_sine(_PI * k, 2 * _QUARTER << _BITS)[0] for k in range(_QUARTER + 1)]
  return np.array([*table, table[-1]], np.int64)


def sine(angle: np.ndarray) -> np.ndarray:
  """Sines times 2**SHIFT: int64 of any shape, angles in 1 / TURN; off by 3e-7 at most."""
  angle = np.asarray(angle, np.int64) & (TURN - 1)
  quadrant, within = angle >> 30, angle & ((1 << 30) - 1)
  within = np.where(quadrant & 1, (1 << 30) - within, within)
  entry, rest = within >> 20, within & ((1 << 20) - 1)
  table = _sine_table()
  value = table[entry] + (((table[entry + 1] - table[entry]) * rest) >> 20)
  return np.where(quadrant & 2, -value, value)


def cosine(angle: np.ndarray) -> np.ndarray:
  """Cosines times 2**SHIFT; see `sine`."""
  return sine(np.asarray(angle, np.int64) + TURN // 4)


@functools.cache
def _normal_table() -> np.ndarray:
  """int64: 2**32 * P(|z| <= k / 2**_STEP) for k = 0.._LONGEST * 2**_STEP; the ends are exact.

  Simpson's rule over exp(-z**2 / 2), whose values at multiples of a step are powers q**(k * k).
  """
  bits = 2 * _BITS
  steps = 1 << (_STEP + 1)  # a density value also half-way between entries
  q, term, k = 0, 1 << bits, 0
  while term:  # q = exp(-1 / (2 * steps**2))
    q += term if k % 2 == 0 else -term
    k += 1
    term //= 2 * steps * steps * k
  density, ratio, square = [1 << bits], q, q * q >> bits
  for _ in range(_LONGEST * steps):  # (k + 1)**2 - k**2 = 2 * k + 1
    density.append(density[-1] * ratio >> bits)
    ratio = ratio * square >> bits
  total = [0]
  for k in range(0, _LONGEST * steps, 2):
    total.append(total[-1] + density[k] + 4 * density[k + 1] + density[k + 2])
  return np.array([(value << 32) // total[-1] for value in total], np.int64)


def normal(word: np.ndarray) -> np.ndarray:
  """Words -> standard normal deviates times 2**NORMAL_SHIFT: int64, any shape, within +-6.

  The upper 32 bits go through the inverse of the distribution of |z|, linear between the entries
  of a table; the lowest bit is the sign.
  """
  table = _normal_table()
  upper = (word >> np.uint64(32)).astype(np.int64)
  entry = np.searchsorted(table, upper, side="right") - 1
  width = np.maximum(table[entry + 1] - table[entry], 1)
  fine = ((upper - table[entry]) << (NORMAL_SHIFT - _STEP)) // width
  value = (entry << (NORMAL_SHIFT - _STEP)) + fine
  return np.where((word & np.uint64(1)).astype(bool), -value, value)
