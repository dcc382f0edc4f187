"""The data sets that can be built, by name; each has a file of its own.

Each gives a source (see `data.sources`) of its photos as downloaded, with
  ids        names of the photos
  numbers    their numbers in CelebA, from 1; 0 if unknown
  official   the part that the set itself puts each in: train, validation, test or ""
and items that may also have
  landmarks  float32 (5, 2): x, y in pixels of the item's photo; see `data.sets.records`
  mended     names of left/right pairs of classes that were found the wrong way round
"""

from facefill_jax.data.sets.celeb_a import CelebA
from facefill_jax.data.sets.celeb_a_hq import CelebAHQ
from facefill_jax.data.sets.celebamask_hq import CelebAMaskHQ
from facefill_jax.data.sets.ffhq import FFHQ
from facefill_jax.data.sets.folder_faces import FolderFaces

SETS = {
  "celebamask_hq": (CelebAMaskHQ, 30_000),
  "ffhq": (FFHQ, 70_000),
  "folder_faces": (FolderFaces, None),
  "celeb_a": (CelebA, 202_599),
  "celeb_a_hq": (CelebAHQ, 30_000),
}
"""By name: what opens a set, from its path and `size`; how many photos the whole set has."""
NAMES = tuple(SETS)
OFFICIAL_COUNTS = {name: count for name, (_, count) in SETS.items() if count}


def open_originals(name: str, path: str, *, labels: str = "", size: int):
  """The photos of a downloaded set, by its name.

  Args:
    name: one of NAMES.
    path: where the download lies; each set's file says what is expected there.
    labels: label maps; for folder_faces only.
    size: large photos may be decoded smaller, but with no side below this.

  Raises:
    ValueError: an unknown name; `labels` for another set; the path does not hold what it should.
  """
  if name not in NAMES:
    raise ValueError(f"data set {name!r} is not one of {', '.join(NAMES)}")
  if labels and name != "folder_faces":
    raise ValueError(f"labels: only folder_faces takes them apart from its photos, {name} does not")
  return SETS[name][0](path, size=size, **({"labels": labels} if labels else {}))
