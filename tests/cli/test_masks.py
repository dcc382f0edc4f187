"""`facefill masks`: bits, manifests, going on after a stop, and one line for each mistake."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from facefill_jax import __version__
from facefill_jax.cli import main
from facefill_jax.data.masks import patterns
from facefill_jax.data.masks.files import Path
from facefill_jax.labels import CLASSES

BUILD = ["masks", "build", "mat_small", "--to", "set", "--size", "64"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  return tmp_path


def failed(capsys, code, argv, *words):
  assert main(argv) == code
  captured = capsys.readouterr()
  assert captured.err.startswith("facefill: ") and captured.err.count("\n") == 1
  assert captured.out == ""
  for word in words:
    assert word in captured.err, captured.err


def read(path):
  with Image.open(path) as image:
    assert image.mode == "1"
    return np.array(image)


def manifest(folder="set"):
  with open(f"{folder}/manifest.json") as file:
    return json.load(file)


def contents(folder):
  return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_build_writes_one_bit_masks_and_a_manifest(folder, capsys):
  assert main([*BUILD, "--count", "3", "--seed", "7"]) == 0
  assert capsys.readouterr().err == "wrote 3 masks to set\n"
  names = [f"{i:05d}.png" for i in range(3)]
  assert sorted(contents(folder / "set")) == [*names, "manifest.json"]
  drawn = [patterns.draw("mat_small", 7, i, 64) for i in range(3)]
  for name, mask in zip(names, drawn, strict=True):
    data = (folder / "set" / name).read_bytes()
    assert data[24:26] == b"\x01\x00"  # PNG: 1 bit, grey; 1 is white
    np.testing.assert_array_equal(read(f"set/{name}"), mask)
  bits = [np.packbits(mask).tobytes() for mask in drawn]
  found = manifest()
  files = found.pop("files")
  assert found == {
    "protocol": "mat_small", "seed": 7, "size": 64, "count": 3, "white": "hole",
    "parameters": {"version": 1, "drawn_at": 256, "small_boxes": 1, "large_boxes": 1, "strokes": 2},
    "facefill_jax": __version__, "sha256": hashlib.sha256(b"".join(bits)).hexdigest(),
  }  # fmt: skip
  assert files[1] == {
    "file": "00001.png", "index": 1, "source": None,
    "sha256": hashlib.sha256(bits[1]).hexdigest(), "hole_ratio": drawn[1].mean(),
  }  # fmt: skip


def test_a_build_goes_on_where_it_was_stopped(folder):
  assert main([*BUILD, "--count", "4"]) == 0
  whole = contents(folder / "set")
  (folder / "set" / "manifest.json").unlink()
  (folder / "set" / "00003.png").unlink()
  (folder / "set" / ".00003.png.part").write_bytes(b"half a file")
  kept = (folder / "set" / "00001.png").stat().st_mtime_ns
  assert main([*BUILD, "--count", "4"]) == 0
  assert contents(folder / "set") == whole
  assert (folder / "set" / "00001.png").stat().st_mtime_ns == kept


def test_what_is_there_needs_overwrite(folder, capsys):
  assert main([*BUILD, "--count", "4"]) == 0
  before = contents(folder / "set")
  capsys.readouterr()
  failed(capsys, 2, [*BUILD, "--count", "2"], "manifest.json: exists; give --overwrite")
  assert contents(folder / "set") == before
  (folder / "set" / "manifest.json").unlink()
  failed(capsys, 2, [*BUILD, "--count", "4", "--seed", "1"], "00000.png: exists and is another")
  assert main([*BUILD, "--count", "4", "--seed", "1", "--overwrite"]) == 0
  assert main([*BUILD, "--count", "2", "--seed", "1", "--overwrite"]) == 0
  assert sorted(contents(folder / "set")) == ["00000.png", "00001.png", "manifest.json"]
  assert manifest()["seed"] == 1 and manifest()["count"] == 2


def test_a_stopped_build_of_more_masks_is_in_the_way(folder, capsys):
  assert main([*BUILD, "--count", "3"]) == 0
  (folder / "set" / "manifest.json").unlink()
  capsys.readouterr()
  failed(capsys, 2, [*BUILD, "--count", "2"], "00002.png: is beyond the 2 masks asked for")
  assert "manifest.json" not in contents(folder / "set")


def test_overwrite_removes_nothing_that_is_not_of_the_set(folder, capsys):
  assert main([*BUILD, "--count", "1"]) == 0
  Image.new("1", (8, 8), 1).save("mine.png")
  (folder / "set" / "notes.txt").write_text("mine")
  stated = manifest()
  stated["files"] += [{"file": "../mine.png"}, {"file": "notes.txt"}]
  (folder / "set" / "manifest.json").write_text(json.dumps(stated))
  assert main([*BUILD, "--count", "1", "--overwrite"]) == 0
  assert (folder / "mine.png").exists() and (folder / "set" / "notes.txt").exists()
  (folder / "mine.png").rename(folder / "set" / "mine.png")
  capsys.readouterr()
  failed(capsys, 2, [*BUILD, "--count", "1", "--overwrite"], "mine.png: is not of this set")
  assert {"mine.png", "00000.png", "manifest.json"} < set(contents(folder / "set"))
  (folder / "set" / "mine.png").unlink()
  (folder / "set" / "manifest.json").write_text("{}")
  failed(capsys, 3, [*BUILD, "--count", "1", "--overwrite"], "is no manifest of masks")


def write_labels(folder):
  """Three label maps, of which the second has no nose."""
  folder.mkdir()
  for number in range(3):
    ids = np.zeros((32, 32), np.uint8)
    ids[10:14, 10:14] = CLASSES.index("nose") if number != 1 else 0
    Image.fromarray(ids).save(folder / f"{number}.png")


def test_parts_leave_out_faces_without_them(folder, capsys):
  write_labels(folder / "labels")
  argv = ["masks", "build", "parts:nose@1", "--to", "noses", "--labels", "labels", "--size", "32"]
  assert main(argv) == 0
  assert capsys.readouterr().err == "wrote 2 masks to noses\n"
  found = manifest("noses")
  assert [(each["source"], each["index"]) for each in found["files"]] == [
    ("0.png", 0),
    ("2.png", 2),
  ]
  assert found["parameters"] == {"classes": ["nose"], "radius": 1}
  assert read("noses/00001.png").sum() == 32  # 4 x 4, and 4 on each side
  again = [*argv, "--overwrite", "--count"]
  failed(capsys, 3, [*again, "3"], "3 masks asked for, 2 of 3 have a hole")
  failed(capsys, 3, [*again, "4"], "4 masks asked for, it has 3")


def test_show_writes_a_sheet(capsys):
  argv = ["masks", "show", "half", "--size", "32", "--count", "3", "--columns", "2"]
  assert main([*argv, "-o", "sheet.png"]) == 0
  assert capsys.readouterr().err == "wrote sheet.png\n"
  with Image.open("sheet.png") as image:
    picture = np.array(image)[..., 0]
  assert picture.shape == (4 + 36 * 2, 4 + 36 * 2)
  expected = np.full((32, 32), 0, np.uint8)
  expected[:, 16:] = 255
  for top, left in ((4, 4), (4, 40), (40, 4)):
    np.testing.assert_array_equal(picture[top : top + 32, left : left + 32], expected)
  assert np.all(picture[40:, 40:] == 128) and np.all(picture[:4] == 128)
  failed(capsys, 2, [*argv, "-o", "sheet.png"], "sheet.png: exists; give --overwrite")
  failed(capsys, 2, [*argv, "-o", "sheet.txt"], "cannot write '.txt'")
  failed(capsys, 2, [*argv, "-o", "none/sheet.png"], "no such folder none")
  assert main([*argv, "-o", "sheet.png", "--overwrite"]) == 0


def test_stats_of_a_protocol(capsys):
  assert main(["masks", "stats", "grid", "--count", "3", "--json"]) == 0
  assert json.loads(capsys.readouterr().out) == {
    "all": {
      "count": 3, "mean": 0.75, "deviation": 0.0, "smallest": 0.75, "largest": 0.75,
      "quantiles": {"5": 0.75, "25": 0.75, "50": 0.75, "75": 0.75, "95": 0.75},
      "histogram": [0, 0, 0, 0, 0, 0, 0, 3, 0, 0],
    }
  }  # fmt: skip


def test_stats_of_a_folder_with_bins(folder, capsys):
  for name, columns in (("a/1.png", 2), ("a/2.png", 4), ("b/1.png", 19)):
    mask = np.zeros((20, 20), bool)
    mask[:, :columns] = True
    (folder / "m" / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(folder / "m" / name)
  assert main(["masks", "stats", "m"]) == 0
  lines = capsys.readouterr().out.splitlines()
  assert lines[0].split() == "hole, % masks mean sd min q5 q25 q50 q75 q95 max".split()
  assert lines[1].split()[:4] == ["all", "3", "41.67", "37.93"]
  assert lines[2].split()[:5] == ["a", "2", "15.00", "5.00", "10.00"]
  assert lines[3].split() == ["b", "1", "95.00", "0.00", *["95.00"] * 7]
  assert lines[6].split() == ["all", "0.0", "33.3", "33.3", *["0.0"] * 6, "33.3"]
  assert main(["masks", "stats", "folder:m", "--size", "20", "--json"]) == 0
  assert json.loads(capsys.readouterr().out)["a"]["mean"] == pytest.approx(0.15)


def test_an_all_hole_mask_is_noticed(folder, capsys):
  (folder / "m").mkdir()
  Image.fromarray(np.ones((20, 20), bool)).save(folder / "m" / "1.png")
  assert main(["masks", "stats", "m"]) == 0  # counted as it is
  said = capsys.readouterr().err
  assert said.startswith("warning: m/1.png: 100.0 % of the mask") and "other way round?" in said
  failed(capsys, 3, ["masks", "stats", "folder:m"], "m/1.png: 100.0 % of the mask is hole")


def test_a_set_counts_as_its_protocol_does(capsys):
  assert main([*BUILD, "--count", "9"]) == 0
  capsys.readouterr()
  assert main(["masks", "stats", "set", "--json"]) == 0
  of_files = json.loads(capsys.readouterr().out)
  assert main(["masks", "stats", "mat_small", "--size", "64", "--count", "9", "--json"]) == 0
  assert json.loads(capsys.readouterr().out) == of_files


@pytest.mark.parametrize(
  ("argv", "code", "words"),
  [
    (["build", "lama", "--to", "x"], 2, ["'lama' is unknown; valid names", "folder:DIR"]),
    (["build", "box", "--to", "x"], 2, ["box has no end: give --count"]),
    (["build", "box", "--to", "x", "--count", "0"], 2, ["--count"]),
    (["build", "box", "--to", "x", "--count", "1", "--size", "8"], 2, ["--size"]),
    (["build", "box", "--to", "x", "--count", "1", "--labels", "y"], 3, ["uses no label maps"]),
    (["build", "parts:nose", "--to", "x"], 3, ["needs label maps", "--labels"]),
    (["build", "parts:noes", "--to", "x"], 2, ["class 'noes' is unknown; valid classes: "]),
    (["stats", "folder:none"], 3, ["none does not exist"]),
    (["stats", "none"], 2, ["'none' is unknown; valid names"]),
    (["show", "folder:", "-o", "x.png"], 3, ["names no folder"]),
  ],
)  # fmt: skip
def test_mistakes_are_one_line(folder, capsys, argv, code, words):
  failed(capsys, code, ["masks", *argv], *words)
  assert not list(folder.iterdir())


def test_a_file_in_the_way_is_the_inputs_fault(folder, capsys):
  (folder / "set").write_text("a file")
  failed(capsys, 3, [*BUILD, "--count", "1"], "set")


def test_a_full_disk_leaves_no_half_file(folder, monkeypatch, capsys):
  def full(self, path, format):
    Path(path).write_bytes(b"half")
    raise OSError(28, "No space left on device", str(path))

  monkeypatch.setattr(Image.Image, "save", full)
  failed(capsys, 3, [*BUILD, "--count", "1"], "no space is left on the disk")
  assert list((folder / "set").iterdir()) == []


def test_help_names_every_protocol(capsys):
  assert main(["masks", "-h"]) == 0
  shown = capsys.readouterr().out
  assert not [name for name in patterns.NAMES if name not in shown]
  assert main(["masks", "build", "-h"]) == 0
  assert "--overwrite" in capsys.readouterr().out
