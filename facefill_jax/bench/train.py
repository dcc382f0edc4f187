"""bench train: what a stage's step costs, and its parts.

The step is that of the configuration (`training.from_config`), on made-up photos that lie on the
device already: no disk, no decoding. In the texture stage the layout network's look at the photo
(`attach_layout`) is part of it, as in the loop.

Each step is waited for, which a loop does not do (`fed` does as the loop). Steps differ: a penalty
every 16 steps, say. A sample is an average step: each kind of step is run once, its time weighed by
how often it comes.

The parts are differences between programs, as nobody can look into one:

    generator   the step without critic and without terms that look through frozen networks
    judges      what those terms add (layout_consistency, perceptual, style: of texture only)
    critic      what the critic's loss and update add, with the generator's terms that ask it
    penalty     what the gradient penalty adds, a step on average
    layouts     `attach_layout`, timed by itself (texture only)

A compiler shares and fuses across these borders: they are estimates, and may be a little below 0.
"""

import dataclasses
import math
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from facefill_jax.bench import fed, hardware, memory, tables, timing, train_step
from facefill_jax.bench.prepared import Prepared
from facefill_jax.bench.train_case import Case
from facefill_jax.models.networks import TEXTURE
from facefill_jax.stages.stage import Stage
from facefill_jax.types import Batch

PARTS = ("generator", "judges", "critic", "penalty", "layouts")
_ROUNDS = 5


def kinds_of_steps(stage: Stage) -> list[tuple[int, float]]:
  """(a step of this kind, its share of all steps): with or without penalty, and generator."""
  asked = stage.objective.asks_critic and stage.penalty
  lazy = stage.penalty_every if asked else 1
  period, first, counts = math.lcm(lazy, stage.generator_every), {}, {}
  for step in range(period):
    kind = step % lazy == 0, (step + 1) % stage.generator_every == 0
    first.setdefault(kind, step)
    counts[kind] = counts.get(kind, 0) + 1
  return [(first[kind], counts[kind] / period) for kind in first]


class Bench:
  """A setup's arrays on the device, and the programs that run on them.

  Attributes:
    sent: a batch of made-up photos, nothing attached.
    attach: `attach_layout`, jitted; None in the layout stage.
    finite: whether all losses of the last step were.
  """

  def __init__(self, setup: train_step.Setup):
    self._setup, self.finite = setup, True
    self._state, self._judges, self._parser, self.sent = train_step.arrays(setup)
    self._rng = jax.random.key(0)
    self.attach = None
    if setup.stage.name == TEXTURE:
      self.attach = train_step.attaching(setup)
    self._batch = jax.block_until_ready(self.attached(self.sent))

  def attached(self, batch: Batch) -> Batch:
    """The batch, in the texture stage with what the layout network sees in it."""
    return batch if self.attach is None else self.attach(self._parser, batch)

  def advance(self, compiled, stage: Stage, number: int, batch: Batch) -> dict:
    """A step as if it were the run's step `number`, not waited for; its metrics.

    All variants move the same state.
    """
    state = self._state.replace(step=jnp.int32(number))
    stage = stage.replace(judges=self._judges)
    self._state, metrics = compiled(stage, state, batch, self._rng)
    return metrics

  def wait(self) -> None:
    """Until the last step is done."""
    jax.block_until_ready(self._state)

  def step(self, compiled, stage: Stage, number: int, attach: bool) -> None:
    """One step of the made-up batch, to its end."""
    batch = self.attached(self.sent) if attach else self._batch
    metrics = self.advance(compiled, stage, number, batch)
    self.wait()
    self.finite = all(np.isfinite(value) for value in jax.device_get(metrics).values())

  def sampler(self, compiled, stage: Stage, attach: bool = False) -> Callable[[], timing.Sample]:
    """What times an average step."""
    kinds = kinds_of_steps(stage)

    def sample():
      total = timing.Sample(0.0, 0.0)
      for number, share in kinds:
        one = timing.timed(lambda number=number: self.step(compiled, stage, number, attach))
        total += one * share
      return total

    return sample

  def layouts(self) -> timing.Sample:
    """Times `attach_layout`."""
    return timing.timed(lambda: jax.block_until_ready(self.attached(self.sent)))


def variants(stage: Stage) -> dict[str, Stage]:
  """The step with ever less in it: the part that the next one lacks -> the stage with it."""
  found, rest = {}, stage
  if stage.objective.asks_critic:
    if stage.penalty:
      found["penalty"] = stage
      rest = stage.replace(penalty=0.0)
    found["critic"], rest = rest, rest.without_critic()
  plain = rest.objective.active - set(train_step.JUDGED)
  if plain and plain != rest.objective.active:
    found["judges"], rest = rest, rest.with_terms(plain)
  return found | {"generator": rest}


def differences(found: dict[str, float]) -> dict[str, float]:
  """What each of `variants` takes, with all that is below it -> what it takes alone."""
  names = list(found)
  below = [*names[1:], None]
  return {name: found[name] - found.get(less, 0.0) for name, less in zip(names, below, strict=True)}


def prepare(case: Case) -> Prepared:
  """Compiles the step and runs it once; the parts, too, if the case asks for them."""
  data = fed.open_data(case) if case.fed_seconds else None  # what is wrong with it is said at once
  setup = train_step.set_up(case)
  bench, stage = Bench(setup), setup.stage
  begin = time.perf_counter()
  lowered = train_step.lower(setup)
  lower_s = time.perf_counter() - begin
  begin = time.perf_counter()
  compiled = lowered.compile()
  compile_s = time.perf_counter() - begin
  attach = bench.attach is not None
  begin = time.perf_counter()
  held = memory.peak(lambda: bench.step(compiled, stage, 0, attach))
  run_s = time.perf_counter() - begin
  facts = dataclasses.asdict(case) | {
    "name": case.name, "size": setup.size, "dtype": setup.dtype, "resolution": setup.resolution,
    "batch": setup.batch, "photos": setup.batch, "lower_s": lower_s, "compile_s": compile_s,
    "first_call_s": lower_s + compile_s + run_s, **held,
    "compiled_mib": memory.compiled_mib(compiled), "finite": bench.finite,
    "gflop_per_photo": train_step.gflop_per_photo(setup) + train_step.attach_gflop_per_photo(setup),
  }  # fmt: skip
  if case.parts_seconds:
    facts["parts"] = parts(setup, bench, case.parts_seconds)
  if data is not None:
    facts["fed"] = fed.measure(data, case.fed_seconds, bench, compiled, stage)
  return Prepared(facts, bench.sampler(compiled, stage, attach))


def parts(setup: train_step.Setup, bench: Bench, seconds: float) -> dict[str, dict[str, float]]:
  """Part -> {"ms", "cpu_ms"} of an average step; each program gets `seconds`, in turn."""
  samplers = {}
  for name, stage in variants(setup.stage).items():
    samplers[name] = bench.sampler(train_step.lower(setup, stage).compile(), stage)
  order = list(samplers)
  if bench.attach is not None:
    samplers["layouts"] = bench.layouts
  for sampler in samplers.values():
    timing.warm_up(sampler)
  collectors = {
    name: lambda s, sampler=sampler: timing.collect(sampler, s, least=1)
    for name, sampler in samplers.items()
  }
  rounds = timing.in_turn(collectors, _ROUNDS, seconds)
  found = {name: {} for name in PARTS if name in samplers}
  for key, field in (("ms", "wall"), ("cpu_ms", "cpu")):
    middles = {
      name: 1e3 * timing.quantile([getattr(s, field) for one in turns for s in one], 0.5)
      for name, turns in rounds.items()
    }
    alone = differences({name: middles[name] for name in order})
    for name in found:
      found[name][key] = alone.get(name, middles[name])
  return found


COLUMNS = (
  ("configuration", lambda row: row["name"]),
  ("size", lambda row: row["size"]),
  ("stage", lambda row: row["stage"]),
  ("px", lambda row: str(row["resolution"])),
  ("batch", lambda row: str(row["batch"])),
  ("dtype", lambda row: row["dtype"]),
  ("compile s", lambda row: f"{row['compile_s']:.1f}"),
  *tables.TIMES,
  ("peak MiB", lambda row: "" if row["peak_mib"] is None else f"{row['peak_mib']:.0f}"),
)  # fmt: skip
"""Of the table: heads, and a row's cell."""


def say_more(found: dict) -> str:
  """Lines below the table, of a row, or of A's and B's: parts, and what feeding it costs.

  Parts are told on a CPU by CPU time, which is steadier.
  """
  key, unit = ("cpu_ms", "CPU-ms") if hardware.on_cpu() else ("ms", "ms")
  lines = []
  for side, row in [("", found)] if "a" not in found else [("A ", found["a"]), ("B ", found["b"])]:
    if "parts" in row:
      total = sum(part[key] for part in row["parts"].values())
      said = ", ".join(
        f"{name} {part[key]:.1f} {unit} ({part[key] / total:.0%})"
        for name, part in row["parts"].items()
      )
      lines.append(f"{side}{row['stage']} {row['resolution']} px x {row['batch']}: {said}")
    if "fed" in row:
      lines.append(side + fed.describe(row))
    if not row.get("finite", True):
      lines.append(f"{side}{row['stage']}: a loss was not finite, so its times may be off")
  return "\n".join(lines)
