"""YuNet (Wu et al. 2023, Machine Intelligence Research): finds faces and five landmarks of each.

The network is its authors', under Apache-2.0, and does not come with the package: who has
yunet_n_640_640.onnx puts it where the weights of other networks lie. OpenCV runs it, in some
milliseconds. It was made for faces in full view: through a hole it guesses.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facefill_jax import files
from facefill_jax.pretrained_nets import weights

FILE = "yunet_n_640_640.onnx"
_SHA256 = "25a606a145a5b6d7271ae138fbd00eba91dad8b83222ae3f2c7ecd0f4a7b0e31"
_OVERLAP = 0.3  # of two boxes, from which on they are one face; OpenCV's default
_MOST = 200  # faces before overlapping ones are put together


@dataclass(frozen=True)
class Detection:
  """A face that was found.

  Attributes:
    box: float (4,): left, top, right and bottom, from the forehead to the chin, in pixels.
    landmarks: float (5, 2): x and y of the eye at the left of the picture, the eye at the right,
      the tip of the nose, and the corners of the mouth at the left and right.
    score: 0..1.
  """

  box: np.ndarray
  landmarks: np.ndarray
  score: float


def path() -> Path | None:
  """Where the network is looked for; None if there is no home directory."""
  directory = weights.default_directory()
  return directory and Path(directory) / FILE


def is_there() -> bool:
  """Whether faces can be detected here."""
  found = path()
  return found is not None and found.is_file()


def detect_faces(
  photo: np.ndarray, *, least_score: float = 0.6, side: int = 640
) -> list[Detection]:
  """Finds the faces in a photo, the surest first.

  Args:
    photo: uint8 (h, w, 3), RGB.
    least_score: of those that count.
    side: pixels of the longer side at which it looks; larger photos are made smaller. It was made
      for faces of 10 to 300 pixels.

  Raises:
    RuntimeError: the network is not there, see `is_there`, or is another file.
  """
  height, width = photo.shape[:2]
  scale = min(1.0, side / max(height, width))
  size = max(1, round(width * scale)), max(1, round(height * scale))
  seen = cv2.resize(photo, size, interpolation=cv2.INTER_AREA) if scale < 1 else photo
  network = _network()
  network.setInputSize(size)
  network.setScoreThreshold(least_score)
  _, rows = network.detect(cv2.cvtColor(seen, cv2.COLOR_RGB2BGR))
  if rows is None:
    return []
  factor = np.array([width / size[0], height / size[1]])
  found = []
  for row in np.asarray(rows, np.float64):
    corners = np.array([row[:2], row[:2] + row[2:4]]) * factor
    found.append(Detection(corners.ravel(), row[4:14].reshape(5, 2) * factor, float(row[14])))
  return sorted(found, key=_score, reverse=True)


def _score(detection: Detection) -> float:
  return detection.score


@functools.lru_cache(maxsize=1)
def _network() -> cv2.FaceDetectorYN:
  """The network, once a process; it is not for several threads at once."""
  if not is_there():
    raise RuntimeError(f"{path() or FILE}: missing: YuNet's network, which its authors publish")
  if files.sha256(path()) != _SHA256:
    raise RuntimeError(f"{path()}: changed or damaged: SHA-256 must be {_SHA256}")
  logging = cv2.utils.logging
  level = logging.setLogLevel(logging.LOG_LEVEL_ERROR)  # OpenCV 5 warns of its choice of devices
  try:
    return cv2.FaceDetectorYN.create(str(path()), "", (320, 320), 0.6, _OVERLAP, _MOST)
  finally:
    logging.setLogLevel(level)
