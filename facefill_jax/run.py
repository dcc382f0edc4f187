"""What a training run is made of, and does not change from step to step."""

import dataclasses
import importlib.metadata
import json
import os
import platform
import sys
from functools import partial
from typing import Any

import jax
import numpy as np
from clu import parameter_overview
from ml_collections import ConfigDict

from facefill_jax import (
  __version__,
  images,
  nans,
  objectives,
  settings,
  sharding,
  stages,
  steps,
  weights,
)
from facefill_jax.checkpoint import Checkpoints
from facefill_jax.data import masks as mask_lib
from facefill_jax.data import opening, pipeline
from facefill_jax.evaluation import fills, scoring
from facefill_jax.models import perceptual
from facefill_jax.stages import LAYOUT, STAGES, TEXTURE

JUDGE = "judge"
TRAINED = {LAYOUT: (LAYOUT,), TEXTURE: (TEXTURE,), "both": STAGES}  # by config.stages
OBJECTIVES = {LAYOUT: objectives.LayoutObjective, TEXTURE: objectives.TextureObjective}
NUMBERS = ("name", "lr", "b1", "b2", "weight_decay", "clip")  # of an optimiser, as they are
SAME = ("seed", "batch_size", "size", "stages", "texture_starts_at_images")  # when resuming
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


def optimiser(*, warmup_images: int, decay_images: int, per_step: int, total: int, **numbers):
  """A section of the configuration, whose lengths are in images -> stages.Optimiser, in steps."""
  return stages.Optimiser(
    **numbers,
    warmup_steps=warmup_images // per_step,
    decay_steps=min(decay_images, total) // per_step,
    total_steps=max(total // per_step, 1),
  )


def make_stage(name: str, config: ConfigDict, networks: stages.Networks) -> stages.Stage:
  """One stage, its judges still missing, from its section of the configuration."""
  section = config[name].to_dict()
  total = config.total_images - (config.texture_starts_at_images if name == TEXTURE else 0)
  steps_between = {"optimiser": section.get("generator_every", 1), "critic_optimiser": 1}
  for key, every in steps_between.items():
    section[key] = settings.splat(
      f"{name}.{key}", optimiser, section.get(key, {}), NUMBERS,
      per_step=config.batch_size * every, total=total,
    )  # fmt: skip
  fields = dataclasses.fields(OBJECTIVES[name])
  options = [f.name for f in fields if f.default is not dataclasses.MISSING]
  return settings.splat(
    name, stages.make_stage, section, options, name=name, networks=networks, judges=stages.Judges()
  )


class Run:
  """A checked configuration with its mesh, networks, stages, data and compiled functions.

  Attributes:
    total: steps in all; texture_start: the step at which the texture stage begins.
    scorer: what held-out faces are scored by.
    fixed, fixed_train: held-out and training faces with their holes; the latter None if not asked.
    compiles_at: steps at which a new program is compiled.
    trained: names of the stages that advance.
    shapes: of all states, without allocation.
    stages: name -> Stage, without judges, which come with the states.
  """

  def __init__(self, config: ConfigDict, workdir: str):
    """Args:
      config: see the files of configs/; every key is needed.
      workdir: made if need be.

    Raises:
      ValueError: the configuration or the data cannot be used; one line.
    """
    self.config, self.workdir = config, workdir
    settings.check(config)
    self.trained = stages.choose("stages", config.stages, TRAINED)
    self.mesh = settings.splat("mesh", sharding.make_mesh, config.mesh)
    sharding.check_batch(config.batch_size, self.mesh)
    self._check_lengths()
    self.networks = settings.splat(
      "model", stages.build_networks, config.model, size=config.size, dtype=config.dtype
    )
    self.squeezenet = (
      perceptual.load_squeezenet(config.squeezenet_file) if config.squeezenet_file else None
    )
    if config.texture.perceptual == "squeezenet" and self.squeezenet is None:
      raise ValueError("texture.perceptual is 'squeezenet': give its weights as squeezenet_file")
    self.stages = {name: make_stage(name, config, self.networks) for name in self.trained}
    begins = {name: self.texture_start if name == TEXTURE else 0 for name in self.trained}
    self._begins = begins
    self.compiles_at = set(begins.values()) | {
      begins[name] + -(-stage.adversary_starts_at_images // config.batch_size)
      for name, stage in self.stages.items()
    }
    self._open_data()
    self.rng = jax.random.key(config.seed)
    self.versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    self.versions["facefill_jax"] = __version__
    self.versions["python"] = platform.python_version()
    self.versions["backend"] = jax.default_backend()
    self._compile_later()

  def _check_lengths(self) -> None:
    c = self.config
    self.total = c.total_images // c.batch_size
    self.texture_start = c.texture_starts_at_images // c.batch_size
    if c.stages != "both" and self.texture_start:
      raise ValueError(
        f"texture_starts_at_images is {c.texture_starts_at_images}, which only makes sense for "
        f"stages=both; stages is {c.stages!r}: give --config.texture_starts_at_images=0"
      )
    if self.total <= self.texture_start:
      raise ValueError(
        f"total_images {c.total_images} leaves no step of batch {c.batch_size} after "
        f"texture_starts_at_images {c.texture_starts_at_images}"
      )
    if c.stages == TEXTURE and not c.init_from:
      raise ValueError(
        "stages is 'texture', which needs a trained layout network: give --config.init_from="
        "WORKDIR of a run that trained one, or train --config.stages=both on photos with labels"
      )

  def _open_data(self) -> None:
    c = self.config
    choice = c.data.to_dict()
    self.about = choice.pop("about")
    self.stream_options = {name: choice.pop(name) for name in ("workers", "flip")}
    self.stream_options |= {name: choice[name] for name in ("zoom", "on_bad_record")}
    self.sources, held_out = settings.splat(
      "data", opening.open_data, choice, resolution=c.resolution, seed=c.seed
    )
    self.masks = settings.splat("masks", mask_lib.MaskMix, c.masks.to_dict())
    self.masks.check()
    if LAYOUT in self.trained and not opening.has_layouts(
      c.data.kind, c.data.labels, self.sources[0][0]
    ):
      lacking = "data.labels is empty" if c.data.kind == "folder" else "no photo has a layout"
      raise ValueError(
        f"stages is {c.stages!r} but {lacking}: the layout stage needs label PNGs; give "
        "--config.data.labels=DIRECTORY, or --config.stages=texture with --config.init_from"
      )
    mask_files = c.eval.masks_folder
    shown = (
      mask_lib.FolderMasks(mask_files)
      if mask_files
      else mask_lib.MaskMix({"free_form": 1.0}, ratio=c.eval.ratio)
    )
    fixed = partial(
      pipeline.fixed_batch, masks=shown, resolution=c.resolution, seed=c.seed,
      on_bad_record=c.data.on_bad_record,
    )  # fmt: skip
    self.fixed = fixed(held_out, count=c.eval.count)
    count = c.eval.train_count
    self.fixed_train = fixed(self.sources[0][0], count=count) if count else None

  def stage_at(self, name: str, step: int) -> stages.Stage:
    """A stage as it trains at a step of the run; see `Stage.at`."""
    return self.stages[name].at((step - self._begins[name]) * self.config.batch_size)

  def batches(self, start: int) -> pipeline.Batches:
    """The stream of training batches from batch number `start` on."""
    c = self.config
    return pipeline.batches(
      self.sources, self.masks, resolution=c.resolution, batch_size=c.batch_size, seed=c.seed,
      start=start, process_index=jax.process_index(), process_count=jax.process_count(),
      **self.stream_options,
    )  # fmt: skip

  # States -------------------------------------------------------------------------------------

  def init(self, rng: jax.Array) -> dict[str, Any]:
    """All states of a fresh run; call it under jit.

    Beside the stages' states: the judge, a layout network's weights that the texture stage's losses
    look through; also the one that predicts layouts where no layout network trains.
    """
    states = {}
    for i, name in enumerate(STAGES):
      if name in self.trained:
        states[name] = steps.init_state(
          self.stages[name], self.networks, jax.random.fold_in(rng, i), self.config.resolution
        )
    judge_rng = jax.random.fold_in(rng, len(STAGES))
    states[JUDGE] = stages.init_params(self.networks, LAYOUT, judge_rng, self.config.resolution)
    return states

  def restore(self, checkpoints: Checkpoints) -> tuple[dict[str, Any], int]:
    """States born sharded, and the step: the newest checkpoint's, else fresh (or `init_from`).

    Raises:
      ValueError: the working directory holds another run, or `init_from` no fitting model.
    """
    shardings = sharding.state_shardings(self.shapes, self.mesh)
    step = checkpoints.latest()
    if step is not None:
      self._check_same(checkpoints.record(step))
      print(f"resuming at step {step} of {self.workdir}", file=sys.stderr)
      return checkpoints.restore(step, self.shapes, shardings), step
    found = self._load_start() if self.config.init_from else None  # before minutes of compiling
    # On a CPU, optimising this program takes longer than running it, once, as it is.
    fast = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
    states = jax.jit(self.init, out_shardings=shardings, compiler_options=fast)(self.rng)
    return (self._start_from(found, states, shardings) if found else states), 0

  def record(self) -> dict[str, Any]:
    """What a checkpoint says of its run: without the same, the data would not go on."""
    return {name: self.config[name] for name in SAME}

  def _check_same(self, record) -> None:
    for name, here in self.record().items():
      if record.get(name, here) != here:
        raise ValueError(
          f"{self.workdir} holds a run with {name} {record[name]!r}, this configuration has "
          f"{here!r}: give --config.{name}={record[name]}, or another --workdir"
        )

  def _load_start(self) -> dict[str, Any]:
    """The averages of the run `init_from`, by stage."""
    directory = os.path.join(self.config.init_from, "model")
    found, params = weights.load_model(directory)
    if found["size"] != self.config.size:
      raise ValueError(f"{directory} is of size {found['size']!r}, not {self.config.size!r}")
    if LAYOUT not in params:
      raise ValueError(f"{directory} holds no trained layout network: train stages=layout first")
    return params

  def _start_from(self, params, states, shardings):
    """`states` with these averages as parameters and averages."""
    copy = jax.jit(partial(jax.tree.map, lambda x: x + 0))  # the step donates what it is given
    for name in set(self.trained) & set(params):
      new = jax.device_put(params[name], shardings[name].params)
      states[name] = states[name].replace(params=copy(new), ema=copy(new))
    return states | {JUDGE: jax.device_put(params[LAYOUT], shardings[JUDGE])}

  def layout_params(self, states) -> dict:
    """The layout network that fills: the average where it trains, else the frozen one."""
    return states[LAYOUT].ema if LAYOUT in states else states[JUDGE]

  # Compiled functions -------------------------------------------------------------------------

  def _compile_later(self) -> None:
    """Jits; each function compiles when it is first called."""
    whole = sharding.replicated(self.mesh)
    self.shapes = shapes = jax.eval_shape(self.init, self.rng)
    self.step_fns = {
      name: jax.jit(
        steps.train_step,
        donate_argnums=() if self.config.debug_nans else 1,
        out_shardings=(sharding.state_shardings(shapes[name], self.mesh), whole),
      )
      for name in self.trained
    }
    if self.config.debug_nans:
      for name, step_fn in self.step_fns.items():
        self.step_fns[name] = nans.checked(step_fn, steps.train_step, self._begins[name])
    self.make_batch = jax.jit(steps.make_batch, out_shardings=sharding.batch_sharding(self.mesh))
    self.attach = jax.jit(partial(steps.attach_layout, self.networks.layout))
    self._predict = jax.jit(partial(steps.predict_layout, self.networks.layout))
    judges = {} if self.squeezenet is None else {"squeezenet_caffe": self.squeezenet}
    self.scorer = scoring.Scorer(judges, self.config.resolution, layouts=True, labels=True)
    self._fill = fills.make_filler(self.networks)

  def filler(self, states):
    """A `scoring.FillFn` with the averages; without a texture stage it gives the photo back."""
    layout_params = self.layout_params(states)
    if TEXTURE in states:
      params = {LAYOUT: layout_params, TEXTURE: states[TEXTURE].ema}
      return lambda batch: self._fill(params, batch["photo"], batch["mask"])

    def only_layout(batch):
      layout, _ = self._predict(layout_params, images.to_float(batch["photo"]), batch["mask"])
      return {"whole": batch["photo"], "layout": np.asarray(layout.argmax(-1), np.uint8)}

    return only_layout

  # What is written ----------------------------------------------------------------------------

  def write_record(self) -> None:
    """The resolved configuration, the versions and the parameters' names into the workdir."""
    os.makedirs(self.workdir, exist_ok=True)
    for name, value in (("config", self.config.to_dict()), ("versions", self.versions)):
      with open(os.path.join(self.workdir, f"{name}.json"), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
    with open(os.path.join(self.workdir, "parameters.txt"), "w", encoding="utf-8") as file:
      for name in self.trained:
        table = parameter_overview.get_parameter_overview(
          self.shapes[name].params, include_stats=False
        )
        file.write(f"{name}\n{table}\n")

  def save_model(self, states) -> str:
    """Writes the averages with what one must know to use them; returns the directory."""
    params = {LAYOUT: self.layout_params(states)}
    if TEXTURE in states:
      params[TEXTURE] = states[TEXTURE].ema
    config = {
      "format": weights.FORMAT,
      "size": self.config.size,
      "resolution": self.config.resolution,
      "stages_trained": sorted(params),
      "framing": {"kind": "as given"},
      "perceptual": self.config.texture.perceptual,
      "model": self.config.model.to_dict(),
      "data": self.about,
      "images": self.config.total_images,
      "versions": self.versions,
    }
    directory = os.path.join(self.workdir, "model")
    weights.save_model(directory, jax.device_get(params), config)
    return directory
