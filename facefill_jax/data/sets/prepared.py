"""Data sets that TFDS has prepared in the format array_record, read without TFDS.

Such a directory ends in the version, for example celeb_a/2.1.0, and holds dataset_info.json.
"""

import json
import os

from facefill_jax.data.bad_records import BadRecordError
from facefill_jax.data.sets import example
from facefill_jax.data.sets.records import INFO, ShardFiles


class Prepared:
  """All records of all splits of a prepared directory, in TFDS's own order.

  name: what TFDS calls the set. ids: "<split>/<place in it>". splits: the split of each record.
  """

  def __init__(self, path: str):
    """Reads dataset_info.json.

    Raises:
      ValueError: not such a directory, in another format, or a shard is missing.
    """
    self.path = os.fspath(path)
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
    self.ids = [f"{split}/{i}" for split in lengths for i in range(sum(lengths[split]))]
    self.splits = [split for split in lengths for _ in range(sum(lengths[split]))]
    self._files = ShardFiles(*_shards(self.path, self.name, lengths))

  def __len__(self) -> int:
    return len(self.ids)

  def features(self, index: int) -> tuple[dict, str]:
    """The features of a record by flat name ("landmarks/nose_x"), and where it lies, for errors."""
    path, position = self._files.place(index)
    where = f"{path}, record {position} (id {self.ids[index]})"
    data = self._files.read(index, where)
    try:
      return example.decode(data), where
    except ValueError as error:
      raise BadRecordError(f"{where}: {error}") from error


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
