"""`facefill data show`: where which pixels of the sheet come from, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from facefill_jax.cli import main
from facefill_jax.cli.data_show import contact_sheet
from facefill_jax.labels import PALETTE, VOID

SIZE, COLUMN, ROW = 32, 2 * 32 + 4, 32 + 14 + 4


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """Three photos, the middle one without a layout."""
  for name in ("photos", "labels"):
    (tmp_path / name).mkdir()
  for i in range(3):
    Image.fromarray(np.full((48, 32, 3), 40 * i, np.uint8)).save(tmp_path / "photos" / f"{i}.png")
    if i != 1:
      Image.fromarray(np.full((48, 32), 13, np.uint8)).save(tmp_path / "labels" / f"{i}.png")
  monkeypatch.chdir(tmp_path)
  return tmp_path


def show(*more):
  return main(["data", "show", "photos", "--labels", "labels", "--size", "32", *more])


def test_the_sheet(folder, capsys):
  assert show("--columns", "2") == 0
  said = capsys.readouterr().err.splitlines()
  assert said == [
    "warning: labels: 1 of 3 photos has no label map in labels, for example 1.png: they count as "
    "unlabelled",
    "wrote sheet.png: 3 of 3 photos",
  ]
  sheet = np.asarray(Image.open(folder / "sheet.png"))
  assert sheet.shape == (2 * ROW, 2 * (COLUMN + 4) - 4, 3)
  for i, (top, left) in enumerate(((0, 0), (0, COLUMN + 4), (ROW, 0))):
    photo = np.full(3, 40 * i)
    over = photo if i == 1 else (photo + PALETTE[13] + 1) // 2
    assert (sheet[top : top + 32, left : left + 32] == photo).all()
    assert (sheet[top : top + 32, left + 32 : left + 64] == over).all()
    text = sheet[top + 32 : top + 48, left : left + COLUMN]
    assert text.min() < 64 and text.mean() > 200  # a few black letters on white
  assert (sheet[ROW:, COLUMN + 4 :] == 255).all()


def test_void_stays_a_photo():
  photo = np.full((32, 32, 3), 90, np.uint8)
  labels = np.full((32, 32), VOID, np.uint8)
  labels[:16] = 0
  item = {
    "photo": photo,
    "labels": labels,
    "id": "a" * 99 + "é.png",
  }  # too long a name, and not ascii
  shown = contact_sheet([item], 1, 1, 32)[:32, 32:64]
  assert (shown[16:] == 90).all() and (shown[:16] == (90 + PALETTE[0] + 1) // 2).all()


def test_count_is_spread_and_nothing_is_overwritten(folder, capsys):
  assert show("--count", "2", "-o", "two.png") == 0
  two = np.asarray(Image.open(folder / "two.png"))
  assert two.shape == (ROW, 2 * (COLUMN + 4) - 4, 3)
  assert two[0, 0, 0] == 0 and two[0, COLUMN + 4, 0] == 40  # of three: 0 and 1
  for arguments, code, words in (
    (("-o", "two.png"), 2, "exists; give --overwrite"),
    (("-o", "two.jpg"), 2, "written as .png"),
    (("-o", "none/two.png"), 2, "no such folder"),
    (("--labels", "nowhere", "-o", "a.png"), 3, "nowhere does not exist"),
  ):
    capsys.readouterr()
    assert show(*arguments) == code
    assert words in capsys.readouterr().err
  assert show("-o", "two.png", "--overwrite") == 0
  (folder / "photos" / "0.png").write_bytes(b"")
  assert show("-o", "b.png") == 3
  assert "photos/0.png (photo 0) cannot be read" in capsys.readouterr().err
  assert not (folder / "b.png").exists()
