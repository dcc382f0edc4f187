"""Downloads as sources: what is read from where, what is merged and mended, what is refused."""

import json
import shutil

import drawn_sets
import numpy as np
import pytest

from facefill_jax.data.sets import builders, celebamask_hq, ffhq
from facefill_jax.labels import CLASSES, VOID

IDS = (0, 1, 10, 2000)


def box(left, right, top=0):
  mask = np.zeros((10, 20), bool)
  mask[top : top + 4, left:right] = True
  return mask


@pytest.fixture
def mask_tree(tmp_path):
  drawn = drawn_sets.celebamask_hq_tree(tmp_path / "set", IDS)
  return tmp_path / "set", drawn


def test_names():
  with pytest.raises(ValueError, match="'bogus' is not one of celebamask_hq, ffhq, folder_faces"):
    builders.open_originals("bogus", ".", size=64)
  with pytest.raises(ValueError, match="only folder_faces"):
    builders.open_originals("ffhq", ".", labels="x", size=64)


def test_later_parts_lie_over_earlier_ones():
  merged = celebamask_hq.merge({"cloth": box(8, 12), "skin": box(0, 20), "hair": box(10, 14)})
  assert merged[0].tolist() == [1] * 8 + [18] * 4 + [13] * 2 + [1] * 6
  assert not merged[4:].any()


@pytest.mark.parametrize(
  ("masks", "expected"),
  [
    ({"l_eye": (15, 17), "r_eye": (3, 5)}, ()),
    ({"l_eye": (3, 5), "r_eye": (15, 17)}, ("eye",)),
    ({"l_brow": (3, 5), "r_brow": (15, 17), "l_ear": (0, 2), "r_ear": (18, 20)}, ("brow", "ear")),
    ({"l_ear": (18, 20), "nose": (9, 11)}, ()),
    ({"l_ear": (0, 2), "nose": (9, 11)}, ("ear",)),
    ({"r_ear": (18, 20), "nose": (9, 11)}, ("ear",)),
    ({"l_eye": (8, 10), "nose": (9, 11)}, ()),  # .5 px beyond: not a tenth of 20
    ({"l_ear": (0, 2)}, ()),  # nothing to hold it against
  ],
)
def test_left_and_right(masks, expected):
  masks = {part: box(*sides) for part, sides in masks.items()}
  found, mended = celebamask_hq.mend_pairs(masks)
  assert mended == expected and len(found) == len(masks)
  for part, mask in masks.items():
    side, _, pair = part.partition("_")
    name = {"l": "r_", "r": "l_"}[side] + pair if pair in mended else part
    np.testing.assert_array_equal(found[name], mask)


def test_celebamask_hq(mask_tree):
  root, drawn = mask_tree
  source = builders.open_originals("celebamask_hq", root, size=64)
  assert source.ids == ["0", "1", "10", "2000"]
  assert source.numbers == [162770 + 10 * i for i in IDS]
  assert source.official == ["train", "validation", "validation", "test"]
  item = source[2]
  assert item["id"] == "10" and item["photo"].shape == (64, 64, 3) and item["mended"] == ()
  expected = drawn[10]["labels"][1::2, 1::2].repeat(2, 0).repeat(2, 1)
  np.testing.assert_array_equal(item["labels"], expected)


def test_celebamask_hq_as_zip_and_without_mapping(mask_tree, tmp_path):
  root, _ = mask_tree
  (root / celebamask_hq.MAPPING).unlink()
  shutil.rmtree(root / "CelebAMask-HQ-mask-anno" / "1")
  plain = builders.open_originals("celebamask_hq", root.parent, size=64)  # one above
  zipped = builders.open_originals(
    "celebamask_hq", drawn_sets.zipped(root, tmp_path / "faces.zip"), size=64
  )
  assert plain.ids == zipped.ids and plain.numbers == [0] * 4 and plain.official == [""] * 4
  np.testing.assert_array_equal(plain[1]["labels"], zipped[1]["labels"])
  assert (zipped[3]["labels"] == VOID).all()  # no annotation: unlabelled


def test_celebamask_hq_half_unpacked_is_counted(mask_tree, caplog):
  root, _ = mask_tree
  folder = root / "CelebAMask-HQ-mask-anno"
  builders.open_originals("celebamask_hq", root, size=64)
  assert not caplog.records
  (folder / "0" / "00010_skin.png").unlink()
  drawn_sets.save(folder / "0" / "00001_skin.png", np.zeros((32, 32), np.uint8))  # damaged
  (folder / "1").rename(root.parent / "spare")
  drawn_sets.save(folder / "0" / "00077_skin.png", np.full((32, 32), 255, np.uint8))
  source = builders.open_originals("celebamask_hq", root, size=64)
  (line,) = (record.getMessage() for record in caplog.records)
  assert (
    "1 without parts, for example 2000 and 1 with parts but no skin, not unpacked whole, "
    "for example 10, of 4 photos: unlabelled"
  ) in line
  assert "parts of 1 photo not there, for example 77" in line
  void = [bool((source[i]["labels"] == VOID).all()) for i in range(4)]
  assert void == [False, True, True, True]


def test_celebamask_hq_swapped_files_are_mended(mask_tree):
  root, _ = mask_tree
  source = builders.open_originals("celebamask_hq", root, size=64)
  before = source[0]["labels"]
  folder = root / "CelebAMask-HQ-mask-anno" / "0"
  left, right, spare = (folder / f"00000_{p}.png" for p in ("l_eye", "r_eye", "spare"))
  assert left.exists() and right.exists()
  left.rename(spare), right.rename(left), spare.rename(right)
  item = source[0]
  assert item["mended"] == ("eye",)
  np.testing.assert_array_equal(item["labels"], before)


def test_celebamask_hq_refusals(mask_tree, tmp_path):
  root, _ = mask_tree
  photo = root / "CelebA-HQ-img" / "0.jpg"
  photo.write_bytes(photo.read_bytes()[:300])
  with pytest.raises(ValueError, match=r"CelebA-HQ-img/0\.jpg cannot be read: [^<]*$"):
    builders.open_originals("celebamask_hq", root, size=64)[0]
  (root / celebamask_hq.MAPPING).write_text("head\n0 1 1.jpg\n")
  with pytest.raises(ValueError, match="no line for photo 1"):
    builders.open_originals("celebamask_hq", root, size=64)
  (root / celebamask_hq.MAPPING).write_text("head\n0 1.jpg\n")
  with pytest.raises(ValueError, match=r"'0 1\.jpg' is not"):
    builders.open_originals("celebamask_hq", root, size=64)
  drawn_sets.save(
    root / "CelebAMask-HQ-mask-anno" / "0" / "00000_beak.png", np.zeros((4, 4), np.uint8)
  )
  with pytest.raises(ValueError, match="part 'beak' is not one of"):
    builders.open_originals("celebamask_hq", root, size=64)
  drawn_sets.save(tmp_path / "else" / "0.jpg", np.zeros((4, 4, 3), np.uint8))
  with pytest.raises(ValueError, match="no CelebA-HQ-img"):
    builders.open_originals("celebamask_hq", tmp_path / "else", size=64)


@pytest.mark.parametrize("where", ["above", "folder", "zip"])
def test_ffhq(tmp_path, where):
  drawn_sets.ffhq_tree(tmp_path / "ffhq", numbers=(999, 1000, 60001))
  place = tmp_path / "ffhq"
  if where == "folder":
    place = place / "images1024x1024"
  elif where == "zip":
    place = drawn_sets.zipped(place / "images1024x1024", tmp_path / "ffhq" / "faces.zip")
  source = builders.open_originals("ffhq", place, size=32)
  assert source.ids == ["00999", "01000", "60001"]
  assert source.official == ["train", "train", "validation"]
  item = source[1]
  assert item["photo"].shape == (64, 64, 3) and (item["labels"] == VOID).all()
  # Means of 36..41 and 42..47, then 30, 48, 54; 64 px of 1024.
  want = [(387.5, 482.5), (642.5, 482.5), (510, 620), (410, 740), (615, 740 + 1000 % 7)]
  np.testing.assert_allclose(item["landmarks"], np.array(want) / 16, rtol=1e-6)


@pytest.mark.parametrize("other", ["in-the-wild-images", "thumbnails128x128"])
@pytest.mark.parametrize("where", ["above", "folder", "below", "zip"])
def test_ffhq_in_the_wild_and_thumbnails_are_refused(tmp_path, other, where):
  drawn_sets.ffhq_tree(tmp_path / "ffhq", numbers=(5, 7))
  (tmp_path / "ffhq" / "images1024x1024").rename(tmp_path / "ffhq" / "moved")
  shutil.rmtree(tmp_path / "ffhq" / "thumbnails128x128")
  place = (tmp_path / "ffhq" / "moved").rename(tmp_path / "ffhq" / other)
  if where == "above":
    place = tmp_path / "ffhq"
  elif where == "below":
    place = place / "00000"
  elif where == "zip":
    place = drawn_sets.zipped(place, tmp_path / f"{other}.zip")
  with pytest.raises(ValueError, match=f"{other}, which are not .* give images1024x1024"):
    builders.open_originals("ffhq", place, size=32)


def test_ffhq_photos_that_cannot_be_aligned_are_refused(tmp_path):
  drawn_sets.save(tmp_path / "00000.png", np.zeros((20, 30, 3), np.uint8))
  drawn_sets.save(tmp_path / "00001.png", np.zeros((20, 20, 3), np.uint8))
  (tmp_path / "00002.png").write_bytes(b"nothing")
  source = builders.open_originals("ffhq", tmp_path, size=20)
  assert source[1]["photo"].shape == (20, 20, 3)
  with pytest.raises(ValueError, match=r"00000\.png is 30 x 20: .* give images1024x1024"):
    source[0]
  with pytest.raises(ValueError, match=r"00001\.png is 20 x 20: .* than the 64 px"):
    builders.open_originals("ffhq", tmp_path, size=64)[1]
  with pytest.raises(ValueError, match=r"00002\.png cannot be read: cannot identify image file$"):
    source[2]


@pytest.mark.parametrize("change", [lambda x: x * 2 + 300, lambda x: x / 2 + 256, lambda x: x + 99])
def test_ffhq_landmarks_of_another_frame_are_left_out_and_counted(tmp_path, caplog, change):
  drawn_sets.ffhq_tree(tmp_path, numbers=(5, 7))
  path = tmp_path / ffhq.METADATA
  metadata = json.loads(path.read_text())
  points = np.array(metadata["7"]["image"]["face_landmarks"])
  metadata["7"]["image"]["face_landmarks"] = change(points).tolist()
  path.write_text(json.dumps(metadata))
  source = builders.open_originals("ffhq", tmp_path, size=32)
  assert "landmarks" in source[0] and "landmarks" not in source[1]
  (line,) = (record.getMessage() for record in caplog.records)
  assert "FFHQ: 1 of 2 photos" in line and "for example 00007: they are left out" in line


def test_ffhq_without_metadata_and_with_a_bad_one(tmp_path):
  drawn_sets.ffhq_tree(tmp_path, numbers=(5,), metadata=False)
  assert "landmarks" not in builders.open_originals("ffhq", tmp_path, size=32)[0]
  (tmp_path / ffhq.METADATA).write_text('{"5": {"image": {}}}')
  with pytest.raises(ValueError, match=r"ffhq-dataset-v2\.json cannot be read.*face_landmarks"):
    builders.open_originals("ffhq", tmp_path, size=32)
  drawn_sets.save(tmp_path / "else" / "face.png", np.zeros((4, 4, 3), np.uint8))
  with pytest.raises(ValueError, match="no photos like"):
    builders.open_originals("ffhq", tmp_path / "else", size=32)


def test_folder_faces(tmp_path):
  photos, labels = drawn_sets.photo_folder(tmp_path, count=3)
  source = builders.open_originals("folder_faces", photos, labels=str(labels), size=64)
  assert source.ids == ["face-0.png", "face-1.png", "face-2.png"] and source.numbers == [0] * 3
  assert source[0]["labels"].max() < len(CLASSES) - 1
  assert (source[2]["labels"] == VOID).all()
