"""Which photo gets which mask, what the fill is called, and what is refused."""

import numpy as np
import pytest
from drawn_sets import save
from PIL import Image

from facefill_jax.data.masks import files, patterns, protocols
from facefill_jax.evaluation import holes, pairs


@pytest.fixture
def data(tmp_path):
  """Three photos of 48 x 64 with labels, and masks in two bins, named so that order matters."""
  rng = np.random.default_rng(0)
  for i in range(3):
    save(tmp_path / "photos" / f"{i}.png", rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    save(tmp_path / "labels" / f"{i}.png", np.full((48, 64), i, np.uint8))
  for name, rows in (("10-20", (4, 5)), ("2-10", (1, 2, 3))):
    for k, height in enumerate(rows):
      mask = np.zeros((32, 32), np.uint8)
      mask[10 : 10 + height] = 255
      save(tmp_path / "masks" / name / f"m{k}.png", mask)
  return tmp_path


def opened(data, masks="masks", **options):
  source = pairs.open_photos(str(data / "photos"), 32, str(data / "labels"))
  return pairs.Pairs(source, holes.FolderHoles(data / masks, pairs.ids_of(source)), 32, **options)


def test_bins_turns_and_names(data):
  faces = opened(data, masks_per_photo=2)
  assert [p.id for p in faces.pairs[:4]] == [
    "2-10/0_mask000", "2-10/0_mask001", "10-20/0_mask000", "10-20/0_mask001",
  ]  # fmt: skip
  (batch,) = faces.batches(16)
  heights = {p.id: int(m.sum() / 32) for p, m in zip(batch["pair"], batch["mask"], strict=True)}
  # Masks start over: photos 0 1 2 get 1 2 3 rows of 32, and again; then 4 5 4, and 5 4 5.
  for turn, first, second in ((0, (1, 2, 3), (4, 5, 4)), (1, (1, 2, 3), (5, 4, 5))):
    assert tuple(heights[f"2-10/{i}_mask00{turn}"] for i in range(3)) == first
    assert tuple(heights[f"10-20/{i}_mask00{turn}"] for i in range(3)) == second
  assert batch["mask_name"][:3] == ["2-10/m0.png", "2-10/m0.png", "10-20/m0.png"]
  assert batch["bin"][:3] == ["2-10", "2-10", "10-20"]
  assert [p.id for p in opened(data).pairs[:3]] == ["2-10/0", "10-20/0", "2-10/1"]


def test_photos_are_cut_and_resized_by_lanczos_and_labels_by_nearest(data):
  (batch,) = opened(data, "masks/2-10").batches(8)
  with Image.open(data / "photos" / "1.png") as photo:
    square = photo.crop((8, 0, 56, 48))
  want = np.asarray(square.resize((32, 32), Image.Resampling.LANCZOS))
  np.testing.assert_array_equal(batch["photo"][1], want)
  assert (batch["labels"][2] == 2).all()
  assert batch["bin"] == ["0-10"] * 3  # without folders bins go by hole share
  photos = np.concatenate(list(opened(data).photos(2)))
  np.testing.assert_array_equal(photos, batch["photo"])


def test_batches_are_slices_of_one_order(data):
  faces = opened(data)
  whole = next(faces.batches(6))
  parts = list(faces.batches(4))
  assert [len(part["photo"]) for part in parts] == [4, 2]
  for name in ("photo", "labels", "mask"):
    np.testing.assert_array_equal(np.concatenate([p[name] for p in parts]), whole[name])
  (some,) = faces.batches(4, [5, 0])
  assert some["pair"] == [faces.pairs[5], faces.pairs[0]]
  np.testing.assert_array_equal(some["mask"][1], whole["mask"][0])
  (small,) = faces.at(16).batches(6)
  assert small["photo"].shape == (6, 16, 16, 3) and faces.size == 32
  assert small["pair"] == whole["pair"]


def test_a_mask_of_its_photos_size_is_cut_alike(data):
  mask = np.zeros((48, 64), np.uint8)
  mask[:, 8:20] = 255  # a quarter of the centre square
  save(data / "own" / "m0.png", mask)
  (batch,) = opened(data, "own").batches(8)
  assert batch["mask"][0].mean() == 0.25 and batch["mask"][0, :, :8].all()


def test_protocols_draw_by_seed_and_number():
  source = pairs.open_photos("drawn:2", 64)
  faces = pairs.Pairs(source, holes.ProtocolHoles("mat_small", 7, 64), 64, 2)
  (batch,) = faces.batches(4)
  assert batch["mask_name"] == [f"mat_small/{k}" for k in (0, 2, 1, 3)]
  for mask, index in zip(batch["mask"], (0, 2, 1, 3), strict=True):
    want = patterns.draw("mat_small", 7, index, 64)
    np.testing.assert_array_equal(mask[..., 0], want)
  assert pairs.is_labelled("drawn:2", source) and len(np.unique(batch["labels"])) > 3


class Sparse:
  """A protocol whose masks 0, 3, 6, ... are empty."""

  name, count = "sparse", None

  def draw(self, seed, index, size):
    return np.full((size, size), index % 3 > 0)

  def source(self, index):
    return None


def test_empty_masks_of_a_protocol_are_left_out_as_in_its_sets(monkeypatch):
  monkeypatch.setattr(protocols, "open_protocol", lambda name, labels: Sparse())
  source = pairs.open_photos("drawn:4", 32)
  (batch,) = pairs.Pairs(source, holes.ProtocolHoles("sparse", 0, 32), 32).batches(4)
  want = [index for index, _ in files.draw_masks(Sparse(), 4, 32, 0)]
  assert want == [1, 2, 4, 5] and batch["mask_name"] == [f"sparse/{index}" for index in want]


def test_parts_are_those_of_the_photos_own_labels(data):
  for i in range(3):
    labels = np.zeros((48, 64), np.uint8)
    labels[10 + i, 30] = 2
    save(data / "labels" / f"{i}.png", labels)
  save(data / "labels" / "00.png", np.full((48, 64), 2, np.uint8))  # of no photo, but first
  source = pairs.open_photos(str(data / "photos"), 48)
  parts = holes.ProtocolHoles("parts:nose@0", 0, 48, str(data / "labels"), pairs.ids_of(source))
  (batch,) = pairs.Pairs(source, parts, 48).batches(3)
  assert [np.argwhere(m[..., 0]).tolist() for m in batch["mask"]] == [
    [[10 + i, 22]] for i in range(3)
  ]
  save(data / "labels" / "2.png", np.zeros((48, 64), np.uint8))  # no nose to be seen
  some = holes.ProtocolHoles("parts:nose@0", 0, 48, str(data / "labels"), pairs.ids_of(source))
  assert [p.photo for p in pairs.Pairs(source, some, 48).pairs] == [0, 1]
  with pytest.raises(ValueError, match="one mask a photo"):
    pairs.Pairs(source, parts, 48, 2)
  (data / "labels" / "1.png").unlink()
  with pytest.raises(ValueError, match=r"1 of 3 photos have no label map.* for example 1\.png"):
    holes.ProtocolHoles("parts:nose@0", 0, 48, str(data / "labels"), pairs.ids_of(source))


def test_bins_take_their_lower_end_and_have_an_order():
  shares = (0.0, 0.0999, 0.1, 0.35, 0.6, 1.0)
  want = ["0-10", "0-10", "10-20", "30-40", "60+", "60+"]
  assert [pairs.bin_of(share) for share in shares] == want
  assert pairs.in_order(["60+", "10-20", "60+", "0-10"]) == ["0-10", "10-20", "60+"]
  assert pairs.in_order(["b10", "b2", "a"]) == ["a", "b2", "b10"]


def test_rejections(data):
  save(data / "wide" / "m.png", np.eye(20, 32, dtype=np.uint8) * 255)
  with pytest.raises(ValueError, match="must be square, or of its photo's size"):
    next(opened(data, "wide").batches(1))
  save(data / "black" / "m.png", np.zeros((32, 32), np.uint8))
  with pytest.raises(ValueError, match="has no hole"):
    next(opened(data, "black").batches(1))
  dot = np.zeros((320, 320), np.uint8)
  dot[0, 0] = 255
  save(data / "dot" / "m.png", dot)
  with pytest.raises(ValueError, match="has no hole at 32 px"):
    next(opened(data, "dot").batches(1))
  (data / "none").mkdir()
  with pytest.raises(ValueError, match="none in"):
    opened(data, "none")
  with pytest.raises(ValueError, match="no pairs"):
    pairs.Pairs([], None, 32)
  for count in ("0", "x", ""):
    with pytest.raises(ValueError, match="drawn:50"):
      pairs.open_photos(f"drawn:{count}", 32)
  save(data / "photos" / "1.jpg", np.zeros((48, 64, 3), np.uint8))
  with pytest.raises(ValueError, match=r"1\.jpg and 1\.png would share the fill 1"):
    opened(data, "masks/2-10")
