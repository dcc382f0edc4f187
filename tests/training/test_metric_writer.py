"""What a run tells people: the line, the metrics' file, the grid of samples."""

import errno
import json
import time

import numpy as np
import pytest
from PIL import Image

from facefill_jax.evaluation import sample_grid
from facefill_jax.labels import PALETTE
from facefill_jax.training import metric_writer
from facefill_jax.training.progress import Progress


def read_lines(path):
  return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_progress_line(monkeypatch, capsys):
  now = [100.0]
  monkeypatch.setattr(time, "monotonic", lambda: now[0])
  progress = Progress(1000)
  progress.begin(10)
  now[0] += 5
  assert progress.report(20, 16, {"layout total": 1.23456}) == pytest.approx(32.0)
  captured = capsys.readouterr()
  # 980 steps are left at 2 a second: 490 s.
  assert captured.err == "step 20/1000  32.0 photos/s  ETA 8:10  layout total 1.235\n"
  assert captured.out == ""


def test_progress_smooths_its_estimate_and_shows_hours(monkeypatch, capsys):
  now = [0.0]
  monkeypatch.setattr(time, "monotonic", lambda: now[0])
  progress = Progress(20_000)
  progress.begin(0)
  now[0] = 10.0
  progress.report(10, 1, {})  # 1 step a second
  now[0] = 15.0
  progress.report(20, 1, {})  # 2 a second; estimate .7 * 1 + .3 * 2 = 1.3
  seconds = round(19_980 / 1.3)
  clock = f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
  assert capsys.readouterr().err.splitlines()[1] == f"step 20/20000  2.0 photos/s  ETA {clock}  "


def test_metrics_on_disk(tmp_path):
  with metric_writer.MetricWriter(str(tmp_path)) as writer:
    writer.write_scalars(3, {"loss": np.float32(0.5), "bad": float("nan"), "worse": -np.inf})
    writer.write_images(3, {"samples": np.zeros((4, 8, 3), np.uint8)})
    writer.write_texts(3, {"about": "a *test*"})
    writer.flush()
  assert read_lines(tmp_path / "metrics.jsonl") == [
    {"step": 3, "loss": 0.5, "bad": None, "worse": None}
  ]
  (events,) = (tmp_path / "events").iterdir()
  assert events.name.startswith("events.out.tfevents") and events.stat().st_size > 0


def test_what_a_killed_run_wrote_too_far_is_dropped(tmp_path):
  with metric_writer.MetricWriter(str(tmp_path)) as writer:
    for step in (1, 2, 3, 4):
      writer.write_scalars(step, {"x": float(step)})
  path = tmp_path / "metrics.jsonl"
  with path.open("a", encoding="utf-8") as file:
    file.write('{"step": 5, "x')  # killed within a line
  with metric_writer.MetricWriter(str(tmp_path), step=2) as writer:
    writer.write_scalars(3, {"x": 30.0})
  assert read_lines(path) == [{"step": s, "x": x} for s, x in ((1, 1.0), (2, 2.0), (3, 30.0))]


@pytest.mark.parametrize(
  "content",
  [b'{"step": 1, "x": 1.0}\n[1]\nnotes of mine\n{"x": 2}\n', b'\xff\x00\n{"step": 1, "x": 1.0}\n'],
)
def test_lines_that_are_no_metrics_are_left_out_and_kept_aside(tmp_path, content, capsys):
  path = tmp_path / "metrics.jsonl"
  path.write_bytes(content)
  with metric_writer.MetricWriter(str(tmp_path), step=2) as writer:
    writer.write_scalars(3, {"x": 3.0})
  assert read_lines(path) == [{"step": 1, "x": 1.0}, {"step": 3, "x": 3.0}]
  assert (tmp_path / "metrics.jsonl.damaged").read_bytes() == content
  said = capsys.readouterr().err
  assert said.startswith(f"warning: {path}: ") and said.count("\n") == 1


def test_what_cannot_be_written_is_a_warning(tmp_path, capsys):
  (tmp_path / "metrics.jsonl").mkdir()
  (tmp_path / "events").touch()
  with metric_writer.MetricWriter(str(tmp_path)) as writer:
    writer.write_scalars(1, {"x": 1.0})
    writer.write_scalars(2, {"x": 2.0})
  said = capsys.readouterr().err.splitlines()
  assert len(said) == 3 and {line.split(": ")[1] for line in said} == {
    f"{tmp_path}/metrics.jsonl", f"{tmp_path}/events",
  }  # fmt: skip


def test_a_disk_that_was_full_for_a_while_costs_no_line(tmp_path, monkeypatch, capsys):
  path = tmp_path / "metrics.jsonl"
  with metric_writer.MetricWriter(str(tmp_path)) as writer:
    writer.write_scalars(1, {"x": 1.0})
    with monkeypatch.context() as patch:
      real = open

      def full(name, *args, **kwargs):
        if name == path:
          with real(path, "ab") as file:
            file.write(b'{"step": 2')
          raise OSError(errno.ENOSPC, "No space left on device")
        return real(name, *args, **kwargs)

      patch.setattr("builtins.open", full)
      writer.write_scalars(2, {"x": 2.0})
      writer.write_scalars(3, {"x": 3.0})
    writer.write_scalars(4, {"x": 4.0})
  assert [line["step"] for line in read_lines(path)] == [1, 2, 3, 4]
  assert capsys.readouterr().err.count("No space left on device") == 1


def test_sample_grid_by_hand():
  photo = np.arange(2 * 2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 2, 3)
  whole = photo + 100
  mask = np.zeros((2, 2, 2, 1), bool)
  mask[0, 0, 1] = True
  layout = np.array([[[0, 1], [2, 3]], [[13, 13], [18, 19]]])
  grid = sample_grid.sample_grid(photo, mask, layout, whole)
  assert grid.shape == (4, 8, 3) and grid.dtype == np.uint8
  np.testing.assert_array_equal(grid[0, 0], photo[0, 0, 0])
  np.testing.assert_array_equal(grid[0, 1], [127, 127, 127])  # the hole, mid-grey
  np.testing.assert_array_equal(grid[2:, :2], photo[1])  # the second face: no hole
  np.testing.assert_array_equal(grid[:2, 2:4], PALETTE[layout[0]])
  np.testing.assert_array_equal(grid[2:, 4:6], whole[1])
  np.testing.assert_array_equal(grid[:2, 6:], photo[0])


def test_save_picture_makes_its_folders(tmp_path):
  picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
  path = tmp_path / "a" / "b" / "0000001.png"
  sample_grid.save_picture(str(path), picture)
  with Image.open(path) as image:
    np.testing.assert_array_equal(np.asarray(image), picture)
