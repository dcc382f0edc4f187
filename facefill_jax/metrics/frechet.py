"""Distances between two sets of feature vectors: FID, KID, P-IDS and U-IDS. float64, on the host.

All take features of `metrics.inception` (any width works): one row a picture.

Parity on given features (tests/parity; 300 and 260 rows of 24): FID 6.6379767386, relative
difference to `pytorch-fid` 0.3.0 1.2e-12; KID .4180392994, and .4321961150 of whole sets,
differences to `clean-fid` 0.1.35 with the same draws below 1e-15; P-IDS .24 and U-IDS .4275 of 200
pairs, as scikit-learn's own.
"""

import numpy as np

FID_LEAST = 2048
"""Below this many pictures a covariance of 2,048 features is singular: FID says little."""
KID_LEAST = 100


class Moments:
  """Count, mean and covariance of feature vectors that arrive in batches; never holds them all.

  Merging is Chan et al.'s (1979): means are subtracted before squares are summed, so nothing is
  lost to cancellation.

  Attributes:
    count: vectors so far.
    mean: float64 (d,).
    outer: float64 (d, d), the sum of outer products of deviations from the mean.
  """

  def __init__(self, width: int):
    self.count = 0
    self.mean = np.zeros(width)
    self.outer = np.zeros((width, width))

  def add(self, features: np.ndarray) -> None:
    """Takes in features (n, d) of any float type.

    Raises:
      ValueError: another width, or a value that is not finite.
    """
    x = _rows(features, len(self.mean))
    if not len(x):
      return
    total = self.count + len(x)
    mean = x.mean(axis=0)
    deviation, shift = x - mean, mean - self.mean
    self.outer += deviation.T @ deviation
    self.outer += np.outer(shift, shift) * (self.count * len(x) / total)
    self.mean = self.mean + shift * (len(x) / total)
    self.count = total

  @property
  def covariance(self) -> np.ndarray:
    """Of a sample: divided by count - 1. ValueError for fewer than two vectors."""
    if self.count < 2:
      raise ValueError(f"a covariance needs two vectors or more, got {self.count}")
    return self.outer / (self.count - 1)


def frechet_distance(a: Moments, b: Moments) -> float:
  """|mean_a - mean_b|^2 + Tr(C_a + C_b - 2 (C_a C_b)^(1/2)), at least 0.

  Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule ...", 2017, eq. 6, and
  `pytorch-fid`, which takes the root of the product itself and adds 1e-6 to the diagonals when that
  fails. The trace of the root is here the sum of the roots of the eigenvalues of
  C_a^(1/2) C_b C_a^(1/2), which is symmetric: the same number, real and stable for singular C, too.
  Computed with fewer pictures than FID_LEAST it should not be reported.
  """
  if a.mean.shape != b.mean.shape:
    raise ValueError(f"features of widths {a.mean.shape[0]} and {b.mean.shape[0]} do not compare")
  one, two = a.covariance, b.covariance
  values, vectors = np.linalg.eigh(one)
  half = vectors * np.sqrt(np.maximum(values, 0.0))  # C_a = half half^T
  roots = np.sqrt(np.maximum(np.linalg.eigvalsh(half.T @ two @ half), 0.0))
  shift = a.mean - b.mean
  return float(max(shift @ shift + np.trace(one) + np.trace(two) - 2.0 * roots.sum(), 0.0))


def kid(
  features_a: np.ndarray,
  features_b: np.ndarray,
  subsets: int = 100,
  subset_size: int = 1000,
  seed: int = 0,
) -> float:
  """Kernel distance: the mean over subsets of the unbiased squared MMD; may be below 0.

  Source: Binkowski et al., "Demystifying MMD GANs", 2018, with the kernel (x . y / d + 1)^3, as
  clean-fid's `kernel_distance` computes it: of each side `subset_size` rows (all of the smaller
  side if that has fewer) are drawn without repetition, `subsets` times. clean-fid draws from
  NumPy's global state; given `seed`, we draw what it draws after np.random.seed(seed).
  torch-fidelity has the same kernel and estimator, and other draws.

  Args:
    features_a: (n, d), n >= 2. The fills.
    features_b: (m, d), m >= 2. The truth.
    subsets: how many subsets.
    subset_size: rows of each.
    seed: of the draws.
  """
  a = _rows(features_a)
  b = _rows(features_b, a.shape[1])
  size = min(len(a), len(b), subset_size)
  if size < 2:
    raise ValueError(f"KID needs two pictures or more of each kind, got {len(a)} and {len(b)}")
  rng = np.random.RandomState(seed)  # frozen by NumPy, and clean-fid's
  total = 0.0
  for _ in range(subsets):
    x = b[rng.choice(len(b), size, replace=False)]
    y = a[rng.choice(len(a), size, replace=False)]
    within = _kernel(x, x) + _kernel(y, y)
    total += (within.sum() - np.trace(within)) / (size - 1) - 2.0 * _kernel(x, y).sum() / size
  return float(total / subsets / size)


def ids(real: np.ndarray, fake: np.ndarray) -> tuple[float, float]:
  """P-IDS and U-IDS: how often a linear classifier of the features takes fills for photos.

  Source: Zhao et al., "Large Scale Image Completion via Co-Modulated GANs", 2021, section 4:
  scikit-learn's `LinearSVC(dual=False)`, its other settings as they come, is fitted to all
  features. U-IDS is its share of errors; P-IDS the share of pairs whose fill it takes for more
  real than its own photo. Both in 0..1 (.5 is the best to hope for); papers print percent.

  Args:
    real: (n, d), the photos.
    fake: (n, d), row i filled from photo i.

  Raises:
    ValueError: shapes differ.
    ModuleNotFoundError: scikit-learn is not installed; the message says how.
  """
  try:
    from sklearn.svm import LinearSVC
  except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
      "P-IDS and U-IDS need scikit-learn: pip install 'facefill_jax[eval]'"
    ) from error
  x = _rows(real)
  y = _rows(fake, x.shape[1])
  if x.shape != y.shape or not len(x):
    raise ValueError(f"P-IDS needs pairs: as many fills as photos, got {len(y)} and {len(x)}")
  both = np.concatenate((x, y))
  is_real = np.arange(len(both)) < len(x)
  classifier = LinearSVC(dual=False).fit(both, is_real)
  scores = classifier.decision_function(both)
  p_ids = (scores[len(x) :] > scores[: len(x)]).mean()
  return float(p_ids), float(1.0 - classifier.score(both, is_real))


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
  base = x @ y.T / x.shape[1] + 1.0
  return base * base * base  # ten times as fast as the power


def _rows(features: np.ndarray, width: int | None = None) -> np.ndarray:
  """float64 (n, d). ValueError if it is not, or holds what is not finite."""
  x = np.asarray(features, np.float64)
  if x.ndim != 2 or (width is not None and x.shape[1] != width):
    wanted = "d" if width is None else width
    raise ValueError(f"features must be (n, {wanted}), got {x.shape}")
  if not np.isfinite(x).all():
    raise ValueError("features hold values that are not finite")
  return x
