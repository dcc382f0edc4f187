"""bench train --fed: does the device ever wait for photos?

A loop as training's (`training.loop`): the next batch is drawn and sent while the device is at the
last one, and no step is waited for. It runs in turn on the configuration's own photos and on
made-up ones that are on the device already; what the first loses against the second, the device
waited. Steps are of the kind that comes most often (no penalty, if that is lazy), the hardest to
feed.
"""

import itertools
import time
from collections.abc import Callable, Iterator

import jax

from facefill_jax.bench import timing, train_case
from facefill_jax.stages import step as step_lib
from facefill_jax.training import from_config
from facefill_jax.training.batches import Feed

_BURST = 8  # steps between two looks at the clock
_ROUNDS = 5


def open_data(case: train_case.Case) -> tuple[Feed, int]:
  """The configuration's photos, and the step from which on they are those of its last phase.

  Raises:
    ValueError: they cannot be used.
  """
  config = train_case.load(case)
  plan, _ = from_config.make_plan(config)
  return Feed(config, plan), plan.starts[-1]


def measure(data: tuple[Feed, int], seconds: float, bench, compiled, stage) -> dict[str, float]:
  """{"photos_per_second", "held_photos_per_second", "drawing_share"}.

  drawing_share: of the fed loop's time, how much the host was drawing batches, 0..1; the device is
  at work meanwhile, if the host is ahead of it.

  Args:
    data: of `open_data`.
    seconds: for each of the two loops.
    bench: `train.Bench`; its state moves.
    compiled, stage: the step, and the stage that it is called with.
  """
  feed, start = data
  with feed.stream(start) as stream:
    drawn = _Drawn(stream)
    loops = {
      name: _collector(bench, compiled, stage, batches)
      for name, batches in (("fed", drawn), ("held", itertools.repeat(bench.sent)))
    }
    for loop in loops.values():
      loop(0.0)  # a first burst: threads start, queues fill
    drawn.seconds = 0.0
    rounds = timing.in_turn(loops, _ROUNDS, seconds)
  batch = len(bench.sent.photo)
  walls = {name: [s.wall for found in turns for s in found] for name, turns in rounds.items()}
  fed, held = (batch * _BURST / timing.quantile(walls[name], 0.5) for name in ("fed", "held"))
  return {
    "photos_per_second": fed, "held_photos_per_second": held,
    "drawing_share": drawn.seconds / sum(walls["fed"]),
  }  # fmt: skip


class _Drawn:
  """Batches of a stream, on their way to the device. seconds: how long drawing them took."""

  def __init__(self, stream: Iterator[dict]):
    self._stream, self.seconds = stream, 0.0
    self._make = jax.jit(step_lib.make_batch, donate_argnames="mask")

  def __next__(self):
    begin = time.perf_counter()
    batch = next(self._stream)
    self.seconds += time.perf_counter() - begin
    batch.pop("confidence", None)  # the step was compiled without
    return self._make(**jax.device_put(batch))


def _collector(bench, compiled, stage, batches) -> Callable[[float], list]:
  """What runs bursts of steps for so many seconds, one at least."""

  def burst():
    for _ in range(_BURST):
      bench.advance(compiled, stage, 1, bench.attached(next(batches)))
    bench.wait()

  return lambda seconds: timing.collect(lambda: timing.timed(burst), seconds, least=1)


def describe(row: dict) -> str:
  """A line for the screen: of a row with what `measure` found as "fed"."""
  found = row["fed"]
  share = found["photos_per_second"] / found["held_photos_per_second"]
  return (
    f"{row['stage']} {row['resolution']} px x {row['batch']}, not waiting for each step: "
    f"{found['photos_per_second']:.1f} photos/s on the configuration's photos, {share:.0%} of the "
    f"{found['held_photos_per_second']:.1f} on photos that are there already; the host drew "
    f"batches for {found['drawing_share']:.0%} of the time"
  )
