"""What counts as a file of a folder or .zip, and what is said of the rest."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from facefill_jax.data.decoding import ENDINGS
from facefill_jax.data.file_tree import Files
from facefill_jax.data.sources import Folder

JUNK = (".DS_Store", "Thumbs.db", "notes.txt", "._a.png", "__MACOSX/._a.png", ".git/a.png")


def folder(root, *names):
  for name in names:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(b"")
  return root


def messages(caplog):
  return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("zipped", [False, True])
def test_junk_is_left_out_in_silence_and_pictures_in_one_line(tmp_path, caplog, zipped):
  place = folder(tmp_path / "p", "b.TIF", "a.jpg", "c.avif", "d/e.HEIC", *JUNK)
  if zipped:
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
      for path in sorted(place.rglob("*")):
        archive.write(path, path.relative_to(place))
    place = tmp_path / "p.zip"
  assert Files(place, ENDINGS, "photos").names == ["a.jpg", "b.TIF"]
  (line,) = messages(caplog)
  assert line.startswith(
    f"photos: 2 pictures left out for the ending, for example c.avif, in {place}"
  )
  caplog.clear()
  with pytest.raises(ValueError, match=r"valid endings are \.png; 1 picture left out .* a\.jpg"):
    Files(folder(tmp_path / "q", "a.jpg"), (".png",), "labels")
  assert Files(folder(tmp_path / "r", "a.jpg", *JUNK), ENDINGS, "photos").names == ["a.jpg"]
  assert messages(caplog) == []


def test_folders_take_what_fill_reads(tmp_path):
  photo = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
  names = {"a.png": "PNG", "b.tif": "TIFF", "c.JPG": "JPEG", "d.jfif": "JPEG", "e.gif": "GIF",
           "f.TIFF": "TIFF", "g.ppm": "PPM", "h.webp": "WEBP"}  # fmt: skip
  for name, kind in names.items():
    Image.fromarray(photo).save(tmp_path / name, kind)
  source = Folder(tmp_path)
  assert source.ids == list(names)
  for i in (0, 1, 5, 6):
    np.testing.assert_array_equal(source[i]["photo"], photo)
  assert all(source[i]["photo"].shape == photo.shape for i in range(len(source)))


def test_what_cannot_be_read_is_named_for_what_it_is(tmp_path):
  Image.fromarray(np.zeros((8, 8), np.float32)).save(tmp_path / "a.tif")
  Image.fromarray(np.full((8, 8), 70000, np.int32)).save(tmp_path / "b.tif")
  Image.new("RGB", (8, 8)).save(tmp_path / "c.png", "PDF")
  source = Folder(tmp_path)
  for i, words in enumerate(("floating-point", "beyond 16 bits", "cannot identify image file$")):
    with pytest.raises(ValueError, match=rf"{source.ids[i]} .*{words}"):
      source[i]


def test_home_directory(tmp_path, monkeypatch):
  monkeypatch.setenv("HOME", str(tmp_path))
  assert Files(folder(tmp_path / "p", "1.png").parent / "p", ENDINGS, "photos").names == ["1.png"]
  assert Files("~/p", ENDINGS, "photos").path == str(tmp_path / "p")
