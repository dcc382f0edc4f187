"""From sources to batches: decode, crop, flip, mask, batch, through grain.

The global stream of photos, crops, flips and masks depends on the sources, their weights, the
options and the seed, and on nothing else: not on the number of workers, nor on the number of
processes, nor on where a run was resumed.
"""

import collections.abc
import itertools
import math
import os
import shutil
import signal
import weakref

import grain
import numpy as np
from absl import flags

from facefill_jax.data import augmentation, bad_records
from facefill_jax.data.decoding import resize_nearest
from facefill_jax.data.masks.folder import FolderMasks
from facefill_jax.data.masks.training import MaskMix
from facefill_jax.data.squares import centre_square, cut, cut_map, mirror, random_square
from facefill_jax.data.workers import start as start_worker
from facefill_jax.labels import VOID


class Batches(collections.abc.Iterator):
  """An endless iterator of batches. Close it (or use `with`) to stop its worker processes.

  Attributes:
    skipped: what became of bad records; None if they are errors.
  """

  def __init__(self, iterator, shared: bool, skipped: bad_records.Skipped | None):
    """shared: whether the arrays that the iterator gives are shared memory of its workers."""
    self._held, self._shared, self.skipped = [iterator], shared, skipped
    # Also at exit: left to the interpreter's end, workers die in a page of tracebacks.
    self._close = weakref.finalize(self, _close_all, self._held)

  def __next__(self) -> dict[str, np.ndarray]:
    if not self._held:
      raise ValueError("this iterator of batches is closed")
    batch = next(self._held[0])
    # Workers send shared memory, which grain unmaps when its own array dies: a copy is safe to
    # keep, to hand to a device, and to still hold when the program ends.
    if self._shared:
      batch = {name: np.array(value, subok=False) for name, value in batch.items()}
    if self.skipped is not None:
      self.skipped.add(batch.pop("skipped"))
    return batch

  def close(self) -> None:
    """Stops the workers and waits for them. Closing twice is fine."""
    self._close()

  def __enter__(self) -> "Batches":
    return self

  def __exit__(self, *_) -> None:
    self.close()


def _close_all(held: list) -> None:
  while held:
    held.pop().close()


class Frame(grain.transforms.RandomMap):
  """Item of a source -> photo, labels, mask (and confidence) at the training resolution."""

  def __init__(
    self,
    mask_mix: MaskMix,
    resolution: int,
    zoom: tuple[float, float],
    flip: bool,
    augment: augmentation.Augment,
  ):
    self.mask_mix, self.resolution, self.zoom, self.flip = mask_mix, resolution, zoom, flip
    self.augment = augment

  def random_map(self, element: dict, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """See `batches`; all randomness comes from `rng`, which grain seeds by position."""
    size = element["photo"].shape[:2]
    square = random_square(size, self.zoom, rng)
    view = self.augment.view(square, size, rng)
    framed = _cut_item(element, square, self.resolution, view)
    if self.flip and rng.random() < 0.5:
      framed["photo"], framed["labels"] = mirror(framed["photo"], framed["labels"])
      if "confidence" in framed:
        framed["confidence"] = np.ascontiguousarray(framed["confidence"][:, ::-1])
    framed["photo"] = self.augment.recolour(framed["photo"], rng)
    framed["mask"] = self.mask_mix.sample(rng, framed["labels"])[..., None]
    return framed | ({"skipped": element["skipped"]} if "skipped" in element else {})


def _cut_item(item: dict, square, resolution: int, view=None) -> dict[str, np.ndarray]:
  """Photo, labels and, if it is there, confidence: of a square, or of a view in its place."""
  if view is None:
    photo, labels = cut(item["photo"], item["labels"], square, resolution)
    found = {"photo": photo, "labels": labels}
    if "confidence" in item:
      found["confidence"] = cut_map(item["confidence"], square, resolution)
    return found
  found = {
    "photo": augmentation.sample_photo(item["photo"], view, resolution),
    "labels": augmentation.sample_map(item["labels"], view, resolution, VOID),
  }
  if "confidence" in item:  # of what is mirrored in beyond the edges, nothing is sure
    found["confidence"] = augmentation.sample_map(item["confidence"], view, resolution, 0)
  return found


class _Rows(grain.transforms.DatasetSelectionMap):
  """Which rows of each global batch belong to this process: a block of neighbours.

  Not every n-th row: the blocks of all processes, one after the other, are then the very batch
  that one process would have made, and noise drawn for the whole batch meets the same photos.
  """

  def __init__(self, length: int, batch_size: int, index: int, count: int):
    self._rows = batch_size // count
    self._skip = batch_size - self._rows
    self._first = index * self._rows
    self._length = length // batch_size * self._rows

  def __len__(self) -> int:
    return self._length

  def __getitem__(self, position: int) -> tuple[int, int]:
    return 0, position + position // self._rows * self._skip + self._first


def batches(
  sources,
  mask_mix: MaskMix,
  *,
  resolution: int,
  batch_size: int,
  seed: int,
  workers: int = 0,
  start: int = 0,
  process_index: int = 0,
  process_count: int = 1,
  zoom: tuple[float, float] = (1.0, 1.0),
  flip: bool = True,
  augment: augmentation.Augment = augmentation.NONE,
  on_bad_record: str = "error",
) -> Batches:
  """An endless stream of training batches.

  Args:
    sources: list of (source, weight): photos are drawn in proportion to the weights; each source
      is shuffled anew in every epoch of its own. Weight 0 leaves a source out.
    mask_mix: where the holes come from.
    resolution: side of the pictures in pixels; a multiple of 32, from 64 up.
    batch_size: photos in a global batch, over all processes.
    seed: 0..2**32 - 1.
    workers: processes that decode; 0: two threads of this process.
    start: global batches to skip. A run that took k batches resumes exactly with start=k.
    process_index: this process; it gets its block of rows of every global batch.
    process_count: how many processes share a global batch.
    zoom: side of the square that is cut out, relative to the short side of the photo, drawn
      evenly from low..high; (1, 1) cuts the centre square, anything else is moved at random.
    flip: whether half of the photos are mirrored.
    augment: what else is varied, in which share of the photos.
    on_bad_record: "error", or "skip": another record takes the place of a bad one, up to
      3 + 0.1 % of the samples of this process; see `data.bad_records`.

  Returns:
    An iterator of dicts: photo uint8 (b, h, w, 3), labels uint8 (b, h, w), mask bool (b, h, w, 1),
    True = hole, with b = batch_size / process_count; if the sources have it, confidence uint8
    (b, h, w), 255 = sure of the labels. Close it after use.

  Raises:
    ValueError: an option is out of range; at `next`, a file cannot be read.
    BadRecordError: at `next`, a record is damaged or does not fit; or too many are.
  """
  bad_records.check_choice(on_bad_record)
  sources = [(source, float(weight)) for source, weight in sources]
  _check_sources(sources)
  _check_sizes(resolution, batch_size, process_index, process_count)
  low, high = zoom
  if not 0 < low <= high <= 1:
    raise ValueError(f"zoom must be 0 < low <= high <= 1, got ({low}, {high})")
  if not 0 <= seed < 2**32 or start < 0 or workers < 0:
    raise ValueError(
      f"seed must be 0..2**32 - 1, start and workers 0 or more; got {seed=}, {start=}, {workers=}"
    )
  skip = on_bad_record == "skip"
  dataset = _mix(sources, seed, skip).random_map(
    Frame(mask_mix, resolution, (low, high), flip, augment), seed=_derive(seed, 0)
  )
  if process_count > 1:
    # After the random map, whose draws go by position in the global stream.
    rows = _Rows(len(dataset), batch_size, process_index, process_count)
    dataset = grain.MapDataset.select_from_datasets([dataset], rows)
  dataset = dataset.batch(batch_size // process_count, drop_remainder=True)[start:]
  iterable = dataset.to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=4))
  if workers:
    _check_shared_memory(workers, batch_size // process_count * resolution**2 * 6)
    if not flags.FLAGS.is_parsed():
      flags.FLAGS.mark_as_parsed()  # grain's workers read an absl flag, also outside app.run
    options = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2)
    iterable = iterable.mp_prefetch(options, worker_init_fn=_start_worker)
  skipped = bad_records.Skipped([source for source, _ in sources]) if skip else None
  return Batches(iter(iterable), workers > 0, skipped)


def _start_worker(index: int, count: int) -> None:
  """Runs first in each worker."""
  # The parent may still want a batch before it saves and closes its workers.
  signal.signal(signal.SIGTERM, signal.SIG_IGN)
  start_worker()


def _check_shared_memory(workers: int, batch_bytes: int) -> None:
  """ValueError if /dev/shm is too small for the batches under way: writing would be a SIGBUS."""
  needed = (
    5 * workers * batch_bytes
  )  # two buffered on either side of each worker, one in the making
  if os.path.isdir("/dev/shm") and (free := shutil.disk_usage("/dev/shm").free) < needed:
    raise ValueError(
      f"{workers} workers need about {needed / 2**20:.0f} MiB of shared memory, /dev/shm has "
      f"{free / 2**20:.0f} free; use fewer workers or give the container more (docker --shm-size)"
    )


def _mix(sources, seed: int, skip: bool) -> grain.MapDataset:
  """One endless dataset of all sources, each shuffled with a seed of its own."""
  places = bad_records.offsets([source for source, _ in sources])
  datasets, weights = [], []
  for k, (source, weight) in enumerate(sources, 1):
    if weight > 0:
      own = _derive(seed, k)
      # Shuffled are items, or, to know what to replace, their numbers: into the same order.
      dataset = grain.MapDataset.source(range(len(source)) if skip else source)
      dataset = dataset.seed(own).shuffle().repeat(None)
      if skip:
        read = bad_records.ReadOrReplace(source, places[k - 1], own)
        dataset = dataset.map_with_index(read)
      datasets.append(dataset)
      weights.append(weight)
  return datasets[0] if len(datasets) == 1 else grain.MapDataset.mix(datasets, weights=weights)


def _derive(seed: int, k: int) -> int:
  # Grain's shuffle adds the epoch to the seed, so neighbouring seeds would share their orders.
  return int(np.random.SeedSequence((seed, k)).generate_state(1)[0])


def _check_sources(sources) -> None:
  weights = [weight for _, weight in sources]
  if not sources or not all(0 <= w < math.inf for w in weights) or sum(weights) == 0:
    raise ValueError(f"source weights must be 0 or more, one of them above 0; got {weights}")
  for number, (source, weight) in enumerate(sources):
    if weight > 0 and len(source) == 0:
      raise ValueError(f"source {number} of {len(sources)} has no photos")


def _check_sizes(resolution: int, batch_size: int, process_index: int, process_count: int) -> None:
  if resolution < 64 or resolution % 32:
    raise ValueError(f"resolution must be a multiple of 32, from 64 up; got {resolution}")
  if process_count < 1 or not 0 <= process_index < process_count:
    raise ValueError(f"process {process_index} of {process_count}: valid are 0..count - 1")
  if batch_size < 1 or batch_size % process_count:
    raise ValueError(
      f"batch size {batch_size} cannot be split over {process_count} processes; give a multiple"
    )


def fixed_batch(
  source,
  masks: MaskMix | FolderMasks,
  *,
  resolution: int,
  count: int,
  seed: int,
  on_bad_record: str = "error",
) -> dict[str, np.ndarray]:
  """The same photos and holes every time, for evaluation and sample grids.

  Args:
    source: its first `count` (good) items are taken (all, if there are fewer), by their centre
      squares.
    masks: a folder, from which files are taken evenly spaced, so that folders sorted into bins
      are all met; or a mix, sampled with rng (seed, i) for item i.
    resolution: as in `batches`.
    count: photos wanted.
    seed: for a mix; not used with a folder.
    on_bad_record: "error", or "skip": bad items are left out.

  Returns:
    The dict of `batches`, with b = min(count, number of good items); no flip.

  Raises:
    BadRecordError: a bad item, or, with "skip", too many of them or nothing else.
  """
  _check_sizes(resolution, count, 0, 1)
  count = min(count, len(source))
  if count == 0:
    raise ValueError("a fixed batch needs at least one photo; the source has none")
  picks = None
  if isinstance(masks, FolderMasks):
    picks = [i * len(masks) // count for i in range(count)]  # repeated if there are too few
  rows = []
  items = bad_records.good_items(source, range(len(source)), on_bad_record)
  for i, item in enumerate(itertools.islice(items, count)):
    square = centre_square(*item["photo"].shape[:2])
    row = _cut_item(item, square, resolution)
    if picks is None:
      mask = masks.sample(np.random.default_rng((seed, i)), row["labels"])
    else:
      mask = resize_nearest(masks[picks[i]], (resolution, resolution))
    rows.append(row | {"mask": mask[..., None]})
  return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
