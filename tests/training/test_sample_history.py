"""The sample grids as one moving picture."""

import numpy as np
import pytest
from PIL import Image

from facefill_jax.evaluation import sample_grid
from facefill_jax.training import sample_history


def write_grids(folder, steps, side=32, rows=3):
  """Grids whose filled column is of one grey, 2 * step; the others are red."""
  for step in steps:
    grid = np.zeros((rows * side, 4 * side, 3), np.uint8)
    grid[..., 0] = 255
    grid[:, 2 * side : 3 * side] = 2 * step
    sample_grid.save_picture(str(folder / f"{step:07d}.png"), grid)


def frames_of(path):
  with Image.open(path) as moving:
    frames = []
    for i in range(moving.n_frames):
      moving.seek(i)
      frames.append(np.asarray(moving.convert("RGB")).astype(int))
  return frames


def test_frames_are_the_filled_faces_in_order(tmp_path):
  write_grids(tmp_path, (10, 20, 110))
  path = sample_history.write_history(str(tmp_path), 110)
  frames = frames_of(path)
  assert path == str(tmp_path / "history.webp") and len(frames) == 3
  for frame, grey in zip(frames, (20, 40, 220), strict=True):
    assert frame.shape == (sample_history.BAR + 64, 64, 3)  # three faces, two by two
    faces = frame[sample_history.BAR :]
    assert np.abs(faces[2:30, 2:62] - grey).max() <= 4
    assert np.abs(faces[34:62, 2:30] - grey).max() <= 4
    assert frame[: sample_history.BAR].max() > 150, "no step is written"
  bars = [frame[: sample_history.BAR] for frame in frames]
  assert np.abs(bars[0] - bars[2]).max() > 100


def test_what_a_killed_run_drew_too_far_is_left_out(tmp_path):
  write_grids(tmp_path, (10, 20, 30))
  (tmp_path / "notes.txt").write_text("not a grid", "utf-8")
  assert len(frames_of(sample_history.write_history(str(tmp_path), 20))) == 2
  with pytest.raises(ValueError, match="no sample grid up to step 5"):
    sample_history.write_history(str(tmp_path), 5)


def test_long_histories_are_thinned_and_keep_both_ends(tmp_path, monkeypatch):
  monkeypatch.setattr(sample_history, "FRAMES", 5)
  write_grids(tmp_path, range(10, 100, 10), rows=1)
  frames = frames_of(sample_history.write_history(str(tmp_path), 90))
  means = [frame[sample_history.BAR + 4 : -4, 4:-4].mean() for frame in frames]
  np.testing.assert_allclose(means, [20, 60, 100, 140, 180], atol=4)


def test_large_faces_are_shrunk_and_frames_have_the_newest_size(tmp_path, monkeypatch):
  monkeypatch.setattr(sample_history, "LARGEST", 96)
  write_grids(tmp_path, (10,), side=32, rows=4)
  write_grids(tmp_path, (20,), side=64, rows=4)
  frames = frames_of(sample_history.write_history(str(tmp_path), 20))
  assert [frame.shape for frame in frames] == [(96 + sample_history.BAR, 96, 3)] * 2


def test_what_is_no_grid_is_left_out_and_named(tmp_path, capsys):
  write_grids(tmp_path, (10, 20))
  (tmp_path / "0000012.png").write_bytes(b"\x89PNG torn")
  Image.new("RGB", (3, 5)).save(tmp_path / "0000014.png")
  Image.new("RGB", (64, 17)).save(tmp_path / "7.png")
  assert len(frames_of(sample_history.write_history(str(tmp_path), 20))) == 2
  said = capsys.readouterr().err.splitlines()
  assert [line.split(":")[1].strip() for line in said] == [
    str(tmp_path / name) for name in ("7.png", "0000012.png", "0000014.png")
  ]
