"""Other class sets: what is known of a pixel, and left and right by where a part lies."""

import numpy as np
import pytest
from drawn_sets import save

from facefill_jax.data import opening, sources, vocabularies
from facefill_jax.data.drawn.faces import DrawnFaces
from facefill_jax.data.vocabularies import TABLES, Vocabulary, choose_sides, find_midline
from facefill_jax.labels import CLASSES, MIRROR_PAIRS, VOID

ID = {name: i for i, name in enumerate(CLASSES)}


def ids(*names):
  return [ID[name] for name in names]


def boxes(*corners, size=(40, 60)):
  """bool masks: (top, left, bottom, right) of each."""
  masks = [np.zeros(size, bool) for _ in corners]
  for mask, (top, left, bottom, right) in zip(masks, corners, strict=True):
    mask[top:bottom, left:right] = True
  return masks


NOSE, MOUTH = boxes((18, 27, 24, 33), (30, 24, 34, 36))
MIDLINE = find_midline(NOSE, MOUTH)


@pytest.mark.parametrize("name", TABLES)
def test_every_table_names_only_classes_of_ours_and_no_id_twice(name):
  meanings = Vocabulary(name).meanings
  pairs = {frozenset(pair) for pair in MIRROR_PAIRS}
  assert all(meaning <= set(range(20)) and meaning for meaning in meanings)
  certain = [meaning for meaning in meanings if len(meaning) == 1]
  assert len(certain) == len(set(certain))
  for pair in pairs:  # a merged class that holds one eye holds the other, too
    assert all(not meaning & pair or pair <= meaning or len(meaning) == 1 for meaning in meanings)


def test_the_sizes_that_the_names_say():
  for name, table in TABLES.items():
    if name != vocabularies.OURS:
      assert len(table) == int(name.rpartition("_")[2])


def test_one_to_one_by_hand():
  row = np.arange(19, dtype=np.uint8)[None]
  found = Vocabulary("bisenet_19").translate(row, "a.png")
  assert found[0].tolist() == ids(
    "background", "skin", "l_brow", "r_brow", "l_eye", "r_eye", "eye_g", "l_ear", "r_ear", "ear_r",
    "nose", "mouth", "u_lip", "l_lip", "neck", "neck_l", "cloth", "hair", "hat",
  )  # fmt: skip
  ours = np.arange(20, dtype=np.uint8)[None]
  assert Vocabulary().translate(ours, "a.png") is ours


def test_what_is_merged_is_void_unless_the_background_is_asked_for():
  row = np.array([[0, 1, 10, 255]], np.uint8)
  assert Vocabulary("lapa_11").translate(row, "a.png")[0].tolist() == [VOID, 1, ID["hair"], VOID]
  closed = Vocabulary("lapa_11:background").translate(row, "a.png")
  assert closed[0].tolist() == [0, 1, ID["hair"], VOID]
  six = np.array([[0, 1, 2, 4, 5]], np.uint8)
  found = Vocabulary("fasseg_6").translate(six, "a.png")
  assert found[0].tolist() == [VOID, VOID, *ids("hair", "nose"), VOID]


@pytest.mark.parametrize("name", ["celebamask_hq_16", "ibug_14", "helen_11"])
def test_a_drawn_face_comes_back_with_its_sides(name):
  """Our classes merged into a vocabulary and read again: each is itself, or void, never another."""
  truth = DrawnFaces(64, seed=1, length=8)[3]["labels"]
  meanings = Vocabulary(name).meanings
  merged = np.full(truth.shape, 255, np.uint8)
  for i, meaning in enumerate(meanings):
    merged[np.isin(truth, list(meaning)) & (merged == 255)] = i
  found = Vocabulary(name).translate(merged, "a.png")
  assert (found[found != VOID] == truth[found != VOID]).all()
  for part in ("l_eye", "r_eye", "l_brow", "r_brow", "nose", "hair"):
    assert (found == ID[part]).any(), part


def test_the_midline_leans_as_the_face_does():
  np.testing.assert_allclose(MIDLINE[0], [29.5, 20.5])
  np.testing.assert_allclose(MIDLINE[1], [1, 0])
  lying = find_midline(NOSE.T, MOUTH.T)  # nose left of the mouth: the head's top is at the left
  np.testing.assert_allclose(lying[1], [0, -1], atol=1e-12)  # the person's left is up
  none = np.zeros_like(NOSE)
  np.testing.assert_allclose(find_midline(none, MOUTH)[0], [29.5, 31.5])
  assert find_midline(none, none) is None


def test_each_part_goes_to_its_side():
  masks = boxes((10, 12, 14, 22), (10, 38, 14, 48))
  for given in (masks, masks[::-1], [masks[0] | masks[1]]):
    sides = choose_sides(given, MIDLINE)
    assert (sides[masks[0]] == -1).all() and (sides[masks[1]] == 1).all()
    assert not sides[~(masks[0] | masks[1])].any()
  specks = boxes((10, 12, 14, 22), (10, 38, 14, 48), (12, 52, 13, 53))
  assert (choose_sides(specks, MIDLINE)[specks[2]] == 1).all()


def test_a_part_across_the_midline_takes_the_free_side_or_none():
  near, far = boxes((10, 40, 14, 50), (10, 26, 14, 32))
  assert (choose_sides([near | far], MIDLINE)[far] == -1).all()
  (joined,) = boxes((5, 10, 8, 50))
  assert not choose_sides([joined], MIDLINE).any()
  right, left = boxes((10, 12, 14, 22), (10, 38, 14, 48))
  three = choose_sides([right | left | far], MIDLINE)
  assert not three[far].any() and (three[left] == 1).all()


def test_without_nose_and_mouth_two_parts_are_each_others_sides():
  right, left = boxes((10, 12, 14, 22), (20, 38, 24, 48))
  sides = choose_sides([right | left], None)
  assert (sides[right] == -1).all() and (sides[left] == 1).all()
  assert not choose_sides([right], None).any()
  above = boxes((2, 12, 4, 22), (10, 12, 14, 22))
  assert not choose_sides(above, None).any()


def test_unknown_values_name_the_file_and_the_valid_range(tmp_path):
  message = r"5\.png: label 11 found; valid labels of lapa_11 are 0\.\.10, and 255 for void"
  with pytest.raises(ValueError, match=message):
    Vocabulary("lapa_11").translate(np.array([[3, 11]], np.uint8), "5.png")
  for bad in ("lapa", "lapa_11:hair", "lapa_11:"):
    with pytest.raises(ValueError, match=f"'{bad}' is not one of celebamask_hq, .*fasseg_6"):
      Vocabulary(bad)
  save(tmp_path / "photos" / "0.png", np.zeros((8, 8, 3), np.uint8))
  save(tmp_path / "labels" / "0.png", np.full((8, 8), 12, np.uint8))
  folder = sources.Folder(tmp_path / "photos", tmp_path / "labels", vocabulary="helen_11")
  with pytest.raises(ValueError, match=r"labels/0\.png: label 12 found.*helen_11 are 0\.\.10"):
    folder[0]
  with pytest.raises(ValueError, match="for the kind 'folder'; 'drawn' has its own labels"):
    opening.open_data(kind="drawn", vocabulary="helen_11", resolution=64, seed=0)
