"""Built sets: the same bytes however they came about, readable by TFDS, damage found and named."""

import hashlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import drawn_sets
import numpy as np
import pytest

from facefill_jax.data.sets import builders, records, shards, verify
from facefill_jax.data.sets.build import ExistsError, build
from facefill_jax.labels import VOID

ROOT = Path(__file__).parents[3]
FORM = shards.Form(32)


def sums(directory):
  """{path: SHA-256} of all files."""
  files = sorted(path for path in Path(directory).rglob("*") if path.is_file())
  return {str(p.relative_to(directory)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
  root = tmp_path_factory.mktemp("download")
  drawn_sets.celebamask_hq_tree(root, ids=(0, 1, 2, 10, 11))
  return root


@pytest.fixture(scope="module")
def source(tree):
  return builders.open_originals("celebamask_hq", tree, size=32)


@pytest.fixture(scope="module")
def built(source, tmp_path_factory):
  """Five records in three shards. Look, don't touch."""
  directory = tmp_path_factory.mktemp("sets") / "celebamask_hq" / "1.0.0"
  build("celebamask_hq", source, directory, FORM, per_shard=2)
  return directory


@pytest.fixture
def mine(built, tmp_path):
  """A copy to damage."""
  return shutil.copytree(built, tmp_path / "mine")


def shard(directory, number):
  return directory / f"celebamask_hq-faces.array_record-{number:05d}-of-00003"


def test_records_are_the_originals(built, source):
  found = records.Records(built)
  assert found.ids == ["0", "1", "2", "10", "11"] and found.numbers == source.numbers
  assert found.official == source.official and found.labelled == [1] * 5
  item, original = found[3], source[3]
  assert original["labels"].shape == (32, 32)  # JPEGs are decoded no larger than is needed
  np.testing.assert_array_equal(item["labels"], original["labels"])
  assert item["photo"].shape == (32, 32, 3) and "landmarks" not in item
  again = pickle.loads(pickle.dumps(found))
  np.testing.assert_array_equal(again[3]["photo"], item["photo"])
  assert "tensorflow" not in sys.modules


def test_lossless_landmarks_and_no_layout(tmp_path):
  drawn_sets.ffhq_tree(tmp_path / "ffhq", numbers=(0, 60001))
  source = builders.open_originals("ffhq", tmp_path / "ffhq", size=64)
  build("ffhq", source, tmp_path / "set", shards.Form(64, lossless=True))
  found = records.Records(tmp_path / "set")
  np.testing.assert_array_equal(found[1]["photo"], source[1]["photo"])
  np.testing.assert_array_equal(found[1]["landmarks"], source[1]["landmarks"])
  assert (found[0]["labels"] == VOID).all() and found.labelled == [0, 0]
  assert found.official == ["train", "validation"]


def test_the_centre_square_is_kept(tmp_path):
  photo = np.zeros((40, 80, 3), np.uint8)
  photo[:, 20:60] = 200
  labels = np.repeat(np.uint8([[0, 1, 2, 0]]), 40, 0).repeat(20, 1)
  item = {"photo": photo, "labels": labels, "id": "x", "landmarks": np.float32([[30, 10]] * 5)}
  data, _ = shards.encode_item(item, 0, "", shards.Form(20, lossless=True))
  found = records.decode_record(data, "here")
  assert (found["photo"] == 200).all()
  assert found["labels"][0].tolist() == [1] * 10 + [2] * 10
  assert found["landmarks"].tolist() == [[5, 5]] * 5  # (30 - 20) / 2 and 10 / 2


def test_tfds_reads_it(built):
  tfds = pytest.importorskip("tensorflow_datasets")
  ours = records.Records(built)
  one = tfds.builder_from_directory(built).as_data_source("faces")
  other = tfds.data_source("celebamask_hq", split="faces", data_dir=built.parents[1])
  for theirs in (one, other):
    assert len(theirs) == 5
    np.testing.assert_array_equal(theirs[4]["photo"], ours[4]["photo"])
    np.testing.assert_array_equal(theirs[4]["layout"], ours[4]["labels"])
    assert (theirs[4]["id"], theirs[4]["has_layout"]) == (b"11", 1)
    assert theirs[4]["sha256"].decode() == ours.sums[4]
  assert "tensorflow" not in sys.modules


def test_a_stopped_build_goes_on_to_the_same_bytes(built, source, tmp_path):
  class Stops:
    def __getattr__(self, name):
      return getattr(source, name)

    def __len__(self):
      return len(source)

    def __getitem__(self, index):
      if index == 3:
        raise ValueError("stop")
      return source[index]

  with pytest.raises(ValueError, match="stop"):
    build("celebamask_hq", Stops(), tmp_path / "set", FORM, per_shard=2)
  with pytest.raises(ValueError, match="not a complete built data set"):
    records.Records(tmp_path / "set")
  first = shard(tmp_path / "set", 0)
  times = first.stat().st_mtime_ns
  done = []
  build(
    "celebamask_hq", source, tmp_path / "set", FORM, per_shard=2,
    progress=lambda *counts: done.append(counts),
  )  # fmt: skip
  assert done == [(2, 5), (4, 5), (5, 5)] and first.stat().st_mtime_ns == times
  assert sums(tmp_path / "set") == sums(built)


def test_a_shard_damaged_before_the_end_is_built_anew(built, source, tmp_path):
  class Stops(builders.CelebAMaskHQ):
    def __getitem__(self, index):
      if index == 4:
        raise ValueError("stop")
      return super().__getitem__(index)

  stops = Stops(source._files.path, size=32)
  with pytest.raises(ValueError, match="stop"):
    build("celebamask_hq", stops, tmp_path / "set", FORM, per_shard=2)
  file = shard(tmp_path / "set", 1)
  file.write_bytes(file.read_bytes()[:1000])
  build("celebamask_hq", source, tmp_path / "set", FORM, per_shard=2)
  assert sums(tmp_path / "set") == sums(built)


def test_what_is_there_is_not_replaced_unasked(mine, source, tmp_path):
  before = sums(mine)
  build("celebamask_hq", source, mine, FORM, per_shard=2)  # the same: nothing to do
  assert sums(mine) == before
  with pytest.raises(ExistsError, match="--overwrite"):
    build("celebamask_hq", source, mine, shards.Form(64), per_shard=2)
  assert sums(mine) == before
  build("celebamask_hq", source, mine, shards.Form(64), per_shard=3, overwrite=True)
  assert records.Records(mine)[0]["photo"].shape == (64, 64, 3)
  assert len(list(mine.glob("*array_record*"))) == 2
  (tmp_path / "other").mkdir()
  (tmp_path / "other" / "letter.txt").write_text("dear")
  with pytest.raises(ExistsError, match="holds other files"):
    build("celebamask_hq", source, tmp_path / "other", FORM, overwrite=True)


def test_a_whole_set_verifies(built):
  report = verify.verify(built)
  assert report.problems == [] and (report.records, report.labelled) == (5, 5)
  ours = records.Records(built)
  counts = sum(np.bincount(ours[i]["labels"].ravel(), minlength=20) for i in range(5))
  np.testing.assert_array_equal(report.pixels, counts)
  assert report.photos[1] == 5 and report.photos[VOID] == 0


def test_a_truncated_shard_is_named(mine):
  file = shard(mine, 1)
  file.write_bytes(file.read_bytes()[:-1])
  (problem,) = verify.verify(mine).problems
  assert f"{file}: has " in problem and "records 0..1 (ids 2 .. 10)" in problem
  with pytest.raises(ValueError, match=f"{file}: has .* bytes instead of"):
    records.Records(mine)
  file.unlink()
  assert "No such file" in verify.verify(mine).problems[0]


def flip(path, what):
  """Flips one bit in the middle of the only occurrence of `what`."""
  data = bytearray(path.read_bytes())
  assert data.count(what) == 1
  data[data.index(what) + len(what) // 2] ^= 1
  path.write_bytes(data)


def test_a_flipped_bit_is_named(mine):
  raw = records.Records(mine)._files.read(3, "")
  flip(shard(mine, 1), raw[200:300])
  (problem,) = verify.verify(mine).problems
  assert (
    problem.startswith(f"{shard(mine, 1)}, record 1 (id 10) cannot be read: ")
    and "hash mismatch" in problem
  )
  with pytest.raises(ValueError, match=r"00001-of-00003, record 1 \(id 10\) cannot be read"):
    records.Records(mine)[3]


def test_a_flipped_bit_that_no_record_sees(mine):
  file = shard(mine, 0)
  data = bytearray(file.read_bytes())
  data[-60_000] ^= 1  # padding
  file.write_bytes(data)
  (problem,) = verify.verify(mine).problems
  assert problem == f"{file}: is not the file that was built, though its records all are"


def test_an_exchanged_record_is_named(mine, source):
  """A shard whose own checksums are right, with another content."""
  from array_record.python import array_record_module

  writer = array_record_module.ArrayRecordWriter(str(shard(mine, 2)), "group_size:1,uncompressed")
  writer.write(shards.encode_item(source[0], source.numbers[0], source.official[0], FORM)[0])
  writer.close()
  about = json.loads((mine / records.BUILD).read_text())
  about["shards"][2]["bytes"] = shard(mine, 2).stat().st_size
  (mine / records.BUILD).write_text(json.dumps(about))
  (problem,) = verify.verify(mine).problems
  assert (
    problem == f"{shard(mine, 2)}, record 0 (id 11): its SHA-256 is not the one it was built with"
  )


def test_a_changed_index_is_refused(mine):
  flip(mine / records.INDEX, b'"10"')
  with pytest.raises(ValueError, match=r"index\.jsonl: is not the file that was built"):
    verify.verify(mine)


PROGRAM = """
import sys
from facefill_jax.data import builders
from facefill_jax.data.sets.build import build
from facefill_jax.data.sets.shards import Form
if __name__ == "__main__":
  source = builders.open_originals("celebamask_hq", sys.argv[1], size=64)
  build("celebamask_hq", source, sys.argv[2], Form(64), workers=int(sys.argv[3]), per_shard=4)
"""


def start(tree, directory, workers, tmp_path):
  program = tmp_path / "program.py"  # a file: spawned workers import it
  program.write_text(PROGRAM)
  argv = [sys.executable, str(program), str(tree), str(directory), str(workers)]
  quiet = subprocess.DEVNULL  # killed workers complain
  return subprocess.Popen(argv, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=quiet)


@pytest.mark.slow
def test_killed_again_and_again(tmp_path):
  drawn_sets.celebamask_hq_tree(tmp_path / "tree", ids=tuple(range(48)))
  assert start(tmp_path / "tree", tmp_path / "whole", 1, tmp_path).wait() == 0
  rng, kills, seen = np.random.default_rng(0), 0, set()
  target = tmp_path / "killed"
  for _ in range(50):
    process = start(tmp_path / "tree", target, 2, tmp_path)
    there = len(list(target.glob("*array_record*"))) if target.exists() else 0
    while process.poll() is None and len(list(target.glob("*array_record*"))) <= there:
      time.sleep(0.01)  # at least one more shard
    time.sleep(rng.uniform(0, 0.3))
    process.send_signal(signal.SIGKILL)
    if process.wait() == 0:
      break
    kills += 1
    seen.add(len(list(target.glob("*array_record*"))))
    if not (target / records.INFO).exists():
      with pytest.raises(ValueError, match="not a complete"):
        records.Records(target)
  assert kills >= 3 and len(seen) >= 3, (kills, seen)
  print(f"{kills} kills, with {sorted(seen)} shards there")
  assert sums(target) == sums(tmp_path / "whole")
  assert verify.verify(target, workers=2).problems == []
