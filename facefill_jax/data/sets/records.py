"""Built data sets: faces in array_record shards, as TFDS lays them out, read without TFDS.

A directory holds, for one set of photos,
  <name>-faces.array_record-00000-of-00003 ...  records, sorted by id, `group_size:1`
  build.json          how it was built; size and SHA-256 of each file
  index.jsonl         a line a record: [id, number in CelebA or 0, has a layout, part, SHA-256]
  features.json, dataset_info.json              what TFDS needs; the latter is written last, and a
                                                directory without it is not read
A record is a tf.train.Example with the features
  photo       bytes: JPEG (quality 95, no chroma subsampling) or PNG, sRGB, size x size
  layout      bytes: uint8 size x size of class ids 0..19, zlib; all void (19) if has_layout is 0
  has_layout  int: 0 or 1
  landmarks   10 floats: x, y of left eye, right eye, nose, left and right mouth corner, left and
              right as seen, in pixels from the corner of the photo; NaN if they are not known
  id, number, split   the photo's name; its number in CelebA or 0; the part that the set itself
              puts it in ("" if it has no parts)
  sha256      hex: of the Example without this feature
"""

import hashlib
import json
import os
import threading
import zlib
from dataclasses import dataclass

import cv2
import numpy as np

from facefill_jax.data.bad_records import BadRecordError
from facefill_jax.data.decoding import DAMAGED
from facefill_jax.data.sets import example
from facefill_jax.labels import check_labels

BUILD, INDEX, FEATURES, INFO = "build.json", "index.jsonl", "features.json", "dataset_info.json"
FORMAT = 1
NO_LANDMARKS = np.full((5, 2), np.nan, np.float32)


@dataclass(frozen=True)
class Shard:
  """A file of records. bytes, sha256: of the whole file."""

  file: str
  records: int
  bytes: int
  sha256: str


class ShardFiles:
  """The raw records of several array_record files. Safe to pickle, and to read from threads."""

  def __init__(self, paths: list[str], lengths: list[int]):
    """paths: files; lengths: how many records each has."""
    self.paths, self.lengths = paths, lengths
    self._ends = np.cumsum(lengths, dtype=np.int64)
    self._readers, self._pid, self._lock = {}, None, threading.Lock()

  def __len__(self) -> int:
    return int(self._ends[-1]) if self.lengths else 0

  def place(self, index: int) -> tuple[str, int]:
    """(path of the file, position in it) of a record."""
    shard = int(np.searchsorted(self._ends, index, "right"))
    return self.paths[shard], index - int(self._ends[shard]) + self.lengths[shard]

  def read(self, index: int, where: str) -> bytes:
    """The bytes of a record. BadRecordError names `where` if it is damaged."""
    path, position = self.place(index)
    try:
      return self._reader(path).read([position])[0]
    except (RuntimeError, IndexError, ValueError) as error:
      reason = str(error).split("\n")[0] or type(error).__name__
      raise BadRecordError(f"{where} cannot be read: {reason}") from error

  def _reader(self, path: str):
    from array_record.python import array_record_module

    with self._lock:
      if self._pid != os.getpid():  # a reader shared over a fork would share its file offset
        self._readers, self._pid = {}, os.getpid()
      if path not in self._readers:
        self._readers[path] = open_reader(array_record_module, path)
      return self._readers[path]

  def __getstate__(self) -> dict:
    return {"paths": self.paths, "lengths": self.lengths}

  def __setstate__(self, state: dict) -> None:
    self.__init__(**state)


def open_reader(module, path: str):
  """A reader for records in any order; without read-ahead, which random access throws away."""
  return module.ArrayRecordReader(
    path, options="readahead_buffer_size:0", file_reader_buffer_size=32768
  )


class Records:
  """A built data set as a source; see `data.sources`. Its landmarks come as "landmarks", if any.

  ids, numbers, labelled, official: of each record, from the index; see the head of this file.
  """

  def __init__(self, path: str):
    """Reads the index, not the records.

    Raises:
      ValueError: not a complete built set, or a file of it is missing, cut short or changed.
    """
    self.path = os.fspath(path)
    self.about = read_build(self.path)
    self.shards = [Shard(**shard) for shard in self.about["shards"]]
    for shard in self.shards:
      if problem := size_problem(self.path, shard):
        raise ValueError(f"{os.path.join(self.path, shard.file)}: {problem}")
    rows = read_index(self.path, self.about)
    self.ids, self.numbers, self.labelled, self.official, self.sums = (
      [row[k] for row in rows] for k in range(5)
    )
    paths = [os.path.join(self.path, shard.file) for shard in self.shards]
    self._files = ShardFiles(paths, [shard.records for shard in self.shards])

  def __len__(self) -> int:
    return len(self.ids)

  def __getitem__(self, index: int) -> dict:
    """Decodes one record; BadRecordError names shard, position and id if that cannot be done."""
    where = self.where(index)
    return decode_record(self._files.read(index, where), where)

  def where(self, index: int) -> str:
    """A record's place as a person would write it."""
    path, position = self._files.place(index)
    return f"{path}, record {position} (id {self.ids[index]})"


def decode_record(data: bytes, where: str) -> dict:
  """A record's bytes -> the item that a source gives. BadRecordError names `where`."""
  try:
    features = example.decode(data)
    photo = _decode_photo(features["photo"][0])
    labels = np.frombuffer(zlib.decompress(features["layout"][0]), np.uint8)
    labels = labels.reshape(photo.shape[:2])
    landmarks = np.asarray(features["landmarks"], np.float32).reshape(5, 2)
    check_labels(labels, "its layout")
    item = {"photo": photo, "labels": labels, "id": features["id"][0].decode()}
  except DAMAGED as error:
    raise BadRecordError(f"{where} cannot be decoded: {str(error).splitlines()[0]}") from error
  return item if np.isnan(landmarks).any() else item | {"landmarks": landmarks}


def _decode_photo(data: bytes) -> np.ndarray:
  """JPEG or PNG, uint8 (h, w, 3): by OpenCV, in three quarters of Pillow's time."""
  photo = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
  if photo is None:
    raise ValueError("its photo is neither JPEG nor PNG, or is damaged")
  return cv2.cvtColor(photo, cv2.COLOR_BGR2RGB, photo)


def content_sum(features: dict) -> str:
  """The hex SHA-256 of a record's content: of its Example without the feature sha256."""
  content = {name: value for name, value in features.items() if name != "sha256"}
  return hashlib.sha256(example.encode(content)).hexdigest()


def is_build(path: str) -> bool:
  """Whether a directory looks like a built set, complete or not."""
  return os.path.isfile(os.path.join(path, BUILD))


def read_build(path: str) -> dict:
  """build.json of a complete built set. ValueError if it is none."""
  if not os.path.isdir(path):
    raise ValueError(f"{path}: no such directory; give one that `facefill data build` made")
  if not os.path.isfile(os.path.join(path, INFO)) or not os.path.isfile(os.path.join(path, BUILD)):
    raise ValueError(
      f"{path}: not a complete built data set; run `facefill data build` (again: it resumes)"
    )
  try:
    with open(os.path.join(path, BUILD), encoding="utf-8") as file:
      about = json.load(file)
    if about["format"] != FORMAT:
      raise ValueError(f"format {about['format']} is not {FORMAT}; build it anew")
    return about
  except (ValueError, KeyError, TypeError) as error:
    raise ValueError(f"{os.path.join(path, BUILD)}: {error}") from error


def read_index(path: str, about: dict) -> list[list]:
  """The rows of index.jsonl, whose SHA-256 and length must be those of build.json."""
  where = os.path.join(path, INDEX)
  try:
    with open(where, "rb") as file:
      data = file.read()
  except OSError as error:
    raise ValueError(f"{where}: {error.strerror}") from error
  if hashlib.sha256(data).hexdigest() != about["index_sha256"]:
    raise ValueError(f"{where}: is not the file that was built (its SHA-256 differs)")
  return [json.loads(line) for line in data.splitlines()]


def size_problem(path: str, shard: Shard) -> str:
  """What is wrong with a shard's file at first sight, or "".

  A shard that was cut short opens as an empty one without an error: its size must be looked at.
  """
  try:
    size = os.path.getsize(os.path.join(path, shard.file))
  except OSError as error:
    return f"cannot be read: {error.strerror}"
  return "" if size == shard.bytes else f"has {size} bytes instead of {shard.bytes}"
