"""Progressive training: what changes from which photo on, and which step that is.

A run is counted in images; the steps follow from each phase's batch. Everything here is exact
integer arithmetic on a few numbers, so that a resumed run lands where it was.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from facefill_jax import images


@dataclasses.dataclass(frozen=True)
class Phase:
  """How the run trains from one photo on, until the next phase begins.

  Attributes:
    from_images: photos seen before it.
    resolution: side of the pictures in pixels.
    batch_size: photos a step, over all devices.
    micro_batches: parts of a batch whose gradients are summed.
    mask_ratio: share of the photo that holes take, (low, high).
    unlabelled_share: of the samples, if there are unlabelled photos.
    lr: factor of the learning rates of generators and critics.
    unlabelled: directories or .zips of photos without labels.
  """

  from_images: int
  resolution: int
  batch_size: int
  micro_batches: int
  mask_ratio: tuple[float, float]
  unlabelled_share: float
  lr: float = 1.0
  unlabelled: tuple[str, ...] = ()

  def __post_init__(self):
    object.__setattr__(self, "mask_ratio", tuple(self.mask_ratio))
    object.__setattr__(self, "unlabelled", tuple(self.unlabelled))
    where = f"the phase from image {self.from_images} on"
    for name in ("from_images", "resolution", "batch_size", "micro_batches"):
      if not isinstance(getattr(self, name), int):
        raise ValueError(f"{where}: {name} must be a whole number, got {getattr(self, name)!r}")
    if not images.is_side(self.resolution):
      raise ValueError(
        f"{where}: resolution must be a multiple of 32, from 64 up; got {self.resolution}"
      )
    for name in ("batch_size", "micro_batches"):
      if getattr(self, name) < 1:
        raise ValueError(f"{where}: {name} must be 1 or more, got {getattr(self, name)}")
    if not 0 <= self.unlabelled_share < 1:
      raise ValueError(f"{where}: unlabelled_share must be in [0, 1), got {self.unlabelled_share}")
    if self.lr <= 0:
      raise ValueError(f"{where}: lr, a factor, must be above 0, got {self.lr}")


class Plan:
  """The phases of a run.

  Attributes:
    phases: in their order; starts: the step that each begins with.
    total: steps in all.
  """

  def __init__(self, first: Phase, changes: Sequence[Mapping[str, Any]], total_images: int):
    """Args:
      first: the phase from image 0 on.
      changes: of the later phases: `from_images`, and what is then no longer as before.
      total_images: where the run ends, at the latest.

    Raises:
      ValueError: an unknown key; phases that are not in order, or without a step.
    """
    valid = [f.name for f in dataclasses.fields(Phase)]
    self.phases, self.starts, self._seen = [first], [0], [0]
    for number, change in enumerate(changes):
      unknown = sorted(set(change) - set(valid))
      if unknown or "from_images" not in change:
        said = f"unknown key {', '.join(unknown)}" if unknown else "missing key from_images"
        raise ValueError(f"config.phases[{number}]: {said}; valid keys are {', '.join(valid)}")
      # A factor of the configured rates, not of the phase before.
      phase = dataclasses.replace(self.phases[-1], **{"lr": 1.0, **change})
      self._end_last(phase.from_images, f"config.phases[{number}].from_images")
      self.phases.append(phase)
    self._end_last(total_images, "total_images")
    self.total = self.starts.pop()
    self.total_images = self._seen.pop()

  def _end_last(self, images: int, name: str) -> None:
    last = self.phases[-1]
    steps = (images - self._seen[-1]) // last.batch_size
    if steps < 1:
      raise ValueError(
        f"{name} {images} leaves no step of batch {last.batch_size} after image {self._seen[-1]}"
      )
    self.starts.append(self.starts[-1] + steps)
    self._seen.append(self._seen[-1] + steps * last.batch_size)

  def number_at(self, step: int) -> int:
    """Which phase a step is of, from 0."""
    return max(i for i, start in enumerate(self.starts) if start <= step)

  def at(self, step: int) -> Phase:
    """The phase that a step is of."""
    return self.phases[self.number_at(step)]

  def images_at(self, step: int) -> int:
    """Photos seen before a step."""
    k = self.number_at(step)
    return self._seen[k] + (step - self.starts[k]) * self.phases[k].batch_size

  def step_at(self, images: int) -> int:
    """The first step before which at least so many photos have been seen."""
    k = max(i for i, seen in enumerate(self._seen) if seen <= images)
    return self.starts[k] + -(-(images - self._seen[k]) // self.phases[k].batch_size)

  def step_after(self, begin: int, images: int) -> int:
    """The first step before which so many photos have been seen since step `begin`."""
    return self.step_at(self.images_at(begin) + images)

  def schedule_segments(self, begin: int) -> tuple[tuple[int, int, int, float], ...]:
    """What a schedule of a stage that begins at step `begin` needs.

    Returns:
      A tuple a phase, from the one of `begin` on: the stage's step and its photos seen when the
      phase begins, photos a step, factor of the learning rate.
    """
    first, seen = self.number_at(begin), self.images_at(begin)
    return tuple(
      (max(self.starts[k], begin) - begin, max(self._seen[k], seen) - seen, phase.batch_size,
       float(phase.lr))
      for k, phase in enumerate(self.phases) if k >= first
    )  # fmt: skip

  def batches(self, step: int) -> list[list[int]]:
    """[from_images, batch_size] of the phases up to a step: where a run is in its data."""
    return [[phase.from_images, phase.batch_size] for phase in self.begun(step)]

  def begun(self, step: int) -> list[Phase]:
    """The phases that steps before `step` are of; the first in any case."""
    return self.phases[: self.number_at(max(step - 1, 0)) + 1]
