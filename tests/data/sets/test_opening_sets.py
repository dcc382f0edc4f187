"""Training on built sets and on what TFDS prepared: which photos train, which are held out."""

import json
import pickle
import shutil

import drawn_sets
import numpy as np
import pytest
from array_record.python import array_record_module

from facefill_jax.data.bad_records import BadRecordError
from facefill_jax.data.opening import has_layouts, open_data
from facefill_jax.data.sets import builders, example, tfds_faces
from facefill_jax.data.sets.build import build
from facefill_jax.data.sets.records import Records
from facefill_jax.data.sets.shards import Form
from facefill_jax.data.sources import ids_of
from facefill_jax.labels import VOID


def opened(**changes):
  return open_data(**{"resolution": 64, "seed": 0} | changes)


@pytest.fixture(scope="module")
def celeb(tmp_path_factory):
  """Ids 0 (train), 1 and 10 (validation), 2000 (test) of CelebA's partition."""
  root = tmp_path_factory.mktemp("celeb")
  drawn_sets.celebamask_hq_tree(root / "from", ids=(0, 1, 10, 2000))
  source = builders.open_originals("celebamask_hq", root / "from", size=64)
  build("celebamask_hq", source, root / "set", Form(64))
  return str(root / "set")


def prepared(directory, name="celeb_a", kind="array_record", lengths=None, shift=0):
  """What TFDS leaves of celeb_a: one shard a split."""
  lengths = lengths or {"test": 1, "train": 3, "validation": 2}
  directory.mkdir(parents=True)
  for split, count in lengths.items():
    file = directory / f"{name}-{split}.array_record-00000-of-00001"
    writer = array_record_module.ArrayRecordWriter(str(file), "group_size:1")
    for i in range(count):
      photo = drawn_sets.png(np.full((218, 178, 3), 10 * i + len(split), np.uint8))
      points = {f"landmarks/{p}_{a}": i + shift for p in tfds_faces.POINTS for a in "xy"}
      writer.write(example.encode({"image": photo, "attributes/Young": 1} | points))
    writer.close()
  splits = [{"name": split, "shardLengths": [str(n)]} for split, n in lengths.items()]
  info = {"name": name, "fileFormat": kind, "splits": splits, "version": "2.1.0"}
  (directory / "dataset_info.json").write_text(json.dumps(info))  # features.json is not there
  return str(directory)


def test_records_by_a_split(celeb):
  [(train, weight)], held_out = opened(kind="records", path=celeb, split="celeba")
  assert (ids_of(train), ids_of(held_out), weight) == (["0"], ["1", "10"], 1.0)
  assert held_out[1]["id"] == "10" and (held_out[1]["labels"] != VOID).all()
  assert has_layouts("records", "", train)


def test_records_held_out_by_number(celeb):
  [(train, _)], held_out = opened(kind="records", path=celeb, split="all", held_out=1)
  assert len(train) == 3 and len(held_out) == 1 and has_layouts("records", "", train)


def test_records_with_more_photos(celeb, tmp_path):
  drawn_sets.photo_folder(tmp_path, count=2, labelled=False)
  weighed, _ = opened(
    kind="records", path=celeb, split="celeba", unlabelled=(str(tmp_path / "photos"),)
  )
  assert [weight for _, weight in weighed] == [0.5, 0.5]


def test_records_without_layouts(tmp_path):
  drawn_sets.ffhq_tree(tmp_path / "from", numbers=(0, 60000))
  source = builders.open_originals("ffhq", tmp_path / "from", size=64)
  build("ffhq", source, tmp_path / "set", Form(64))
  [(train, _)], held_out = opened(kind="records", path=str(tmp_path / "set"), split="ffhq")
  assert (ids_of(train), ids_of(held_out)) == (["00000"], ["60000"])
  assert not has_layouts("records", "", train) and (train[0]["labels"] == VOID).all()


def test_tfds_celeb_a(tmp_path):
  [(train, _)], held_out = opened(
    kind="tfds", path=prepared(tmp_path / "celeb_a" / "2.1.0"), split="celeba"
  )
  assert ids_of(train) == ["train/0", "train/1", "train/2"]
  assert ids_of(held_out) == ["validation/0", "validation/1"]
  item = train[2]
  assert item["photo"].shape == (218, 178, 3) and (item["photo"] == 25).all()
  assert item["landmarks"].tolist() == [[2, 2]] * 5 and (item["labels"] == VOID).all()
  assert not has_layouts("tfds", "", train)


def test_landmarks_outside_of_the_photo_are_left_out(tmp_path, caplog):
  source = builders.open_originals("celeb_a", prepared(tmp_path / "a", shift=400), size=64)
  assert all("landmarks" not in source[i] for i in range(3))
  (line,) = (record.getMessage() for record in caplog.records)
  assert "(id test/0): landmarks outside of the photo are left out" in line


def photos(count):
  return np.random.default_rng(0).integers(0, 256, (count, 40, 30, 3), np.uint8)


@pytest.fixture(scope="module")
def of_tfds(tmp_path_factory):
  """A set that is none of ours, written by TFDS itself: photos of any size within a dict."""
  tfds = pytest.importorskip("tensorflow_datasets")

  class Strangers(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tfds.core.Version("2.0.0")

    def _info(self):
      image = tfds.features.Image(shape=(None, None, 3), encoding_format="png")
      mask = tfds.features.Image(shape=(None, None, 1), encoding_format="png")
      features = {"face": {"shot": image, "depth": mask}, "name": tfds.features.Text()}
      return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
      return {"train": self._generate_examples(5), "rest": self._generate_examples(2)}

    def _generate_examples(self, count):
      for i, photo in enumerate(photos(count)):
        images = {"shot": drawn_sets.png(photo), "depth": drawn_sets.png(photo[..., 0])}
        yield i, {"face": images, "name": f"{i}.png"}

  builder = Strangers(data_dir=tmp_path_factory.mktemp("tfds"), file_format="array_record")
  builder.download_and_prepare()
  return builder


def test_any_set_of_tfds_is_read_by_it_and_without_it(of_tfds):
  source = tfds_faces.TfdsFaces(of_tfds.data_dir)
  assert len(source) == 7 and source.ids[5] == "rest/0" and source.labelled == [0] * 7
  again = pickle.loads(pickle.dumps(source))
  again._records._by_tfds = False
  theirs = of_tfds.as_data_source("train")
  for i in range(5):
    item = source[i]
    np.testing.assert_array_equal(item["photo"], theirs[i]["face"]["shot"])
    np.testing.assert_array_equal(item["photo"], again[i]["photo"])
    assert item.keys() == {"photo", "labels", "id"} and (item["labels"] == VOID).all()
  [(train, _)], kept = opened(kind="tfds", path=str(of_tfds.data_dir), split="all", held_out=2)
  assert (len(train), len(kept)) == (5, 2) and not has_layouts("tfds", "", train)


def test_a_built_set_is_a_tfds_set_with_layouts(celeb):
  pytest.importorskip("tensorflow_datasets")
  source, records = tfds_faces.TfdsFaces(celeb), Records(celeb)
  without = tfds_faces.TfdsFaces(celeb)
  without._records._by_tfds = False
  for i in range(4):
    for name in ("photo", "labels"):
      np.testing.assert_array_equal(source[i][name], records[i][name])
      np.testing.assert_array_equal(source[i][name], without[i][name])
  [(train, _)], _ = opened(kind="tfds", path=celeb, split="all", held_out=1)
  assert has_layouts("tfds", "", train)


def test_a_damaged_record_is_named(of_tfds, tmp_path):
  copy = tmp_path / "copy"
  shutil.copytree(of_tfds.data_dir, copy)
  (shard,) = copy.glob("*-rest.*")
  data = bytearray(shard.read_bytes())
  data[data.index(b"IHDR") + 20] ^= 255
  shard.write_bytes(data)
  for by_tfds in (True, False):
    source = tfds_faces.TfdsFaces(copy)
    source._records._by_tfds = by_tfds
    with pytest.raises(BadRecordError, match=r"rest\.array_record.*\(id rest/"):
      [source[i] for i in range(7)]


def test_a_set_without_one_photo_is_refused(celeb, tmp_path):
  shutil.copytree(celeb, tmp_path / "set")
  path = tmp_path / "set" / "features.json"
  features = json.loads(path.read_text())
  inside = features["featuresDict"]["features"]
  photo = inside.pop("photo")
  path.write_text(json.dumps(features))
  with pytest.raises(ValueError, match="an image of 8-bit RGB, it has none of has_layout, id"):
    tfds_faces.TfdsFaces(tmp_path / "set")
  inside |= {"one": photo, "two": photo}
  path.write_text(json.dumps(features))
  with pytest.raises(ValueError, match="it has several: one, two"):
    tfds_faces.TfdsFaces(tmp_path / "set")


@pytest.mark.parametrize(
  ("changes", "words"),
  [
    ({"kind": "bogus"}, "'bogus' is not one of drawn, folder, records, tfds"),
    ({"split": "bogus"}, "'bogus' is not one of all, celeba"),
    ({"split": "ffhq"}, r"photo '0' is not one of 00000\.\."),
    ({"split": "hash:1e-9"}, "leaves nothing for validation of the 4 photos"),
    ({"labels": "x"}, "for the kind 'folder'"),
    ({"held_out_path": "x"}, "for the kind 'folder'"),
    ({"path": "/nowhere"}, "/nowhere: no such directory"),
    ({"kind": "tfds"}, "CelebA number of photo 'faces/0' is unknown"),
  ],
)
def test_refusals(celeb, changes, words):
  with pytest.raises(ValueError, match=words):
    opened(**{"kind": "records", "path": celeb, "split": "celeba"} | changes)


def test_tfds_refusals(tmp_path):
  with pytest.raises(ValueError, match=r"dataset_info.*No such file"):
    opened(kind="tfds", path=str(tmp_path))
  path = prepared(tmp_path / "tf", kind="tfrecord")
  with pytest.raises(ValueError, match="in the format tfrecord; prepare it with file_format"):
    opened(kind="tfds", path=path)
  path = prepared(tmp_path / "celeb_a")
  (tmp_path / "celeb_a" / "celeb_a-train.array_record-00000-of-00001").unlink()
  with pytest.raises(ValueError, match=r"celeb_a-train.*is missing"):
    opened(kind="tfds", path=path)
