"""The square that the networks see, and the way back into the hole."""

import numpy as np
import pytest

from facefill_jax.filling.frame import LARGEST, Frame, FrameError, square_frame
from facefill_jax.labels import VOID

RNG = np.random.default_rng(0)


def hole(height, width, top, bottom, left, right):
  mask = np.zeros((height, width), bool)
  mask[top:bottom, left:right] = True
  return mask


def noise(*shape, seed=0):
  return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize(
  ("box", "expected"),
  [
    ((10, 20, 40, 50), Frame(0, 30, 40)),  # central: the centred square
    ((10, 20, 0, 5), Frame(0, 0, 40)),  # at the left edge: moved just far enough
    ((10, 20, 25, 50), Frame(0, 25, 40)),
    ((10, 20, 60, 75), Frame(0, 35, 40)),
    ((10, 20, 95, 100), Frame(0, 60, 40)),
    ((10, 20, 20, 80), Frame(-10, 20, 60)),  # wider than the short side: past both long edges
    ((10, 20, 0, 100), Frame(-30, 0, 100)),
  ],
)
def test_square_frame_of_a_wide_photo(box, expected):
  mask = hole(40, 100, *box)
  assert square_frame(40, 100, mask) == expected
  flipped = Frame(expected.left, expected.top, expected.size)
  assert square_frame(100, 40, mask.T) == flipped


def test_every_frame_contains_its_hole_and_is_no_larger_than_needed():
  rng = np.random.default_rng(0)
  for _ in range(200):
    h, w = rng.integers(1, 50, 2)
    mask = rng.random((h, w)) < 0.02
    mask[rng.integers(h), rng.integers(w)] = True
    frame = square_frame(h, w, mask)
    assert frame.contains(mask)
    rows, columns = np.ptp(np.argwhere(mask), axis=0) + 1
    assert frame.size == max(min(h, w), rows, columns)


def test_crop_takes_means_of_known_cells_and_any_hole_pixel_makes_a_hole():
  pixels = noise(8, 8, 3)
  mask = hole(8, 8, 3, 4, 5, 6)
  photo, small = Frame(0, 0, 8).crop(pixels, mask, 4)
  expected = np.zeros((4, 4), bool)
  expected[1, 2] = True
  np.testing.assert_array_equal(small, expected)
  means = pixels.astype(np.float64).reshape(4, 2, 4, 2, 3).mean((1, 3))
  assert np.abs(photo - means)[~small].max() <= 0.5 and (photo[small] == 0).all()


def test_outside_of_the_photo_is_hole():
  mask = hole(4, 8, 1, 2, 0, 8)
  photo, small = square_frame(4, 8, mask).crop(noise(4, 8, 3), mask, 8)
  assert small[:2].all() and small[6:].all() and small[3].all()
  assert not small[[2, 4, 5]].any()
  assert (photo[small] == 0).all()


@pytest.mark.parametrize("resolution", [16, 23, 31, 40, 64])
def test_pixels_under_the_mask_have_no_say(resolution):
  mask = np.random.default_rng(1).random((31, 37)) < 0.02
  frame = square_frame(31, 37, mask)
  pixels, other = noise(31, 37, 3), noise(31, 37, 3, seed=9)
  other[~mask] = pixels[~mask]
  for a, b in zip(
    frame.crop(pixels, mask, resolution), frame.crop(other, mask, resolution), strict=True
  ):
    assert a.shape[:2] == (resolution, resolution)
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("resolution", [16, 23, 31, 40, 64])
def test_known_cells_of_a_constant_photo_keep_its_value(resolution):
  mask = hole(31, 37, 9, 20, 12, 30)
  pixels = np.full((31, 37, 3), 200, np.uint8)
  photo, small = square_frame(31, 37, mask).crop(pixels, mask, resolution)
  assert 0 < small.sum() < small.size
  assert (photo[~small] == 200).all()


@pytest.mark.parametrize("resolution", [8, 31, 50])
def test_paste_changes_the_whole_hole_and_nothing_else(resolution):
  pixels = np.full((31, 57, 3), 7, np.uint8)
  mask = np.random.default_rng(2).random((31, 57)) < 0.3
  pixels[mask] = 99
  before = pixels.copy()
  filled = np.full((resolution, resolution, 3), 250, np.uint8)
  whole = square_frame(31, 57, mask).paste(pixels, mask, filled)
  assert (whole[~mask] == 7).all()
  np.testing.assert_array_equal(pixels, before)
  assert (whole[mask] == 7).all()  # all that is known of this filling says that it is 243 too light


def test_paste_takes_from_the_filling_what_is_wrong_where_the_photo_is_known():
  photo = np.broadcast_to(np.linspace(40, 200, 96).astype(np.uint8)[:, None], (96, 96, 3)).copy()
  painted = photo.copy()
  painted[44:52, 44:52] += 30
  mask = hole(96, 96, 30, 70, 20, 80)
  frame = square_frame(96, 96, mask)
  filled = frame.crop(painted, np.zeros_like(mask), 48)[0]
  whole = frame.paste(photo, mask, filled).astype(int)
  darker = frame.paste(photo, mask, filled - 25)
  assert np.abs(darker - whole).max() <= 1
  assert np.abs(whole - painted)[mask].max() <= 16  # beside the painted square's edge
  np.testing.assert_allclose(whole[46:50, 46:50], painted[46:50, 46:50], atol=3)


def test_paste_at_the_same_size_is_exact():
  pixels, filled, mask = noise(12, 12, 3), noise(12, 12, 3, seed=1), hole(12, 12, 2, 9, 3, 7)
  filled = np.where(mask[..., None], filled, pixels)
  np.testing.assert_array_equal(Frame(0, 0, 12).paste(pixels, mask, filled), filled)


def test_a_frame_beside_the_hole_is_refused():
  with pytest.raises(ValueError, match="does not contain"):
    Frame(0, 0, 4).paste(noise(8, 8, 3), hole(8, 8, 2, 6, 2, 6), noise(4, 4, 3))
  assert not Frame(100, 100, 4).contains(hole(8, 8, 0, 1, 0, 1))


@pytest.mark.parametrize("resolution", [16, 23, 37])
def test_labels_survive_the_way_out_and_back(resolution):
  mask = hole(40, 60, 0, 40, 5, 50)
  frame = square_frame(40, 60, mask)
  ids = np.random.default_rng(3).integers(0, 19, (resolution, resolution), np.uint8)
  whole = frame.paste_labels(ids, (40, 60))
  assert whole.shape == (40, 60) and (whole[:, :5] == VOID).all()
  back = frame.crop_labels(whole, resolution)
  inside = back != VOID  # what was outside the photo is void now
  assert inside.mean() > 0.8
  np.testing.assert_array_equal(back[inside], ids[inside])


def test_a_hole_along_a_panorama_is_refused_before_memory_is_taken():
  assert square_frame(2, LARGEST + 1, hole(2, LARGEST + 1, 0, 1, 0, LARGEST)).size == LARGEST
  with pytest.raises(FrameError, match="10001 x 10001"):
    square_frame(2, LARGEST + 1, hole(2, LARGEST + 1, 0, 1, 0, LARGEST + 1))


TURNED = [Frame(20, 30, 60, 25.0), Frame(-10, 60, 64, -40.0), Frame(30, 10, 40, 90.0)]


def smooth(height, width):
  """Colours that change slowly: what interpolation leaves as it is."""
  y, x = np.mgrid[:height, :width]
  waves = [128 + 90 * np.sin(x / 14 + i) * np.cos(y / 17 + 2 * i) for i in range(3)]
  return np.stack(waves, -1).astype(np.uint8)


def test_a_turned_frame_shows_what_leans_upright():
  pixels = np.zeros((100, 100, 3), np.uint8)
  at = Frame(20, 20, 60, 30.0).to_photo(np.array([[0.5, 0.2]]))[0]
  pixels[round(at[1]), round(at[0])] = 255
  cells, hole = Frame(20, 20, 60, 30.0).crop(pixels, np.zeros((100, 100), bool), 60)
  row, column = np.unravel_index(cells[..., 0].argmax(), hole.shape)
  assert abs(row - 12) <= 1 and abs(column - 30) <= 1 and not hole.any()
  quarter = Frame(20, 20, 60, 90.0).crop(smooth(100, 100), np.zeros((100, 100), bool), 60)[0]
  np.testing.assert_array_equal(quarter, np.rot90(smooth(100, 100)[20:80, 20:80]))


@pytest.mark.parametrize("frame", TURNED)
@pytest.mark.parametrize("resolution", [32, 64])
def test_a_turned_frame_brings_back_what_it_showed(frame, resolution):
  pixels, mask = smooth(90, 140), np.zeros((90, 140), bool)
  region = frame.region(mask.shape)
  cells, _ = frame.crop(pixels, mask, resolution)
  whole = frame.paste(np.zeros_like(pixels), region, cells)
  inner = region & Frame(frame.top + 6, frame.left + 6, frame.size - 12, frame.angle).region(
    (90, 140)
  )
  assert inner.sum() > 500
  apart = np.abs(whole.astype(int) - pixels)[inner[:, :]]
  assert (whole[~region] == 0).all() and apart.mean() < 6


@pytest.mark.parametrize("frame", TURNED)
def test_pixels_under_the_mask_have_no_say_in_a_turned_frame(frame):
  mask = np.random.default_rng(1).random((90, 140)) < 0.05
  pixels, other = noise(90, 140, 3), noise(90, 140, 3, seed=9)
  other[~mask] = pixels[~mask]
  a, b = frame.crop(pixels, mask, 48), frame.crop(other, mask, 48)
  np.testing.assert_array_equal(a[0], b[0])
  np.testing.assert_array_equal(a[1], b[1])
  filled = noise(48, 48, 3, seed=3)
  paint = mask & frame.region(mask.shape)
  one, two = frame.paste(pixels, mask, filled, paint), frame.paste(other, mask, filled, paint)
  np.testing.assert_array_equal(one[paint], two[paint])
  np.testing.assert_array_equal(one[~paint], pixels[~paint])


@pytest.mark.parametrize("frame", TURNED)
def test_every_cell_that_a_hole_reaches_is_hole(frame):
  mask = hole(90, 140, 40, 44, 50, 90)
  pixels = np.full((90, 140, 3), 200, np.uint8)
  pixels[mask] = 0
  cells, holes = frame.crop(pixels, mask, frame.size)
  inside = frame.crop_labels(np.zeros((90, 140), np.uint8), frame.size) == 0
  assert (cells[~holes] == 200).all() and holes[~inside].all() and 0 < (~holes).sum()


@pytest.mark.parametrize("frame", TURNED)
def test_labels_in_a_turned_frame(frame):
  ids = np.random.default_rng(3).integers(0, 19, (12, 12), np.uint8)
  whole = frame.paste_labels(ids, (90, 140))
  np.testing.assert_array_equal(whole != VOID, frame.region((90, 140)))
  back = frame.crop_labels(whole, 12)
  inside = back != VOID
  assert inside.mean() > 0.4 and (back == ids)[inside].mean() > 0.95


def test_a_turned_frame_outside_the_photo_shows_nothing():
  far = Frame(500, 500, 40, 20.0)
  assert not far.region((90, 140)).any()
  cells, holes = far.crop(noise(90, 140, 3), np.zeros((90, 140), bool), 16)
  assert holes.all() and not cells.any()
  assert (far.paste_labels(np.zeros((4, 4), np.uint8), (90, 140)) == VOID).all()


def test_only_what_is_to_be_painted_is():
  pixels, mask = noise(40, 40, 3), hole(40, 40, 5, 35, 5, 35)
  paint = hole(40, 40, 10, 20, 10, 20)
  whole = Frame(8, 8, 16).paste(pixels, mask, np.full((16, 16, 3), 250, np.uint8), paint)
  assert (whole[paint] == 250).all()
  np.testing.assert_array_equal(whole[~paint], pixels[~paint])
