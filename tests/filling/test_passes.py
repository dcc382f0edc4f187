"""Which squares are filled: by a network that is made up, on the portraits of the package."""

import numpy as np
import pytest
from face_layouts import layout_of
from PIL import Image

from facefill_jax.cli.demo import NAMES, PORTRAITS
from facefill_jax.filling import align
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


def painted(mask, passes):
  """All of the hole is painted, each pixel once; what each pass painted."""
  left, parts = mask.copy(), []
  for one in passes:
    part = left & (one.frame.region(mask.shape) if one.paint is None else one.paint)
    assert part.any() and not (part & ~one.frame.region(mask.shape)).any()
    parts.append(part)
    left &= ~part
  assert not left.any()
  return parts


def test_each_hole_goes_to_its_face_and_what_is_in_none_is_filled_around():
  photo, frames = group()
  first, second, nowhere = (
    disc(photo.shape, 140, 180, 30), disc(photo.shape, 700, 240, 25), disc(photo.shape, 430, 60, 9)
  )  # fmt: skip
  mask = first | second | nowhere
  passes, remarks = plan_passes(photo, mask, sees(*frames), RESOLUTION)
  assert [one.is_face for one in passes] == [True, True, False] and not remarks
  for one, frame in zip(passes, frames, strict=False):
    assert align.distance(frame, one.frame) < 0.05
  for part, hole in zip(painted(mask, passes), (first, second, nowhere), strict=True):
    np.testing.assert_array_equal(part, hole)
  assert passes[2].frame.size < 128 and passes[2].frame.contains(nowhere)


def test_faces_without_a_hole_are_left_alone():
  photo, frames = group()
  passes, _ = plan_passes(photo, disc(photo.shape, 700, 240, 25), sees(*frames), RESOLUTION)
  assert len(passes) == 1 and align.distance(frames[1], passes[0].frame) < 0.05
  assert len(find_faces(photo, np.zeros(photo.shape[:2], bool), sees(*frames))) == 2


def test_a_hole_across_two_faces_is_shared():
  photo, frames = group()
  mask = np.zeros(photo.shape[:2], bool)
  mask[200:220, 100:760] = True
  passes, _ = plan_passes(photo, mask, sees(*frames), RESOLUTION)
  parts = painted(mask, passes)
  assert [one.is_face for one in passes[:2]] == [True, True]
  assert {bool(part[210, 150]) for part in parts[:2]} == {True, False}
  assert parts[0][210, 700] != parts[0][210, 150]


def test_hidden_pixels_find_nothing():
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
  passes, remarks = plan_passes(photo, mask, sees_nothing, RESOLUTION)
  assert not passes[0].is_face and "no face was found" in remarks[0]
  painted(mask, passes)


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
  passes, _ = plan_passes(photo, mask, sees_nothing, RESOLUTION)
  painted(mask, passes)
  assert {one.frame.size for one in passes} == {RESOLUTION}
  assert len(passes) <= 2 * 1500 / RESOLUTION


@pytest.mark.parametrize(
  ("size", "hole"), [((1, 200), 60), ((200, 1), 60), ((33, 45), 1400), ((300, 500), 140_000)]
)
def test_whatever_the_photo_all_of_its_hole_is_painted(size, hole):
  mask = np.zeros(size, bool)
  mask.flat[7 : 7 + hole] = True
  passes, _ = plan_passes(np.zeros((*size, 3), np.uint8), mask, sees_nothing, RESOLUTION)
  painted(mask, passes)


def test_all_the_portraits_are_found():
  for name in NAMES:
    hole = np.array(Image.open(PORTRAITS / f"{name}.mask.png")) > 0
    [one], _ = plan_passes(portrait(name), hole, sees(Frame(0, 0, 256)), RESOLUTION)
    assert one.is_face and align.distance(Frame(0, 0, 256), one.frame) < 0.05
