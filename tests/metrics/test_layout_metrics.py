"""Layout metrics by hand."""

import jax
import numpy as np
import pytest

from facefill_jax.labels import NUM_CLASSES, VOID
from facefill_jax.metrics import layout


def test_confusion_counts_each_pixel_once():
  rng = np.random.default_rng(0)
  truth = rng.integers(0, NUM_CLASSES, (2, 8, 8)).astype(np.uint8)
  predicted = rng.integers(0, NUM_CLASSES, (2, 8, 8)).astype(np.uint8)
  where = rng.random((2, 8, 8)) < 0.5
  counts = np.asarray(jax.jit(layout.confusion)(predicted, truth, where))
  want = np.zeros((NUM_CLASSES, NUM_CLASSES), int)
  np.add.at(want, (truth[where], predicted[where]), 1)
  np.testing.assert_array_equal(counts, want)
  assert np.asarray(layout.confusion(predicted, truth)).sum() == truth.size


def test_scores_by_hand():
  # skin 1: 3 pixels, 2 read right, 1 read as void. nose 2: 1 pixel, read as skin.
  # void: 2 pixels read as skin, which must not count.
  truth = np.array([[[1, 1, 1], [2, VOID, VOID]]])
  predicted = np.array([[[1, 1, VOID], [1, 1, 1]]])
  counts = np.asarray(layout.confusion(predicted, truth))
  iou = layout.class_iou(counts)
  np.testing.assert_allclose(iou[1:3], [2 / 4, 0])
  assert np.isnan(np.delete(iou, [1, 2])).all()
  assert layout.miou(counts) == pytest.approx(0.25)
  assert layout.pixel_accuracy(counts) == pytest.approx(2 / 4)


def test_perfect_and_empty():
  truth = np.arange(NUM_CLASSES).reshape(1, 4, 5)
  counts = np.asarray(layout.confusion(truth, truth))
  assert layout.miou(counts) == layout.pixel_accuracy(counts) == 1.0
  unlabelled = np.asarray(layout.confusion(truth, np.full_like(truth, VOID)))
  assert np.isnan(layout.miou(unlabelled)) and np.isnan(layout.pixel_accuracy(unlabelled))


def test_rejects_shapes_that_differ():
  truth = np.zeros((2, 4, 4), np.uint8)
  with pytest.raises(ValueError, match="one shape"):
    layout.confusion(truth[:1], truth)
  with pytest.raises(ValueError, match="one shape"):
    layout.confusion(truth, truth, np.ones((2, 4, 4, 1), bool))
