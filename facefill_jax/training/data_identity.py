"""Which data a run was trained on, and whether a resumed run, or one that starts from it, has it.

An identity is JSON, saved with each checkpoint. Photos count as the same by their names and by the
contents of up to SAMPLE of them, not by where they lie: a data folder may move. What must not
change is refused; what may is said in a line. A face that was held out is never trained on unsaid.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from facefill_jax.data.sets.records import Records
from facefill_jax.data.sources import Folder, Subset, ids_of, spread

SAMPLE = 64  # photos whose contents are compared
_PATHS = ("path", "labels", "confidence", "held_out_path", "held_out_labels")


def identity(
  data: Mapping[str, Any], sources: Sequence, held_out, phases: Iterable, scored: Sequence
) -> dict[str, Any]:
  """What a run says of its data.

  Args:
    data: the section of the configuration.
    sources: what is trained on in the first phase, (source, weight) each, the labelled one first.
    held_out: the source of the held-out faces.
    phases: (phase, its sources) of the phases that have begun.
    scored: what else evaluation depends on: how many faces, which masks.
  """
  begun, sides = list(phases), []
  for phase, _ in begun:
    if not sides or sides[-1][1] != phase.resolution:
      sides.append([phase.from_images, phase.resolution])
  return {
    "kind": data["kind"],
    "vocabulary": data["vocabulary"],
    "paths": {name: os.path.realpath(data[name]) if data[name] else "" for name in _PATHS},
    "photos": _of_source(sources[0][0]),
    "held_out": _of_source(held_out) | {"names": [_short(name) for name in ids_of(held_out)]},
    "scored": [repr(each) for each in scored],
    "resolution": sides,
    "unlabelled": [
      [phase.from_images, phase.unlabelled_share, [_of_source(each)["ids"] for each, _ in more[1:]]]
      for phase, more in begun
      if more[1:]
    ],
  }


def digest(of: Mapping[str, Any]) -> str:
  """Of what held-out scores depend on: the faces, their labels and holes."""
  return _short(repr((of["held_out"]["ids"], of["held_out"]["sample"], of["scored"])))


def check_resumed(before: Mapping[str, Any], here: Mapping[str, Any], workdir: str) -> list[str]:
  """Holds the data of a configuration against that of the run it resumes.

  Args:
    before, here: identities, at the same step.
    workdir: for the messages.

  Returns:
    Lines to say: what moved, what differs a little, that held-out faces are others.

  Raises:
    ValueError: it is other data; one line that says in what.
  """

  def refuse(what: str, give: str = "give the data it was trained on") -> None:
    raise ValueError(
      f"{workdir} holds a run on other data: {what}; {give}, or another --workdir "
      f"(--config.init_from={workdir} starts from this run's networks)"
    )

  for name in ("kind", "vocabulary"):
    if before[name] != here[name]:
      refuse(f"data.{name} was {before[name]!r}, is {here[name]!r}")
  for name in ("labels", "confidence"):
    old, new = before["paths"][name], here["paths"][name]
    if bool(old) != bool(new):
      refuse(f"data.{name} was {old!r}, is {new!r}")
  if before["resolution"] != here["resolution"]:
    was, now = (
      ", ".join(f"{side} from image {i} on" for i, side in x["resolution"]) for x in (before, here)
    )
    refuse(f"resolution was {was}, is {now}", "give the same resolution and phases")
  _check_photos(before, here, refuse)
  if before["unlabelled"] != here["unlabelled"]:
    refuse("data.unlabelled names other photos, or another share of them")
  said = _changes(before, here, refuse)
  if digest(before) != digest(here):
    said.append(
      "held-out faces, their labels or their masks are not those of before: scores cannot be "
      "compared with earlier ones, and best/ starts anew"
    )
  return said


def _check_photos(before, here, refuse) -> None:
  was, now = before["photos"], here["photos"]
  if (was["count"], was["ids"]) == (now["count"], now["ids"]):
    return
  old, new = before["paths"]["path"], here["paths"]["path"]
  what = f"it was trained on {was['count']} photos of {old or before['kind']}, "
  if was["count"] != now["count"]:
    what += f"there are {now['count']}" + (f" in {new}" if new != old else " now")
  else:
    what += f"those {f'of {new}' if new != old else 'there now'} have other names"
  again = set(before["held_out"]["names"]) - set(here["held_out"]["names"])
  if again:
    what += f", and {len(again)} of its held-out faces are no longer held out"
  refuse(what)


def _changes(before, here, refuse) -> list[str]:
  """Lines about photos and labels with the names of before."""
  said = []
  was, now = before["photos"]["sample"], here["photos"]["sample"]
  for part, what in ((0, "photos"), (1, "labels")):
    changed = sum(was[name][part] != now[name][part] for name in was.keys() & now.keys())
    if 2 * changed > len(was):
      refuse(f"the {what} have the names of before and other contents")
    if changed:
      said.append(f"{changed} of {len(was)} {what} looked at are not what they were; going on")
  for name in _PATHS:
    old, new = before["paths"][name], here["paths"][name]
    if old != new and old and new:
      said.append(f"data.{name} has moved from {old} to {new}")
  return said


def check_started(before: Mapping[str, Any], sources: Sequence, held_out, start: str) -> list[str]:
  """Lines about held-out faces of a run that starts from another run's networks.

  Args:
    before: the identity of the run `start`.
    sources, held_out: of this run; see `identity`.
    start: what to call that run.
  """
  said = []
  known = before["photos"]["sample"] | before["held_out"]["sample"]
  trained = [_matching(source, before["held_out"]["sample"]) for source, _ in sources]
  if again := sum(map(len, trained)):
    said.append(f"{again} or more of the faces that {start} held out are trained on now")
  if any(trained) or _matching(sources[0][0], known) or _matching(held_out, known):
    new = set(map(_short, ids_of(held_out))) - set(before["held_out"]["names"])
    if new:
      said.append(
        f"{len(new)} of the {len(held_out)} held-out faces were not held out by {start}: what it "
        "was trained on scores too well"
      )
  return said


def check_held_out(sources: Sequence, held_out) -> list[str]:
  """A line if held-out faces are trained on: photos with their names and their contents."""
  found = []
  for source, _ in sources:
    names = {name: index for index, name in enumerate(ids_of(source))}
    shared = [index for index, name in enumerate(ids_of(held_out)) if name in names]
    for index in (shared[i] for i in spread(len(shared), min(SAMPLE, len(shared)))):
      name, content = ids_of(held_out)[index], _content(held_out, index)[0]
      if content and content == _content(source, names[name])[0]:
        found.append(name)
  if not found:
    return []
  return [
    f"{len(set(found))} or more of the {len(held_out)} held-out faces are trained on, too, say "
    f"{found[0]}: their scores are not those of unseen faces"
  ]


def _of_source(source) -> dict[str, Any]:
  ids = ids_of(source)
  order = sorted(range(len(ids)), key=ids.__getitem__)
  names = "\n".join(ids[i] for i in order)
  sample = [order[i] for i in spread(len(order), min(SAMPLE, len(order)))]
  return {
    "count": len(ids),
    "ids": _short(names),
    "sample": {_short(ids[i]): list(_content(source, i)) for i in sample},
  }


def _matching(source, sample: Mapping[str, Sequence[str]]) -> list[str]:
  """Names of a source's photos that a sample has with the same content."""
  named = [(name, index) for index, name in enumerate(ids_of(source)) if _short(name) in sample]
  return [name for name, index in named if _content(source, index)[0] == sample[_short(name)][0]
          if sample[_short(name)][0]]  # fmt: skip


def _content(source, index: int) -> tuple[str, str]:
  """Hashes of a photo's file and of its label map's; "" for none, and where no file is compared."""
  while isinstance(source, Subset):
    source, index = source.source, source.indices[index]
  if isinstance(source, Records):
    return source.sums[index][:16], ""  # of the whole record
  if not isinstance(source, Folder):
    return "", ""
  try:
    photo, labels = source.read(index)
  except OSError:  # reading it for training names it, or skips it, as the configuration says
    return "", ""
  return _short(photo), "" if labels is None else _short(labels)


def _short(content: str | bytes) -> str:
  content = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
  return hashlib.sha256(content).hexdigest()[:16]
