"""`facefill batch`: folders in, a folder and a record out; a bad file is a row, and it goes on."""

import csv
import errno
import json
import re
import signal
import warnings

import numpy as np
import pytest
from PIL import Image

from facefill_jax.cli import filling, main
from facefill_jax.filling import folders, photo_output
from facefill_jax.filling.pipeline import FaceFillPipeline


@pytest.fixture(scope="module")
def pipe(tiny_model_directory):
  return FaceFillPipeline.from_pretrained(tiny_model_directory)


@pytest.fixture
def folder(tmp_path, monkeypatch, pipe):
  """photos/ and masks/ of three, one of them in a folder of its own; mask.png for all."""
  rng = np.random.default_rng(0)
  mask = np.zeros((70, 80), bool)
  mask[20:50, 30:60] = True
  for name in ("2.png", "10.png", "more/a.png"):
    for place in ("photos", "masks"):
      (tmp_path / place / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (70, 80, 3), np.uint8)).save(tmp_path / "photos" / name)
    Image.fromarray(mask).save(tmp_path / "masks" / name)
  Image.fromarray(mask).save(tmp_path / "mask.png")
  monkeypatch.chdir(tmp_path)
  monkeypatch.setattr(filling, "load", lambda directory, **_: pipe)
  return tmp_path


def record(folder):
  with open(folder / "out" / "facefill.csv", newline="") as file:
    return {row["photo"]: row for row in csv.DictReader(file)}


def pixels(path):
  with Image.open(path) as image:
    return np.asarray(image)


def test_every_photo_is_filled_and_recorded(folder, capsys, pipe):
  assert main(["batch", "photos", "masks", "out"]) == 0
  assert "filled 3 of 3 photos: out" in capsys.readouterr().err
  for name in ("2.png", "10.png", "more/a.png"):
    photo, whole = pixels(f"photos/{name}"), pixels(f"out/{name}")
    mask = pixels(f"masks/{name}")
    np.testing.assert_array_equal(whole[~mask], photo[~mask])
    np.testing.assert_array_equal(whole, pipe(photo, mask).images[0])
  rows = record(folder)
  assert list(rows) == ["photos/2.png", "photos/10.png", "photos/more/a.png"]
  row = rows["photos/2.png"]
  assert (row["status"], row["mask"], row["output"]) == ("filled", "masks/2.png", "out/2.png")
  assert float(row["hole"]) == pytest.approx(900 / 5600, abs=1e-4) and "no face" in row["remarks"]


def test_one_mask_for_all_and_another_format(folder):
  assert main(["batch", "photos", "mask.png", "out", "--format", "jpg", "--batch-size", "2"]) == 0
  assert sorted(str(p.relative_to(folder / "out")) for p in (folder / "out").rglob("*.jpg")) == [
    "10.jpg", "2.jpg", "more/a.jpg"
  ]  # fmt: skip
  assert "JPEG changes" in record(folder)["photos/2.png"]["remarks"]


def test_bad_files_do_not_stop_the_others(folder, capsys):
  (folder / "photos/2.png").write_bytes(b"broken")
  Image.fromarray(np.zeros((70, 80), np.uint8)).save("masks/10.png")
  assert main(["batch", "photos", "masks", "out"]) == 5
  said = capsys.readouterr().err
  assert "failed: photos/2.png: not an image" in said and "masks/10.png: nothing to fill" in said
  assert said.strip().splitlines()[-1].startswith("facefill: 2 of 3 photos failed")
  rows = record(folder)
  assert [row["status"] for row in rows.values()] == ["failed", "failed", "filled"]
  assert (folder / "out/more/a.png").exists() and not (folder / "out/2.png").exists()
  Image.fromarray(np.zeros((70, 80, 3), np.uint8)).save("photos/2.png")
  before = (folder / "out/more/a.png").stat().st_mtime_ns
  assert main(["batch", "photos", "masks", "out"]) == 5  # goes on with what failed
  assert "filled 1 of 2 photos, 1 were there" in capsys.readouterr().err
  assert (folder / "out/more/a.png").stat().st_mtime_ns == before
  rows = record(folder)
  assert rows["photos/2.png"]["status"] == "filled" and len(rows) == 3


def test_it_goes_on_where_it_was_stopped(folder, capsys, monkeypatch):
  written, write = [], photo_output.write_like

  def stopped(path, *rest):
    if len(written) == 2:
      raise OSError(errno.ENOSPC, "No space left on device", str(path))
    written.append(path)
    write(path, *rest)

  def full(path, *rest):
    try:
      stopped(path, *rest)
    except OSError as error:
      raise photo_output.PhotoError("could not be written") from error

  monkeypatch.setattr(photo_output, "write_like", full)
  assert main(["batch", "photos", "masks", "out"]) == 3
  assert "no space is left" in capsys.readouterr().err
  monkeypatch.setattr(photo_output, "write_like", write)
  assert main(["batch", "photos", "masks", "out"]) == 0
  assert re.search("filled [12] of [12] photos, [12] were there", capsys.readouterr().err)
  assert {row["status"] for row in record(folder).values()} == {"filled"}


def test_other_settings_need_another_folder(folder, capsys):
  assert main(["batch", "photos", "masks", "out"]) == 0
  before = (folder / "out/2.png").read_bytes()
  assert main(["batch", "photos", "masks", "out", "--seed", "1"]) == 3
  assert "another seed (0, now 1)" in capsys.readouterr().err
  assert (folder / "out/2.png").read_bytes() == before
  assert main(["batch", "photos", "masks", "out", "--seed", "1", "--overwrite"]) == 0
  assert (folder / "out/2.png").read_bytes() != before
  assert json.loads((folder / "out/facefill.json").read_text())["seed"] == 1


@pytest.mark.parametrize(
  ("arguments", "code", "words"),
  [
    (["nowhere", "masks", "out"], 2, "nowhere"),
    (["photos", "empty", "out"], 3, "masks: none in empty"),
    (["photos", "others", "out"], 3, "no mask there has the name of a photo"),
    (["twins", "mask.png", "out"], 3, "would both become"),
    (["photos", "masks", "mask.png"], 2, "mask.png"),
    (["photos", "masks", "out", "--format", "gif"], 2, "gif"),
    (["photos", "mask.png", "photos"], 2, "holds what is to be filled"),
    (["photos", "masks", "masks"], 2, "holds what is to be filled"),
    (["photos", "masks", "full"], 3, "2.png: exists, and full holds no facefill.json"),
  ],
)
def test_what_cannot_be_is_said_before_the_work(folder, capsys, arguments, code, words):
  for name in ("empty", "others", "twins", "full"):
    (folder / name).mkdir()
  Image.fromarray(np.zeros((4, 4), np.uint8)).save("others/z.png")
  (folder / "full/2.png").write_bytes(b"mine")
  for name in ("a.png", "a.jpg"):
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(f"twins/{name}")
  assert main(["batch", *arguments]) == code
  assert words in capsys.readouterr().err.strip().splitlines()[-1]
  assert (folder / "full/2.png").read_bytes() == b"mine"


def test_photos_without_a_mask_are_left_out_with_a_word(folder, capsys):
  (folder / "masks/10.png").unlink()
  assert main(["batch", "photos", "masks", "out"]) == 0
  assert "1 of 3 photos has no mask in masks" in capsys.readouterr().err
  assert list(record(folder)) == ["photos/2.png", "photos/more/a.png"]


def test_out_may_lie_in_the_folder_of_photos(folder):
  for _ in range(2):  # the second time it does not take its own fills for photos
    assert main(["batch", "photos", "mask.png", "photos/out"]) == 0
  assert len(list((folder / "photos/out").rglob("*.png"))) == 3


def test_a_run_killed_before_its_first_row_loses_no_row(folder, monkeypatch, capsys):
  (folder / "photos/2.png").write_bytes(b"broken")
  assert main(["batch", "photos", "masks", "out"]) == 5
  Image.fromarray(np.zeros((70, 80, 3), np.uint8)).save("photos/2.png")

  def killed(*given, **options):
    assert len(record(folder)) == 2  # the rows of what is done are on the disk again
    raise KeyboardInterrupt
    yield

  with monkeypatch.context() as patch:
    patch.setattr(folders, "fill_files", killed)
    before = signal.getsignal(signal.SIGINT)
    try:
      assert main(["batch", "photos", "masks", "out"]) == 130
    finally:
      signal.signal(signal.SIGINT, before)
  assert len(record(folder)) == 2
  assert main(["batch", "photos", str(folder / "masks"), "out"]) == 0  # the same, written otherwise
  assert "filled 1 of 1 photos, 2 were there" in capsys.readouterr().err


def test_a_spreadsheet_s_record_and_damaged_settings(folder, capsys):
  assert main(["batch", "photos", "masks", "out"]) == 0
  path = folder / "out/facefill.csv"
  path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
  assert main(["batch", "photos", "masks", "out"]) == 0
  assert "3 were there" in capsys.readouterr().err
  (folder / "out/facefill.json").write_text("{")
  assert main(["batch", "photos", "masks", "out"]) == 3
  assert "facefill.json: is damaged" in capsys.readouterr().err


def test_whatever_happens_to_one_photo_is_its_row(folder, monkeypatch, pipe):
  fill_many = pipe.photos.fill_many

  def odd(jobs, **options):
    if any(job.photo[0, 0, 0] == marked for job in jobs):
      raise RuntimeError("out of\nluck")
    return fill_many(jobs, **options)

  marked = pixels("photos/10.png")[0, 0, 0]
  monkeypatch.setattr(pipe.photos, "fill_many", odd)
  filters = list(warnings.filters)
  assert main(["batch", "photos", "masks", "out", "--batch-size", "3"]) == 5
  assert list(warnings.filters) == filters
  rows = record(folder)
  assert rows["photos/10.png"]["remarks"] == "photos/10.png: unexpected RuntimeError: out of luck"
  assert [row["status"] for row in rows.values()].count("filled") == 2


def test_a_photo_is_not_its_own_mask(folder):
  assert main(["batch", "photos", "photos", "out"]) == 5
  assert "is the photo itself" in record(folder)["photos/2.png"]["remarks"]
