"""Masks of a folder: read as every mask is, remarks said once, bad files named."""

import numpy as np
import pytest
from drawn_sets import save
from PIL import Image

from facefill_jax.data.masks.folder import FolderMasks, load_mask

BOX = np.zeros((20, 20), np.uint8)
BOX[5:10, 5:10] = 255


def test_white_is_the_hole(tmp_path):
  soft = np.repeat(BOX, 3, 1)
  soft[5, 15:18] = 0, 127, 128
  save(tmp_path / "soft.png", soft)
  save(tmp_path / "bits.png", BOX > 0)
  np.testing.assert_array_equal(load_mask(tmp_path / "soft.png"), soft >= 128)
  np.testing.assert_array_equal(load_mask(tmp_path / "bits.png"), BOX > 0)
  wide = load_mask(tmp_path / "bits.png", (40, 20))
  np.testing.assert_array_equal(wide, np.repeat(BOX > 0, 2, axis=0))


def test_remarks_are_said_once_for_each_kind(tmp_path, caplog):
  for i in range(3):
    save(tmp_path / f"{i}.png", np.where(BOX, 250, 0).astype(np.uint8))
    save(tmp_path / f"{i}-inverted.png", ~BOX)
  masks = FolderMasks(tmp_path)
  for i in range(len(masks)):
    assert masks[i].any()
  said = [record.getMessage() for record in caplog.records]
  assert len(said) == 2
  assert f"{tmp_path}/0.png: has greys" in said[1]
  assert f"{tmp_path}/0-inverted.png: 93.8 % of the mask" in said[0]


def test_strokes_on_nothing_are_the_hole(tmp_path):
  strokes = np.full((20, 20, 4), 255, np.uint8)
  strokes[..., 3] = BOX
  save(tmp_path / "strokes.png", strokes)
  np.testing.assert_array_equal(FolderMasks(tmp_path)[0], BOX > 0)


def test_bad_files_are_named(tmp_path):
  for name, array in (("all.png", np.full((8, 8), 255, np.uint8)), ("none.png", BOX[:4])):
    save(tmp_path / name, array)
  (tmp_path / "torn.gif").write_bytes(b"GIF89a")
  masks = FolderMasks(tmp_path)
  for i, words in enumerate((
    r"all\.png: 100\.0 % of the mask is hole", r"none\.png: .*has no hole; white \(128\.\.255\)",
    r"torn\.gif cannot be read as a mask: ",
  )):  # fmt: skip
    with pytest.raises(ValueError, match=words):
      masks[i]
  with pytest.raises(ValueError, match=r"gone\.png cannot be read as a mask: FileNotFoundError"):
    load_mask(tmp_path / "gone.png")
  (tmp_path / "empty").mkdir()
  with pytest.raises(ValueError, match=r"masks: none in .*empty; valid endings"):
    FolderMasks(tmp_path / "empty")


def test_every_format_is_taken(tmp_path):
  for name, kind in (("a.tif", "TIFF"), ("b.GIF", "GIF"), ("c.jfif", "JPEG"), ("d.BMP", "BMP")):
    Image.fromarray(BOX).save(tmp_path / name, kind)
  masks = FolderMasks(tmp_path)
  assert masks.names == ["a.tif", "b.GIF", "c.jfif", "d.BMP"]
  for i in (0, 1, 3):
    np.testing.assert_array_equal(masks[i], BOX > 0)
