"""Splits by name: which photos of a set are trained on, validated on and tested on.

A split goes by the photos' names, so it is the same wherever the set is read, and needs no rebuild.
The three parts are disjoint; a photo in none of them is left out.
"""

import hashlib
from collections.abc import Sequence

from facefill_jax.data.sets.splits_lama import TEST as LAMA_TEST

PARTS = ("train", "validation", "test")

RULES = {
  "all": "every photo is for training; data.held_out of them are then held out by a hash of their "
  "ids",
  "celeba": "CelebA's own partition, by the number of the photo in CelebA: 1..162770 train, "
  "162771..182637 validation, 182638..202599 test. CelebA-HQ needs its mapping file when built",
  "ffhq": "FFHQ's own partition: ids 0..59999 train, 60000..69999 validation",
  "hash": "by a hash of the id alone: `hash:SHARE` validates on SHARE of the photos, "
  "between 0 and 1; `hash` is `hash:0.05`. Photos that join later move none of the others",
  "lama": "for CelebA-HQ, 26,000/2,000/2,000 as in LaMa: its test part is a fixed list of 2,000, "
  "which is taken over. Its validation part is 2,000 of the rest drawn by `shuf` without a seed, "
  "which nobody can repeat: here the 2,000 with the lowest hashes",
}
"""What each name means. One sentence or a few, for people."""

CELEBA_FIRST_VALIDATION, CELEBA_FIRST_TEST, CELEBA_LAST = 162_771, 182_638, 202_599
CELEBA_HQ_PHOTOS, FFHQ_PHOTOS, FFHQ_TRAIN = 30_000, 70_000, 60_000
LAMA_VALIDATION = 2_000
HASH_SHARE = 0.05


def divide(
  split: str, ids: Sequence[str], numbers: Sequence[int], official: Sequence[str]
) -> dict[str, list[int]]:
  """Divides photos by a named split.

  Args:
    split: one of RULES, "hash" also as "hash:SHARE".
    ids: of all photos of the set.
    numbers: the number of each photo in CelebA, from 1; 0 if unknown.
    official: the part of PARTS that the set itself puts each photo in, or "".

  Returns:
    For each of PARTS the indices of its photos, ascending.

  Raises:
    ValueError: an unknown split, a SHARE out of range, or ids that the split does not know.
  """
  name, _, option = split.partition(":")
  if name not in RULES or (option and name != "hash"):
    raise ValueError(f"split {split!r} is not one of {', '.join(RULES)} (hash also as hash:SHARE)")
  if name == "all":
    return {"train": list(range(len(ids))), "validation": [], "test": []}
  if name == "celeba":
    parts = list(map(_celeba, ids, numbers, official))
  elif name == "ffhq":
    parts = [_ffhq(photo) for photo in ids]
  elif name == "lama":
    parts = [_lama(photo) for photo in ids]
  else:
    share = _share(option)
    parts = ["validation" if _hash(photo) < share * 2**64 else "train" for photo in ids]
  return {part: [i for i, p in enumerate(parts) if p == part] for part in PARTS}


def celeba_part(number: int) -> str:
  """The part of CelebA's partition that photo `number` (from 1) is in."""
  if not 1 <= number <= CELEBA_LAST:
    raise ValueError(f"CelebA has photos 1..{CELEBA_LAST}, not {number}")
  if number < CELEBA_FIRST_VALIDATION:
    return "train"
  return "validation" if number < CELEBA_FIRST_TEST else "test"


def ffhq_part(number: int) -> str:
  """The part of FFHQ's partition that photo `number` (from 0) is in."""
  if not 0 <= number < FFHQ_PHOTOS:
    raise ValueError(f"FFHQ has photos 0..{FFHQ_PHOTOS - 1}, not {number}")
  return "train" if number < FFHQ_TRAIN else "validation"


def _celeba(photo: str, number: int, part: str) -> str:
  if number:
    return celeba_part(number)
  if part:
    return part
  raise ValueError(
    f"split celeba: the CelebA number of photo {photo!r} is unknown; build the set with its "
    "CelebA-HQ-to-CelebA-mapping.txt beside the photos, or take another split"
  )


def _ffhq(photo: str) -> str:
  return ffhq_part(_number("ffhq", photo, FFHQ_PHOTOS, digits=5))


def _lama(photo: str) -> str:
  number = _number("lama", photo, CELEBA_HQ_PHOTOS)
  if number in LAMA_TEST:
    return "test"
  return "validation" if number in _lama_validation() else "train"


def _lama_validation() -> frozenset[int]:
  """Over all 30,000, so that a part of the set is divided as the whole is."""
  if not _LAMA_VALIDATION:
    rest = (i for i in range(CELEBA_HQ_PHOTOS) if i not in LAMA_TEST)
    _LAMA_VALIDATION.append(frozenset(sorted(rest, key=lambda i: _hash(str(i)))[:LAMA_VALIDATION]))
  return _LAMA_VALIDATION[0]


_LAMA_VALIDATION: list[frozenset[int]] = []  # made when first asked for


def _number(split: str, photo: str, count: int, digits: int = 1) -> int:
  """The number that an id is; written with `digits` digits, or more if it needs them."""
  valid = photo.isascii() and photo.isdigit() and photo == f"{int(photo):0{digits}d}"
  if not valid or int(photo) >= count:
    raise ValueError(
      f"split {split}: photo {photo!r} is not one of {0:0{digits}d}..{count - 1}; this is "
      "another set, take the split hash or all"
    )
  return int(photo)


def _share(option: str) -> float:
  try:
    share = float(option) if option else HASH_SHARE
  except ValueError:
    share = 0.0
  if not 0 < share < 1:
    raise ValueError(f"split 'hash:{option}': the share must be a number between 0 and 1")
  return share


def _hash(text: str) -> int:
  """0..2**64 - 1."""
  return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
