"""`facefill fill` from file to file: bytes, exit codes, and one line for each mistake."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

import facefill_jax
from facefill_jax.cli import filling, main
from facefill_jax.filling import deep_pictures, photo_files
from facefill_jax.filling.pipeline import FaceFillPipeline

SAID = (
  "hole: 16.3 % of the photo, 2 regions\n"
  "warning: no face was found at the hole: it is filled from the picture around it\n"
)


@pytest.fixture(scope="module")
def pipeline(tiny_model_directory):
  return FaceFillPipeline.from_pretrained(tiny_model_directory)


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """The current folder: photo.png, mask.png, and hidden.png with other pixels under the mask."""
  rng = np.random.default_rng(0)
  photo, other = rng.integers(0, 256, (2, 97, 131, 3), np.uint8)
  mask = np.zeros((97, 131), bool)
  mask[20:61, 40:90] = mask[5:9, 5:9] = True
  Image.fromarray(photo).save(tmp_path / "photo.png")
  Image.fromarray(np.where(mask[..., None], other, photo)).save(tmp_path / "hidden.png")
  Image.fromarray(mask).save(tmp_path / "mask.png")
  monkeypatch.chdir(tmp_path)
  return tmp_path


def test_without_a_model_it_is_the_package_s(folder, monkeypatch, pipeline, capsys):
  asked = []
  monkeypatch.setattr(filling, "load", lambda directory, **_: asked.append(directory) or pipeline)
  for more in ([], ["--model", "pretrained"]):
    assert main(["fill", "photo.png", "mask.png", "--overwrite", *more]) == 0
  (folder / "pretrained").mkdir()  # somebody's own
  assert main(["fill", "photo.png", "mask.png", "--overwrite", "--model", "pretrained"]) == 0
  assert asked == [facefill_jax.PRETRAINED] * 2 + [Path("pretrained")]


@pytest.fixture
def warm(monkeypatch, pipeline, tiny_model_directory):
  """Commands share one compiled pipeline."""
  monkeypatch.setattr(filling, "load", lambda directory, **_: pipeline)
  return ["--model", str(tiny_model_directory)]


def pixels(path):
  with Image.open(path) as image:
    return np.asarray(image)


def failed(capsys, code, argv, *words):
  assert main(argv) == code
  captured = capsys.readouterr()
  lines = captured.err.strip().splitlines()
  last = lines[-1]
  assert last.startswith("facefill: ") and captured.out == ""
  assert not [line for line in lines[:-1] if not line.startswith(("hole: ", "warning: "))]
  assert "Traceback" not in captured.err
  for word in words:
    assert word in last, last


def test_fills_from_file_to_file(folder, warm, capsys):
  assert main(["fill", "photo.png", "mask.png", *warm]) == 0
  said = capsys.readouterr()
  assert said.err == SAID + "wrote photo.filled.png\n"
  assert said.out == ""
  photo, whole, mask = pixels("photo.png"), pixels("photo.filled.png"), pixels("mask.png")
  np.testing.assert_array_equal(whole[~mask], photo[~mask])
  assert (whole[mask] != photo[mask]).mean() > 0.5


def test_hidden_pixels_change_no_byte_of_the_file(folder, warm):
  for name in ("photo", "hidden"):
    assert main(["fill", f"{name}.png", "mask.png", *warm, "-o", f"{name}.out.png"]) == 0
  assert (folder / "photo.out.png").read_bytes() == (folder / "hidden.out.png").read_bytes()


def test_seeds(folder, warm):
  for name, seed in (("a", 1), ("b", 1), ("c", 2)):
    command = ["fill", "photo.png", "mask.png", *warm, "--seed", str(seed), "-o", f"{name}.png"]
    assert main(command) == 0
  a, b, c = [(folder / f"{name}.png").read_bytes() for name in "abc"]
  assert a == b and a != c


def test_a_saved_layout_can_be_edited_and_given_back(folder, warm):
  command = ["fill", "photo.png", "mask.png", *warm]
  assert main([*command, "--save-layout", "layout.png", "-o", "a.png"]) == 0
  ids = np.array(pixels("layout.png"))
  assert ids.shape == (97, 131) and ids.max() <= 19
  ids[20:61, 40:90] = 13
  edited = Image.fromarray(ids)
  edited.putpalette(Image.open("layout.png").getpalette())
  edited.save("edited.png")
  given = [*command, "--layout", "edited.png", "--save-layout", "used.png", "-o", "b.png"]
  assert main(given) == 0
  assert (pixels("used.png")[22:59, 42:88] == 13).all()
  assert (pixels("a.png") != pixels("b.png")).any()


@pytest.mark.parametrize("mode", ["RGBA", "L", "RGB-16"])
def test_known_pixels_come_back_in_the_mode_of_the_photo(folder, warm, mode):
  photo, mask = pixels("photo.png"), pixels("mask.png")
  if mode == "RGB-16":
    original = photo.astype(np.uint16) * 257 + 3
    (folder / "p.png").write_bytes(deep_pictures.encode_png(original, None, None))
  else:
    hidden = np.dstack([photo, np.where(np.arange(131) < 50, 0, 255) * np.ones((97, 1))])
    original = photo[..., 0] if mode == "L" else hidden.astype(np.uint8)
    Image.fromarray(original).save("p.png")
  assert main(["fill", "p.png", "mask.png", *warm]) == 0
  new = photo_files.read_photo("p.filled.png")
  assert new.original.dtype == original.dtype
  np.testing.assert_array_equal(np.squeeze(new.original)[~mask], original[~mask])
  if mode == "RGBA":  # what is hidden is neither shown nor seen
    assert (new.original[mask][:, 3] == 255).all()
    hidden[..., :3][hidden[..., 3] == 0] = 7
    Image.fromarray(hidden.astype(np.uint8)).save("q.png")
    assert main(["fill", "q.png", "mask.png", *warm]) == 0
    np.testing.assert_array_equal(pixels("q.filled.png")[mask], new.original[mask])


def test_names_may_be_as_long_as_the_file_system_lets_them(folder, warm, capsys):
  name = "写真" * 41 + ".png"
  assert main(["fill", "photo.png", "mask.png", *warm, "-o", name]) == 0
  assert (folder / name).is_file()
  capsys.readouterr()
  failed(capsys, 3, ["fill", "photo.png", "mask.png", *warm, "-o", "写" * 84 + ".png"], "256 bytes")
  failed(capsys, 3, ["fill", "photo.png", "m" * 300, *warm], "unreadable: File name too long")
  failed(capsys, 3, ["fill", "p" * 300, "mask.png", *warm, "-o", "x.png"], "File name too long")


def test_paths_may_begin_at_home(folder, warm, monkeypatch):
  monkeypatch.setenv("HOME", str(folder))
  monkeypatch.chdir("/")
  assert main(["fill", "~/photo.png", "~/mask.png", *warm, "-o", "~/o.png"]) == 0
  assert (folder / "o.png").is_file()


def test_a_folder_without_permission_is_noticed_before_the_work(folder, warm, capsys, monkeypatch):
  monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
  monkeypatch.setattr(photo_files, "read_photo", None)  # never called
  failed(capsys, 3, ["fill", "photo.png", "mask.png", *warm], "no permission to write")


def test_a_full_disk_is_one_line(folder, warm, capsys, monkeypatch):
  def full(source, target):
    raise OSError(errno.ENOSPC, "No space left on device", str(target))

  monkeypatch.setattr(os, "replace", full)
  command = ["fill", "photo.png", "mask.png", *warm]
  failed(capsys, 3, command, "photo.filled.png: could not be written: No space left")
  assert sorted(os.listdir(folder)) == ["hidden.png", "mask.png", "photo.png"]


def test_ctrl_c_is_one_line_and_exit_130(folder, warm, capsys, monkeypatch):
  def interrupted(directory, **_):
    raise KeyboardInterrupt

  monkeypatch.setattr(filling, "load", interrupted)
  before = signal.getsignal(signal.SIGINT)
  try:
    assert main(["fill", "photo.png", "mask.png", *warm]) == 130
  finally:
    signal.signal(signal.SIGINT, before)
  assert capsys.readouterr().err.split("\n")[-2] == "facefill: cancelled"
  assert sorted(os.listdir(folder)) == ["hidden.png", "mask.png", "photo.png"]


def test_a_device_that_is_not_there(folder, warm, capsys, monkeypatch):
  def none():
    raise AssertionError  # as jax says it of cuda

  monkeypatch.setattr(jax, "local_devices", none)
  command = ["fill", "photo.png", "mask.png", *warm]
  failed(capsys, 3, command, "JAX_PLATFORMS=cpu, but jax finds no such device here", "unset")


def test_jpeg_is_warned_about_and_files_are_not_overwritten(folder, warm, capsys):
  command = ["fill", "photo.png", "mask.png", *warm, "-o", "a.jpg"]
  assert main(command) == 0
  assert "warning: a.jpg: JPEG" in capsys.readouterr().err
  before = (folder / "a.jpg").stat().st_mtime_ns
  failed(capsys, 2, command, "a.jpg", "--overwrite")
  assert (folder / "a.jpg").stat().st_mtime_ns == before
  assert main([*command, "--overwrite"]) == 0


@pytest.mark.parametrize(
  ("arguments", "words"),
  [
    (["photo.png"], ("MASK",)),
    (["photo.png", "mask.png", "--sed", "1"], ("--sed", "facefill fill --help")),
    (["photo.png", "mask.png", "--seed", "-1"], ("--seed", "-1")),
    (["photo.png", "mask.png", "-o", "out.gif"], (".gif", ".png")),
    (["photo.png", "mask.png", "-o", "no/out.png"], ("no such folder",)),
    (["photo.png", "mask.png", "--save-layout", "l.jpg"], ("l.jpg", ".png")),
    (["photo.png", "mask.png", "-o", "a.png", "--save-layout", "a.png"], ("both",)),
    (["photo.png", "mask.png", "--seeds", "3-1"], ("--seeds", "3-1", "0-3")),
    (["photo.png", "mask.png", "--seeds", "0-99"], ("64 at most",)),
    (["photo.png", "mask.png", "--eyes", "1,2,3"], ("--eyes", "4 numbers")),
    (["photo.png", "mask.png", "--eyes", "1,2,3,4", "--face-box", "1,2,3,4"], ("not both",)),
    (["-", "mask.png", "--seeds", "0-1"], ("-o FILE is needed",)),
  ],
)
def test_usage_errors_exit_2(folder, warm, capsys, arguments, words):
  failed(capsys, 2, ["fill", *arguments, *warm], *words)


def test_several_seeds_become_files_and_a_grid(folder, warm, capsys):
  assert main(["fill", "photo.png", "mask.png", *warm, "--seeds", "2-4", "--json"]) == 0
  fills = [pixels(f"photo.filled-{seed}.png") for seed in (2, 3, 4)]
  assert (fills[0] != fills[1]).any() and (fills[1] != fills[2]).any()
  assert main(["fill", "photo.png", "mask.png", *warm, "--seed", "3", "-o", "one.png"]) == 0
  np.testing.assert_array_equal(pixels("one.png"), fills[1])
  grid = pixels("photo.grid.png")
  assert grid.shape == (2 * 97, 2 * 131, 3)
  np.testing.assert_array_equal(grid[97:, :131], fills[2])
  report = json.loads((folder / "photo.json").read_text())
  assert [one["seed"] for one in report["filled"]] == [2, 3, 4]
  assert report["hole"] == pytest.approx(0.163, abs=1e-3) and report["squares"]
  assert "no face" in report["warnings"][0]


@pytest.mark.parametrize("stdin", ["photo.png", "mask.png"])
def test_standard_input_and_output(folder, warm, monkeypatch, capsysbinary, stdin):
  assert main(["fill", "photo.png", "mask.png", *warm, "-o", "file.png"]) == 0
  given = ["-" if name == stdin else name for name in ("photo.png", "mask.png")]
  monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((folder / stdin).read_bytes())))
  capsysbinary.readouterr()
  assert main(["fill", *given, *warm, "-o", "-"]) == 0
  assert capsysbinary.readouterr().out == (folder / "file.png").read_bytes()


def test_other_conventions_of_masks(folder, warm):
  assert main(["fill", "photo.png", "mask.png", *warm, "-o", "white.png"]) == 0
  mask = pixels("mask.png")
  Image.fromarray(~mask).save("black.png")
  rgba = np.dstack([pixels("photo.png"), np.where(mask, 0, 255).astype(np.uint8)])
  Image.fromarray(rgba).save("clear.png")
  for name, convention in (("black.png", "black-hole"), ("clear.png", "alpha")):
    command = ["fill", "photo.png", name, *warm, "--mask-convention", convention]
    assert main([*command, "-o", f"as-{name}"]) == 0
    assert (folder / f"as-{name}").read_bytes() == (folder / "white.png").read_bytes()


def test_where_the_face_is_may_be_said(folder, warm, capsys):
  command = ["fill", "photo.png", "mask.png", *warm, "--json"]
  assert main([*command, "--eyes", "50,40,80,40", "-o", "eyes.png"]) == 0
  square = json.loads((folder / "eyes.json").read_text())["squares"][0]
  assert square["is_face"] and square["angle"] == 0 and abs(square["size"] - 30 / 0.243) <= 1
  assert main([*command, "--face-box", "40,20,90,80", "-o", "box.png"]) == 0
  assert json.loads((folder / "box.json").read_text())["squares"][0]["is_face"]
  assert (pixels("eyes.png") != pixels("box.png")).any()


def test_unknown_verbs_exit_2(folder, capsys):
  failed(capsys, 2, ["paint"], "paint")


def test_bad_input_exits_3(folder, warm, capsys):
  rng = np.random.default_rng(0)
  Image.fromarray(np.zeros((97, 131), np.uint8)).save("empty.png")
  Image.fromarray(np.full((97, 131), 255, np.uint8)).save("full.png")
  Image.fromarray(np.zeros((64, 64), np.uint8)).save("small.png")
  Image.fromarray(rng.integers(0, 256, (97, 131), np.uint8)).save("grey.png")
  (folder / "notes.txt").write_text("not a photo")
  (folder / "cut.png").write_bytes((folder / "photo.png").read_bytes()[:2000])
  for photo, mask, words in (
    ("none.png", "mask.png", ("none.png", "no such file")),
    ("notes.txt", "mask.png", ("notes.txt", "not an image")),
    ("cut.png", "mask.png", ("cut.png", "truncated")),
    ("photo.png", "none.png", ("none.png", "no such file")),
    ("photo.png", "empty.png", ("empty.png", "nothing to fill")),
    ("photo.png", "full.png", ("full.png", "invert")),
    ("photo.png", "small.png", ("64 x 64", "131 x 97")),
    ("photo.png", "grey.png", ("grey.png", "not a mask")),
    ("photo.png", "photo.png", ("the photo itself",)),
  ):
    failed(capsys, 3, ["fill", photo, mask, *warm], *words)
  long = np.zeros((2, 12_000), np.uint8)
  Image.fromarray(long).save("long.png")
  long[0, 100:-100] = 255
  Image.fromarray(long).save("wide.png")
  whole = ["fill", "long.png", "wide.png", *warm, "--align", "none"]
  failed(capsys, 3, whole, "11800 x 11800", "smaller")
  bad_layout = ["fill", "photo.png", "mask.png", *warm, "--layout", "grey.png"]
  failed(capsys, 3, bad_layout, "grey.png", "0..19")
  assert not list(folder.glob("*.filled.png"))


def test_bad_models_exit_4(folder, tiny_model_directory, capsys):
  command = ["fill", "photo.png", "mask.png", "--model"]
  failed(capsys, 4, [*command, "nowhere"], "nowhere", "no such model")
  (folder / "bad").mkdir()
  failed(capsys, 4, [*command, "bad"], "config.json", "missing")
  for path in tiny_model_directory.iterdir():
    (folder / "bad" / path.name).write_bytes(path.read_bytes())
  data = bytearray((folder / "bad" / "texture.safetensors").read_bytes())
  data[-1] ^= 1
  (folder / "bad" / "texture.safetensors").write_bytes(data)
  failed(capsys, 4, [*command, "bad"], "texture.safetensors", "changed or damaged")


def test_verbose_shows_the_traceback(folder, warm, capsys):
  assert main(["fill", "none.png", "mask.png", *warm, "-v"]) == 3
  said = capsys.readouterr().err
  assert "Traceback" in said and said.strip().splitlines()[-1].startswith("facefill: ")


def test_a_bug_is_one_line_and_exit_1(folder, warm, capsys, monkeypatch):
  def broken(directory, **_):
    raise RuntimeError("two\nlines")

  monkeypatch.setattr(filling, "load", broken)
  failed(capsys, 1, ["fill", "photo.png", "mask.png", *warm], "RuntimeError: two lines", "-v")


def test_help(capsys):
  assert main(["--help"]) == 0
  assert "fill" in capsys.readouterr().out
  assert main(["fill", "--help"]) == 0
  assert "white part of MASK" in capsys.readouterr().out
  assert main([]) == 2
  assert "Commands:" in capsys.readouterr().err


def test_as_a_program_without_tensorflow(folder, tiny_model_directory, warm):
  """A fresh process gives the bytes of this one, and its stderr is ours alone."""
  assert main(["fill", "photo.png", "mask.png", *warm, "-o", "here.png"]) == 0
  code = (
    "import sys; from facefill_jax.cli import main; assert 'jax' not in sys.modules; code = main();"
    "assert 'tensorflow' not in sys.modules; sys.exit(code)"
  )
  command = [
    "fill",
    "photo.png",
    "mask.png",
    "--model",
    str(tiny_model_directory),
    "-o",
    "there.png",
  ]
  ran = subprocess.run(
    [sys.executable, "-c", code, *command], capture_output=True, text=True, timeout=300
  )
  assert ran.returncode == 0, ran.stderr
  assert ran.stderr == SAID + "wrote there.png\n"
  assert (folder / "here.png").read_bytes() == (folder / "there.png").read_bytes()
