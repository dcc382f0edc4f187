"""Photos from folders and zips: what is decoded how, what belongs to what, what is refused."""

import io
import pickle
import threading
import zipfile

import numpy as np
import pytest
from drawn_sets import save
from PIL import Image

from facefill_jax.data import decoding, file_tree, sources
from facefill_jax.labels import VOID


def picture(height=24, width=20, seed=0):
  return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def encode(image, kind="PNG", **options):
  buffer = io.BytesIO()
  image.save(buffer, kind, **options)
  return buffer.getvalue()


@pytest.fixture
def labelled(tmp_path):
  """Three photos, two of them labelled: (folder of photos, folder of labels)."""
  for number in (1, 2, 10):
    save(tmp_path / "photos" / f"{number}.png", picture(seed=number))
  save(tmp_path / "labels" / "1.png", np.full((24, 20), 3, np.uint8))
  save(tmp_path / "labels" / "10.png", np.full((24, 20), 18, np.uint8))
  return tmp_path / "photos", tmp_path / "labels"


def test_folder_gives_photos_and_labels_in_natural_order(labelled):
  folder = sources.Folder(*labelled)
  assert folder.ids == ["1.png", "2.png", "10.png"]
  assert [folder[i]["id"] for i in range(len(folder))] == folder.ids
  np.testing.assert_array_equal(folder[2]["photo"], picture(seed=10))
  assert [int(folder[i]["labels"].max()) for i in range(3)] == [3, VOID, 18]
  assert folder[1]["labels"].shape == (24, 20) and folder[1]["labels"].dtype == np.uint8


def test_zip_equals_directory_pickles_and_reads_from_threads(labelled, tmp_path):
  archive = tmp_path / "photos.zip"
  with zipfile.ZipFile(archive, "w") as file:
    for path in sorted(labelled[0].iterdir()):
      file.write(path, f"{path.name}")
    file.writestr("__MACOSX/._1.png", b"not a picture")
  plain, zipped = sources.Folder(*labelled), sources.Folder(archive, labelled[1])
  zipped[0]  # opens the handle, which must not be pickled
  again = pickle.loads(pickle.dumps(zipped))
  assert again.ids == plain.ids
  results = {}

  def read_all(k):
    results[k] = [again[i % 3]["photo"] for i in range(30)]

  threads = [threading.Thread(target=read_all, args=(k,)) for k in range(4)]
  [thread.start() for thread in threads]
  [thread.join() for thread in threads]
  for photos in results.values():
    for i, photo in enumerate(photos):
      np.testing.assert_array_equal(photo, plain[i % 3]["photo"])


def test_labels_match_by_path_or_by_the_only_stem(tmp_path):
  for name in ("a/1.png", "b/1.png", "b/2.png"):
    save(tmp_path / "photos" / name, picture())
  for value, name in enumerate(("a/1.png", "b/1.png", "2.png")):
    save(tmp_path / "labels" / name, np.full((24, 20), value, np.uint8))
  folder = sources.Folder(tmp_path / "photos", tmp_path / "labels")
  assert [int(folder[i]["labels"][0, 0]) for i in range(3)] == [0, 1, 2]
  (tmp_path / "labels" / "b" / "1.png").rename(tmp_path / "labels" / "1.png")
  with pytest.raises(ValueError, match=r"b/1\.png shares its stem"):
    sources.Folder(tmp_path / "photos", tmp_path / "labels")


def test_labels_inside_the_folder_of_photos_are_not_photos(tmp_path):
  save(tmp_path / "1.jpg", picture())
  save(tmp_path / "labels" / "1.png", np.full((24, 20), 5, np.uint8))
  folder = sources.Folder(tmp_path, tmp_path / "labels")
  assert folder.ids == ["1.jpg"] and folder[0]["labels"].max() == 5
  with pytest.raises(ValueError, match="keep the two apart"):
    sources.Folder(tmp_path, tmp_path)


def test_modes_of_photos_become_rgb():
  grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
  as_rgb = np.repeat(grey[..., None], 3, axis=-1)

  def read(image, kind="PNG", **options):
    return decoding.read_photo(encode(image, kind, **options))[0]

  np.testing.assert_array_equal(read(Image.fromarray(grey)), as_rgb)
  np.testing.assert_array_equal(read(Image.fromarray(grey.astype(np.uint16) * 257)), as_rgb)
  two = Image.fromarray(np.eye(16, dtype=np.uint8))
  two.putpalette([10, 20, 30, 40, 50, 60])
  np.testing.assert_array_equal(read(two)[0, :2], [(40, 50, 60), (10, 20, 30)])
  np.testing.assert_array_equal(read(two, transparency=0)[0, :2], [(40, 50, 60), (128, 128, 128)])
  alpha = np.zeros((16, 16, 4), np.uint8)
  alpha[0] = (200, 100, 50, 255)
  np.testing.assert_array_equal(read(Image.fromarray(alpha))[:2, 0], [(200, 100, 50), (128,) * 3])
  np.testing.assert_array_equal(read(Image.fromarray(grey > 127))[[0, -1], 0, 0], [0, 255])
  cmyk = Image.fromarray(picture(16, 16)).resize((16, 16), Image.Resampling.BOX).convert("CMYK")
  black = Image.new("CMYK", (16, 16), (0, 0, 0, 255))
  assert read(cmyk, "JPEG", quality=95).shape == (16, 16, 3)
  assert read(black, "JPEG", quality=95).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
  upright = picture(24, 16)
  flip = np.s_[:, ::-1]
  # What a camera stores for each orientation, so that a viewer shows `upright` (EXIF 2.3, 4.6.4).
  stored = {
    1: upright, 2: upright[flip], 3: np.rot90(upright, 2), 4: upright[::-1],
    5: np.rot90(upright[flip], 1), 6: np.rot90(upright, 1),
    7: np.rot90(upright[flip], -1), 8: np.rot90(upright, -1),
  }[orientation]  # fmt: skip
  exif = Image.Exif()
  exif[0x0112] = orientation
  data = encode(Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
  photo, size = decoding.read_photo(data)
  np.testing.assert_array_equal(photo, upright)
  assert size == (24, 16)


def test_draft_decoding_keeps_labels_aligned(tmp_path):
  # Left third dark, the rest bright, 8 x 8 JPEG blocks aligned with the edge.
  photo = np.zeros((192, 240, 3), np.uint8)
  photo[:, 80:] = 255
  save(tmp_path / "photos" / "1.jpg", photo, quality=95)
  save(tmp_path / "labels" / "1.png", (photo[..., 0] > 127).astype(np.uint8))
  item = sources.Folder(tmp_path / "photos", tmp_path / "labels", min_size=40)[0]
  assert item["photo"].shape == (48, 60, 3)  # 1/4: 1/8 would be below 40
  np.testing.assert_array_equal(item["labels"], (item["photo"][..., 0] > 127).astype(np.uint8))
  full = sources.Folder(tmp_path / "photos", tmp_path / "labels", min_size=150)[0]
  assert full["photo"].shape == photo.shape


def test_resize_nearest_samples_pixel_centres():
  values = np.arange(6)[None].repeat(2, axis=0)
  np.testing.assert_array_equal(decoding.resize_nearest(values, (2, 2)), [[1, 4], [1, 4]])
  np.testing.assert_array_equal(decoding.resize_nearest(values[:1, :2], (1, 4)), [[0, 0, 1, 1]])
  assert decoding.resize_nearest(values, (2, 6)) is values


def test_natural_order():
  names = ["b/10.png", "b/9.png", "a10/1.png", "a9/2.png", "01.png", "1.png"]
  expected = ["01.png", "1.png", "a9/2.png", "a10/1.png", "b/9.png", "b/10.png"]
  assert sorted(names, key=file_tree.natural) == expected


def test_spread():
  assert sources.spread(600, 4) == [0, 150, 300, 450]
  assert sources.spread(10, 4) == [0, 2, 5, 7]
  assert sources.spread(2, 4) == [0, 1]


def test_hold_out_goes_by_id_not_by_order(tmp_path):
  for number in range(20):
    save(tmp_path / f"{number}.png", picture(8, 8))
  folder = sources.Folder(tmp_path)
  train, held_out = sources.hold_out(folder, 5, seed=1)
  assert (len(train), len(held_out)) == (15, 5)
  assert set(train.ids).isdisjoint(held_out.ids)
  backwards = sources.Subset(folder, range(19, -1, -1))
  assert set(sources.hold_out(backwards, 5, seed=1)[1].ids) == set(held_out.ids)
  assert set(sources.hold_out(folder, 5, seed=2)[1].ids) != set(held_out.ids)
  # A photo that goes away takes nobody else out of the training part but a stand-in for itself.
  fewer = sources.Subset(folder, [i for i in range(20) if folder.ids[i] != held_out.ids[0]])
  assert len(set(sources.hold_out(fewer, 5, seed=1)[1].ids) - set(held_out.ids)) == 1
  assert held_out[3]["id"] == held_out.ids[3]
  with pytest.raises(ValueError, match=r"cannot hold out 20 of 20 .* 0\.\.19"):
    sources.hold_out(folder, 20, seed=1)


def test_missing_and_empty_folders_are_refused(tmp_path, labelled):
  with pytest.raises(ValueError, match=r"photos: .*nowhere does not exist"):
    sources.Folder(tmp_path / "nowhere")
  (tmp_path / "empty").mkdir()
  (tmp_path / "empty" / "notes.txt").write_text("no photo")
  with pytest.raises(ValueError, match=r"photos: none in .*empty; valid endings are \.jpg"):
    sources.Folder(tmp_path / "empty")
  with pytest.raises(ValueError, match=r"notes\.txt is neither a directory nor a readable \.zip"):
    sources.Folder(tmp_path / "empty" / "notes.txt")
  save(tmp_path / "others" / "77.png", np.zeros((24, 20), np.uint8))
  with pytest.raises(ValueError, match=r"no photo in .* 1\.png needs 1\.png, found 77\.png"):
    sources.Folder(labelled[0], tmp_path / "others")


@pytest.mark.parametrize("name", ["/tmp/1.jpg", "../1.jpg", "a/../../1.jpg"])
def test_a_zip_whose_entries_lead_out_of_it_is_refused(name, tmp_path):
  with zipfile.ZipFile(tmp_path / "photos.zip", "w") as file:
    file.writestr("1.jpg", b"")
    file.writestr(name, b"")
  with pytest.raises(ValueError, match=f"photos.zip has an entry that leads out of it: {name}"):
    file_tree.Files(tmp_path / "photos.zip", (".jpg",), "photos")


def test_bad_labels_are_refused_by_name(labelled):
  photos, labels = labelled
  save(labels / "1.png", np.full((24, 20), 20, np.uint8))
  save(labels / "2.png", np.zeros((20, 24), np.uint8))
  save(labels / "10.png", np.zeros((24, 20, 3), np.uint8))
  folder = sources.Folder(photos, labels)
  with pytest.raises(ValueError, match=r"labels/1\.png: label 20 found; valid labels are 0\.\.19"):
    folder[0]
  with pytest.raises(ValueError, match=r"photos/2\.png .* is 20 x 24 .*labels/2\.png are 24 x 20"):
    folder[1]
  with pytest.raises(ValueError, match=r"labels/10\.png cannot be read: mode RGB; .* 8-bit grey"):
    folder[2]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_truncated_photos_are_named(tmp_path, kind):
  data = encode(Image.fromarray(picture(64, 64)), kind)
  for cut in (len(data) // 2, 3, 0):
    (tmp_path / f"{cut}.{kind.lower()}").write_bytes(data[:cut])
  folder = sources.Folder(tmp_path)
  for i, name in enumerate(folder.ids):
    with pytest.raises(ValueError, match=rf"{name} \(photo {i}\) cannot be read: ") as caught:
      folder[i]
    assert "\n" not in str(caught.value) and "BytesIO" not in str(caught.value)


def test_damaged_zip_member_is_named(tmp_path):
  archive = tmp_path / "photos.zip"
  with zipfile.ZipFile(archive, "w") as file:
    file.writestr("1.png", encode(Image.fromarray(picture())))
  data = bytearray(archive.read_bytes())
  data[len(data) // 2] ^= 255
  archive.write_bytes(data)
  with pytest.raises(ValueError, match=r"photos\.zip/1\.png \(photo 0\) cannot be read: Bad CRC"):
    sources.Folder(archive)[0]
