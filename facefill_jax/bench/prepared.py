"""A program that is ready to be measured, and the row that its samples become."""

import dataclasses
from collections.abc import Callable, Sequence

from facefill_jax.bench import hardware, peak, timing


@dataclasses.dataclass(frozen=True)
class Prepared:
  """A compiled program with its arguments.

  Attributes:
    facts: JSON-able, what is known before it is timed; "photos" a call and "dtype" are among them,
      and "gflop_per_photo" where it could be counted.
    sample: runs it once.
  """

  facts: dict
  sample: Callable[[], timing.Sample]

  def collect(self, seconds: float, least: int = 1) -> list[timing.Sample]:
    """Samples of so many seconds."""
    return timing.collect(self.sample, seconds, least)

  def close(self) -> None:
    """Nothing to end; a side of another checkout has."""


def row(facts: dict, rounds: Sequence[Sequence[timing.Sample]]) -> dict:
  """The facts, and what the samples of all rounds say: times, photos a second, share of the peak.

  "ms" and "cpu_s_per_photo" are spreads, see `timing.spread`. The latter and "share_of_core_peak"
  are there on a CPU only: what a photo costs in all threads together, whatever else runs, and
  GFLOP a CPU-second over those of a matrix product.
  """
  samples, photos = [sample for found in rounds for sample in found], facts["photos"]
  found = dict(facts)
  found["ms"] = timing.spread(1e3 * sample.wall for sample in samples)
  seconds = found["ms"]["median"] / 1e3
  found["photos_per_second"] = photos / seconds
  if hardware.on_cpu():
    found["cpu_s_per_photo"] = timing.spread(sample.cpu / photos for sample in samples)
  if facts.get("gflop_per_photo"):
    found["gflops"] = facts["gflop_per_photo"] * photos / seconds
    best = peak.matmul(facts["dtype"])
    found["share_of_peak"] = found["gflops"] / best["gflops"]
    if "cpu_s_per_photo" in found:
      speed = facts["gflop_per_photo"] / found["cpu_s_per_photo"]["median"]
      found["share_of_core_peak"] = speed / best["gflop_per_cpu_s"]
  return found


def ratio(
  a: Sequence[Sequence[timing.Sample]], b: Sequence[Sequence[timing.Sample]],
  photos: tuple[int, int], what: str = "wall",
) -> dict[str, float]:  # fmt: skip
  """B's time a photo over A's: the median of the rounds' ratios, each of medians, and their range.

  what: "wall" or "cpu".
  """

  def middle(samples, count):
    return timing.quantile([getattr(sample, what) for sample in samples], 0.5) / count

  found = [middle(y, photos[1]) / middle(x, photos[0]) for x, y in zip(a, b, strict=True)]
  return {"median": timing.quantile(found, 0.5), "least": min(found), "most": max(found),
          "rounds": len(found)}  # fmt: skip
