"""A run's batches: photos and holes by the phases of its plan, and the held-out faces."""

import functools
import sys

import jax
import numpy as np
from ml_collections import ConfigDict

from facefill_jax.data import augmentation, opening, pipeline
from facefill_jax.data.masks import training
from facefill_jax.labels import VOID
from facefill_jax.training import config_check, data_identity
from facefill_jax.training.phases import Phase, Plan


class Feed:
  """Opens and checks the data of a configuration, also of its later phases.

  Attributes:
    sources: (source, weight) of the first phase.
    held_out: the source of the held-out faces.
    labelled: whether a layout network can learn from them.
    confidence: whether batches tell how sure labels are.
  """

  def __init__(self, config: ConfigDict, plan: Plan):
    """Raises ValueError, one line, if the data cannot be used."""
    self._config, self._plan = config, plan
    choice = config.data.to_dict()
    self.about = choice.pop("about")
    options = {name: choice.pop(name) for name in ("workers", "flip")}
    self._stream_options = options | {name: choice[name] for name in ("zoom", "on_bad_record")}
    self._stream_options["augment"] = config_check.splat(
      "data.augment", augmentation.Augment, choice.pop("augment")
    )
    self._choice = choice
    first = plan.phases[0]
    self.sources, self.held_out = self._open(first)
    self.confidence = bool(choice["confidence"])
    self.labelled = opening.has_layouts(choice["kind"], choice["labels"], self.sources[0][0])
    for phase in plan.phases:
      self._open(phase)
      self._masks(phase.mask_ratio)
    self.fixed(first.resolution)

  def _open(self, phase: Phase):
    return self._open_at(phase.resolution, phase.unlabelled, phase.unlabelled_share)

  @functools.cache  # noqa: B019 (a run has one feed)
  def _open_at(self, resolution: int, unlabelled: tuple[str, ...], share: float):
    choice = self._choice | {"unlabelled": unlabelled, "unlabelled_share": share}
    seed = self._config.seed
    return config_check.splat("data", opening.open_data, choice, resolution=resolution, seed=seed)

  @functools.cache  # noqa: B019
  def _masks(self, ratio: tuple[float, float]) -> training.MaskMix:
    options = self._config.masks.to_dict() | {"ratio": ratio}
    masks = config_check.splat("masks", training.MaskMix, options)
    masks.check()
    return masks

  @functools.cache  # noqa: B019
  def fixed(self, resolution: int) -> dict[str, np.ndarray]:
    """The held-out faces, always the same ones, and holes, the same at one resolution.

    See `pipeline.fixed_batch`.
    """
    return self._fixed(resolution, of_training=False)

  @functools.cache  # noqa: B019
  def fixed_train(self, resolution: int) -> dict[str, np.ndarray]:
    """Training faces, as many as `eval.train_count`, with holes like those of `fixed`."""
    return self._fixed(resolution, of_training=True)

  @functools.cached_property
  def _fixed_masks(self) -> training.FolderMasks | training.MaskMix:
    choice = self._config.eval
    if choice.masks_folder:
      return training.FolderMasks(choice.masks_folder)
    return training.MaskMix({"free_form": 1.0}, ratio=choice.ratio)

  def _fixed(self, resolution: int, of_training: bool) -> dict[str, np.ndarray]:
    c = self._config
    first = self._plan.phases[0]
    sources, source = self._open_at(resolution, first.unlabelled, first.unlabelled_share)
    if of_training:
      source = sources[0][0]
    return pipeline.fixed_batch(
      source, self._fixed_masks, resolution=resolution, seed=c.seed,
      count=c.eval.train_count if of_training else c.eval.count, on_bad_record=c.data.on_bad_record,
    )  # fmt: skip

  def identity(self, step: int) -> dict:
    """Which data the steps before `step` saw; see `data_identity.identity`."""
    return self._identity(len(self._plan.begun(step)))

  @functools.cache  # noqa: B019
  def _identity(self, begun: int) -> dict:
    data, scored = self._config.data, self._config.eval
    phases = [(phase, self._open(phase)[0]) for phase in self._plan.phases[:begun]]
    return data_identity.identity(
      data.to_dict(), self.sources, self.held_out, phases,
      (scored.count, scored.masks_folder, tuple(scored.ratio)),
    )  # fmt: skip

  @functools.cached_property
  def digest(self) -> str:
    """Of what held-out scores depend on."""
    return data_identity.digest(self._identity(1))

  def check_held_out(self) -> list[str]:
    """A line if held-out faces are trained on."""
    sources = [each for phase in self._plan.phases for each in self._open(phase)[0]]
    return data_identity.check_held_out(sources, self.held_out)

  def scores_layouts(self) -> bool:
    """Whether any held-out face that is evaluated has labels."""
    return bool((self.fixed(self._plan.phases[0].resolution)["labels"] != VOID).any())

  def stream(self, step: int) -> "Stream":
    """Training batches from a step of the run on, through all phases."""
    return Stream(self, self._plan, step)

  def open_phase(self, number: int, start: int) -> pipeline.Batches:
    """The batches of one phase from its `start`-th on."""
    phase = self._plan.phases[number]
    sources, _ = self._open(phase)
    return pipeline.batches(
      sources, self._masks(phase.mask_ratio), resolution=phase.resolution,
      batch_size=phase.batch_size, seed=self._seed(number), start=start,
      process_index=jax.process_index(), process_count=jax.process_count(),
      **self._stream_options,
    )  # fmt: skip

  def _seed(self, number: int) -> int:
    """Another one a phase: its first photos are not again those of the first phase."""
    seed = self._config.seed
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0]) if number else seed


class Stream:
  """An endless iterator over a run's batches; close it, or use `with`.

  Attributes:
    skipped: what became of the present phase's bad records; None if they are errors.
  """

  def __init__(self, feed: Feed, plan: Plan, step: int):
    self._feed, self._plan, self._step = feed, plan, step
    number = plan.number_at(step)
    self._open(number, step - plan.starts[number])

  def _open(self, number: int, start: int) -> None:
    self._number = number
    self._batches = self._feed.open_phase(number, start)
    self.skipped = self._batches.skipped

  def __next__(self) -> dict[str, np.ndarray]:
    number = self._plan.number_at(self._step)
    if number != self._number:
      self.close()
      self._open(number, 0)
    self._step += 1
    return next(self._batches)

  def __iter__(self) -> "Stream":
    return self

  def close(self) -> None:
    """Stops the workers, and tells what was skipped. Closing twice is fine."""
    self._batches.close()
    if self.skipped is not None and self.skipped.count:
      print(self.skipped.describe(), file=sys.stderr)
    self.skipped = None

  def __enter__(self) -> "Stream":
    return self

  def __exit__(self, *_) -> None:
    self.close()
