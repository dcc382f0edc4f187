"""Which squares are filled: by a network that is made up, on the portraits of the package."""

import cv2
import numpy as np
import pytest
from face_layouts import layout_of
from PIL import Image

from facefill_jax.cli.demo import NAMES, PORTRAITS
from facefill_jax.filling import align, passes
from facefill_jax.filling.frame import Frame
from facefill_jax.filling.passes import find_faces, plan_passes

RESOLUTION = 64


def portrait(name):
  return np.array(Image.open(PORTRAITS / f"{name}.jpg"))


def group():
  """Two faces in one photo, and their frames."""
  photo = np.full((400, 900, 3), 128, np.uint8)
  photo[60:316, 40:296], photo[90:346, 560:816] = portrait("eye"), portrait("hair")
  return photo, [Frame(60, 40, 256), Frame(90, 560, 256)]


def disc(shape, x, y, radius):
  rows, columns = np.ogrid[: shape[0], : shape[1]]
  return (rows - y) ** 2 + (columns - x) ** 2 < radius**2


def sees(*frames):
  """A layout network that knows where the faces are."""

  def read(photo, mask, frame):
    distances = [align.distance(frame, face) for face in frames]
    return layout_of(frames[int(np.argmin(distances))], frame, 48)

  return read


def sees_nothing(photo, mask, frame):
  return np.full((48, 48, 20), 0.05, np.float32)


def painted(mask, found):
  """All of the hole is painted, each pixel once; what each pass painted."""
  left, parts = mask.copy(), []
  for one in found:
    part = left & (one.frame.region(mask.shape) if one.paint is None else one.paint)
    assert part.any() and not (part & ~one.frame.region(mask.shape)).any()
    parts.append(part)
    left &= ~part
  assert not left.any()
  return parts


def test_each_hole_goes_to_its_face_and_what_is_in_none_is_filled_around(yunet_network):
  photo, frames = group()
  first, second, nowhere = (
    disc(photo.shape, 140, 180, 30), disc(photo.shape, 700, 240, 25), disc(photo.shape, 430, 60, 9)
  )  # fmt: skip
  mask = first | second | nowhere
  found, remarks = plan_passes(photo, mask, sees(*frames), RESOLUTION)
  assert [one.is_face for one in found] == [True, True, False] and not remarks
  for one, frame in zip(found, frames, strict=False):
    assert align.distance(frame, one.frame) < 0.05
  for part, hole in zip(painted(mask, found), (first, second, nowhere), strict=True):
    np.testing.assert_array_equal(part, hole)
  assert found[2].frame.size < 128 and found[2].frame.contains(nowhere)


def test_faces_without_a_hole_are_left_alone(yunet_network):
  photo, frames = group()
  found, _ = plan_passes(photo, disc(photo.shape, 700, 240, 25), sees(*frames), RESOLUTION)
  assert len(found) == 1 and align.distance(frames[1], found[0].frame) < 0.05
  assert len(find_faces(photo, np.zeros(photo.shape[:2], bool), sees(*frames))) == 2


def test_a_hole_across_two_faces_is_shared(yunet_network):
  photo, frames = group()
  mask = np.zeros(photo.shape[:2], bool)
  mask[200:220, 100:760] = True
  found, _ = plan_passes(photo, mask, sees(*frames), RESOLUTION)
  parts = painted(mask, found)
  assert [one.is_face for one in found[:2]] == [True, True]
  assert {bool(part[210, 150]) for part in parts[:2]} == {True, False}
  assert parts[0][210, 700] != parts[0][210, 150]


def test_hidden_pixels_find_nothing(yunet_network):
  photo, frames = group()
  mask = disc(photo.shape, 140, 180, 60)
  other = np.where(mask[..., None], np.uint8(255), photo)
  one, two = (plan_passes(p, mask, sees(*frames), RESOLUTION)[0] for p in (photo, other))
  assert [p.frame for p in one] == [p.frame for p in two]


def test_a_face_that_only_the_layout_network_sees():
  photo = np.full((300, 300, 3), 128, np.uint8)
  mask, frame = disc(photo.shape, 150, 160, 50), Frame(70, 60, 180)
  [one], remarks = plan_passes(photo, mask, sees(frame), RESOLUTION)
  assert one.is_face and not remarks and align.distance(frame, one.frame) < 0.05


def test_no_face_at_all_is_remarked():
  photo = np.full((300, 300, 3), 128, np.uint8)
  mask = disc(photo.shape, 150, 160, 50)
  found, remarks = plan_passes(photo, mask, sees_nothing, RESOLUTION)
  assert not found[0].is_face and "no face was found" in remarks[0]
  painted(mask, found)


def test_frames_that_are_given_are_used():
  photo, frames = group()
  mask = disc(photo.shape, 140, 180, 30)
  given = Frame(100, 80, 150, 10.0)
  [one], _ = plan_passes(photo, mask, sees(*frames), RESOLUTION, [given])
  assert one.frame == given


def test_a_scratch_across_a_large_photo_is_filled_in_small_squares():
  photo = np.full((700, 1500, 3), 128, np.uint8)
  mask = np.zeros(photo.shape[:2], bool)
  mask[300:304] = True
  found, _ = plan_passes(photo, mask, sees_nothing, RESOLUTION)
  painted(mask, found)
  assert {one.frame.size for one in found} == {RESOLUTION}
  assert len(found) <= 2 * 1500 / RESOLUTION


@pytest.mark.parametrize(
  ("size", "hole"), [((1, 200), 60), ((200, 1), 60), ((33, 45), 1400), ((300, 500), 140_000)]
)
def test_whatever_the_photo_all_of_its_hole_is_painted(size, hole):
  mask = np.zeros(size, bool)
  mask.flat[7 : 7 + hole] = True
  found, _ = plan_passes(np.zeros((*size, 3), np.uint8), mask, sees_nothing, RESOLUTION)
  painted(mask, found)


def test_all_the_portraits_are_found(yunet_network):
  for name in NAMES:
    hole = np.array(Image.open(PORTRAITS / f"{name}.mask.png")) > 0
    one, *_ = plan_passes(portrait(name), hole, sees_nothing, RESOLUTION)[0]  # by YuNet alone
    assert one.is_face and align.distance(Frame(0, 0, 256), one.frame) < 0.12


def test_depths_that_are_kept_are_those_of_the_whole():
  rng = np.random.default_rng(0)
  left = cv2.GaussianBlur(rng.normal(size=(150, 210)), (0, 0), 4) > 0.02
  whole = (slice(0, 150), slice(0, 210))
  depths = passes._depths(left, whole, 1)
  for _ in range(12):
    row, column = np.unravel_index(depths.argmax(), depths.shape)
    reach, frame = int(depths[row, column]) + 1, Frame(row - 10, column - 10, 20)
    left[frame.region(left.shape)] = False
    near = tuple(
      slice(max(0, at - reach), min(extent, at + 20 + reach))
      for at, extent in zip((frame.top, frame.left), left.shape, strict=True)
    )
    depths[near] = passes._depths(left, near, reach)
    np.testing.assert_allclose(depths, passes._depths(left, whole, 1), atol=1e-4)
