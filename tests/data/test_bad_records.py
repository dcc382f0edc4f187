"""Damaged records: named, or replaced in a stream that stays the same however it is read."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from facefill_jax.data import bad_records, opening, pipeline
from facefill_jax.data.bad_records import BadRecordError
from facefill_jax.data.masks.training import MaskMix
from facefill_jax.data.sources import Folder, hold_out

MIX = MaskMix({"box": 1})
GOOD = 12


def encode(array, kind="PNG", **options):
  buffer = io.BytesIO()
  Image.fromarray(array).save(buffer, kind, **options)
  return buffer.getvalue()


def photo_of(number):
  return np.random.default_rng(number).integers(0, 256, (72, 64, 3), np.uint8)


def flipped_bit(data):
  """A PNG in which a bit of the pixels has flipped: its checksums no longer hold."""
  changed = bytearray(data)
  changed[len(data) // 2] ^= 16
  return bytes(changed)


PNG = encode(photo_of(99))
LABELS = encode(np.full((72, 64), 1, np.uint8))
DAMAGE = {  # photo, labels -> words of the error
  "truncated": (PNG[: len(PNG) // 2], LABELS, r"bad\.png \(photo \d+\) cannot be read: "),
  "truncated jpeg": (encode(photo_of(1), "JPEG")[:900], LABELS, r"bad\.png .*: image file is tr"),
  "zero bytes": (b"", LABELS, r"bad\.png .*cannot identify image file"),
  "not an image": (b"<html>404</html>" * 20, LABELS, r"bad\.png .*cannot identify image file"),
  "bit flip": (flipped_bit(PNG), LABELS, r"bad\.png .*cannot be read: "),
  "truncated labels": (PNG, LABELS[:50], r"labels/bad\.png cannot be read: "),
  "labels of another size": (PNG, encode(np.zeros((64, 72), np.uint8)), r"64 x 72 .* are 72 x 64"),
  "no class": (PNG, encode(np.full((72, 64), 20, np.uint8)), r"labels/bad\.png: label 20 found"),
  "labels in colour": (PNG, PNG, r"labels/bad\.png cannot be read: mode RGB"),
}  # fmt: skip


def folder(path, damage, good=GOOD):
  """A folder source of `good` labelled photos and, as "bad.png", one that is damaged."""
  files = {f"{i}.png": (encode(photo_of(i)), LABELS) for i in range(good)}
  files["bad.png"] = DAMAGE[damage][:2]
  for kind, which in (("photos", 0), ("labels", 1)):
    (path / kind).mkdir(parents=True)
    for name, contents in files.items():
      (path / kind / name).write_bytes(contents[which])
  return Folder(path / "photos", path / "labels")


class Photos:
  """Photo i is all i. Those in `bad` are bad; `fault` is what else goes wrong, if anything."""

  def __init__(self, length, bad=(), fault=None):
    self.length, self.bad, self.fault = length, frozenset(bad), fault

  def __len__(self):
    return self.length

  def __getitem__(self, index):
    if index in self.bad:
      raise BadRecordError(f"shard-3 record {index} is bad")
    if self.fault is not None:
      raise self.fault
    photo = np.full((64, 64, 3), index % 256, np.uint8)
    photo[..., 1] = index // 256
    return {"photo": photo, "labels": np.zeros((64, 64), np.uint8), "id": f"{index}"}


def stream(sources, batch_size=4, **options):
  sources = sources if isinstance(sources, list) else [(sources, 1.0)]
  options = {"on_bad_record": "skip", "resolution": 64, "seed": 5, **options}
  return pipeline.batches(sources, MIX, batch_size=batch_size, **options)


def take(count, sources, **options):
  with stream(sources, **options) as batches:
    return [next(batches) for _ in range(count)], batches.skipped


def numbers(batches):
  """Which of `Photos` came, in order."""
  photos = np.concatenate([batch["photo"][:, 0, 0].astype(int) for batch in batches])
  return photos[:, 0] + 256 * photos[:, 1]


def assert_same(first, second):
  assert len(first) == len(second)
  for a, b in zip(first, second, strict=True):
    assert a.keys() == b.keys() == {"photo", "labels", "mask"}
    for name in a:
      np.testing.assert_array_equal(a[name], b[name])


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named_or_skipped(tmp_path, damage):
  source = folder(tmp_path, damage)
  message = DAMAGE[damage][2]
  with pytest.raises(BadRecordError, match=message) as caught:
    take(8, source, on_bad_record="error")
  assert "\n" not in str(caught.value)
  with pytest.raises(BadRecordError, match=message):
    opening.check_items(source)
  _, skipped = take(4, source)  # 16 samples: the bad one is met once or twice
  assert (skipped.drawn, skipped.ids) == (16, ["bad.png"]) and 1 <= skipped.count <= 2
  good = {zlib.crc32(photo_of(i)[4:68].tobytes()) for i in range(GOOD)}
  unflipped = take(4, source, flip=False)[0]
  assert {zlib.crc32(photo.tobytes()) for b in unflipped for photo in b["photo"]} <= good
  assert skipped.describe() == f"skipped {skipped.count} bad records in 16 samples: bad.png"
  opening.check_items(source, "skip")


def test_the_system_and_bugs_are_never_skipped(tmp_path):
  source = folder(tmp_path, "truncated")
  (tmp_path / "photos" / "3.png").unlink()
  with pytest.raises(ValueError, match=r"3\.png .*cannot be read: .*No such file") as caught:
    take(4, source)
  assert not isinstance(caught.value, BadRecordError)
  for fault in (TypeError("a bug"), ValueError("a bug"), KeyError("a bug")):
    with pytest.raises(type(fault), match="a bug"):
      take(1, Photos(9, fault=fault))


def test_without_bad_records_skipping_changes_nothing():
  sources = [(Photos(30), 2.0), (Photos(7), 1.0)]
  plain, skipped = take(30, sources, on_bad_record="error")
  assert skipped is None
  careful, skipped = take(30, sources)
  assert_same(plain, careful)
  assert (skipped.drawn, skipped.count, skipped.ids) == (120, 0, [])


BAD = [(Photos(900, bad=(17, 401)), 3.0), (Photos(700, bad=(5,)), 1.0)]


@pytest.fixture(scope="module")
def long():
  """200 batches of 4 from two sources with three bad records."""
  return take(200, BAD)


def test_only_the_bad_one_is_replaced(long):
  plain, _ = take(200, [(Photos(900), 3.0), (Photos(700), 1.0)], on_bad_record="error")
  before, after = numbers(plain), numbers(long[0])
  changed = np.flatnonzero(before != after)
  assert 1 <= len(changed) == long[1].count <= 3
  assert set(before[changed]) <= {17, 401, 5}
  untouched = np.setdiff1d(np.arange(800), changed)
  masks = [np.concatenate([b["mask"] for b in batches])[untouched] for batches in (plain, long[0])]
  np.testing.assert_array_equal(*masks)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_stream_is_the_same_for_any_number_of_workers(long, workers):
  batches, skipped = take(200, BAD, workers=workers)
  assert_same(batches, long[0])
  assert vars(skipped).items() >= {"drawn": 800, "count": long[1].count, "ids": long[1].ids}.items()


def test_the_stream_is_the_same_after_a_resume_and_over_processes(long):
  assert_same(take(83, BAD, start=117)[0], long[0][117:])
  parts = [take(200, BAD, process_index=i, process_count=2) for i in range(2)]
  joined = [
    {name: np.concatenate([a[name], b[name]]) for name in a}
    for a, b in zip(parts[0][0], parts[1][0], strict=True)
  ]
  assert_same(joined, long[0])
  assert parts[0][1].count + parts[1][1].count == long[1].count


def test_a_far_resume():
  source, options = Photos(1500, bad=(40,)), {"batch_size": 4}
  plain = take(400, Photos(1500), start=517, on_bad_record="error", **options)[0]
  position = 517 + int(np.flatnonzero(numbers(plain) == 40)[0]) // 4
  late, skipped = take(2, source, start=position, **options)
  assert skipped.count == 1 and 40 not in numbers(late)
  assert_same(late, take(position + 2, source, **options)[0][position:])


def test_stand_ins_differ_from_epoch_to_epoch():
  batches, skipped = take(12, Photos(40, bad=(7,)), batch_size=10)
  epochs = numbers(batches).reshape(3, 40)
  twice = [np.flatnonzero(np.bincount(epoch, minlength=40) == 2)[0] for epoch in epochs]
  assert len(set(twice)) > 1 and skipped.count == 3 and skipped.ids == ["record 7"]


def test_the_rule():
  assert not bad_records.too_many(3, 3) and bad_records.too_many(4, 4)
  assert not bad_records.too_many(4, 1000) and bad_records.too_many(4, 999)
  assert not bad_records.too_many(13, 10_000) and bad_records.too_many(14, 10_000)


def test_it_stops_above_the_limit():
  source = Photos(100, bad=range(0, 100, 20))  # 5 % are bad
  with stream(source, batch_size=5) as batches:
    with pytest.raises(BadRecordError, match=r"^4 bad records in the \d+ samples") as caught:
      for _ in range(20):
        next(batches)
    assert batches.skipped.count == 4 and batches.skipped.drawn < 100
  assert "3 + 0.1 % are tolerated; the first: shard-3 record" in str(caught.value)


def test_nothing_but_bad_records_fails_at_once():
  for length in (1, 50):
    with pytest.raises(BadRecordError, match="8 records in a row are bad; the last: shard-3 rec"):
      take(1, Photos(length, bad=range(length)))
  with pytest.raises(BadRecordError, match="2 of the 2 records that were tried are bad; the first"):
    opening.check_items(Photos(2, bad=(0, 1)), "skip")
  with pytest.raises(BadRecordError, match="4 of the 9 records that were tried are bad"):
    opening.check_items(Photos(500, bad=range(0, 500, 2)), "skip")


def test_a_fixed_batch_leaves_bad_ones_out():
  source, options = Photos(6, bad=(0, 2)), {"resolution": 64, "seed": 0}
  batch = pipeline.fixed_batch(source, MIX, count=3, on_bad_record="skip", **options)
  assert numbers([batch]).tolist() == [1, 3, 4]
  batch = pipeline.fixed_batch(source, MIX, count=99, on_bad_record="skip", **options)
  assert numbers([batch]).tolist() == [1, 3, 4, 5]
  with pytest.raises(BadRecordError, match="record 0 is bad"):
    pipeline.fixed_batch(source, MIX, count=3, **options)
  with pytest.raises(BadRecordError, match="2 of the 2 records"):
    pipeline.fixed_batch(Photos(2, bad=(0, 1)), MIX, count=3, on_bad_record="skip", **options)


def test_a_part_of_a_source_names_its_own(tmp_path):
  kept, _ = hold_out(folder(tmp_path, "zero bytes"), 2, seed=1)
  assert "bad.png" in kept.ids
  assert take(4, kept)[1].ids == ["bad.png"]


def test_unknown_choices():
  with pytest.raises(ValueError, match=r"data\.on_bad_record 'ignore' is not one of error, skip"):
    stream(Photos(3), on_bad_record="ignore")
  with pytest.raises(ValueError, match=r"data\.on_bad_record 'ignore' is not one of error, skip"):
    opening.open_data(kind="drawn", on_bad_record="ignore", resolution=64, seed=0)
