"""From landmarks, boxes and layouts to the frame: known frames must come back."""

import numpy as np
import pytest
from face_layouts import layout_of

from facefill_jax.filling import align
from facefill_jax.filling.frame import Frame

FRAMES = [
  Frame(40, 60, 256), Frame(-30, 500, 131), Frame(10, 20, 300, 25.0), Frame(7, 9, 90, -170.0),
]  # fmt: skip


def near(found, frame, pixels=1.0):
  corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
  apart = np.linalg.norm(found.to_photo(corners) - frame.to_photo(corners), axis=1)
  assert apart.max() <= pixels, (found, frame)


@pytest.mark.parametrize("frame", FRAMES)
def test_landmarks_in_their_places_give_the_frame(frame):
  eyes_nose, mouth = align.LANDMARKS[:3], align.LANDMARKS[3] + [[-0.1, 0.0], [0.1, 0.0]]
  near(align.frame_of_landmarks(frame.to_photo(np.vstack([eyes_nose, mouth]))), frame)


@pytest.mark.parametrize("frame", FRAMES[:3])
def test_eyes_alone_give_it_too_in_any_order(frame):
  left, right = frame.to_photo(align.LANDMARKS[:2])
  near(align.frame_of_eyes(left, right), frame)
  assert align.frame_of_eyes(right, left) == align.frame_of_eyes(left, right)


def test_a_box_gives_it_upright():
  x, y = 0.501, 0.5575
  box = np.array([x - 0.533 / 2, y - 0.737 / 2, x + 0.533 / 2, y + 0.737 / 2])
  near(align.frame_of_box(np.tile([60, 40], 2) + 256 * box - 0.5), Frame(40, 60, 256), 2)


@pytest.mark.parametrize("seen", [Frame(20, 80, 256), Frame(40, 60, 256), Frame(60, 40, 200, 12.0)])
@pytest.mark.parametrize("without", [(), ("l_eye",), ("nose",)])
def test_a_layout_gives_the_frame_of_its_face(seen, without):
  frame = Frame(40, 60, 240, 5.0)
  layout = layout_of(frame, seen, without=without)
  near(align.frame_of_layout(seen, layout), frame, 4)
  misfit = align.misfit(layout_of(frame, frame, without=without))
  assert misfit < 0.01 < align.misfit(layout)


def test_a_layout_without_a_face_gives_none():
  frame = Frame(0, 0, 100)
  layout = layout_of(frame, frame, without=("l_eye", "l_lip", "nose"))
  assert align.frame_of_layout(frame, layout) is None
  assert align.misfit(layout) == float("inf")


def test_the_size_of_parts_is_beside_their_usual_one():
  points, sizes = align.parts_of_layout(layout_of(Frame(0, 0, 100), Frame(0, 0, 100)))
  np.testing.assert_allclose(points, align.PARTS, atol=0.01)
  circle = np.pi * 0.035**2
  np.testing.assert_allclose(sizes, circle / np.array([0.0023, 0.0023, 0.0207, 0.0136]), rtol=0.1)


def test_a_head_that_hardly_leans_is_upright():
  assert align.centred_frame(10, 10, 8, 1.5).angle == 0
  assert align.centred_frame(10, 10, 8, -2.5).angle == -2.5


def test_distance_is_in_sides():
  assert align.distance(Frame(0, 0, 100), Frame(0, 10, 100)) == pytest.approx(0.1)
