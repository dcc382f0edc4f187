"""Where the square of a face lies: from landmarks, or from a layout, to the frame of training.

Faces are framed as CelebA-HQ's: by a similarity transform that brings eyes and mouth to their usual
places. NumPy only.
"""

import numpy as np

from facefill_jax.filling.frame import LARGEST, Frame
from facefill_jax.labels import CLASSES

# Eye at the left of the picture, at the right, nose, mouth: x and y in sides of the frame.
# Means over 400 and 900 faces of CelebA-HQ: YuNet's landmarks, and the parts of their label maps.
LANDMARKS = np.array([[0.377, 0.478], [0.620, 0.478], [0.497, 0.630], [0.5005, 0.7305]])
PARTS = np.array([[0.380, 0.478], [0.6215, 0.479], [0.500, 0.578], [0.500, 0.7505]])
# The nose tells little: a turned head moves it.
_TRUST = np.array([1.0, 1.0, 0.1, 1.0])
_UPRIGHT = 2.0  # degrees, below which nothing is turned, and so nothing blurred
_LEAST = 0.1  # of a part's usual size, from which on it is there
_CLASSES = (("r_eye",), ("l_eye",), ("nose",), ("mouth", "u_lip", "l_lip"))  # r: the person's right
_SHARE = np.array([0.0023, 0.0023, 0.0207, 0.0136])  # of the frame that each part has, on average


class FaceError(ValueError):
  """A face that cannot be where it is said to be."""


def frame_of_landmarks(landmarks: np.ndarray) -> Frame:
  """The frame of a face by five landmarks, float (5, 2): see `pretrained_nets.yunet.Detection`."""
  points = np.vstack([landmarks[:3], landmarks[3:].mean(0)])
  return _fitted(points, LANDMARKS, _TRUST)


def frame_of_eyes(one: tuple[float, float], other: tuple[float, float]) -> Frame:
  """The frame of a face by the (x, y) of its eyes, in any order, in pixels of the photo."""
  return _fitted(np.array(sorted([tuple(one), tuple(other)]), float), LANDMARKS[:2], np.ones(2))


def frame_of_box(box: tuple[float, float, float, float]) -> Frame:
  """The frame of an upright face by its box: left, top, right, bottom; forehead to chin."""
  left, top, right, bottom = box
  # YuNet's boxes of the faces above are .533 wide and .737 high, their middle at (.501, .5575).
  side = max((right - left) / 0.533, (bottom - top) / 0.737)
  return centred_frame((left + right) / 2 - 0.001 * side, (top + bottom) / 2 - 0.0575 * side, side)


def parts_of_layout(layout: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Where a layout has eyes, nose and mouth.

  Args:
    layout: float32 (r, r, 20), probabilities.

  Returns:
    Points (4, 2) in sides of the frame, and how large each part is beside its usual size, (4,).
  """
  side = len(layout)
  at = (np.arange(side) + 0.5) / side
  points, sizes = np.full((4, 2), 0.5), np.zeros(4)
  for i, classes in enumerate(_CLASSES):
    # Squared: a little of a class everywhere would draw its centre to that of the frame.
    mass = np.square(layout[..., [CLASSES.index(c) for c in classes]].sum(-1))
    total = mass.sum()
    sizes[i] = total / side**2 / _SHARE[i]
    if total > 0:
      points[i] = [mass.sum(0) @ at / total, mass.sum(1) @ at / total]
  return points, sizes


def frame_of_layout(frame: Frame, layout: np.ndarray) -> Frame | None:
  """A better frame for the face that a frame's layout shows; None if it shows none.

  Args:
    frame: that the layout was read in.
    layout: float32 (r, r, 20), probabilities.
  """
  points, sizes = parts_of_layout(layout)
  there = sizes > _LEAST
  if there[[0, 1, 3]].sum() < 2:
    return None
  return _fitted(frame.to_photo(points)[there], PARTS[there], _TRUST[there])


def misfit(layout: np.ndarray) -> float:
  """How far eyes, nose and mouth of a layout lie from their places: the largest distance.

  In sides of the frame; infinite if a layout, float32 (r, r, 20), does not show enough of them.
  """
  points, sizes = parts_of_layout(layout)
  there = sizes > _LEAST
  if there[[0, 1, 3]].sum() < 2:
    return float("inf")
  return float(np.linalg.norm(points - PARTS, axis=1)[there].max())


def _fitted(points: np.ndarray, template: np.ndarray, trust: np.ndarray) -> Frame:
  """The frame whose template lies on points of the photo: weighted least squares.

  As in Umeyama 1991, in complex numbers: photo = turn * template + shift.
  """
  weight = trust / trust.sum()
  p, t = (xy[:, 0] + 1j * xy[:, 1] for xy in (points, template))
  p_mean, t_mean = weight @ p, weight @ t
  spread = weight @ np.abs(t - t_mean) ** 2
  turn = (weight * np.conj(t - t_mean)) @ (p - p_mean) / spread
  centre = p_mean + turn * (0.5 + 0.5j - t_mean)
  return centred_frame(centre.real, centre.imag, abs(turn), float(np.degrees(np.angle(turn))))


def distance(one: Frame, other: Frame) -> float:
  """How far two frames are apart: the largest distance of their corners, in sides of the first."""
  corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
  apart = np.linalg.norm(one.to_photo(corners) - other.to_photo(corners), axis=1)
  return float(apart.max()) / one.size


def centred_frame(x: float, y: float, side: float, angle: float = 0.0) -> Frame:
  """The frame about (x, y), in pixels; a head that leans by less than 2 degrees is upright."""
  size = int(np.clip(round(side), 1, LARGEST))
  corner = (size - 1) / 2
  return Frame(round(y - corner), round(x - corner), size, angle if abs(angle) >= _UPRIGHT else 0.0)
