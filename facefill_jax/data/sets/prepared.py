"""Data sets that TFDS has prepared in the format array_record: their records, by TFDS or without.

Such a directory ends in the version, for example celeb_a/2.1.0, and holds dataset_info.json. Where
TFDS is installed its own data sources read the records; `_without_tfds` is our own reader of the
same files, for machines that have no TFDS (it brings 170 MB along). The two agree to the bit.
"""

import importlib.util
import json
import os
import threading
import zlib
from collections.abc import Iterator

from facefill_jax.data.bad_records import BadRecordError
from facefill_jax.data.decoding import reason
from facefill_jax.data.sets import example
from facefill_jax.data.sets.records import FEATURES, INFO, ShardFiles

PHOTO_NAMES = ("photo", "image")
_DICT, _IMAGE = "features_dict.FeaturesDict", "image_feature.Image"


class Prepared:
  """All records of all splits of a prepared directory, in TFDS's own order.

  Attributes:
    name: what TFDS calls the set.
    ids: "<split>/<place in it>".
    splits: the split of each record.
    image: the flat name of the feature that is the photo: "image", "a/b" for b within a.
    names: the flat names of all features; () if the directory does not say (no features.json).
  """

  def __init__(self, path: str):
    """Reads dataset_info.json and features.json.

    Raises:
      ValueError: not such a directory, in another format, a shard is missing, or no feature (or
        more than one) can be the photo.
    """
    self.path = os.path.expanduser(path)
    where = os.path.join(self.path, INFO)
    try:
      with open(where, encoding="utf-8") as file:
        info = json.load(file)
      self.name, kind = info["name"], info["fileFormat"]
      lengths = {each["name"]: [int(n) for n in each["shardLengths"]] for each in info["splits"]}
    except OSError as error:
      raise ValueError(
        f"{where}: {error.strerror}; give a directory that TFDS prepared, such as celeb_a/2.1.0"
      ) from error
    except (ValueError, KeyError, TypeError) as error:
      raise ValueError(f"{where} cannot be read: {error}") from error
    if kind != "array_record":
      raise ValueError(
        f"{self.path}: in the format {kind}; prepare it with file_format='array_record'"
      )
    features = _read_features(os.path.join(self.path, FEATURES))
    self.names = tuple(features)
    self.image = _photo_of(features, self.path) if features else PHOTO_NAMES[-1]
    self.ids = [f"{split}/{i}" for split in lengths for i in range(sum(lengths[split]))]
    self.splits = [split for split in lengths for _ in range(sum(lengths[split]))]
    self._files = ShardFiles(*_shards(self.path, self.name, lengths))
    self._by_tfds = bool(features) and importlib.util.find_spec("tensorflow_datasets") is not None
    self._sources, self._lock = {}, threading.Lock()

  def __len__(self) -> int:
    return len(self.ids)

  def __getstate__(self) -> dict:
    return {name: value for name, value in vars(self).items() if name not in ("_sources", "_lock")}

  def __setstate__(self, state: dict) -> None:
    self.__dict__.update(state, _sources={}, _lock=threading.Lock())

  def features(self, index: int) -> tuple[dict, str]:
    """The features of a record by flat name, and where it lies, for errors.

    The photo is as it is stored, a JPEG or PNG; a lone value is that value, not a list of one.

    Raises:
      BadRecordError: it cannot be read.
    """
    path, position = self._files.place(index)
    where = f"{path}, record {position} (id {self.ids[index]})"
    return (self._with_tfds if self._by_tfds else self._without_tfds)(index, where), where

  def _with_tfds(self, index: int, where: str) -> dict:
    split, _, place = self.ids[index].rpartition("/")
    with self._lock:
      if split not in self._sources:
        self._sources[split] = self._open(split)
    try:
      return dict(_flat(self._sources[split][int(place)]))
    except (RuntimeError, IndexError, KeyError, TypeError, ValueError, zlib.error) as error:
      raise BadRecordError(f"{where} cannot be read: {reason(error)}") from error

  def _open(self, split: str):
    """TFDS's source of a split."""
    import tensorflow_datasets as tfds

    decoders = tfds.decode.SkipDecoding()
    for name in reversed(self.image.split("/")):
      decoders = {name: decoders}
    return tfds.builder_from_directory(self.path).as_data_source(split, decoders=decoders)

  def _without_tfds(self, index: int, where: str) -> dict:
    data = self._files.read(index, where)
    try:
      features = example.decode(data)
    except ValueError as error:
      raise BadRecordError(f"{where}: {error}") from error
    return {name: each[0] if len(each) == 1 else each for name, each in features.items()}


def _read_features(path: str) -> dict[str, dict]:
  """features.json: flat name -> what TFDS says of the feature; {} if there is no such file."""
  try:
    with open(path, encoding="utf-8") as file:
      return dict(_leaves(json.load(file)))
  except FileNotFoundError:
    return {}
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise ValueError(f"{path} cannot be read: {error}") from error


def _leaves(feature: dict, name: str = "") -> Iterator[tuple[str, dict]]:
  if feature["pythonClassName"].endswith(_DICT):
    for key, inside in feature["featuresDict"]["features"].items():
      yield from _leaves(inside, f"{name}/{key}" if name else key)
  else:
    yield name, feature


def _photo_of(features: dict[str, dict], path: str) -> str:
  """The name of the photo among features: of the type Image, 8 bits, three channels."""
  found = []
  for name, feature in features.items():
    image = feature.get("image", {})
    channels = image.get("shape", {}).get("dimensions", ["3"])[-1]
    kind = feature["pythonClassName"]
    if kind.endswith(_IMAGE) and image.get("dtype", "uint8") == "uint8" and channels == "3":
      found.append(name)
  named = [name for name in PHOTO_NAMES if name in found]
  if len(found) != 1 and not named:
    what = f"several: {', '.join(found)}" if found else f"none of {', '.join(features)}"
    raise ValueError(f"{path}: one feature must be an image of 8-bit RGB, it has {what}")
  return (named or found)[0]


def _flat(values: dict, name: str = "") -> Iterator[tuple[str, object]]:
  for key, value in values.items():
    here = f"{name}/{key}" if name else key
    if isinstance(value, dict):
      yield from _flat(value, here)
    else:
      yield here, value


def _shards(path: str, name: str, lengths: dict[str, list[int]]) -> tuple[list[str], list[int]]:
  paths, counts = [], []
  for split, records in lengths.items():
    for number, count in enumerate(records):
      file = f"{name}-{split}.array_record-{number:05d}-of-{len(records):05d}"
      paths.append(os.path.join(path, file))
      counts.append(count)
      if not os.path.isfile(paths[-1]):
        raise ValueError(f"{paths[-1]}: is missing")
  return paths, counts
