"""Our data sets as builders of TensorFlow Datasets; registered by `import facefill_jax.data.sets`.

They read what `facefill data build` wrote, without TensorFlow, all in one split, "faces":

    tfds.builder("celebamask_hq", data_dir=SET).as_data_source("faces")
    tfds.data_source("celebamask_hq", split="faces[:90%]", data_dir=SET)

SET is the directory that was built, or one that holds `celebamask_hq/1.0.0`, as TFDS has it. They
also build from a download of the same layout that `facefill data build --from` takes:

    builder = tfds.builder("ffhq", data_dir=DIR, size=512)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=DOWNLOAD))

The command uses all cores, goes on after a stop and gives the same bytes every time; TFDS does not,
and its sets have no build.json: they are trained on as data.kind=tfds.
"""

import json
import os
import zlib

import numpy as np
import tensorflow_datasets as tfds

from facefill_jax.data.sets import builders, records
from facefill_jax.data.sets.shards import DESCRIPTION, Form, encode_item, features_json
from facefill_jax.files import to_path


class _Faces(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """A set of `data.sets.builders`, by the name of the subclass."""

  VERSION = tfds.core.Version("1.0.0")
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    "manual_dir holds the download as its authors publish it: what `facefill data build --from` "
    "takes, see facefill_jax/data/README.md."
  )

  def __init__(self, *, size: int = 256, lossless: bool = False, file_format=None, **options):
    """size, lossless: see `Form`; for sets that are not built yet. options: of TFDS."""
    self._form = Form(size, lossless)
    super().__init__(file_format=file_format or "array_record", **options)

  def _build_data_dir(self, given_data_dir):
    """As TFDS has it, unless the directory given is a set itself."""
    if given_data_dir:
      given = to_path(given_data_dir)
      info = given / records.INFO
      if info.exists() and json.loads(info.read_text())["name"] == self.name:
        return os.fspath(given.parent), os.fspath(given)
    return super()._build_data_dir(given_data_dir)

  def _info(self):
    kept = to_path(self.data_dir) / records.FEATURES
    features = json.loads(kept.read_text()) if kept.exists() else features_json(self._form)
    return tfds.core.DatasetInfo(
      builder=self,
      description=DESCRIPTION,
      features=tfds.features.FeaturesDict.from_json(features),
    )

  def _split_generators(self, dl_manager):
    return {"faces": self._generate_examples(os.fspath(dl_manager.manual_dir))}

  def _generate_examples(self, origin: str):
    source = builders.open_originals(self.name, origin, size=self._form.size)
    size = self._form.size
    for i, name in enumerate(source.ids):
      _, features = encode_item(source[i], source.numbers[i], source.official[i], self._form)
      layout = np.frombuffer(zlib.decompress(features["layout"]), np.uint8)
      yield name, features | {"layout": layout.reshape(size, size)}


class CelebamaskHq(_Faces):
  """CelebAMask-HQ; see `celebamask_hq`."""

  name = "celebamask_hq"


class Ffhq(_Faces):
  """FFHQ; see `ffhq`."""

  name = "ffhq"


class FolderFaces(_Faces):
  """Photos of a folder without layouts; see `folder_faces`."""

  name = "folder_faces"
