"""Our sets as builders of TFDS: known after an import, reading what was built, building alone."""

import pickle
import subprocess
import sys
from pathlib import Path

import drawn_sets
import numpy as np
import pytest

import facefill_jax.data.sets
from facefill_jax.data.sets import builders, records
from facefill_jax.data.sets.after_import import after_import
from facefill_jax.data.sets.build import build
from facefill_jax.data.sets.shards import Form

tfds = pytest.importorskip("tensorflow_datasets")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
  """`from`, a download; `root`, in TFDS's layout; the set itself is root/celebamask_hq/1.0.0."""
  root = tmp_path_factory.mktemp("place")
  drawn_sets.celebamask_hq_tree(root / "from", ids=(0, 1, 10))
  source = builders.open_originals("celebamask_hq", root / "from", size=64)
  build("celebamask_hq", source, root / "root" / "celebamask_hq" / "1.0.0", Form(64))
  return root


@pytest.mark.parametrize("whole", [False, True])
def test_what_was_built_is_read(place, whole):
  built = place / "root" / "celebamask_hq" / "1.0.0"
  data_dir = built if whole else place / "root"
  ours = records.Records(built)
  builder = tfds.builder("celebamask_hq", data_dir=data_dir)
  assert type(builder).__module__ == "facefill_jax.data.sets.tfds_builders"
  for theirs in (
    builder.as_data_source("faces"),
    pickle.loads(pickle.dumps(builder)).as_data_source("faces"),
    tfds.data_source("celebamask_hq", split="faces", data_dir=data_dir),
  ):
    assert len(theirs) == 3
    for i in range(3):
      np.testing.assert_array_equal(theirs[i]["photo"], ours[i]["photo"])
      np.testing.assert_array_equal(theirs[i]["layout"], ours[i]["labels"])
  assert len(tfds.data_source("celebamask_hq", split="faces[:2]", data_dir=data_dir)) == 2


def test_a_download_is_built_without_tensorflow(place):
  builder = tfds.builder("celebamask_hq", data_dir=place / "new", size=32, lossless=True)
  config = tfds.download.DownloadConfig(manual_dir=place / "from")
  builder.download_and_prepare(download_config=config)
  found = {each["id"]: each for each in builder.as_data_source("faces")}
  assert sorted(found) == [b"0", b"1", b"10"] and "tensorflow" not in sys.modules
  ours = builders.open_originals("celebamask_hq", place / "from", size=32)
  np.testing.assert_array_equal(found[b"10"]["layout"], ours[2]["labels"])
  assert found[b"10"]["photo"].shape == (32, 32, 3)
  again = tfds.builder("celebamask_hq", data_dir=place / "new")
  assert again.info.features["photo"].shape == (32, 32, 3)


def test_all_are_registered():
  assert facefill_jax.data.sets
  for name in ("celebamask_hq", "ffhq", "folder_faces"):
    assert tfds.builder_cls(name).name == name


def test_the_package_is_cheap_and_the_order_of_imports_is_free():
  program = (
    "import sys, facefill_jax.data.opening; assert 'tensorflow_datasets' not in sys.modules;"
    "import tensorflow_datasets as tfds; tfds.builder_cls('ffhq');"
    "assert tfds.__spec__.loader is tfds.__loader__ and 'after' not in repr(tfds.__loader__)"
  )
  root = str(Path(__file__).parents[3])
  subprocess.run([sys.executable, "-c", program], check=True, cwd=root)


def test_after_import(tmp_path, monkeypatch):
  (tmp_path / "first_module.py").write_text("x = 1\n")
  (tmp_path / "second_module.py").write_text("import first_module\ny = first_module.x + 1\n")
  monkeypatch.syspath_prepend(tmp_path)
  monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
  after_import("first_module", "second_module")
  assert "second_module" not in sys.modules
  import first_module

  assert first_module.x == 1 and sys.modules["second_module"].y == 2
  del sys.modules["second_module"]
  after_import("first_module", "second_module")  # it is there already
  assert sys.modules.pop("second_module").y == 2
  del sys.modules["first_module"]
