"""Holes: every kind, their shares, and what is refused."""

import pickle
import zipfile

import cv2
import numpy as np
import pytest
from PIL import Image

from facefill_jax.data.masks import training
from facefill_jax.labels import CLASSES, VOID

SIZE = (48, 64)
UNLABELLED = np.full(SIZE, VOID, np.uint8)


def rng(seed=0):
  return np.random.default_rng(seed)


def face():
  """A square of skin with two eyes, a nose and a mouth: uint8 (64, 64)."""
  labels = np.zeros((64, 64), np.uint8)
  labels[10:56, 12:52] = CLASSES.index("skin")
  labels[20:24, 18:26] = CLASSES.index("r_eye")
  labels[20:24, 38:46] = CLASSES.index("l_eye")
  labels[28:36, 29:35] = CLASSES.index("nose")
  labels[44:48, 24:40] = CLASSES.index("mouth")
  return labels


@pytest.fixture
def folder(tmp_path):
  """Masks of 10, 20, ... 50 % at 40 x 40, white at the top: their folder."""
  for percent in (10, 20, 30, 40, 50):
    mask = np.zeros((40, 40), np.uint8)
    mask[: 40 * percent // 100] = 255
    path = tmp_path / "masks" / f"{percent}-" / f"{percent}.png"
    path.parent.mkdir(parents=True)
    Image.fromarray(mask).save(path)
  return tmp_path / "masks"


@pytest.mark.parametrize("kind", training.KINDS)
def test_every_kind_gives_a_mask_that_depends_on_the_rng_alone(kind, folder):
  mix = training.MaskMix({kind: 1.0}, folder=folder)
  for labels in (UNLABELLED, face()):
    first, again = (mix.sample(rng(3), labels) for _ in range(2))
    assert first.dtype == np.bool_ and first.shape == labels.shape
    np.testing.assert_array_equal(first, again)
    assert first.any() == (kind != "empty")
    np.testing.assert_array_equal(first, pickle.loads(pickle.dumps(mix)).sample(rng(3), labels))


@pytest.mark.parametrize("low, high", [(0.0, 0.1), (0.2, 0.3), (0.5, 0.6), (0.8, 1.0)])
@pytest.mark.parametrize("kind", ["free_form", "box", "border"])
def test_shares_stay_within_bounds(kind, low, high):
  mix, draws = training.MaskMix({kind: 1}, ratio=(low, high)), rng()
  shares = [mix.sample(draws, UNLABELLED).mean() for _ in range(50)]
  assert min(shares) >= low and max(shares) <= high and min(shares) > 0


def test_free_form_reaches_every_share():
  draws = rng()
  shares = [training.draw_free_form(draws, SIZE).mean() for _ in range(400)]
  counts, _ = np.histogram(shares, bins=5, range=(0, 1))
  assert counts.min() > 40


def test_weights_are_proportions():
  mix, draws = training.MaskMix({"empty": 3, "half": 1, "box": 0}), rng()
  shares = np.array([mix.sample(draws, UNLABELLED).mean() for _ in range(400)])
  assert set(shares) == {0.0, 0.5}
  assert 0.68 < (shares == 0).mean() < 0.82


def test_half_is_one_of_four_halves():
  mix, draws = training.MaskMix({"half": 1}), rng()
  seen = {mix.sample(draws, UNLABELLED).tobytes() for _ in range(60)}
  halves = np.zeros((4, *SIZE), bool)
  halves[0, :, :32] = halves[1, :, 32:] = halves[2, :24] = halves[3, 24:] = True
  assert seen == {half.tobytes() for half in halves}


def test_border_keeps_a_window_in_the_centre():
  mask = training.draw_border(rng(), (64, 64), 0.5, 0.5)
  rows, columns = np.flatnonzero(~mask.all(axis=1)), np.flatnonzero(~mask.all(axis=0))
  assert not mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].any()
  assert abs(rows[0] + rows[-1] - 63) <= 1 and abs(columns[0] + columns[-1] - 63) <= 1
  assert (~mask).mean() == pytest.approx(0.5, abs=0.03)


def test_box_is_one_rectangle_of_the_wanted_area():
  draws = rng()
  for area in (0.05, 0.3, 0.75, 1.0):
    mask = training.draw_box(draws, (64, 64), area, area)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    assert mask.mean() == pytest.approx(area, abs=0.03)


def test_part_covers_one_part_that_is_there():
  labels, draws = face(), rng()
  parts = {
    "eyes": np.isin(labels, [4, 5]), "nose": labels == 2, "mouth": labels == 10,
    "face": labels > 0,
  }  # fmt: skip
  seen = set()
  for _ in range(60):
    mask = training.draw_part(draws, labels)
    covered = [name for name, where in parts.items() if mask[where].all()]
    # The smallest part that explains the hole; the rest of the face is only its margin.
    assert covered
    seen.add("face" if "face" in covered else covered[0])
    assert not mask[:4].any() and not mask[:, :6].any()
  assert seen == set(parts)


def test_part_becomes_a_box_without_labels():
  assert training.draw_part(rng(), UNLABELLED) is None
  mask = training.MaskMix({"part": 1}).sample(rng(), UNLABELLED)
  rows, columns = mask.any(axis=1).sum(), mask.any(axis=0).sum()
  assert mask.sum() == rows * columns


def test_an_impossible_ratio_falls_back_to_the_closest(folder):
  assert training.MaskMix({"half": 1}, ratio=(0.0, 0.1)).sample(rng(), UNLABELLED).mean() == 0.5
  mix, draws = training.MaskMix({"folder": 1}, folder=folder, ratio=(0.9, 1.0)), rng()
  square = np.zeros((64, 64), np.uint8)
  assert np.mean([mix.sample(draws, square).mean() for _ in range(20)]) > 0.45


def test_folder_masks_are_turned_and_flipped_files(folder, tmp_path):
  files = training.FolderMasks(folder)
  assert files.names[0] == "10-/10.png" and len(files) == 5
  assert [float(files[i].mean()) for i in range(5)] == [0.1, 0.2, 0.3, 0.4, 0.5]
  draws, seen = rng(), set()
  for _ in range(60):
    seen.add(
      training.draw_from_folder(draws, (20, 20), training.FolderMasks(folder / "50-")).tobytes()
    )
  halves = np.zeros((4, 20, 20), bool)
  halves[0, :10] = halves[1, 10:] = halves[2, :, :10] = halves[3, :, 10:] = True
  assert seen == {half.tobytes() for half in halves}
  with zipfile.ZipFile(tmp_path / "masks.zip", "w") as archive:
    archive.write(folder / "10-" / "10.png", "10.png")
  np.testing.assert_array_equal(training.FolderMasks(tmp_path / "masks.zip")[0], files[0])


@pytest.mark.parametrize(
  "arguments, message",
  [
    (({"blob": 1.0},), r"mask kind 'blob' is unknown; valid kinds are free_form, box, half"),
    (({"box": -1.0, "half": 2.0},), r"mask weights must be 0 or more, one of them above 0; got"),
    (({"box": 0.0},), r"mask weights must be 0 or more"),
    (({},), r"mask weights must be 0 or more"),
    (({"box": float("nan")},), r"mask weights must be 0 or more"),
    (({"box": 1.0}, "", (0.6, 0.4)), r"0 <= low <= high <= 1, got \(0\.6, 0\.4\)"),
    (({"box": 1.0}, "", (0.0, 50)), r"0 <= low <= high <= 1"),
    (({"folder": 1.0},), r"mask kind 'folder' has a weight but no folder of masks is given"),
    (({"folder": 1.0}, "nowhere"), r"masks: nowhere does not exist"),
  ],
)
def test_bad_choices_are_refused(arguments, message):
  with pytest.raises(ValueError, match=message):
    training.MaskMix(*arguments)


def test_a_folder_without_weight_is_not_looked_at():
  training.MaskMix({"box": 1.0, "folder": 0.0}, folder="nowhere").check()


def test_a_bad_mask_file_is_named(folder):
  mix = training.MaskMix({"folder": 1.0}, folder=folder)
  mix.check()
  Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "30-" / "30.png")
  with pytest.raises(ValueError, match=r"30-/30\.png: .* has no hole"):
    mix.check()
  with pytest.raises(ValueError, match=r"30\.png: .* has no hole"):
    [mix.sample(rng(i), UNLABELLED) for i in range(20)]


def test_a_part_is_dilated_by_a_disk_also_at_the_edge():
  for top, left in ((0, 0), (30, 40), (56, 57), (3, 60)):
    labels = np.zeros((64, 64), np.uint8)
    labels[top : top + 6, left : left + 7] = CLASSES.index("hair")
    same = rng(top)
    same.choice([3])  # the hair: no other part is there
    radius = max(round(64 * same.uniform(0.02, 0.08)), 1)
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    expected = cv2.dilate((labels > 0).astype(np.uint8), disk).astype(bool)
    np.testing.assert_array_equal(training.draw_part(rng(top), labels), expected)
