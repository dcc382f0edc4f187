"""Which file belongs to which photo: by name, and never by order where names fit in part.

Names fit if they are one but for their endings and for the Unicode form of their letters (macOS
writes an accent as a letter of its own): whole relative paths, or else the last part of the path,
where only one photo and one file have it.
"""

import dataclasses
import os
import unicodedata
from collections.abc import Sequence

from facefill_jax.data.file_tree import count


@dataclasses.dataclass(frozen=True)
class Pairing:
  """What belongs together, by relative paths; all in the order in which they were given.

  Attributes:
    file_of: photo -> its file.
    alone: photos without a file.
    spare: files of no photo.
  """

  file_of: dict[str, str]
  alone: list[str]
  spare: list[str]

  def remark(self, what: str, place: str, then: str) -> str:
    """One line on what has no partner, "" if all have one.

    Args:
      what: "label map", say.
      place: where the files are.
      then: what becomes of the photos that have none: "they count as unlabelled".
    """
    parts = []
    if self.alone:
      photos = len(self.alone) + len(self.file_of)
      verb = "has" if len(self.alone) == 1 else "have"
      parts.append(
        f"{len(self.alone)} of {count(range(photos), 'photo')} {verb} no {what} in {place}, for "
        f"example {self.alone[0]}: {then}"
      )
    if self.spare:
      there = "there" if self.alone else f"in {place}"
      verb = "belongs" if len(self.spare) == 1 else "belong"
      parts.append(
        f"{count(self.spare, what)} {there} {verb} to no photo, for example {self.spare[0]}"
      )
    return "; ".join(parts)


def pair(
  photos: Sequence[str], files: Sequence[str], what: str, with_ending: bool = True
) -> Pairing:
  """Pairs photos with files by their names; see the head of this file.

  Args:
    photos, files: relative paths.
    what: "labels", say: used in error messages.
    with_ending: whether the names of `photos` have endings; those of `files` do.

  Raises:
    ValueError: two files fit a photo, or a file fits two; one line that names them.
  """
  key_of = {photo: key(photo, with_ending) for photo in photos}
  stem_of = {photo: _last(key_of[photo]) for photo in photos}
  by_path = _group({file: key(file) for file in files})
  by_stem = _group({file: _last(key(file)) for file in files})
  same_stem = _group(stem_of)
  file_of = {}
  for photo in photos:
    found = by_path.get(key_of[photo], [])
    if len(found) > 1:
      raise ValueError(f"{what}: {found[0]} and {found[1]} both belong to {photo}; keep one")
    if found:
      file_of[photo] = found[0]
  taken = set(file_of.values())
  for photo in photos:
    found = [] if photo in file_of else by_stem.get(stem_of[photo], [])
    found = [file for file in found if file not in taken]
    if found and len(found) + len(same_stem[stem_of[photo]]) > 2:
      raise ValueError(
        f"{what}: {photo} shares its stem with other photos or files, for example {found[-1]}; "
        "give those that belong together the same relative path"
      )
    if found:
      file_of[photo] = found[0]
  used = set(file_of.values())
  return Pairing(
    {photo: file_of[photo] for photo in photos if photo in file_of},
    [photo for photo in photos if photo not in file_of],
    [file for file in files if file not in used],
  )


def key(name: str, with_ending: bool = True) -> str:
  """What two paths have in common that belong together: no ending, one Unicode form."""
  return unicodedata.normalize("NFC", os.path.splitext(name)[0] if with_ending else name)


def _last(path: str) -> str:
  return path.rpartition("/")[2]


def _group(key_of: dict[str, str]) -> dict[str, list[str]]:
  """Names by their keys."""
  groups = {}
  for name, each in key_of.items():
    groups.setdefault(each, []).append(name)
  return groups
