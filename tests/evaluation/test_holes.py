"""Which mask a photo gets: by name where names fit, in order where none does, never by half."""

import unicodedata
import zipfile

import numpy as np
import pytest
from drawn_sets import save

from facefill_jax.evaluation.holes import FolderHoles, ProtocolHoles

PHOTOS = ["3.jpg", "7.jpg", "12.jpg"]


def mask(height):
  found = np.zeros((32, 32), np.uint8)
  found[10 : 10 + height] = 255
  return found


def folder(root, *names):
  for i, name in enumerate(names):
    save(root / name, mask(i + 1))
  return root


def rows(holes, photos=PHOTOS, name=""):
  """What each photo gets, by the rows that are hole."""
  indices = [holes.index(name, i, 0, len(photos)) for i in range(len(photos))]
  masks = [None if i is None else holes.read(name, i, 32, (32, 32)) for i in indices]
  return [None if each is None else int(each.sum()) // 32 for each in masks]


def test_masks_go_by_name(tmp_path, caplog):
  holes = FolderHoles(folder(tmp_path, "12.png", "3.gif", "5.png", "7.TIF"), PHOTOS)
  assert rows(holes) == [2, 4, 1]
  assert holes.name("", holes.index("", 2, 0, 3)) == "12.png"
  (line,) = (record.getMessage() for record in caplog.records)
  assert line == f"masks: 1 mask in {tmp_path} belongs to no photo, for example 5.png"
  with pytest.raises(ValueError, match="named as the photos: one a photo, ask for no more"):
    holes.index("", 0, 1, 3)


def test_unicode_forms_are_one(tmp_path):
  names = ["é.jpg", "a.jpg"]
  given = folder(tmp_path, "a.png", unicodedata.normalize("NFD", "é.png"))
  photos = [unicodedata.normalize("NFC", name) for name in names]
  assert rows(FolderHoles(given, photos), photos) == [2, 1]


def test_a_photo_without_a_mask_is_refused_where_others_have_one(tmp_path):
  given = folder(tmp_path, "3.png", "12.png", "x.png")
  with pytest.raises(
    ValueError, match=r"1 of 3 photos .* for example 7\.jpg, while 3\.jpg has one"
  ):
    FolderHoles(given, PHOTOS)
  with pytest.raises(ValueError, match=r"2 of 2 photos .*/20-30, for example"):
    bins = folder(tmp_path / "bins", "10-20/3.png", "10-20/7.png", "20-30/m.png", "20-30/n.png")
    FolderHoles(bins, PHOTOS[:2])


def test_masks_of_other_names_go_in_order_and_it_is_said(tmp_path, caplog):
  holes = FolderHoles(folder(tmp_path, "m10.png", "m9.png"), PHOTOS)
  assert rows(holes) == [2, 1, 2]
  (line,) = (record.getMessage() for record in caplog.records)
  assert line.endswith("is named as a photo: taken in order, m9.png first for 3.jpg")
  caplog.clear()
  holes = FolderHoles(folder(tmp_path / "numbers", "0.png", "2.png"), ())  # drawn: no names
  assert rows(holes) == [1, 2, 1] and not caplog.records


def test_bins_by_name(tmp_path):
  every = [f"{name}/{photo[:-4]}.png" for name in ("a", "b") for photo in PHOTOS]
  holes = FolderHoles(folder(tmp_path / "every", *every), PHOTOS)
  assert holes.bins == ("a", "b") and rows(holes, name="b") == [4, 5, 6]
  # Sorted into bins by their hole share, each photo is in one of them.
  holes = FolderHoles(folder(tmp_path / "sorted", "a/7.png", "b/12.png", "b/3.png"), PHOTOS)
  assert rows(holes, name="a") == [None, 1, None] and rows(holes, name="b") == [3, None, 2]


def test_sub_folders_that_are_those_of_the_photos_are_no_bins(tmp_path):
  photos = ["a/1.jpg", "b/1.jpg"]
  holes = FolderHoles(folder(tmp_path, "b/1.png", "a/1.png"), photos)
  assert holes.bins == ("",) and rows(holes, photos) == [2, 1]


@pytest.mark.parametrize("zipped", [False, True])
def test_what_lies_beside_bins(tmp_path, caplog, zipped):
  place = folder(
    tmp_path / "m", "10-20/m.png", "2-10/m.png", "beside.png", "__MACOSX/10-20/._m.png", ".x/m.png"
  )
  if zipped:
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
      for path in sorted(place.rglob("*.png")):
        archive.write(path, path.relative_to(place))
    place = tmp_path / "m.zip"
  assert FolderHoles(place, PHOTOS).bins == ("2-10", "10-20")
  line, order = (record.getMessage() for record in caplog.records)
  assert "taken in order, 2-10/m.png first" in order
  assert "1 picture beside the sub-folders of" in line and "for example beside.png" in line


def test_an_empty_bin_is_refused(tmp_path):
  folder(tmp_path, "a/m.png")
  (tmp_path / "b").mkdir()
  with pytest.raises(ValueError, match=r"masks: none in .*/b"):
    FolderHoles(tmp_path, PHOTOS)


def test_masks_of_the_photos_aspect_are_resized(tmp_path, caplog):
  wide = np.zeros((20, 40), np.uint8)
  wide[5:15, 10:20] = 255
  save(tmp_path / "m.png", wide)
  holes = FolderHoles(tmp_path, ["1.jpg"])
  found = holes.read("", 0, 40, (40, 80))
  np.testing.assert_array_equal(found, np.repeat(np.repeat(wide, 2, 0), 2, 1)[:, 20:60] > 0)
  assert "is 40 x 20 and the photo 80 x 40: resized" in caplog.text
  with pytest.raises(ValueError, match="must be square, or of its photo's size or aspect"):
    holes.read("", 0, 40, (40, 70))


def test_parts_of_photos_in_sub_folders_are_their_own(tmp_path):
  photos = ["a/1.png", "b/1.png"]
  for name, row in (("a", 4), ("b", 20)):
    labels = np.zeros((32, 32), np.uint8)
    labels[row] = 2
    save(tmp_path / name / "1.png", labels)
  holes = ProtocolHoles("parts:nose@0", 0, 32, str(tmp_path), photos)
  found = [holes.read("", holes.index("", i, 0, 2), 32, (32, 32)) for i in range(2)]
  assert [np.flatnonzero(each.any(1)).tolist() for each in found] == [[4], [20]]
