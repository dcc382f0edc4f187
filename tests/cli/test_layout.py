"""`facefill layout`, `facefill demo` and `facefill completion`."""

import numpy as np
import pytest
import tiny_model
from PIL import Image

from facefill_jax.cli import demo, filling, main
from facefill_jax.filling.pipeline import FaceFillPipeline
from facefill_jax.labels import VOID


@pytest.fixture(scope="module")
def pipe():
  return FaceFillPipeline(tiny_model.filler())


@pytest.fixture
def folder(tmp_path, monkeypatch, pipe):
  rng = np.random.default_rng(0)
  Image.fromarray(rng.integers(0, 256, (70, 80, 3), np.uint8)).save(tmp_path / "photo.png")
  mask = np.zeros((70, 80), bool)
  mask[20:50, 30:60] = True
  Image.fromarray(mask).save(tmp_path / "mask.png")
  monkeypatch.chdir(tmp_path)
  monkeypatch.setattr(filling, "load", lambda directory, **_: pipe)
  return tmp_path


def pixels(path):
  with Image.open(path) as image:
    return np.asarray(image)


def test_a_layout_is_that_of_the_fill(folder, capsys):
  assert main(["layout", "photo.png", "mask.png"]) == 0
  assert capsys.readouterr().err.endswith("wrote photo.layout.png\n")
  assert main(["fill", "photo.png", "mask.png", "--save-layout", "used.png"]) == 0
  np.testing.assert_array_equal(pixels("photo.layout.png"), pixels("used.png"))
  assert main(["fill", "photo.png", "mask.png", "--layout", "used.png", "-o", "again.png"]) == 0


def test_without_a_mask_all_of_the_face_is_seen(folder):
  assert main(["layout", "photo.png", "-o", "whole.png"]) == 0
  assert (pixels("whole.png") != VOID).mean() > 0.7


def test_layouts_are_png_and_files_are_kept(folder, capsys):
  assert main(["layout", "photo.png", "-o", "l.jpg"]) == 2
  assert "layouts are written as .png" in capsys.readouterr().err
  assert main(["layout", "photo.png", "-o", "photo.png"]) == 2
  assert "--overwrite" in capsys.readouterr().err


def test_the_demo_needs_nothing(folder, capsys):
  assert main(["demo"]) == 0
  assert "look at facefill-demo/sheet.png" in capsys.readouterr().err
  made = folder / "facefill-demo"
  for name in demo.NAMES:
    photo, whole = pixels(made / f"{name}.jpg"), pixels(made / f"{name}.filled.png")
    mask = pixels(made / f"{name}.mask.png")
    np.testing.assert_array_equal(whole[~mask], photo[~mask])
    assert (whole[mask] != photo[mask]).any()
  assert pixels(made / "sheet.png").shape == (4 * 256, 4 * 256, 3)
  assert "CC BY 4.0" in (made / demo.ABOUT).read_text()
  assert main(["demo"]) == 0  # an earlier one is replaced


def test_the_demo_replaces_nobody_s_files(folder, capsys):
  (folder / "eye.jpg").write_bytes(b"mine")
  assert main(["demo", "--to", "."]) == 2
  assert "eye.jpg: exists" in capsys.readouterr().err
  assert (folder / "eye.jpg").read_bytes() == b"mine"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_completes_in_a_shell(shell, capsys, monkeypatch):
  assert main(["completion", shell]) == 0
  assert "_FACEFILL_COMPLETE" in capsys.readouterr().out
  monkeypatch.setenv("_FACEFILL_COMPLETE", f"{shell}_complete")
  words = {"COMP_WORDS": "facefill fil", "COMP_CWORD": "fil" if shell == "fish" else "1"}
  for name, value in words.items():
    monkeypatch.setenv(name, value)
  with pytest.raises(SystemExit):
    main([])
  assert "fill" in capsys.readouterr().out
