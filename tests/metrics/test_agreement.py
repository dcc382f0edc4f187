"""Agreement of label maps by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from facefill_jax.labels import NUM_CLASSES, VOID
from facefill_jax.metrics import layout
from facefill_jax.metrics.agreement import Agreement


def test_counts_are_those_of_confusion_and_add_up():
  rng = np.random.default_rng(0)
  found, truth = rng.integers(0, NUM_CLASSES, (2, 3, 9, 7)).astype(np.uint8)
  agreement = Agreement()
  for one, other in zip(found, truth, strict=True):
    agreement.add(one, other)
  wanted = np.array(layout.confusion(jnp.asarray(found), jnp.asarray(truth)))
  wanted[VOID] = 0
  np.testing.assert_array_equal(agreement.counts, wanted)
  assert agreement.scores()["miou"] == layout.miou(wanted)
  assert not agreement.pixels.any() and np.isnan(agreement.calibration_error())


def test_scores_and_calibration_by_hand():
  # True skin read as skin (sure 1.0), skin (.6), nose (.6), void; and one void pixel, not counted.
  truth = np.array([[1, 1, 1, 1, VOID]], np.uint8)
  found = np.array([[1, 1, 2, VOID, 1]], np.uint8)
  sure = np.array([[255, 153, 153, 255, 255]], np.uint8)
  agreement = Agreement()
  agreement.add(found, truth, sure)
  scores = agreement.scores()
  assert scores == {"pixel_accuracy": 0.5, "miou": 0.5, "found_void": 0.25}
  rows = agreement.tenths()
  assert [row["share"] for row in rows] == pytest.approx([0, 0, 0, 0, 0, 0, 2 / 3, 0, 0, 1 / 3])
  assert rows[6]["confidence"] == pytest.approx(0.6) and rows[6]["accuracy"] == 0.5
  assert rows[9]["confidence"] == rows[9]["accuracy"] == 1.0
  assert np.isnan(rows[0]["accuracy"])
  assert agreement.calibration_error() == pytest.approx(2 / 3 * 0.1)


def test_a_confidence_that_tells_the_truth_is_calibrated():
  rng = np.random.default_rng(1)
  sure = rng.integers(51, 256, (400, 400)).astype(np.uint8)
  found = np.ones_like(sure)
  truth = np.where(rng.random(sure.shape) < sure / 255, 1, 2).astype(np.uint8)
  honest, boasting = Agreement(), Agreement()
  honest.add(found, truth, sure)
  boasting.add(found, truth, np.full_like(sure, 255))
  assert honest.calibration_error() < 0.01
  assert boasting.calibration_error() == pytest.approx(1 - (truth == 1).mean())


def test_shapes_that_differ_are_refused():
  map_ = np.zeros((4, 4), np.uint8)
  with pytest.raises(ValueError, match="one shape"):
    Agreement().add(map_, map_[:2])
  with pytest.raises(ValueError, match="one shape"):
    Agreement().add(map_, map_, map_[..., None])
