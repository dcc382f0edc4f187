"""How well a layout is read: counts first, scores from the counts.

Counts of many photos add up, so the score of a data set is that of its summed confusion, not a
mean over photos: rare classes would be missing from most photos.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from facefill_jax.labels import NUM_CLASSES, VOID
from facefill_jax.types import Labels


def confusion(
  predicted: Labels, truth: Labels, where: Bool[Array, "b h w"] | None = None
) -> Int[Array, "k k"]:
  """Pixel counts: row = true class, column = predicted class. int32.

  Args:
    predicted: class ids 0..19, b h w.
    truth: the same; its void pixels are counted too, in the last row, which scores ignore.
    where: the pixels to count; all of them without it.

  Raises:
    ValueError: shapes differ.
  """
  shapes = [x.shape for x in (predicted, truth, where) if x is not None]
  if len(set(shapes)) != 1 or truth.ndim != 3:
    raise ValueError(f"predicted, truth and where must have one shape (b, h, w), got {shapes}")
  cell = truth.astype(jnp.int32) * NUM_CLASSES + predicted.astype(jnp.int32)
  if where is not None:
    cell = jnp.where(where, cell, NUM_CLASSES**2)  # one more cell, dropped below
  counts = jnp.bincount(cell.ravel(), length=NUM_CLASSES**2 + 1)
  return counts[:-1].reshape(NUM_CLASSES, NUM_CLASSES)


def class_iou(counts: np.ndarray) -> np.ndarray:
  """Intersection over union of each class: float64 (20,), NaN for void and classes not in truth.

  Args:
    counts: (20, 20), as `confusion` makes them. True void is ignored; void predicted where there
      is a class is a miss of that class.
  """
  counts = np.asarray(counts, np.float64).copy()
  counts[VOID] = 0.0
  hits, true, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
  union = true + predicted - hits
  return np.where(true > 0, hits / np.maximum(union, 1.0), np.nan)


def miou(counts: np.ndarray) -> float:
  """Mean of `class_iou` over the classes present in the truth; NaN if there is none."""
  iou = class_iou(counts)
  return float(np.nanmean(iou)) if np.isfinite(iou).any() else float("nan")


def pixel_accuracy(counts: np.ndarray) -> float:
  """Share of pixels read right, true void ignored; NaN if there are no others."""
  counts = np.asarray(counts, np.float64)
  total = counts[:VOID].sum()
  return float(np.trace(counts[:VOID]) / total) if total else float("nan")
