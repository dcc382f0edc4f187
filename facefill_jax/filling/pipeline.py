"""FaceFillPipeline: photos with holes in, whole photos out, in the kind that they came in.

pipe = FaceFillPipeline.from_pretrained()
pipe("photo.jpg", "mask.png").images[0].save("filled.png")
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from facefill_jax.data.mask_pictures import WHITE_HOLE
from facefill_jax.filling import model_directory, model_files
from facefill_jax.filling.filler import Filler
from facefill_jax.filling.frame import Frame
from facefill_jax.filling.photo_filler import Answer, Job, PhotoFiller
from facefill_jax.filling.photo_inputs import GivenPhoto, read_given_layout, read_given_mask

Picture = str | os.PathLike | bytes | Image.Image | np.ndarray
"""A path, the content of a file, a Pillow picture, or an array: uint8, uint16 or float 0..1."""
OUTPUT_TYPES = ("pil", "np")


@dataclass(frozen=True)
class FillOutput:
  """What a call of the pipeline gives; all lists are as long as `images`.

  Attributes:
    images: for each photo one a seed, photo by photo. Known pixels are those that were given.
    layouts: uint8 (h, w), class ids (`labels.CLASSES`) that guided the painting; void elsewhere.
    seeds: of each image.
    boxes: for each image the squares in which faces were filled.
    warnings: for each image what the photo's owner should know.
  """

  images: list[Image.Image | np.ndarray]
  layouts: list[np.ndarray]
  seeds: list[int]
  boxes: list[tuple[Frame, ...]]
  warnings: list[tuple[str, ...]]


class FaceFillPipeline:
  """Fills holes in photos with one model. Compiles at the first photo."""

  def __init__(self, filler: Filler, directory: str | os.PathLike | None = None):
    """Args:
    filler: of the model.
    directory: where it was read from, if anywhere.
    """
    self._photos, self._directory = PhotoFiller(filler), directory

  @classmethod
  def from_pretrained(
    cls,
    directory: str | os.PathLike | None = None,
    *,
    dtype: str = "float32",
    few_photos: bool = False,
  ) -> "FaceFillPipeline":
    """Reads and checks a model.

    Args:
      directory: local or gs://; None: the one that FACEFILL_MODEL names, else the package's.
      dtype: of the computation: "float32" or "bfloat16".
      few_photos: see `Filler`: the first fill comes sooner, those after it later.

    Raises:
      model_files.ModelError: it cannot be used; the message says which file and why.
    """
    directory = model_directory.default() if directory is None else directory
    return cls(Filler.from_directory(directory, dtype=dtype, few_photos=few_photos), directory)

  def save_pretrained(self, directory: str | os.PathLike) -> int:
    """Writes the model, its card included; see `model_files.save_model`. Returns its bytes."""
    if self._directory is None:
      return model_files.save_model(directory, self._photos.filler.params, self.config)
    return model_files.copy_model(self._directory, directory)

  @property
  def config(self) -> dict:
    """The model's config.json."""
    return self._photos.filler.config

  @property
  def resolution(self) -> int:
    """Side in pixels of what the networks see."""
    return self._photos.filler.resolution

  @property
  def photos(self) -> PhotoFiller:
    """What fills, for callers who have arrays as the networks take them."""
    return self._photos

  def __call__(
    self,
    image: Picture | Sequence[Picture],
    mask_image: Picture | Sequence[Picture],
    *,
    layout: Picture | Sequence[Picture | None] | None = None,
    seed: int = 0,
    num_images: int = 1,
    align: str = "auto",
    face_box: tuple[float, float, float, float] | None = None,
    eyes: tuple[tuple[float, float], tuple[float, float]] | None = None,
    mask_convention: str = WHITE_HOLE,
    dilate: int = 0,
    output_type: str | None = None,
    batch_size: int | None = None,
    callback: Callable[[int, int], Any] | None = None,
  ) -> FillOutput:
    """Fills holes. The same photo, mask and seed give the same bytes at one batch size.

    Args:
      image: a photo, or a list of them. A file's EXIF orientation is applied; in memory pixels are
        taken as they lie. Arrays are (h, w), (h, w, 1), (h, w, 3) or (h, w, 4: with alpha).
      mask_image: the mask of each, of its photo's size; a bool array is True in the hole.
      layout: class ids or `labels.PALETTE`'s colours that the hole must follow, void where the
        model may choose; see `predict_layout`.
      seed: of the first answer; another seed is another answer.
      num_images: answers for each photo, with the seeds from `seed` up.
      align: "auto" finds the faces; "none" takes the largest square that holds the hole.
      face_box: left, top, right and bottom of the face, forehead to chin, in pixels, if known.
      eyes: (x, y) of both eyes in pixels, if known.
      mask_convention: "white_hole", "black_hole" or "alpha" (transparent is hole).
      dilate: pixels around the hole that are not looked at, for holes cut too close. They are not
        painted.
      output_type: "pil", "np" or None: arrays for arrays (of the same shape and dtype), pictures
        for the rest.
      batch_size: photos, and squares of them, that are filled at once; see `PhotoFiller`.
      callback: called with (photos done, of how many).

    Raises:
      photo_files.PhotoError: a picture that cannot be used: which, and why.
      ValueError: another argument that cannot be.
    """
    if output_type not in (None, *OUTPUT_TYPES):
      raise ValueError(f"output_type {output_type!r} is not one of {', '.join(OUTPUT_TYPES)}")
    if num_images < 1:
      raise ValueError(f"num_images must be 1 or more, got {num_images}")
    given = dict(align=align, face_box=face_box, eyes=eyes, dilate=dilate)
    given["seeds"] = range(seed, seed + num_images)
    photos = list(image) if isinstance(image, list | tuple) else [image]
    masks = _each("mask_image", mask_image, len(photos))
    layouts = _each("layout", layout, len(photos)) if layout is not None else [None] * len(photos)
    found = FillOutput([], [], [], [], [])
    size = batch_size or self._photos.usual_batch_size
    for start in range(0, len(photos), size):
      part = [
        self._read(*one, mask_convention, **given)
        for one in zip(*(x[start : start + size] for x in (photos, masks, layouts)), strict=True)
      ]
      every = self._photos.fill_many([job for _, job, _ in part], batch_size=size)
      for (photo, job, said), answers in zip(part, every, strict=True):
        for answer, one_seed in zip(answers, job.seeds, strict=True):
          _collect(found, photo, job, answer, one_seed, said, output_type)
      if callback is not None:
        callback(start + len(part), len(photos))
    return found

  def predict_layout(
    self, image: Picture, mask_image: Picture, *, mask_convention: str = WHITE_HOLE, **given
  ) -> np.ndarray:
    """The layout that a fill begins with: edit it and hand it back as `layout`.

    Args:
      image, mask_image, mask_convention: as above; and align, face_box, eyes and dilate.

    Returns:
      uint8 (h, w), class ids (`labels.CLASSES`), void where no network looked.
    """
    _, job, _ = self._read(image, mask_image, None, mask_convention, **given)
    return self._photos.read_layout(job)

  def _read(self, image, mask_image, layout, convention: str, **given):
    """The photo, its job, and what its files make one say."""
    said = []
    photo = GivenPhoto(image, said.append)
    mask = read_given_mask(mask_image, photo, convention, said.append)
    ids = None if layout is None else read_given_layout(layout, photo)
    return photo, Job(photo.pixels, mask, ids, **given), said


def _collect(
  found: FillOutput,
  photo: GivenPhoto,
  job: Job,
  answer: Answer,
  seed: int,
  said: Sequence[str],
  output_type: str | None,
) -> None:
  found.images.append(photo.painted(answer.whole, job.mask, output_type))
  found.layouts.append(answer.layout)
  found.seeds.append(seed)
  found.boxes.append(tuple(one.frame for one in answer.passes if one.is_face))
  found.warnings.append((*said, *answer.remarks))


def _each(name: str, given, count: int) -> list:
  """One for each photo."""
  each = list(given) if isinstance(given, list | tuple) else [given]
  if len(each) != count:
    raise ValueError(f"{name}: {len(each)} for {count} photos; give one for each")
  return each
