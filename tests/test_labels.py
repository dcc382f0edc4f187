"""Classes of a layout: mirror pairs, colours, checks."""

import numpy as np
import pytest

from facefill_jax import labels

ID = {name: i for i, name in enumerate(labels.CLASSES)}


def test_twenty_classes_and_void_last():
  assert labels.NUM_CLASSES == len(set(labels.CLASSES)) == 20
  assert labels.VOID == 19
  assert (ID["background"], ID["skin"], ID["hair"], ID["cloth"]) == (0, 1, 13, 18)


def test_mirror_swaps_the_paired_classes_only():
  for i, name in enumerate(labels.CLASSES):
    side, _, part = name.partition("_")
    other = {"l": "r_", "r": "l_"}.get(side, "") + part
    paired = part in ("eye", "brow", "ear")  # l_lip and neck_l are the lower lip and a necklace
    assert labels.MIRROR[i] == (ID[other] if paired else i), name


def test_flip_mirrors_and_swaps():
  row = np.array([[ID["l_eye"], ID["nose"], ID["r_ear"]]], np.uint8)
  flipped = labels.flip_labels(row)
  np.testing.assert_array_equal(flipped, [[ID["l_ear"], ID["nose"], ID["r_eye"]]])
  assert flipped.dtype == np.uint8
  every = np.random.default_rng(0).integers(0, 20, (3, 4, 5), np.uint8)
  np.testing.assert_array_equal(labels.flip_labels(labels.flip_labels(every)), every)
  np.testing.assert_array_equal(labels.flip_labels(every)[1], labels.flip_labels(every[1]))


def test_colours_tell_all_classes_apart():
  assert labels.PALETTE.shape == (20, 3) and labels.PALETTE.dtype == np.uint8
  assert len({tuple(colour) for colour in labels.PALETTE.tolist()}) == 20
  picture = labels.colourise(np.array([[0, 13], [19, 1]]))
  assert picture.shape == (2, 2, 3)
  np.testing.assert_array_equal(picture[0, 1], labels.PALETTE[13])


def test_check_names_the_file_the_value_and_the_valid_ones():
  labels.check_labels(np.array([[0, 19]], np.uint8), "a.png")
  labels.check_labels(np.zeros((0, 4), np.uint8), "a.png")
  with pytest.raises(ValueError, match=r"a\.png: label 20 found; valid labels are 0\.\.19"):
    labels.check_labels(np.array([[3, 20]], np.uint8), "a.png")
