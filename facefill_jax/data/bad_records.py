"""Bad records: an error that names them or, if asked for, skipped and counted, up to a limit.

A bad record is replaced by another one, chosen by (seed, position in the stream). So all other
samples stay the same, for any number of workers and processes and wherever a run is resumed.
"""

from collections.abc import Iterable, Iterator

import numpy as np

CHOICES = ("error", "skip")
FREE = 3  # bad records that are tolerated however few were drawn ...
SHARE = 1e-3  # ... and so many of those drawn beyond that
_TRIES = 8  # for one place in the stream: all bad is no accident, at a share of 0.1 %
_NAMED = 20  # different bad records that are remembered


class BadRecordError(ValueError):
  """A record that is damaged, or no photo with fitting labels; one line that says which and why.

  Sources raise it for what is wrong with the data of one record, and for nothing else: a disk
  that fails or a bug must never be skipped.
  """


def check_choice(choice: str) -> None:
  """Raises ValueError unless `choice` is one of CHOICES."""
  if choice not in CHOICES:
    raise ValueError(f"data.on_bad_record {choice!r} is not one of {', '.join(CHOICES)}")


def too_many(bad: int, drawn: int) -> bool:
  """The rule: more than FREE + SHARE * drawn."""
  return bad > FREE + SHARE * drawn


def good_items(source, indices: Iterable[int], choice: str) -> Iterator[dict]:
  """The items of a source at `indices`; with "skip", bad ones are left out.

  Raises:
    BadRecordError: with "error" for each bad item; with "skip" if there are too many of them so
      far, or no good one at all.
  """
  tried, errors = 0, []
  for tried, index in enumerate(indices, 1):
    try:
      item = source[index]
    except BadRecordError as error:
      if choice == "error":
        raise
      errors.append(error)
      if too_many(len(errors), tried):
        break
    else:
      yield item
  if errors and (len(errors) == tried or too_many(len(errors), tried)):
    raise BadRecordError(
      f"{len(errors)} of the {tried} records that were tried are bad; the first: {errors[0]}"
    ) from errors[0]


class ReadOrReplace:
  """Index of an item -> the item, or a stand-in, and "skipped": which bad ones were met.

  "skipped" is int64 (7,): places of bad records, -1 for none. The place of item i of a source is
  its `offset` + i, so that one number says which record of which source.
  """

  def __init__(self, source, offset: int, seed: int):
    self.source, self.offset, self.seed = source, offset, seed

  def __call__(self, position: int, index: int) -> dict:
    """For grain's map_with_index. position: in the endless stream of this source.

    Raises:
      BadRecordError: eight records in a row are bad.
    """
    skipped, rng = np.full(_TRIES - 1, -1, np.int64), None
    for attempt in range(_TRIES):
      try:
        return {**self.source[index], "skipped": skipped}
      except BadRecordError as error:
        if attempt == _TRIES - 1:
          raise BadRecordError(f"{_TRIES} records in a row are bad; the last: {error}") from error
      skipped[attempt] = self.offset + index
      rng = rng or np.random.default_rng((self.seed, int(position)))
      index = int(rng.integers(len(self.source)))


class Skipped:
  """What one process has skipped of its part of the stream.

  Attributes:
    drawn: samples that came, each of them good in the end.
    count: bad records met on the way.
    ids: those of the first 20 different ones.
  """

  def __init__(self, sources: list):
    """sources: in the order of the offsets that `offsets` gives."""
    self._sources, self._offsets = sources, offsets(sources)
    self._first = None
    self.drawn, self.count, self.ids = 0, 0, []

  def add(self, places: np.ndarray) -> None:
    """Counts a batch, int64 (b, 7) as in ReadOrReplace.

    Raises:
      BadRecordError: now there are too many.
    """
    self.drawn += len(places)
    for place in places[places >= 0].tolist():
      self.count += 1
      self._first = place if self._first is None else self._first
      name = self._name(place)
      if name not in self.ids and len(self.ids) < _NAMED:
        self.ids.append(name)
    if too_many(self.count, self.drawn):
      raise BadRecordError(
        f"{self.count} bad records in the {self.drawn} samples that this process drew, and "
        f"{FREE} + {100 * SHARE:g} % are tolerated; the first: {self._reason()}"
      )

  def describe(self) -> str:
    """One line: "skipped 2 bad records in 5000 samples: 17.jpg, 4.jpg"."""
    more = "" if len(self.ids) < _NAMED else ", ..."
    return f"skipped {self.count} bad records in {self.drawn} samples: {', '.join(self.ids)}{more}"

  def _find(self, place: int) -> tuple:
    number = int(np.searchsorted(self._offsets, place, side="right")) - 1
    return self._sources[number], place - self._offsets[number]

  def _name(self, place: int) -> str:
    source, index = self._find(place)
    ids = getattr(source, "ids", None)
    return f"record {index}" if ids is None else ids[index]

  def _reason(self) -> str:
    source, index = self._find(self._first)
    try:
      source[index]
    except BadRecordError as error:
      return str(error)
    return f"{self._name(self._first)}, which can be read now"


def offsets(sources: list) -> list[int]:
  """Where each source's places begin: the sum of the lengths before it."""
  return [sum(len(source) for source in sources[:k]) for k in range(len(sources))]
