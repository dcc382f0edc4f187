"""A user's mistake: one line that says what, where and what is valid; exit code; no traceback."""

import json
import subprocess
import sys

import numpy as np
import pytest
import short_run
from drawn_sets import save

from facefill_jax import main
from facefill_jax.training import from_config
from facefill_jax.training.batches import Feed

USAGE = {  # arguments -> words of the line
  "misspelt key": ("--config.data.pth=1", "config.data has no key 'pth'", "valid keys", " path,"),
  "misspelt section": ("--config.dota.path=1", "config has no key 'dota'", "valid keys", "data"),
  "key below a number": ("--config.seed.x=1", "config.seed has no key 'x'"),
  "loss without a term": (
    "--config.layout.losses.dicee=1", "config.layout.losses has no key 'dicee'", "dice",
  ),
  "wrong type": ("--config.batch_size=abc", "--config.batch_size=abc", "int"),
  "unknown flag": ("--wrkdir=x", "wrkdir", "workdir"),
}  # fmt: skip
FILES = {
  "unknown variant": (("--config=configs/folder.py:bogus",), "'bogus'", "smoke, small, base"),
  "no such file": (("--config=configs/foldr.py",), "configs/foldr.py: no such file", "FILE.py"),
  "at home": (("--config=~/foldr.py",), "/foldr.py: no such file"),
  "not a program": (("--config=README.md",), "README.md"),
  "no workdir": (("--config=configs/folder.py",), "--workdir must have a value"),
  "no config": (("--workdir=x",), "--config must have a value"),
}
DRIVER = """
import json, os, sys
from facefill_jax import main
results = []
for argv in json.load(sys.stdin):
  read, write = os.pipe()
  if not (child := os.fork()):
    os.dup2(write, 2)
    sys.argv = ["main", *argv]
    try:
      main.parse(sys.argv)
      os._exit(0)
    except SystemExit as error:
      os._exit(error.code)
    finally:
      os._exit(99)
  os.close(write)
  with os.fdopen(read) as lines:
    said = lines.read()
  results.append((os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said))
print(json.dumps(results))
"""


def one_line(text, *words):
  lines = text.splitlines()
  assert len(lines) == 1 and lines[0].startswith("facefill_jax.main: "), text
  assert "Traceback" not in text and len(text) < 700, text
  for word in words:
    assert word in lines[0], f"{word!r} is not in {text}"


def test_flags():
  """All in one process, which forks before it parses: flags can be parsed only once."""
  cases = [
    (["--config=configs/folder.py", "--workdir=x", arg], words) for arg, *words in USAGE.values()
  ]
  cases += [(list(argv), words) for argv, *words in FILES.values()]
  good = ["--config=configs/folder.py:smoke", "--workdir=x", "--config.data.path=y"]
  done = subprocess.run(
    [sys.executable, "-c", DRIVER],
    input=json.dumps([argv for argv, _ in cases] + [good]),
    cwd=short_run.ROOT, capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  *results, last = json.loads(done.stdout)
  assert last == [0, ""]
  for (argv, words), (code, said) in zip(cases, results, strict=True):
    assert code == 2, (argv, code, said)
    one_line(said, *words)


@pytest.mark.xdist_group("train")
def test_from_the_command_line(tmp_path):
  """The whole command, as a user types it."""
  argv = ["--config=configs/folder.py", f"--workdir={tmp_path}/run", "--config.data.path=/nowhere"]
  done = subprocess.run(
    [sys.executable, "-m", "facefill_jax.main", *argv],
    cwd=short_run.ROOT, capture_output=True, text=True, check=False,
  )  # fmt: skip
  assert done.returncode == 3 and done.stdout == ""
  one_line(done.stderr, "/nowhere", "does not exist; give a directory or a .zip")
  assert not (tmp_path / "run").exists()


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
  """Runs the command on a configuration; returns its exit code and its standard error."""

  def call(config, *arguments):
    short_run.give_flags(monkeypatch, config, tmp_path / "run")
    code = main.run(["main", *arguments])
    return code, capsys.readouterr().err

  return call


CONFIGS = {
  "mesh": ({"mesh__data": 3}, "mesh.data is 3", "2 device(s)", "give -1 or 2"),
  "batch": ({"batch_size": 7}, "batch_size 7", "2 devices", "a multiple"),
  "no batch": ({"batch_size": 0}, "config.batch_size is 0", "1 or more"),
  "size": ({"size": "huge"}, "size", "'huge'", "base, paper, small, tiny"),
  "stages": ({"stages": "all"}, "stages", "'all'", "both, layout, texture"),
  "dtype": ({"dtype": "float16"}, "'float16'", "bfloat16, float32"),
  "resolution": ({"resolution": 100}, "resolution", "multiple of 32", "100"),
  "too short": ({"total_images": 8}, "total_images 8", "texture_starts_at_images 8"),
  "never logs": ({"log_every_steps": 0}, "config.log_every_steps is 0", "1 or more"),
  "evaluates nothing": ({"eval__batch_size": 0}, "config.eval.batch_size is 0", "1 or more"),
  "zoom": ({"data__zoom": (0.0, 1.0), "data__kind": "folder", "data__path": "."}, "zoom", "<= 1"),
  "kind of data": ({"data__kind": "drwan"}, "data.kind 'drwan'", "drawn, folder"),
  "bad records": ({"data__on_bad_record": "skp"}, "data.on_bad_record 'skp'", "error, skip"),
  "no path": ({"data__kind": "folder"}, "data.path is empty", "--config.data.path="),
  "perceptual": ({"texture__perceptual": "squeezenet"}, "squeezenet", "squeezenet_file"),
  "vgg16": ({"texture__perceptual": "vgg16"}, "'vgg16'", "vgg16_file"),
  "vgg16 file": (
    {"texture__perceptual": "vgg16", "vgg16_file": "vgg16.pth"}, "facefill weights convert vgg16",
  ),
  "no such module": ({"texture__only": ("miror",)}, "config.texture.only names miror", "mirror"),
  "weights of the judge": ({"lpips_vgg_file": "none.npz"}, "none.npz", "cannot read"),
  "weights": ({"squeezenet_file": "none.npz"}, "none.npz", "cannot read"),
  "mask folder": ({"masks__weights": {"folder": 1.0}}, "kind 'folder'", "no folder of masks"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_configurations(run, name):
  changes, *words = CONFIGS[name]
  code, said = run(changed(changes))
  assert code == 3
  one_line(said, *words)


def changed(changes):
  c = short_run.config(size="tiny")
  for name, value in changes.items():
    section, _, key = name.rpartition("__")
    with c.unlocked():
      (c[section] if section else c)[key] = value
  return c


@pytest.mark.parametrize(
  ("change", "words"),
  [
    (lambda c: c.update({"total_imagse": 3}), ("config: unknown key total_imagse", "total_images")),
    (lambda c: c.data.update({"pth": "x"}), ("config.data: unknown key pth", "path")),
    (lambda c: c.layout.update({"pnalty": 1.0}), ("config.layout: unknown key pnalty", "penalty")),
    (lambda c: c.layout.optimiser.update({"lrr": 1.0}), ("config.layout.optimiser", "lrr", "lr,")),
    (lambda c: c.texture.augment.update({"p": 1.0}), ("config.texture.augment", "p;", "strength")),
    (lambda c: c.texture.augment.update({"strength": 1.0}), ("strength must be 0 to 0.8",)),
    (lambda c: c.layout.augment.update({"target": 0.6}), ("layout.augment.target", "wgan_gp")),
    (lambda c: c.mesh.update({"model": 1}), ("config.mesh: unknown key model", "data")),
    (lambda c: c.masks.weights.update({"bx": 1.0}), ("mask kind 'bx'", "free_form, box")),
    (lambda c: c.eval.update({"often": 1}), ("config.eval: unknown key often", "every_steps")),
    (lambda c: c.texture.losses.update({"l2": 1.0}), ("texture", "no such term ['l2']", "hole_l1")),
    (lambda c: c.texture.losses.__delitem__("style"), ("texture", "no weight for ['style']")),
    (lambda c: c.layout.losses.__delitem__("dice"), ("layout", "no weight for ['dice']")),
    (lambda c: c.__delitem__("seed"), ("config: missing key seed",)),
    (lambda c: c.data.__delitem__("flip"), ("config.data: missing key flip",)),
    (lambda c: c.layout.__delitem__("optimiser"), ("config.layout.optimiser: missing key",)),
    (lambda c: c.texture.critic_optimiser.__delitem__("warmup_images"), ("warmup_images",)),
  ],
)
def test_keys_of_a_configuration_file(run, change, words):
  """What --config.KEY cannot say, but a file of the user's own can."""
  c = short_run.config(size="tiny")
  change(c)
  code, said = run(c)
  assert code == 3
  one_line(said, *words)


@pytest.fixture
def folder(tmp_path):
  """Six photos with labels, and a configuration that trains on them."""
  rng = np.random.default_rng(0)
  for i in range(6):
    save(tmp_path / "photos" / f"{i}.png", rng.integers(0, 256, (64, 64, 3), np.uint8))
    save(tmp_path / "labels" / f"{i}.png", rng.integers(0, 19, (64, 64), np.uint8))
  return changed({
    "data__kind": "folder", "data__path": str(tmp_path / "photos"), "data__held_out": 2,
    "data__labels": str(tmp_path / "labels"), "data__workers": 0,
  })  # fmt: skip


def feed_of(config) -> Feed:
  return Feed(config, from_config.make_plan(config)[0])


def test_an_empty_folder(run, folder, tmp_path):
  (tmp_path / "empty").mkdir()
  folder.data.path = str(tmp_path / "empty")
  code, said = run(folder)
  assert code == 3
  one_line(said, f"photos: none in {tmp_path}/empty", ".jpg", ".png")


def test_a_label_that_is_no_class(run, folder, tmp_path):
  for i in range(6):
    save(tmp_path / "labels" / f"{i}.png", np.full((64, 64), 23, np.uint8))
  code, said = run(folder)
  assert code == 3
  one_line(said, f"{tmp_path}/labels/", ".png: label 23 found; valid labels are 0..19")


def test_photo_and_labels_of_different_size(run, folder, tmp_path):
  for i in range(6):
    save(tmp_path / "labels" / f"{i}.png", np.zeros((32, 64), np.uint8))
  code, said = run(folder)
  assert code == 3
  one_line(said, "is 64 x 64 and its labels", "are 64 x 32", f"{tmp_path}/photos/")


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n\0\0"])
def test_a_photo_that_is_none(run, folder, tmp_path, content):
  for i in range(6):
    (tmp_path / "photos" / f"{i}.png").write_bytes(content)
  code, said = run(folder)
  assert code == 3
  one_line(said, f"{tmp_path}/photos/", "cannot be read")


def test_damaged_photos_that_are_to_be_skipped(run, folder, tmp_path):
  """Also held-out ones; but not when nothing is left."""
  folder.data.on_bad_record = "skip"
  fixed = feed_of(folder).fixed(64)
  for name in (1, 5):
    (tmp_path / "photos" / f"{name}.png").write_bytes(b"")
  left = feed_of(folder)
  with left.stream(0) as stream:
    assert stream.skipped is not None
  assert 0 < len(left.fixed(64)["photo"]) <= len(fixed["photo"])
  for i in range(6):
    (tmp_path / "photos" / f"{i}.png").write_bytes(b"")
  code, said = run(folder)
  assert code == 3
  one_line(said, "of the 4 records that were tried are bad", f"{tmp_path}/photos/")


def test_labels_that_fit_no_photo(run, folder, tmp_path):
  (tmp_path / "labels").rename(tmp_path / "old")
  save(tmp_path / "labels" / "other.png", np.zeros((64, 64), np.uint8))
  code, said = run(folder)
  assert code == 3
  one_line(said, "no photo in", "has a label map", "found other.png")


def test_nothing_left_to_train_on(run, folder):
  folder.data.held_out = 6
  code, said = run(folder)
  assert code == 3
  one_line(said, "cannot hold out 6 of 6 photos", "0..5")


def test_nothing_to_evaluate_on(run, folder):
  folder.data.held_out = 0
  code, said = run(folder)
  assert code == 3
  one_line(said, "data.held_out is 0", "1 photo or more")


def test_a_folder_that_fits(folder, tmp_path):
  """What all the refusals below start from is not refused; nor with more photos, unlabelled."""
  held_out = feed_of(folder).fixed(64)
  assert held_out["photo"].shape == (2, 64, 64, 3) and (held_out["labels"] < 19).all()
  folder.data.unlabelled = (str(tmp_path / "photos"), str(tmp_path / "photos"))
  assert [w for _, w in feed_of(folder).sources] == [0.5, 0.25, 0.25]


def test_layout_without_labels(run, folder):
  folder.data.labels = ""
  code, said = run(folder)
  assert code == 3
  one_line(said, "data.labels is empty", "--config.data.labels=", "--config.stages=texture")


def test_held_out_faces_without_labels(run, folder, tmp_path):
  save(tmp_path / "others" / "a.png", np.zeros((64, 64, 3), np.uint8))
  folder.data.held_out_path = str(tmp_path / "others")
  code, said = run(folder)
  assert code == 3
  one_line(said, f"no held-out face of {tmp_path}/others has labels", "data.held_out_labels=")


def test_a_mask_folder_without_a_hole(run, folder, tmp_path):
  save(tmp_path / "masks" / "a.png", np.zeros((64, 64), np.uint8))
  folder.masks.folder = str(tmp_path / "masks")
  folder.masks.weights = {"folder": 1.0}
  code, said = run(folder)
  assert code == 3
  one_line(
    said, f"{tmp_path}/masks/a.png: nothing to fill: the mask has no hole; white (128..255) is the"
  )


def test_evaluation_masks_without_a_hole(run, folder, tmp_path):
  save(tmp_path / "masks" / "a.png", np.zeros((64, 64), np.uint8))
  folder.eval.masks_folder = str(tmp_path / "masks")
  code, said = run(folder)
  assert code == 3
  one_line(said, f"{tmp_path}/masks/a.png: nothing to fill: the mask has no hole")


def test_a_start_that_is_not_there(run, tmp_path):
  c = changed({"stages": "texture", "texture_starts_at_images": 0, "init_from": "/nowhere"})
  code, said = run(c)
  assert code == 3
  one_line(said, "/nowhere/model: no such model directory")


def test_a_workdir_that_is_a_file(run, tmp_path):
  (tmp_path / "run").write_text("")
  code, said = run(changed({}))
  assert code == 3
  one_line(said, str(tmp_path / "run"))


def test_arguments_that_are_no_flags(run):
  code, said = run(changed({}), "extra")
  assert code == 2
  one_line(said, "unexpected argument 'extra'", "begin with --")
