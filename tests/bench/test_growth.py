"""bench growth: from measured rows to a plot and its numbers."""

import json

import pytest

from facefill_jax.bench import growth
from facefill_jax.bench.__main__ import main

MACHINE = {"processor": "a CPU", "cores": 1, "backend": "cpu", "device": "cpu"}


def row(resolution, batch, seconds):
  spread = {"median": seconds, "p25": 0.9 * seconds, "p75": 1.2 * seconds}
  return {
    "name": "small", "dtype": "float32", "resolution": resolution, "batch": batch,
    "gflop_per_photo": 1.0, "peak_mib": 5.0, "cpu_s_per_photo": spread, "ms": spread,
  }  # fmt: skip


SIDES = [row(64, 1, 1.0), row(256, 1, 32.0), row(128, 1, 4.0)]
BATCHES = [row(256, 4, 24.0), row(256, 2, 28.0), row(256, 1, 99.0)]  # the last one twice


def write(path, rows, machine=MACHINE):
  content = {"machine": machine, "versions": {"jax": "1"}, "peak": {}, "rows": rows}
  path.write_text(json.dumps(content))
  return str(path)


def test_the_numbers():
  found = growth.summary([*SIDES, *BATCHES])
  assert [each["resolution"] for each in found["by_side"]] == [64, 128, 256]
  assert found["exponents"] == pytest.approx([1.0, 1.5])  # 4 times the pixels: 4 and 8 times
  assert found["batch_resolution"] == 256
  assert [(each["batch"], each["seconds"]) for each in found["by_batch"]] == [
    (1, 32.0), (2, 28.0), (4, 24.0)
  ]  # fmt: skip


def test_the_command(tmp_path, capsys):
  files = [write(tmp_path / "s.json", SIDES), write(tmp_path / "b.json", BATCHES)]
  svg, out = tmp_path / "g.svg", tmp_path / "g.json"
  assert main(["growth", *files, "--svg", str(svg), "--json", str(out)]) == 0
  text = svg.read_text()
  assert text.startswith("<?xml") and "linear in pixels" in text and "a CPU, 1 cores" in text
  assert len(json.loads(out.read_text())["rows"]) == 6
  assert "128 px: 4.0000 CPU-seconds a photo, as pixels^1.00" in capsys.readouterr().out
  assert main(["growth", *files, "--svg", str(tmp_path / "again.svg")]) == 0
  assert (tmp_path / "again.svg").read_text() == text


def test_what_is_refused(tmp_path, capsys):
  good = write(tmp_path / "good.json", SIDES)
  for name, content, said in (
    ("machines", (BATCHES, {**MACHINE, "cores": 2}), "of several machines"),
    ("networks", ([{**SIDES[0], "name": "base"}],), "of several networks: base; small"),
    ("sides", ([{"a": SIDES[0], "b": SIDES[1]}],), "not what `inference --json` writes"),
  ):
    other = write(tmp_path / f"{name}.json", *content)
    assert main(["growth", good, other, "--svg", str(tmp_path / "g.svg")]) == 3
    assert said in capsys.readouterr().err
  assert not (tmp_path / "g.svg").exists()
