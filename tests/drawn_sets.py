"""Downloads of faces as they would lie on a disk, drawn: small, and free."""

import io
import json
import zipfile

import numpy as np
from PIL import Image

from facefill_jax.data.drawn.faces import DrawnFaces
from facefill_jax.data.sets import celebamask_hq
from facefill_jax.labels import CLASSES


def save(path, array, **options):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(array).save(path, **options)


def faces(count, size=64):
  source = DrawnFaces(size, seed=3, length=count)
  return [source[i] for i in range(count)]


def celebamask_hq_tree(root, ids=(0, 1, 10, 2000), mapping=True):
  """The official layout, small: photos of 64 px, parts of 32. Returns the drawn faces by id."""
  drawn = dict(zip(ids, faces(len(ids)), strict=True))
  for i, face in drawn.items():
    save(root / "CelebA-HQ-img" / f"{i}.jpg", face["photo"], quality=95)
    for part in celebamask_hq.PARTS:
      mask = face["labels"][1::2, 1::2] == CLASSES.index(part)
      if mask.any():
        name = f"CelebAMask-HQ-mask-anno/{i // 2000}/{i:05d}_{part}.png"
        save(root / name, np.uint8(255) * mask)
  if mapping:
    lines = [f"{i} {162769 + 10 * i} {162770 + 10 * i}.jpg" for i in ids]
    text = "\n".join(["    idx    orig_idx    orig_file", *lines]) + "\n"
    (root / celebamask_hq.MAPPING).write_text(text)
  return drawn


def ffhq_landmarks(number):
  """68 points of a face as FFHQ aligns it, in 1024 px; each number has its own."""
  points = np.random.default_rng(number).uniform(200, 800, (68, 2))
  points[36:42] = np.array([385, 480]) + np.arange(6)[:, None]  # mean 2.5 beyond the first
  points[42:48] = np.array([640, 480]) + np.arange(6)[:, None]
  points[[30, 48, 54]] = (510, 620), (410, 740), (615, 740 + number % 7)
  return points.tolist()


def ffhq_tree(root, numbers=(0, 1, 999, 1000, 60001), metadata=True):
  """images1024x1024 in folders of 1,000 (64 px here), and the metadata file."""
  for number, face in zip(numbers, faces(len(numbers)), strict=True):
    name = f"images1024x1024/{number // 1000 * 1000:05d}/{number:05d}.png"
    save(root / name, face["photo"])
  save(root / "thumbnails128x128" / "00000" / "00000.png", np.zeros((8, 8, 3), np.uint8))
  if metadata:
    entries = {str(n): {"image": {"face_landmarks": ffhq_landmarks(n)}} for n in numbers}
    (root / "ffhq-dataset-v2.json").write_text(json.dumps(entries))


def zipped(root, path):
  with zipfile.ZipFile(path, "w") as archive:
    for file in sorted(root.rglob("*")):
      archive.write(file, file.relative_to(root))
  return path


def photo_folder(root, count=5, size=64, labelled=True):
  """(photos, labels): PNGs named face-0 ...; the last photo has no label map."""
  for i, face in enumerate(faces(count, size)):
    save(root / "photos" / f"face-{i}.png", face["photo"])
    if labelled and i < count - 1:
      save(root / "labels" / f"face-{i}.png", face["labels"])
  return root / "photos", root / "labels"


def png(array):
  buffer = io.BytesIO()
  Image.fromarray(array).save(buffer, "PNG")
  return buffer.getvalue()
