"""Integer shapes against the definition, pixel by pixel."""

import numpy as np
import pytest

from facefill_jax.data.masks import raster

SIZE = 40
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE]


def test_a_disk_by_hand():
  mask = raster.union(5, raster.disks([2], [2], [4]))
  drawn = ["".join(".#"[pixel] for pixel in row) for row in mask.astype(int)]
  assert drawn == ["..#..", ".###.", "#####", ".###.", "..#.."]
  mask = raster.union(5, raster.disks([2], [2], [0]))
  assert mask.sum() == 1 and mask[2, 2]


def test_disks_are_their_inequality():
  rng = np.random.default_rng(0)
  x, y, square = rng.integers(-10, 50, 30), rng.integers(-10, 50, 30), rng.integers(0, 400, 30)
  for each in zip(x, y, square, strict=True):
    expected = (COLUMNS - each[0]) ** 2 + (ROWS - each[1]) ** 2 <= each[2]
    np.testing.assert_array_equal(raster.union(SIZE, raster.disks(*([v] for v in each))), expected)


def test_bands_are_their_inequalities():
  rng = np.random.default_rng(1)
  ends = rng.integers(-15, 55, (60, 4))
  ends[:6, 2] = ends[:6, 0]  # upright
  ends[6:12, 3] = ends[6:12, 1]  # level
  for (x0, y0, x1, y1), reach in zip(ends, rng.integers(0, 900, 60), strict=True):
    dx, dy, u, v = x1 - x0, y1 - y0, COLUMNS - x0, ROWS - y0
    foot = dx * u + dy * v
    expected = (np.abs(dx * v - dy * u) <= reach) & (foot >= 0) & (foot <= dx * dx + dy * dy)
    expected &= dx != 0 or dy != 0
    band = raster.bands([x0], [y0], [x1], [y1], [reach])
    np.testing.assert_array_equal(raster.union(SIZE, band), expected)


def test_a_band_without_length_has_no_pixels():
  assert not raster.union(SIZE, raster.bands([9], [9], [9], [9], [50])).any()


def test_boxes_are_slices_and_may_be_empty_or_outside():
  width, height = [5, 9, 10, 0, 4], [10, 3, 10, 7, 4]
  mask = raster.union(SIZE, raster.boxes([3, -5, 38, 0, 7], [4, 30, 38, 0, 50], width, height))
  expected = np.zeros((SIZE, SIZE), bool)
  expected[4:14, 3:8] = expected[30:33, :4] = expected[38:, 38:] = True
  np.testing.assert_array_equal(mask, expected)


def test_a_union_is_that_of_its_shapes():
  disks = raster.disks([5, 30], [5, 20], [50, 90])
  band = raster.bands([5], [5], [30], [20], [60])
  box = raster.boxes([0], [35], [40], [5])
  parts = [raster.union(SIZE, each) for each in (disks, band, box)]
  whole = raster.union(SIZE, disks, band, box)
  np.testing.assert_array_equal(whole, parts[0] | parts[1] | parts[2])
  nothing = np.zeros(0, np.int64)
  np.testing.assert_array_equal(
    raster.union(SIZE, box, raster.disks(nothing, nothing, nothing)), parts[2]
  )


@pytest.mark.parametrize("radius", [0, 1, 2, 5, 60])
def test_dilation_is_the_union_of_disks(radius):
  rng = np.random.default_rng(2)
  mask = rng.random((SIZE, SIZE)) < 0.01
  y, x = np.nonzero(mask)
  expected = raster.union(SIZE, raster.disks(x, y, np.full(len(x), radius**2)))
  np.testing.assert_array_equal(raster.dilate(mask, radius), expected)
  tall = raster.dilate(mask[:, :10], radius)
  assert tall.shape == (SIZE, 10) and np.all(tall[mask[:, :10]])
