"""Photos of any size, faces anywhere in them: found, framed, filled, one square after the other.

framed as in training? -> one square, the whole photo
else                   -> `plan_passes`, and what one pass painted is known to the next
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import jax
import numpy as np

from facefill_jax.data import squares
from facefill_jax.filling import align
from facefill_jax.filling.filler import Filled, Filler, Request
from facefill_jax.filling.frame import Frame, square_frame
from facefill_jax.filling.passes import Pass, find_faces, plan_passes, refined
from facefill_jax.labels import NUM_CLASSES, VOID, check_labels

ALIGN = ("auto", "none")
_SQUARE = 1.02  # sides' ratio of a photo that may be framed already ...
_LARGEST = 2  # ... and its side, in sides of what the networks see
_FRAMED = 0.08  # how far eyes, nose and mouth of a framed face lie from their places, in sides
_NEAREST = 4  # pixels that eyes, or the sides of a face's box, are apart at least
_CELLS = 64  # side of the layout by which that is told


@dataclass(frozen=True)
class Job:
  """A photo with its hole.

  Attributes:
    photo: uint8 (h, w, 3); what is under the mask has no influence.
    mask: bool (h, w), True = hole.
    layout: uint8 (h, w), class ids that the hole must follow, void where the model may choose;
      outside the hole it is not looked at. None: the model chooses everywhere.
    seeds: one answer each.
    align: "auto" finds the faces; "none" takes the largest square of the photo that holds the hole.
    face_box: (left, top, right, bottom) of the face, forehead to chin, in pixels, if it is known.
    eyes: ((x, y), (x, y)), in pixels, of the face's eyes in any order, if they are known.
    dilate: pixels around the hole that the networks do not see; they are not painted.
  """

  photo: np.ndarray
  mask: np.ndarray
  layout: np.ndarray | None = None
  seeds: Sequence[int] = (0,)
  align: str = "auto"
  face_box: tuple[float, float, float, float] | None = None
  eyes: tuple[tuple[float, float], tuple[float, float]] | None = None
  dilate: int = 0


@dataclass(frozen=True)
class Answer:
  """A filled photo.

  Attributes:
    whole: uint8 (h, w, 3): the photo, byte for byte, where it was known; painted in the hole.
    layout: uint8 (h, w), class ids of the layouts that guided the painting; void where none did.
    passes: the squares that were filled, in this order.
    remarks: what the photo's owner should know.
  """

  whole: np.ndarray
  layout: np.ndarray
  passes: tuple[Pass, ...]
  remarks: tuple[str, ...]


class PhotoFiller:
  """Fills photos as they are, with a model's Filler."""

  def __init__(self, filler: Filler):
    self.filler = filler

  @property
  def usual_batch_size(self) -> int:
    """1 on a CPU, where more squares at once are no faster; 8 elsewhere."""
    return 1 if jax.default_backend() == "cpu" else 8

  def fill_many(self, jobs: Sequence[Job], *, batch_size: int | None = None) -> list[list[Answer]]:
    """Fills holes. The same photo, mask and seed give the same bytes at one batch size.

    Args:
      jobs: photos of any sizes.
      batch_size: squares that go through the networks at once; None: `usual_batch_size`.

    Returns:
      For each job an answer for each of its seeds.

    Raises:
      ValueError: wrong shapes or types, no hole, a label outside 0..19, an unknown `align`.
      align.FaceError: a face that cannot be where it is said to be.
      frame.FrameError: align is "none", and no square of a sane size holds the hole.
    """
    for job in jobs:
      _check(job)
    size = batch_size or self.usual_batch_size
    works = [_Work(job, job.seeds[0], *self._first_plan(job)) for job in jobs]
    self._run(works, size)
    for i, job in enumerate(jobs):
      if self._may_be_framed(job) and not self._is_framed(job, works[i].layout):
        works[i] = _Work(job, job.seeds[0], *self._search(job))
    groups = [
      [work, *(_Work(job, seed, work.passes, work.remarks) for seed in job.seeds[1:])]
      for job, work in zip(jobs, works, strict=True)
    ]
    self._run([work for group in groups for work in group], size)
    return [[work.answer() for work in group] for group in groups]

  def read_layout(self, job: Job) -> np.ndarray:
    """The layout that a job's filling begins with: class ids, uint8 (h, w), void where none is.

    There may be no hole: then it is what the network sees of all faces.

    Raises: as `fill_many`.
    """
    _check(job, needs_hole=False)
    plan = self._first_plan(job)[0]
    layout = self._read(job, plan)
    if self._may_be_framed(job) and not self._is_framed(job, layout):
      layout = self._read(job, self._search(job)[0])
    return layout

  def _run(self, works: "Sequence[_Work]", size: int) -> None:
    """Does what is left of each, a pass of all at a time."""
    while busy := [work for work in works if work.remains]:
      requests = [work.request() for work in busy]
      for work, request, filled in zip(
        busy, requests, self.filler.fill_many(requests, batch_size=size), strict=True
      ):
        work.take(request, filled)

  def _first_plan(self, job: Job) -> tuple[list[Pass], list[str]]:
    """The passes and remarks of a job; for a photo that may be framed the one that shows it all."""
    if job.align == "none" or self._may_be_framed(job):
      return [Pass(_whole(job.mask), None, job.align != "none")], []
    return self._search(job)

  def _may_be_framed(self, job: Job) -> bool:
    low, high = sorted(job.mask.shape)
    is_free = job.align == "auto" and job.face_box is None and job.eyes is None
    return is_free and high <= _SQUARE * low and high <= _LARGEST * self.filler.resolution

  def _is_framed(self, job: Job, layout: np.ndarray) -> bool:
    """Whether a photo is framed as in training, by the layout (ids) of all of it."""
    whole = _whole(job.mask)
    if job.layout is not None:  # what a person drew tells nothing of the photo
      layout = whole.paste_labels(
        self.filler.read(job.photo, _hidden(job, job.mask), whole).argmax(-1).astype(np.uint8),
        job.mask.shape,
      )
    cells = whole.crop_labels(layout, _CELLS)
    return align.misfit(np.eye(NUM_CLASSES, dtype=np.float32)[cells]) <= _FRAMED

  def _search(self, job: Job) -> tuple[list[Pass], list[str]]:
    """The passes and remarks of a job whose faces are to be found, or are given."""
    hidden, read = _hidden(job, job.mask), self.filler.read
    faces = []
    if job.eyes is not None:
      faces = [align.frame_of_eyes(*job.eyes)]
    elif job.face_box is not None:
      faces = [refined(job.photo, hidden, align.frame_of_box(job.face_box), read)[0]]
    if job.mask.any():
      return plan_passes(job.photo, hidden, read, self.filler.resolution, faces)
    frames = faces or find_faces(job.photo, hidden, read) or [_whole(job.mask)]
    return [Pass(frame, None, True) for frame in frames], []

  def _read(self, job: Job, passes: Sequence[Pass]) -> np.ndarray:
    layout, hidden = np.full(job.mask.shape, VOID, np.uint8), _hidden(job, job.mask)
    for one in passes:
      ids = self.filler.read(job.photo, hidden, one.frame).argmax(-1)
      found = one.frame.paste_labels(ids.astype(np.uint8), job.mask.shape)
      layout = np.where(layout == VOID, found, layout)
    return layout


def _whole(mask: np.ndarray) -> Frame:
  """The largest square of a photo that holds its hole, if it has one."""
  if mask.any():
    return square_frame(*mask.shape, mask)
  return Frame(*squares.centre_square(*mask.shape))


class _Work:
  """A job with one of its seeds, while it is done."""

  def __init__(self, job: Job, seed: int, passes: list[Pass], remarks: list[str]):
    self.passes, self.remarks = passes, remarks
    self.layout = np.full(job.mask.shape, VOID, np.uint8)
    self._job, self._seed, self._done = job, seed, 0
    self._whole, self._left = job.photo, job.mask

  @property
  def remains(self) -> bool:
    return self._done < len(self.passes)

  def request(self) -> Request:
    one = self.passes[self._done]
    shown = one.frame.region(self._left.shape) if one.paint is None else one.paint
    return Request(
      self._whole, _hidden(self._job, self._left), self._job.layout, self._seed, one.frame,
      self._left & shown,
    )  # fmt: skip

  def take(self, request: Request, filled: Filled) -> None:
    self._whole, self._left = filled.whole, self._left & ~request.paint
    self.layout = np.where(self.layout == VOID, filled.layout, self.layout)
    self._done += 1

  def answer(self) -> Answer:
    return Answer(self._whole, self.layout, tuple(self.passes), tuple(self.remarks))


def _hidden(job: Job, mask: np.ndarray) -> np.ndarray:
  """The hole that the networks see, bool (h, w)."""
  if not job.dilate:
    return mask
  away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
  return away <= job.dilate


def _check(job: Job, needs_hole: bool = True) -> None:
  photo, mask, layout = job.photo, job.mask, job.layout
  if photo.ndim != 3 or photo.shape[-1] != 3 or photo.dtype != np.uint8:
    raise ValueError(f"photo must be uint8 (h, w, 3), got {photo.dtype} {photo.shape}")
  if mask.shape != photo.shape[:2] or mask.dtype != np.bool_:
    raise ValueError(f"mask must be bool {photo.shape[:2]}, got {mask.dtype} {mask.shape}")
  if needs_hole and not mask.any():
    raise ValueError("nothing to fill: the mask has no hole (True = hole)")
  if layout is not None:
    if layout.shape != photo.shape[:2] or layout.dtype != np.uint8:
      raise ValueError(f"layout must be uint8 {photo.shape[:2]}, got {layout.dtype} {layout.shape}")
    check_labels(layout, "layout")
  if job.align not in ALIGN:
    raise ValueError(f"align {job.align!r} is not one of {', '.join(ALIGN)}")
  if not job.seeds:
    raise ValueError("seeds: there must be at least one")
  if job.dilate < 0:
    raise ValueError(f"dilate must be 0 or more pixels, got {job.dilate}")
  _check_face(job)


def _check_face(job: Job) -> None:
  """Whether what is said of the face can be: once, with "auto", finite, in the photo, a size."""
  if job.face_box is None and job.eyes is None:
    return
  if job.face_box is not None and job.eyes is not None:
    raise align.FaceError("give face_box or eyes, not both")
  if job.align == "none":
    raise align.FaceError('align "none" looks for no face: leave out face_box and eyes')
  name, given = ("eyes", job.eyes) if job.eyes is not None else ("face_box", job.face_box)
  numbers = np.asarray(given, float).ravel()
  if numbers.size != 4 or not np.isfinite(numbers).all():
    raise align.FaceError(f"{name} must be four numbers, got {given}")
  x, y = numbers[::2], numbers[1::2]
  apart = np.hypot(*np.diff([x, y])[:, 0]) if name == "eyes" else min(np.diff(x), np.diff(y))[0]
  if apart < _NEAREST:
    how = "the eyes" if name == "eyes" else "left and right, or top and bottom,"
    raise align.FaceError(f"{name}: {how} are less than {_NEAREST} pixels apart: {given}")
  height, width = job.mask.shape
  if not (x.max() >= 0 and x.min() < width and y.max() >= 0 and y.min() < height):
    raise align.FaceError(f"{name}: outside the photo, which is {width} x {height}: {given}")
