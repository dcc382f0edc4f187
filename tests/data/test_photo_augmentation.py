"""Photos varied with their maps: by hand where it can be, and always the two alike."""

import cv2
import numpy as np
import pytest

from facefill_jax.data import augmentation, pipeline, squares
from facefill_jax.data.augmentation import Augment
from facefill_jax.data.masks.training import MaskMix
from facefill_jax.labels import VOID

ALL = Augment(share=1.0, affine=1.0, colour=1.0, blur=1.0)


class Discs:
  """Smooth photos whose red channel says where the labels are 13. With confidence if asked."""

  def __init__(self, length, confidence=False):
    self.length, self.confidence = length, confidence

  def __len__(self):
    return self.length

  def __getitem__(self, index):
    labels = np.zeros((96, 80), np.uint8)
    cv2.circle(labels, (30 + index, 44), 18, 13, -1)
    photo = np.repeat((labels == 13)[..., None] * np.uint8(255), 3, axis=-1)
    item = {"photo": photo, "labels": labels, "id": str(index)}
    return item | ({"confidence": labels * np.uint8(15)} if self.confidence else {})


def take(count, augment, source=None, **options):
  options = {"resolution": 64, "batch_size": 4, "seed": 3, "zoom": (0.8, 1.0), **options}
  mix = MaskMix({"box": 1.0})
  with pipeline.batches([(source or Discs(7), 1.0)], mix, augment=augment, **options) as stream:
    return [next(stream) for _ in range(count)]


def assert_same(first, second):
  for a, b in zip(first, second, strict=True):
    assert a.keys() == b.keys()
    for name in a:
      np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def square_view(top, left, side):
  return np.array([[side, 0, left], [0, side, top]], float)


@pytest.mark.parametrize("off", [{}, {"share": 1.0}, {"affine": 1.0, "colour": 1.0, "blur": 1.0}])
def test_off_draws_nothing(off):
  rng = np.random.default_rng(0)
  photo = Discs(1)[0]["photo"]
  assert Augment(**off).view((0, 0, 80), (96, 80), rng) is None
  assert Augment(**off).recolour(photo, rng) is photo
  assert rng.random() == np.random.default_rng(0).random()


def test_the_same_stream_for_any_workers_processes_and_start():
  half = Augment(share=0.5, affine=0.5, colour=0.5, blur=0.5)
  stream = take(4, half)
  assert_same(stream, take(4, half, workers=1))
  assert_same(stream[2:], take(2, half, start=2))
  parts = [take(4, half, process_index=i, process_count=2) for i in range(2)]
  joined = [{n: np.concatenate([a[n], b[n]]) for n in a} for a, b in zip(*parts, strict=True)]
  assert_same(stream, joined)
  assert any((a["photo"] != b["photo"]).any() for a, b in zip(stream, take(4, ALL), strict=True))


@pytest.mark.parametrize("side", [40, 64, 90, 128, 300])
def test_a_square_view_is_the_square(side):
  rng = np.random.default_rng(side)
  photo = cv2.GaussianBlur(rng.integers(0, 256, (310, 310, 3), np.uint8), (0, 0), 2)
  labels = rng.integers(0, 19, (310, 310), np.uint8)
  plain, plain_labels = squares.cut(photo, labels, (3, 5, side), 64)
  view = square_view(3, 5, side)
  found = augmentation.sample_photo(photo, view, 64)
  assert np.abs(found.astype(int) - plain)[1:-1, 1:-1].max() <= 3
  same = augmentation.sample_map(labels, view, 64, VOID) == plain_labels
  assert same.mean() > (0.99 if side % 64 == 0 else 0.95)  # ties between two pixels


def test_a_quarter_turn_by_hand():
  labels = np.arange(64, dtype=np.uint8).reshape(8, 8) % 19
  photo = np.repeat(labels[..., None], 3, axis=-1)
  turned = np.array([[0, -8, 8], [8, 0, 0]], float)  # x of the photo falls along y of the view
  np.testing.assert_array_equal(augmentation.sample_map(labels, turned, 8, VOID), np.rot90(labels))
  found = augmentation.sample_photo(photo, turned, 8)
  np.testing.assert_array_equal(found[..., 1], np.rot90(labels))


def test_beyond_the_photo_is_void_and_a_mirror():
  photo = np.arange(1, 9, dtype=np.uint8)[None, :, None].repeat(8, 0).repeat(3, 2)
  labels = np.ones((8, 8), np.uint8)
  view = square_view(0, 4, 8)
  found = augmentation.sample_map(labels, view, 8, VOID)
  assert (found[:, :4] == 1).all() and (found[:, 4:] == VOID).all()
  assert augmentation.sample_photo(photo, view, 8)[0, :, 0].tolist() == [5, 6, 7, 8, 7, 6, 5, 4]


def test_photo_labels_and_confidence_move_together():
  geometry = Augment(share=1.0, affine=1.0)
  for batch in take(6, geometry, Discs(9, confidence=True)):
    inside = batch["labels"] == 13
    known = batch["labels"] != VOID
    assert inside.any((1, 2)).all() and known.mean() > 0.9
    disc = batch["photo"][..., 0] > 127
    assert (disc == inside)[known].mean() > 0.985
    np.testing.assert_array_equal(batch["confidence"], np.where(inside, 195, 0))
    assert batch["confidence"].dtype == np.uint8 and batch["confidence"].shape == (4, 64, 64)


def test_views_lie_within_the_photo_where_they_can():
  rng = np.random.default_rng(0)
  corners = np.array([[0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 1, 1]])
  for _ in range(200):
    square = squares.random_square((100, 100), (0.5, 0.6), rng)
    reach = ALL.view(square, (100, 100), rng) @ corners
    assert reach.min() > -1e-9 and reach.max() < 100 + 1e-9
  wide = [ALL.view((0, 0, 100), (100, 100), rng) @ corners for _ in range(200)]
  assert max(-np.min(wide), np.max(wide) - 100) < 27  # of a turned, enlarged square: its corners


def test_share_is_of_the_photos():
  rng = np.random.default_rng(0)
  some = Augment(share=0.3, affine=0.5)
  views = [some.view((0, 0, 80), (96, 80), rng) for _ in range(1000)]
  assert 250 < sum(view is not None for view in views) < 350


def test_colours_by_hand():
  np.testing.assert_allclose(augmentation.colour_matrix(np.zeros(5)), np.eye(3, 4), atol=1e-12)
  grey = np.array([100.0, 100, 100, 1])
  for k, wanted in enumerate([
    [100 * np.exp(0.25)] * 3,
    [127.5 + (100 - 127.5) * np.exp(0.25)] * 3,
    [100] * 3,  # saturation and hue leave grey alone
    [100] * 3,
    [100 * np.exp(0.1), 100, 100 * np.exp(-0.1)],
  ]):  # fmt: skip
    np.testing.assert_allclose(augmentation.colour_matrix(np.eye(5)[k]) @ grey, wanted, atol=1e-9)
  red = np.array([200.0, 0, 0, 1])
  less = augmentation.colour_matrix(np.array([0, 0, -1, 0, 0])) @ red
  luma = 0.299 * 200
  np.testing.assert_allclose(less, luma + np.exp(-0.4) * (red[:3] - luma), atol=1e-9)
  turned = augmentation.colour_matrix(np.array([0, 0, 0, 1, 0])) @ red
  assert turned.sum() == pytest.approx(200) and turned[1] > 0 > turned[2]  # towards yellow


def test_colour_and_blur_change_the_photo_and_nothing_else():
  rng = np.random.default_rng(1)
  photo = rng.integers(60, 200, (64, 64, 3), np.uint8)
  coloured = Augment(share=1.0, colour=1.0).recolour(photo, rng)
  assert coloured.shape == photo.shape and coloured.dtype == np.uint8 and (coloured != photo).any()
  blurred = Augment(share=1.0, blur=1.0).recolour(photo, rng)
  assert blurred.std() < 0.9 * photo.std() and abs(blurred.mean() - photo.mean()) < 0.5
  plain = take(2, augmentation.NONE)
  for a, b in zip(plain, take(2, Augment(share=1.0, colour=1.0)), strict=True):
    np.testing.assert_array_equal(a["labels"], b["labels"])


@pytest.mark.parametrize("bad", [{"share": 1.5}, {"affine": -0.1}, {"blur": 2.0}])
def test_out_of_range(bad):
  (name,) = bad
  with pytest.raises(ValueError, match=rf"data\.augment\.{name} must be in 0\.\.1, got"):
    Augment(**bad)
