"""From sources to batches: decode, crop, flip, mask, batch, through grain.

The global stream of photos, crops, flips and masks depends on the sources, their weights, the
options and the seed, and on nothing else: not on the number of workers, nor on the number of
processes, nor on where a run was resumed.
"""

import collections.abc
import math
import multiprocessing
import os
import shutil
import signal
import threading
import weakref

import cv2
import grain
import numpy as np
from absl import flags

from facefill_jax.data.crops import cut, random_square
from facefill_jax.data.masks import FolderMasks, MaskMix, spread
from facefill_jax.data.sources import resize_nearest
from facefill_jax.labels import flip_labels


class Batches(collections.abc.Iterator):
  """An endless iterator of batches. Close it (or use `with`) to stop its worker processes."""

  def __init__(self, iterator):
    self._held = [iterator]
    # Also at exit: left to the interpreter's end, workers die in a page of tracebacks.
    self._close = weakref.finalize(self, _close_all, self._held)

  def __next__(self) -> dict[str, np.ndarray]:
    if not self._held:
      raise ValueError("this iterator of batches is closed")
    # Workers send shared memory, which grain unmaps when its own array dies: a copy is safe to
    # keep, to hand to a device, and to still hold when the program ends.
    return {name: np.array(value, subok=False) for name, value in next(self._held[0]).items()}

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
  """Item of a source -> photo, labels and mask at the training resolution."""

  def __init__(self, mask_mix: MaskMix, resolution: int, zoom: tuple[float, float], flip: bool):
    self.mask_mix, self.resolution, self.zoom, self.flip = mask_mix, resolution, zoom, flip

  def random_map(self, element: dict, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """See `batches`; all randomness comes from `rng`, which grain seeds by position."""
    photo, labels = element["photo"], element["labels"]
    square = random_square(photo.shape[:2], self.zoom, rng)
    photo, labels = cut(photo, labels, square, self.resolution)
    if self.flip and rng.random() < 0.5:
      photo, labels = cv2.flip(photo, 1), flip_labels(labels)
    mask = self.mask_mix.sample(rng, labels)
    return {"photo": photo, "labels": labels, "mask": mask[..., None]}


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

  Returns:
    An iterator of dicts: photo uint8 (b, h, w, 3), labels uint8 (b, h, w), mask bool (b, h, w, 1),
    True = hole, with b = batch_size / process_count. Close it after use.

  Raises:
    ValueError: an option is out of range; at `next`, a file cannot be read or does not fit.
  """
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
  dataset = _mix(sources, seed).random_map(
    Frame(mask_mix, resolution, (low, high), flip), seed=_derive(seed, 0)
  )
  if process_count > 1:
    # After the random map, whose draws go by position in the global stream.
    rows = _Rows(len(dataset), batch_size, process_index, process_count)
    dataset = grain.MapDataset.select_from_datasets([dataset], rows)
  dataset = dataset.batch(batch_size // process_count, drop_remainder=True)[start:]
  iterable = dataset.to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=4))
  if workers:
    _check_shared_memory(workers, batch_size // process_count * resolution**2 * 5)
    if not flags.FLAGS.is_parsed():
      flags.FLAGS.mark_as_parsed()  # grain's workers read an absl flag, also outside app.run
    options = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2)
    iterable = iterable.mp_prefetch(options, worker_init_fn=_start_worker)
  return Batches(iter(iterable))


def _start_worker(index: int, count: int) -> None:
  """Runs first in each worker: it obeys its parent alone, and does not outlive it."""
  # A signal sent to the whole group is for the parent, which may still want a batch before it
  # saves and closes its workers; a killed parent (SIGKILL) cannot close them.
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  signal.signal(signal.SIGTERM, signal.SIG_IGN)
  cv2.setNumThreads(1)
  threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
  multiprocessing.parent_process().join()
  os._exit(1)


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


def _mix(sources, seed: int) -> grain.MapDataset:
  """One endless dataset of all sources, each shuffled with a seed of its own."""
  used = [(k, source, weight) for k, (source, weight) in enumerate(sources, 1) if weight > 0]
  datasets = [
    grain.MapDataset.source(source).seed(_derive(seed, k)).shuffle().repeat(None)
    for k, source, _ in used
  ]
  if len(datasets) == 1:
    return datasets[0]
  return grain.MapDataset.mix(datasets, weights=[weight for _, _, weight in used])


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
  source, masks: MaskMix | FolderMasks, *, resolution: int, count: int, seed: int
) -> dict[str, np.ndarray]:
  """The same photos and holes every time, for evaluation and sample grids.

  Args:
    source: its first `count` items are taken (all, if there are fewer), by their centre squares.
    masks: a folder, from which files are taken evenly spaced, so that folders sorted into bins
      are all met; or a mix, sampled with rng (seed, i) for item i.
    resolution: as in `batches`.
    count: photos wanted.
    seed: for a mix; not used with a folder.

  Returns:
    The dict of `batches`, with b = min(count, len(source)); no flip.
  """
  _check_sizes(resolution, count, 0, 1)
  count = min(count, len(source))
  if count == 0:
    raise ValueError("a fixed batch needs at least one photo; the source has none")
  picks = spread(len(masks), count) if isinstance(masks, FolderMasks) else None
  rows = {"photo": [], "labels": [], "mask": []}
  for i in range(count):
    item = source[i]
    square = random_square(item["photo"].shape[:2], (1.0, 1.0), None)
    photo, labels = cut(item["photo"], item["labels"], square, resolution)
    if picks is None:
      mask = masks.sample(np.random.default_rng((seed, i)), labels)
    else:
      mask = resize_nearest(masks[picks[i]], (resolution, resolution))
    for name, value in (("photo", photo), ("labels", labels), ("mask", mask[..., None])):
      rows[name].append(value)
  return {name: np.stack(values) for name, values in rows.items()}
