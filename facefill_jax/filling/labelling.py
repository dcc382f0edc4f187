"""Layouts for photos that have none: the layout network, asked about photos without a hole."""

import csv
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from facefill_jax import files
from facefill_jax.data import squares
from facefill_jax.data.bad_records import BadRecordError
from facefill_jax.data.decoding import read_grey, read_labels
from facefill_jax.data.file_tree import Files, read_with
from facefill_jax.data.pairing import key
from facefill_jax.data.sources import match
from facefill_jax.data.vocabularies import OURS, Vocabulary
from facefill_jax.filling.filler import Filler
from facefill_jax.filling.frame import Frame
from facefill_jax.labels import CLASSES
from facefill_jax.metrics.agreement import Agreement
from facefill_jax.models.networks import LAYOUT

CSV = "confidence.csv"
MODEL = "model.sha256"
FACE = tuple(CLASSES.index(name) for name in (
  "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth",
  "u_lip", "l_lip",
))  # fmt: skip
"""The classes over which a photo's confidence is averaged."""


@dataclass(frozen=True)
class Labelled:
  """What the network sees in one photo.

  Attributes:
    ids: uint8 (h, w), class ids; void outside the centre square, which the network does not see.
    probability: float32 (h, w), of those classes; 0 outside the square.
  """

  ids: np.ndarray
  probability: np.ndarray

  @property
  def confidence(self) -> float:
    """Mean of the probability over the pixels read as a class of FACE; 0 if there are none."""
    face = np.isin(self.ids, FACE)
    return float(self.probability[face].mean(dtype=np.float64)) if face.any() else 0.0


class Labeller:
  """Reads layouts off photos. Compiles at the first batch; any photo takes part in it as one row.

  Args:
    filler: a model of which the layout network is used.
    batch_size: photos that go through the network at once.

  Attributes:
    sha256: of the layout network's parameters: whose layouts these are.
  """

  def __init__(self, filler: Filler, batch_size: int = 8):
    self.batch_size, self._filler = batch_size, filler
    leaves = jax.tree.leaves(jax.device_get(filler.params[LAYOUT]))
    self.sha256 = hashlib.sha256(b"".join(x.tobytes() for x in leaves)).hexdigest()

  @classmethod
  def from_directory(cls, directory: str | os.PathLike, batch_size: int = 8) -> "Labeller":
    """Reads a model directory; its texture network, if any, is not used.

    Raises:
      model_files.ModelError: it cannot be used, or holds no layout network.
    """
    return cls(Filler.from_directory(directory, needed=(LAYOUT,)), batch_size)

  def __call__(self, photos: list[np.ndarray]) -> list[Labelled]:
    """Up to `batch_size` photos, uint8 (h, w, 3) of any sizes, by their centre squares.

    Edges are smooth at the photo's own size: see `Frame.paste_layout`.
    """
    if not 0 < len(photos) <= self.batch_size:
      raise ValueError(f"give 1..{self.batch_size} photos, got {len(photos)}")
    frames = [centre_square(*photo.shape[:2]) for photo in photos]
    found = self._filler.read_many(photos, frames, batch_size=self.batch_size)
    return [Labelled(ids, probability) for ids, probability in found]


def centre_square(height: int, width: int) -> Frame:
  """The square that training cuts out of a photo when nothing is moved at random."""
  return Frame(*squares.centre_square(height, width))


@dataclass(frozen=True)
class Outputs:
  """Where the results of a folder go.

  Attributes:
    labels: directory of the layouts, of confidence.csv, and of model.sha256: whose they are.
    confidence: directory of 8-bit pictures of the probability (255 = 1), or None.
  """

  labels: Path
  confidence: Path | None = None

  def paths(self, name: str) -> list[Path]:
    """The pictures of a photo: its relative path with the ending .png, in each directory."""
    roots = [self.labels] if self.confidence is None else [self.labels, self.confidence]
    return [root / Path(name).with_suffix(".png") for root in roots]

  def write(self, name: str, labelled: Labelled) -> None:
    """Each picture whole or not at all, and then the line that says that they are there."""
    confidence = np.round(255 * labelled.probability).astype(np.uint8)
    for path, picture in zip(self.paths(name), (labelled.ids, confidence), strict=False):
      path.parent.mkdir(parents=True, exist_ok=True)
      with files.replacing(path) as part:
        Image.fromarray(picture).save(part, "PNG")
    with open(self.labels / CSV, "a", encoding="utf-8", newline="") as file:
      csv.writer(file).writerow([name, f"{labelled.confidence:.4f}"])

  def begin(self, names: list[str], model: str) -> set[str]:
    """Makes the directory and its list; returns which of the photos `names` are finished.

    The list is written anew with their lines alone: a killed run may have left half a line.

    Args:
      names: relative paths.
      model: `Labeller.sha256`.

    Raises:
      ValueError: the directory has layouts that another model made.
    """
    self.labels.mkdir(parents=True, exist_ok=True)
    maker = self.labels / MODEL
    if maker.exists() and maker.read_text("utf-8").strip() != model:
      raise ValueError(
        f"{self.labels} has layouts that another model made: give another directory, or delete it"
      )
    maker.write_text(f"{model}\n", "utf-8")
    path, lines = self.labels / CSV, {}
    if path.exists():
      with open(path, encoding="utf-8", newline="") as file:
        lines = dict(row for row in csv.reader(file) if len(row) == 2 and len(row[1]) == 6)
    wanted = set(names)
    done = {n for n in lines if n in wanted and all(p.exists() for p in self.paths(n))}
    rows = [("photo", "confidence"), *((n, lines[n]) for n in names if n in done)]
    with files.replacing(path) as part, open(part, "w", encoding="utf-8", newline="") as file:
      csv.writer(file).writerows(rows)
    return done


def check_names(names: list[str]) -> None:
  """Raises ValueError if two photos would share a layout, by the names of `data.pairing`."""
  seen = {}
  for name in names:
    other = seen.setdefault(key(name), name)
    if other != name:
      raise ValueError(f"{other} and {name} would share the layout {key(name)}.png; rename one")


def label_source(
  labeller: Labeller,
  source,
  outputs: Outputs,
  *,
  bad: Callable[[BadRecordError], None],
) -> Iterator[int]:
  """Labels what has no finished layout yet, and yields how many photos each step is done with.

  Args:
    source: photos with `ids`, the relative paths of their files; see `data.sources`.
    outputs: where to write; what is finished there is left alone.
    bad: called with the error of each photo that cannot be read; the others go on.

  Raises:
    ValueError: two photos would share a layout; another model has begun the outputs.
    OSError: a picture could not be written.
  """
  check_names(source.ids)
  done = outputs.begin(source.ids, labeller.sha256)
  yield len(done)
  missing = [i for i, name in enumerate(source.ids) if name not in done]
  for start in range(0, len(missing), labeller.batch_size):
    rows = missing[start : start + labeller.batch_size]
    names, photos = [], []
    for i in rows:
      try:
        photos.append(source[i]["photo"])
        names.append(source.ids[i])
      except BadRecordError as error:
        bad(error)
    if photos:
      for name, labelled in zip(names, labeller(photos), strict=True):
        outputs.write(name, labelled)
    yield len(rows)


def compare(
  labels: str, truth: str, *, confidence: str = "", vocabulary: str = OURS
) -> tuple[Agreement, int]:
  """How well the label maps of one place agree with those of another; files go by their names.

  Args:
    labels, truth: directories or .zips of 8-bit PNGs of class ids; `truth` in `vocabulary`.
    confidence: of grey PNGs, how sure `labels` are; or "".

  Returns:
    The counts over all photos that are in each place, and how many these are.

  Raises:
    ValueError: a file cannot be used, sizes differ, or the places have nothing in common.
  """
  true_files, meaning = Files(truth, (".png",), "labels"), Vocabulary(vocabulary)
  found_files = Files(labels, (".png",), "labels")
  found_of = match(true_files, found_files)
  sure_files = Files(confidence, (".png",), "confidence") if confidence else None
  sure_of = match(true_files, sure_files, "confidence") if confidence else {}
  names = [name for name in found_of if not confidence or name in sure_of]
  if not names:
    raise ValueError(f"confidence: {confidence} has none of the photos that have labels")
  agreement = Agreement()
  for name in names:
    true = read_with(true_files, name, read_labels)
    found = read_with(found_files, found_of[name], read_labels)
    sure = read_with(sure_files, sure_of[name], read_grey) if confidence else None
    where = found_files.where(found_of[name])
    shapes = {x.shape for x in (true, found, sure) if x is not None}
    if len(shapes) > 1:
      raise ValueError(f"{where}: not of the size of its truth (and its confidence): {shapes}")
    true = meaning.translate(true, true_files.where(name))
    agreement.add(Vocabulary().translate(found, where), true, sure)
  return agreement, len(names)
