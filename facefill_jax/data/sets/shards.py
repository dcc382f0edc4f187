"""One shard of a built set: its records, its file and the note that says it is whole."""

import io
import json
import os
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from facefill_jax.data.sets import example, records
from facefill_jax.data.squares import centre_square, cut
from facefill_jax.files import replacing, sha256, write_text
from facefill_jax.labels import CLASSES, VOID

JPEG = {"format": "JPEG", "quality": 95, "subsampling": 0}  # 4:4:4. 44.7 dB on CelebA-HQ at 256 px
PNG = {"format": "PNG", "compress_level": 6}
DESCRIPTION = f"Faces with layouts: class ids 0..{len(CLASSES) - 1} are {', '.join(CLASSES)}."
_ZLIB_LEVEL = 9  # 1.4 KB a layout at 256 px, and the fastest to decode: 20,000/s


@dataclass(frozen=True)
class Form:
  """How photos are stored. size: their side in pixels; lossless: PNG instead of JPEG."""

  size: int
  lossless: bool = False

  @property
  def encoding(self) -> dict:
    """Options of Pillow's save."""
    return PNG if self.lossless else JPEG


def encode_item(item: dict, number: int, part: str, form: Form) -> tuple[bytes, dict]:
  """An item of an original set -> a record, and its features; see `data.sets.records`.

  The centre square is cut out and resized: photos by area, layouts by nearest.
  """
  square = centre_square(*item["photo"].shape[:2])
  photo, labels = cut(item["photo"], item["labels"], square, form.size)
  buffer = io.BytesIO()
  Image.fromarray(photo).save(buffer, **form.encoding)
  landmarks = records.NO_LANDMARKS
  if "landmarks" in item:
    top, left, side = square
    landmarks = (item["landmarks"] - np.float32((left, top))) * np.float32(form.size / side)
  features = {
    "photo": buffer.getvalue(),
    "layout": zlib.compress(labels.tobytes(), _ZLIB_LEVEL),
    "has_layout": int((labels != VOID).any()),
    "landmarks": landmarks,
    "id": item["id"].encode(),
    "number": number,
    "split": part.encode(),
  }
  features["sha256"] = records.content_sum(features).encode()
  return example.encode(features), features


def write_shard(source, indices: list[int], directory: str, file: str, form: Form) -> dict:
  """Writes one shard and, after it, its note; both appear whole or not at all.

  Args:
    source: an original set.
    indices: its items, in the order of the shard.
    directory: of the set that is built; it has a folder `records_folder`.
    file: name of the shard in it.
    form: how photos are stored.

  Returns:
    The note: "shard" (the fields of records.Shard), "rows" of the index, "payload" (bytes of all
    records) and "mended" (pair -> how often).
  """
  from array_record.python import array_record_module

  rows, mended, payload = [], {}, 0
  path = os.path.join(directory, file)
  with replacing(path) as part:
    # No compression: JPEG, PNG and zlib cannot be pressed further.
    writer = array_record_module.ArrayRecordWriter(str(part), "group_size:1,uncompressed")
    for index in indices:
      item = source[index]
      data, features = encode_item(item, source.numbers[index], source.official[index], form)
      writer.write(data)
      payload += len(data)
      rows.append([
        item["id"], features["number"], features["has_layout"], source.official[index],
        features["sha256"].decode(),
      ])  # fmt: skip
      for pair in item.get("mended", ()):
        mended[pair] = mended.get(pair, 0) + 1
    writer.close()
  shard = {
    "file": file, "records": len(rows), "bytes": os.path.getsize(path), "sha256": sha256(path),
  }  # fmt: skip
  note = {"shard": shard, "rows": rows, "payload": payload, "mended": mended}
  write_text(notes_path(directory, f"{file}.json"), json.dumps(note))
  return note


def finished_shard(directory: str, file: str) -> dict | None:
  """The note of a shard that is there, whole and unchanged; else None."""
  try:
    with open(notes_path(directory, f"{file}.json"), encoding="utf-8") as stream:
      note = json.load(stream)
    same = sha256(os.path.join(directory, file)) == note["shard"]["sha256"]
  except FileNotFoundError:
    return None
  return note if same else None


def notes_path(directory: str, name: str) -> str:
  """A file that is needed only as long as the set is not whole."""
  return os.path.join(directory, ".unfinished", name)


def features_json(form: Form) -> dict:
  """What TFDS calls features.json, as TFDS 4.9 writes it."""
  prefix = "tensorflow_datasets.core.features"

  def shape(*sides: int) -> dict:
    return {"dimensions": [str(side) for side in sides]} if sides else {}

  def tensor(dtype: str, *sides: int, encoding: str = "none") -> dict:
    kind = "tensor_feature.Tensor" if sides else "scalar.Scalar"
    inside = {"dtype": dtype, "encoding": encoding, "shape": shape(*sides)}
    return {"pythonClassName": f"{prefix}.{kind}", "tensor": inside}

  text = {"pythonClassName": f"{prefix}.text_feature.Text", "text": {}}
  photo = {
    "dtype": "uint8", "encodingFormat": form.encoding["format"].lower(),
    "shape": shape(form.size, form.size, 3),
  }  # fmt: skip
  features = {
    "photo": {"image": photo, "pythonClassName": f"{prefix}.image_feature.Image"},
    "layout": tensor("uint8", form.size, form.size, encoding="zlib"),
    "landmarks": tensor("float32", 5, 2),
    "has_layout": tensor("int64"),
    "number": tensor("int64"),
  } | dict.fromkeys(("id", "split", "sha256"), text)
  inside = {"features": dict(sorted(features.items()))}
  return {"featuresDict": inside, "pythonClassName": f"{prefix}.features_dict.FeaturesDict"}


def info_json(name: str, payload: int, lengths: list[int]) -> dict:
  """What TFDS calls dataset_info.json. All records are in one split, "faces"."""
  split = {
    "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
    "name": "faces", "numBytes": str(payload), "shardLengths": [str(n) for n in lengths],
  }  # fmt: skip
  return {
    "description": DESCRIPTION, "fileFormat": "array_record", "name": name, "splits": [split],
    "version": "1.0.0",
  }  # fmt: skip
