"""The features of a set of pictures: what FID, KID, P-IDS and U-IDS are computed from."""

import dataclasses
from functools import cached_property

import numpy as np

from facefill_jax.metrics import frechet

_ROWS = 1024  # feature vectors that are read at once


@dataclasses.dataclass(frozen=True)
class FeatureSet:
  """Feature vectors of fills, and of their photos.

  Attributes:
    photos: (p, d), each photo once; fills: (n, d). Files may be behind both.
    photo_of: int (n,), the row in `photos` that a fill belongs to.
    rows: int (m,), the fills that are in the set.
  """

  photos: np.ndarray
  fills: np.ndarray
  photo_of: np.ndarray
  rows: np.ndarray

  def at(self, rows: np.ndarray) -> "FeatureSet":
    """Of these fills only."""
    return dataclasses.replace(self, rows=rows)

  def fid(self) -> float:
    """Of the fills and their photos, each photo once."""
    fills, photos = _moments(self.fills, self.rows), _moments(self.photos, self._photo_rows)
    return frechet.frechet_distance(fills, photos)

  def kid(self) -> float:
    """As `fid`."""
    return frechet.kid(self.fills[self.rows], self.photos[self._photo_rows])

  def p_ids(self) -> float:
    """Of the fills, each with its photo."""
    return self._ids[0]

  def u_ids(self) -> float:
    """As `p_ids`."""
    return self._ids[1]

  @property
  def _photo_rows(self) -> np.ndarray:
    return np.unique(self.photo_of[self.rows])

  @cached_property
  def _ids(self) -> tuple[float, float]:
    real = self.photos[self.photo_of[self.rows]]
    return frechet.ids(real, self.fills[self.rows])


def _moments(vectors: np.ndarray, rows: np.ndarray) -> frechet.Moments:
  found = frechet.Moments(vectors.shape[1])
  for start in range(0, len(rows), _ROWS):
    found.add(vectors[rows[start : start + _ROWS]])
  return found
