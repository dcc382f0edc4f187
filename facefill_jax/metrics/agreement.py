"""How well label maps agree with the truth, and whether their confidence says so.

Counts first, scores from the counts, as in `metrics.layout`; plain NumPy, for files of any size.
"""

import numpy as np

from facefill_jax.labels import NUM_CLASSES, VOID
from facefill_jax.metrics import layout

LEVELS = 256  # of confidence
TENTHS = 10


class Agreement:
  """Counts over photos. Pixels whose truth is void are not counted.

  Attributes:
    counts: int64 (20, 20), row = true class, column = read class; as `layout.confusion`.
    pixels, hits: int64 (256,): pixels, and those read right, by confidence level; all zero where no
      confidence was given.
  """

  def __init__(self):
    self.counts = np.zeros((NUM_CLASSES, NUM_CLASSES), np.int64)
    self.pixels, self.hits = np.zeros((2, LEVELS), np.int64)

  def add(self, found: np.ndarray, truth: np.ndarray, confidence: np.ndarray | None = None) -> None:
    """Adds one photo.

    Args:
      found, truth: uint8 (h, w), class ids 0..19.
      confidence: uint8 (h, w), 255 = sure. Pixels found void say nothing and have none.

    Raises:
      ValueError: shapes differ.
    """
    shapes = [x.shape for x in (found, truth, confidence) if x is not None]
    if len(set(shapes)) != 1 or truth.ndim != 2:
      raise ValueError(f"found, truth and confidence must have one shape (h, w), got {shapes}")
    known = truth != VOID
    cells = truth[known].astype(np.int64) * NUM_CLASSES + found[known]
    self.counts += np.bincount(cells, minlength=NUM_CLASSES**2).reshape(self.counts.shape)
    if confidence is not None:
      known &= found != VOID
      levels, right = confidence[known], (found == truth)[known]
      self.pixels += np.bincount(levels, minlength=LEVELS)
      self.hits += np.bincount(levels[right], minlength=LEVELS)

  def scores(self) -> dict[str, float]:
    """`pixel_accuracy` and `miou` of `metrics.layout`, and the share of pixels that is void."""
    total = self.counts.sum()
    return {
      "pixel_accuracy": layout.pixel_accuracy(self.counts),
      "miou": layout.miou(self.counts),
      "found_void": float(self.counts[:, VOID].sum() / total) if total else float("nan"),
    }

  def tenths(self) -> list[dict[str, float]]:
    """Ten rows: pixels with a confidence in each tenth of 0..1, and what it was worth.

    Keys: low, high; share of the pixels; mean confidence; accuracy. The last two are NaN where
    there are no pixels.
    """
    rows = []
    tenth = np.minimum(np.arange(LEVELS) * TENTHS // (LEVELS - 1), TENTHS - 1)
    for k in range(TENTHS):
      pixels = self.pixels * (tenth == k)
      n = pixels.sum()
      rows.append({
        "low": k / TENTHS,
        "high": (k + 1) / TENTHS,
        "share": float(n / max(self.pixels.sum(), 1)),
        "confidence": float(pixels @ np.arange(LEVELS) / (LEVELS - 1) / n) if n else float("nan"),
        "accuracy": float(self.hits[tenth == k].sum() / n) if n else float("nan"),
      })  # fmt: skip
    return rows

  def calibration_error(self) -> float:
    """Mean |accuracy - confidence| over the tenths, by their pixels; NaN without confidence.

    Guo et al., "On calibration of modern neural networks", ICML 2017, equation 3 (ECE), ten bins.
    """
    if not self.pixels.sum():
      return float("nan")
    filled = [row for row in self.tenths() if row["share"]]
    return sum(row["share"] * abs(row["accuracy"] - row["confidence"]) for row in filled)
