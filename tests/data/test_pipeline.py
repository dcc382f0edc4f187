"""The stream of batches: the same however it is read; where crops, flips and masks fall."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from facefill_jax.data import pipeline, squares
from facefill_jax.data.masks.training import FolderMasks, MaskMix
from facefill_jax.labels import CLASSES, VOID, flip_labels

MIX = MaskMix({"free_form": 2, "box": 1, "empty": 1})


class Numbered:
  """Noise photos; pixel (0, 0) of item i is (mark, i, i). Picklable, unlabelled if asked."""

  def __init__(self, length, mark=0, size=(80, 72), labelled=True):
    self.length, self.mark, self.size, self.labelled = length, mark, size, labelled

  def __len__(self):
    return self.length

  def __getitem__(self, index):
    rng = np.random.default_rng((self.mark, index))
    photo = rng.integers(0, 256, (*self.size, 3), np.uint8)
    photo[:, :, 0] = self.mark
    photo[:, :, 1] = index
    labels = rng.integers(0, 19, self.size, np.uint8)
    if not self.labelled:
      labels = np.full(self.size, VOID, np.uint8)
    return {"photo": photo, "labels": labels, "id": f"{index}"}


class Broken(Numbered):
  def __getitem__(self, index):
    raise ValueError(f"broken.jpg (photo {index}) cannot be read: truncated")


def take(count, sources=None, **options):
  """`count` batches of 4 at 64 px from two small sources."""
  sources = sources or [(Numbered(5, mark=1), 2.0), (Numbered(11, mark=2, labelled=False), 1.0)]
  options = {"resolution": 64, "batch_size": 4, "seed": 7, "zoom": (0.8, 1.0), **options}
  with pipeline.batches(sources, MIX, **options) as iterator:
    return [next(iterator) for _ in range(count)]


def assert_same(first, second):
  assert len(first) == len(second)
  for a, b in zip(first, second, strict=True):
    assert a.keys() == b.keys() == {"photo", "labels", "mask"}
    for name in a:
      np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.fixture(scope="module")
def stream():
  return take(10)


def joined(parts):
  return [
    {name: np.concatenate([part[name] for part in step]) for name in step[0]}
    for step in zip(*parts, strict=True)
  ]


def test_batches_have_the_promised_shapes(stream):
  for batch in stream:
    assert {name: (value.shape, value.dtype.name) for name, value in batch.items()} == {
      "photo": ((4, 64, 64, 3), "uint8"),
      "labels": ((4, 64, 64), "uint8"),
      "mask": ((4, 64, 64, 1), "bool"),
    }
    assert all(type(value) is np.ndarray for value in batch.values())


def test_the_seed_decides(stream):
  assert_same(stream, take(10))
  other = take(10, seed=8)
  assert any(np.any(a["mask"] != b["mask"]) for a, b in zip(stream, other, strict=True))
  assert any(np.any(a["photo"] != b["photo"]) for a, b in zip(stream, other, strict=True))


@pytest.mark.parametrize("start", [1, 4, 9])
def test_start_skips_batches(stream, start):
  assert_same(stream[start:], take(10 - start, start=start))


@pytest.mark.parametrize("count", [2, 4])
def test_processes_share_each_batch_in_order_over_epochs(stream, count):
  # 10 batches of 4 go through the 5 photos of the first source five times.
  parts = [take(10, process_index=index, process_count=count) for index in range(count)]
  assert_same(stream, joined(parts))
  late = [take(3, process_index=i, process_count=count, start=7) for i in range(count)]
  assert_same(stream[7:], joined(late))


def test_workers_do_not_change_the_stream(stream):
  assert_same(stream, take(10, workers=2))
  half = take(4, workers=1, start=6, process_index=1, process_count=2)
  assert_same([{name: v[2:] for name, v in batch.items()} for batch in stream[6:]], half)


def test_every_photo_comes_once_an_epoch_in_a_new_order_in_the_wanted_proportion():
  numbers = [b["photo"][:, 0, 0, :2] for b in take(33)]
  numbers = np.concatenate(numbers)
  of_first, of_second = (numbers[numbers[:, 0] == mark, 1] for mark in (1, 2))
  assert (len(of_first), len(of_second)) == (88, 44)
  epochs = of_second.reshape(4, 11)
  assert all(sorted(epoch) == list(range(11)) for epoch in epochs)
  assert len({tuple(epoch) for epoch in epochs}) == 4


def test_a_source_without_weight_is_left_out():
  sources = [(Numbered(3, mark=1), 0.0), (Numbered(1, mark=2), 0.5)]
  assert all((b["photo"][..., 0] == 2).all() for b in take(2, sources))


def test_flips_swap_left_and_right():
  class Face(Numbered):
    def __getitem__(self, index):
      labels = np.zeros((64, 64), np.uint8)
      labels[20, 10], labels[20, 50] = CLASSES.index("r_eye"), CLASSES.index("l_eye")
      photo = np.repeat((labels * 50)[..., None], 3, axis=-1)
      return {"photo": photo, "labels": labels, "id": str(index)}

  face = Face(1)[0]
  batch = take(1, [(Face(1), 1.0)], batch_size=40, zoom=(1.0, 1.0))[0]
  flipped = batch["labels"][:, 20, 50] == 0
  assert 8 < flipped.sum() < 32
  for photo, labels, turned in zip(batch["photo"], batch["labels"], flipped, strict=True):
    np.testing.assert_array_equal(photo, face["photo"][:, ::-1] if turned else face["photo"])
    np.testing.assert_array_equal(labels, flip_labels(face["labels"]) if turned else face["labels"])
  assert batch["labels"][flipped][0, 20, 53] == CLASSES.index("l_eye")  # 63 - 10, once r_eye
  unflipped = take(1, [(Face(1), 1.0)], batch_size=8, zoom=(1.0, 1.0), flip=False)[0]
  assert (unflipped["labels"] == face["labels"]).all()


def gradient(height, width):
  """Red = 2 * row, green = 2 * column; labels = column // 8 (mod 19)."""
  photo = np.zeros((height, width, 3), np.uint8)
  photo[..., 0] = 2 * np.arange(height)[:, None]
  photo[..., 1] = 2 * np.arange(width)
  labels = np.broadcast_to((np.arange(width) // 8 % 19).astype(np.uint8), (height, width))
  return photo, labels.copy()


def test_centre_square_of_a_gradient():
  photo, labels = gradient(96, 128)
  square = squares.random_square((96, 128), (1.0, 1.0), None)
  assert square == (0, 16, 96)
  small, small_labels = squares.cut(photo, labels, square, 48)
  # Each pixel is the mean of 2 x 2: the values 2x and 2(x + 1) have the mean 2x + 1.
  np.testing.assert_array_equal(small[5, :, 1], 2 * (16 + 2 * np.arange(48)) + 1)
  np.testing.assert_array_equal(small[:, 5, 0], 4 * np.arange(48) + 1)
  np.testing.assert_array_equal(small_labels[0], (16 + 2 * np.arange(48) + 1) // 8)


def test_growing_keeps_photo_and_labels_aligned():
  labels = np.zeros((32, 32), np.uint8)
  labels[:, 12:] = 1
  photo = np.repeat((labels * 255)[..., None], 3, axis=-1)
  large, large_labels = squares.cut(photo, labels, (0, 0, 32), 96)
  np.testing.assert_array_equal(large_labels, (np.arange(96) >= 36)[None].repeat(96, axis=0))
  np.testing.assert_array_equal(large[..., 0] > 127, large_labels.astype(bool))


def test_random_squares_lie_within_the_photo_and_reach_its_edges():
  rng = np.random.default_rng(0)
  drawn = np.array([squares.random_square((40, 30), (0.5, 1.0), rng) for _ in range(2000)])
  top, left, side = drawn.T
  assert side.min() == 15 and side.max() == 30
  assert top.min() == 0 and left.min() == 0
  assert (top + side).max() == 40 and (left + side).max() == 30


def test_fixed_batch_is_fixed_and_does_not_flip():
  source = Numbered(6, size=(64, 64))
  batch = pipeline.fixed_batch(source, MIX, resolution=64, count=4, seed=1)
  np.testing.assert_array_equal(batch["photo"], [source[i]["photo"] for i in range(4)])
  np.testing.assert_array_equal(batch["labels"], [source[i]["labels"] for i in range(4)])
  assert batch["mask"].shape == (4, 64, 64, 1) and batch["mask"].dtype == np.bool_
  longer = pipeline.fixed_batch(source, MIX, resolution=64, count=100, seed=1)
  assert len(longer["photo"]) == 6
  assert_same([batch], [{name: value[:4] for name, value in longer.items()}])


def test_fixed_batch_spreads_over_a_folder_of_masks(tmp_path):
  for rows in range(1, 9):
    mask = np.zeros((32, 32), np.uint8)
    mask[:rows] = 255
    Image.fromarray(mask).save(tmp_path / f"{rows}.png")
  masks = FolderMasks(tmp_path)
  batch = pipeline.fixed_batch(Numbered(4), masks, resolution=64, count=4, seed=0)
  assert batch["mask"].sum(axis=(1, 2, 3)).tolist() == [64 * 2 * rows for rows in (1, 3, 5, 7)]


@pytest.mark.parametrize(
  "options, message",
  [
    ({"resolution": 32}, r"resolution must be a multiple of 32, from 64 up; got 32"),
    ({"resolution": 100}, r"resolution must be a multiple of 32, from 64 up; got 100"),
    ({"batch_size": 5, "process_count": 2}, r"batch size 5 cannot be split over 2 processes"),
    ({"batch_size": 0}, r"batch size 0 cannot be split over 1 processes"),
    ({"process_index": 2, "process_count": 2}, r"process 2 of 2: valid are 0\.\.count - 1"),
    ({"zoom": (0.0, 1.0)}, r"zoom must be 0 < low <= high <= 1, got \(0\.0, 1\.0\)"),
    ({"zoom": (0.5, 1.5)}, r"zoom must be"),
    ({"seed": -1}, r"seed must be 0\.\.2\*\*32 - 1.*seed=-1"),
    ({"start": -1}, r"start=-1"),
    ({"sources": [(Numbered(3), -1.0)]}, r"source weights must be 0 or more.*\[-1\.0\]"),
    ({"sources": [(Numbered(3), 0.0)]}, r"source weights must be"),
    ({"sources": [(Numbered(3), 1.0), (Numbered(0), 1.0)]}, r"source 1 of 2 has no photos"),
    ({"workers": 10**6}, r"1000000 workers need about \d+ MiB of shared memory"),
  ],
)
def test_bad_options_are_refused(options, message):
  with pytest.raises(ValueError, match=message):
    take(0, **options)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_photo_is_reported_as_what_it_is(workers):
  with pytest.raises(ValueError) as caught:
    take(1, [(Broken(1), 1.0)], workers=workers)
  assert str(caught.value) == "broken.jpg (photo 0) cannot be read: truncated"


def test_a_closed_iterator_says_so():
  iterator = pipeline.batches([(Numbered(3), 1)], MIX, resolution=64, batch_size=2, seed=0)
  next(iterator)
  iterator.close()
  iterator.close()
  with pytest.raises(ValueError, match="closed"):
    next(iterator)


PROGRAM = """
import sys
import subprocess
import sys

import numpy as np
from facefill_jax.data import pipeline
from facefill_jax.data.drawn.faces import DrawnFaces
from facefill_jax.data.masks.training import MaskMix
if __name__ == "__main__":
  stream = pipeline.batches([(DrawnFaces(64, length=99), 1)], MaskMix({"box": 1}), resolution=64,
                            batch_size=2, seed=0, workers=2)
  batch = next(stream)
  if sys.argv[1] == "close":
    stream.close()
  if sys.argv[1] == "raise":
    raise SystemExit("only this line")
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", ["close", "leave", "raise"])
def test_workers_end_without_a_word(end, tmp_path):
  (tmp_path / "program.py").write_text(PROGRAM)
  done = subprocess.run(
    [sys.executable, str(tmp_path / "program.py"), end], capture_output=True, text=True, check=False
  )
  assert done.stdout == "" and done.stderr == ("only this line\n" if end == "raise" else "")
