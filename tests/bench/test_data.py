"""bench data: what it measures on tiny folders; the numbers themselves are the machine's."""

import json
import time

import numpy as np
import pytest

from facefill_jax.bench import data as bench
from facefill_jax.bench.__main__ import main
from facefill_jax.data.sources import Folder


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
  return bench.draw_folder(str(tmp_path_factory.mktemp("faces")), 64, 2)


def test_drawn_folders(faces, tmp_path):
  item = Folder(*faces)[1]
  assert item["photo"].shape == (64, 64, 3) and len(np.unique(item["labels"])) > 3
  large = Folder(*bench.draw_folder(str(tmp_path), 600, 1))[0]
  assert large["photo"].shape == (600, 600, 3) and large["labels"].shape == (600, 600)
  assert large["labels"].max() < 19


def test_a_table_and_a_file(tmp_path, capsys):
  arguments = ["--size", "64", "--faces", "2", "--resolution", "64", "--workers", "0"]
  arguments += ["--seconds", "0.05", "--json", str(tmp_path / "d.json")]
  assert main(["data", *arguments]) == 0
  (row,) = json.loads((tmp_path / "d.json").read_text())["rows"]
  assert (row["source"], row["resolution"]) == ("64 px JPEG", 64)
  assert list(row["stages"]) == list(bench.STAGES)
  (stream,) = row["streams"]
  assert stream["workers"] == 0 and stream["photos"] >= bench.BATCH
  assert 0 < stream["photos_per_second"]
  head, rule, line = capsys.readouterr().out.splitlines()
  assert head.count("|") == rule.count("|") == line.count("|")
  assert head.startswith("| source | output | read | decode photo | decode layout | item |")
  assert line.startswith("| 64 px JPEG | 64 px |")


def test_any_source_and_the_memory_it_takes(faces, tmp_path, capsys):
  arguments = ["--photos", faces[0], "--labels", faces[1], "--workers", "0", "--resolution", "64"]
  out = tmp_path / "m.json"
  assert main(["data", *arguments, "--memory", "64", "--json", str(out)]) == 0
  (row,) = json.loads(out.read_text())["rows"]
  (held,) = [found["held"] for found in row["memory"]]
  assert [mark["photos"] for mark in held][-1] == 64 and len(held) == 10
  assert all(10 < mark["mib"] < 100_000 for mark in held)
  assert f"{faces[0]} -> 64 px, 0 workers: MiB held" in capsys.readouterr().out


def test_stages_of_a_source_that_is_no_folder():
  class Plain:
    def __len__(self):
      return 3

    def __getitem__(self, index):
      time.sleep(0.002)
      return {"photo": np.zeros((64, 64, 3), np.uint8), "labels": np.zeros((64, 64), np.uint8),
              "id": str(index)}  # fmt: skip

  found = bench.time_stages(Plain(), bench.MaskMix({"box": 1}), 64, 0.0)
  assert "decode photo" not in found and found["item"]["wall_us"] > 2000
  assert found["item"]["cpu_us"] < found["item"]["wall_us"]  # it sleeps


def test_labels_of_nothing(capsys):
  assert main(["data", "--labels", "somewhere"]) == 2
  assert "--labels without --photos" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_memory_does_not_grow(faces, workers):
  """Over 100,000 draws, after the first fifth: less than 20 MiB, which is 200 bytes a draw."""
  source, masks = Folder(*faces), bench.MaskMix(bench.WEIGHTS, ratio=bench.RATIO)
  held = bench.watch_memory(source, masks, 64, workers, 100_000)
  assert held[-1]["mib"] - held[1]["mib"] < 20, held
