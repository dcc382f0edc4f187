"""Which file belongs to which photo: by name, in any Unicode form, never by order."""

import unicodedata

import numpy as np
import pytest
from drawn_sets import save

from facefill_jax.data import sources
from facefill_jax.data.pairing import pair

COMPOSED = unicodedata.normalize("NFC", "Zoé")
APART = unicodedata.normalize("NFD", "Zoé")


def test_whole_paths_come_first_then_the_only_stem():
  found = pair(["a/1.jpg", "b/1.jpg", "b/2.JPG", "3.tif"], ["b/1.png", "a/1.png", "2.png"], "x")
  assert found.file_of == {"a/1.jpg": "a/1.png", "b/1.jpg": "b/1.png", "b/2.JPG": "2.png"}
  assert (found.alone, found.spare) == (["3.tif"], [])
  # What another photo has by its path is nobody's by its stem.
  found = pair(["a/1.jpg", "b/1.jpg"], ["a/1.png"], "x")
  assert found.file_of == {"a/1.jpg": "a/1.png"} and found.alone == ["b/1.jpg"]


@pytest.mark.parametrize(("photo", "file"), [(COMPOSED, APART), (APART, COMPOSED)])
def test_unicode_forms_are_one(photo, file):
  assert photo != file
  found = pair([f"{photo}.jpg", f"b/{photo}1.jpg"], [f"{file}.png", f"{file}1.png"], "x")
  assert found.alone == found.spare == []


def test_nothing_shifts_where_one_is_missing():
  names = [f"{i:02d}" for i in range(10)]
  found = pair([f"{n}.jpg" for n in names], [f"{n}.png" for n in names[1:]] + ["99.png"], "x")
  assert found.file_of == {f"{n}.jpg": f"{n}.png" for n in names[1:]}
  assert (found.alone, found.spare) == (["00.jpg"], ["99.png"])
  assert found.remark("mask", "M", "they stay") == (
    "1 of 10 photos has no mask in M, for example 00.jpg: they stay; "
    "1 mask there belongs to no photo, for example 99.png"
  )


@pytest.mark.parametrize(
  ("photos", "files", "words"),
  [
    (["1.jpg"], ["1.png", "1.bmp"], r"x: 1\.png and 1\.bmp both belong to 1\.jpg"),
    ([f"{COMPOSED}.jpg"], [f"{COMPOSED}.png", f"{APART}.png"], "both belong to"),
    (["a/1.jpg", "b/1.jpg"], ["1.png"], r"a/1\.jpg shares its stem .* for example 1\.png"),
    (["1.jpg"], ["a/1.png", "b/1.png"], r"1\.jpg shares its stem"),
  ],
)
def test_what_fits_twice_is_refused(photos, files, words):
  with pytest.raises(ValueError, match=words):
    pair(photos, files, "x")


def test_a_folder_says_in_one_line_what_has_no_partner(tmp_path, caplog):
  for i in range(4):
    save(tmp_path / "photos" / f"{i}.png", np.zeros((8, 8, 3), np.uint8))
    save(tmp_path / "labels" / f"{i + 2}.png", np.full((8, 8), i + 2, np.uint8))
  folder = sources.Folder(tmp_path / "photos", tmp_path / "labels")
  assert [int(folder[i]["labels"][0, 0]) for i in range(4)] == [19, 19, 2, 3]
  (line,) = (record.getMessage() for record in caplog.records)
  assert line == (
    f"labels: 2 of 4 photos have no label map in {tmp_path}/labels, for example 0.png: they count "
    "as unlabelled; 2 label maps there belong to no photo, for example 4.png"
  )
  caplog.clear()
  sources.Folder(tmp_path / "photos", tmp_path / "photos" / ".." / "labels", confidence="")
  sources.Folder(tmp_path / "photos")
  assert len(caplog.records) == 1  # nothing to say of a folder without labels
