"""What a training run is made of, and does not change from step to step."""

import functools
import importlib.metadata
import json
import platform
from functools import partial
from typing import Any

import jax
import numpy as np
from clu import parameter_overview
from ml_collections import ConfigDict

from facefill_jax import __version__, files, sharding
from facefill_jax.evaluation import scoring
from facefill_jax.filling import model_files
from facefill_jax.filling.filler import Filler
from facefill_jax.models.networks import (
  LAYOUT,
  STAGES,
  TEXTURE,
  build_networks,
  choose,
  init_params,
)
from facefill_jax.pretrained_nets import weights
from facefill_jax.stages import step as step_lib
from facefill_jax.stages.stage import Judges, Stage
from facefill_jax.training import config_check, from_config, nans, reports
from facefill_jax.training.batches import Feed
from facefill_jax.training.compilation import Programs
from facefill_jax.training.deadline import Deadline
from facefill_jax.training.sample_history import History

JUDGE = "judge"
TRAINED = {LAYOUT: (LAYOUT,), TEXTURE: (TEXTURE,), "both": STAGES}  # by config.stages
DATA = "data.json"
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


class Run:
  """A checked configuration with its mesh, networks, stages, data and compiled functions.

  Attributes:
    deadline: by when it has to be done; its minutes begin here.
    plan: its phases; texture_start: the step at which the texture stage begins.
    feed: its data.
    compiles_at: steps at which a stage needs another program.
    trained: names of the stages that advance.
    scoring_weights: of the networks that score held-out fills, by kind.
    perceptual: weights of the network of the texture stage's perceptual term, or None.
    shapes: of all states, without allocation.
    stages: name -> Stage, without judges, which come with the states.
  """

  def __init__(self, config: ConfigDict, workdir: files.PathLike):
    """Args:
      config: see the files of configs/; every key is needed.
      workdir: may be in a bucket, gs://bucket/run; nothing is written there yet.

    Raises:
      ValueError: the configuration or the data cannot be used; one line.
    """
    sharding.check_devices()
    if jax.process_count() > 1:
      raise ValueError(
        f"{jax.process_count()} processes were started: training runs in one, on all its devices"
      )
    config_check.check(config)
    self.deadline = Deadline(config.stop_after_minutes)
    self.config = config = from_config.with_full_paths(config)
    self.workdir = files.to_path(workdir)
    self.trained = choose("stages", config.stages, TRAINED)
    self.mesh = config_check.splat("mesh", sharding.make_mesh, config.mesh)
    self.plan, self.texture_start = from_config.make_plan(config)
    for phase in self.plan.phases:
      sharding.check_batch(phase.batch_size, self.mesh, phase.micro_batches)
    self.networks = config_check.splat(
      "model", build_networks, config.model, size=config.size, dtype=config.dtype,
      remat=config.remat and not config.debug_nans,  # which could not name what is made again
    )  # fmt: skip
    self._load_frozen()
    self._begins = {name: self.texture_start if name == TEXTURE else 0 for name in self.trained}
    self.stages = {
      name: from_config.make_stage(name, config, self.networks, self.plan, begin)
      for name, begin in self._begins.items()
    }
    self.compiles_at = sorted(self._changes())
    self.feed = Feed(config, self.plan)
    if LAYOUT in self.trained:
      self._check_labels()
    self.rng = jax.random.key(config.seed)
    self.history = History()
    self.versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    self.versions["facefill_jax"] = __version__
    self.versions["python"] = platform.python_version()
    self.versions["backend"] = jax.default_backend()
    self._compile_later()

  def _check_labels(self) -> None:
    data, stages = self.config.data, self.config.stages
    if not self.feed.labelled:
      lacking = "data.labels is empty" if data.kind == "folder" else "no photo has a layout"
      raise ValueError(
        f"stages is {stages!r} but {lacking}: the layout stage needs label PNGs; give "
        "--config.data.labels=DIRECTORY, or --config.stages=texture with --config.init_from"
      )
    if not self.feed.scores_layouts():
      where = data.held_out_path or data.path
      raise ValueError(
        f"stages is {stages!r} but no held-out face of {where} has labels, by which a layout "
        "network is scored: give --config.data.held_out_path=DIRECTORY of photos that have some, "
        "and --config.data.held_out_labels=DIRECTORY"
      )

  def _load_frozen(self) -> None:
    c = self.config
    kind, needed = c.texture.perceptual, {"squeezenet": c.squeezenet_file, "vgg16": c.vgg16_file}
    if kind in needed and not needed[kind]:
      raise ValueError(f"texture.perceptual is {kind!r}: give its weights as {kind}_file")
    chosen = {"squeezenet_caffe": c.squeezenet_file, "lpips_vgg": c.lpips_vgg_file}
    self.scoring_weights = {name: weights.read(name, file) for name, file in chosen.items() if file}
    found = self.scoring_weights.get("squeezenet_caffe")
    if kind == "vgg16":
      found = weights.read("vgg16", c.vgg16_file)
    self.perceptual = jax.device_put(found, sharding.replicated(self.mesh))  # once, not each step

  def _changes(self) -> set[int]:
    """Steps from which on some stage's program is another one."""
    steps_ = {0, *self.plan.starts, self.texture_start}
    for name, begin in self._begins.items():
      steps_.add(self.plan.step_after(begin, self.stages[name].adversary_starts_at_images))
    return {step for step in steps_ if step < self.plan.total}

  def stage_at(self, name: str, step: int) -> Stage:
    """A stage as it trains at a step of the run; see `Stage.at`."""
    begin = self._begins[name]
    stage = self.stages[name].at(self.plan.images_at(step) - self.plan.images_at(begin))
    return stage.replace(micro_batches=self.plan.at(step).micro_batches)

  # States -------------------------------------------------------------------------------------

  def init(self, rng: jax.Array) -> dict[str, Any]:
    """All states of a fresh run; call it under jit.

    Beside the stages' states: the judge, a layout network's weights that the texture stage's losses
    look through; also the one that predicts layouts where no layout network trains.
    """
    states = {}
    largest = max(phase.resolution for phase in self.plan.phases)  # all levels of the critics
    for i, name in enumerate(STAGES):
      if name in self.trained:
        states[name] = step_lib.init_state(
          self.stages[name], self.networks, jax.random.fold_in(rng, i), largest
        )
    judge_rng = jax.random.fold_in(rng, len(STAGES))
    states[JUDGE] = init_params(self.networks, LAYOUT, judge_rng, largest)
    return states

  def layout_params(self, states) -> dict:
    """The layout network that fills: the average where it trains, else the frozen one."""
    return states[LAYOUT].ema if LAYOUT in states else states[JUDGE]

  # Compiled functions -------------------------------------------------------------------------

  def _compile_later(self) -> None:
    """Jits; each function compiles when it is first called, or prepared."""
    whole, split = sharding.replicated(self.mesh), sharding.batch_sharding(self.mesh)
    self.shapes = shapes = jax.eval_shape(self.init, self.rng)
    for name in self.trained:
      self._check_only(name)
    self._step_fns = {
      name: jax.jit(
        step_lib.train_step,
        donate_argnums=() if self.config.debug_nans else 1,
        out_shardings=(sharding.state_shardings(shapes[name], self.mesh), whole),
      )
      for name in self.trained
    }
    # Several devices of one CPU wait for each other in its few threads: the compiler takes none.
    several = jax.default_backend() == "cpu" and jax.local_device_count() > 1
    self.programs = Programs(at_once=0 if several else 2)
    # A batch is donated to what makes a larger one of it. A step's has no result of its shapes.
    self.make_batch = jax.jit(step_lib.make_batch, donate_argnames="mask", out_shardings=split)
    attach = partial(step_lib.attach_layout, self.networks.layout)
    self.attach = jax.jit(attach, donate_argnums=1, out_shardings=split)

  def _check_only(self, name: str) -> None:
    modules = self.shapes[name].params
    if wrong := sorted(set(self.stages[name].only) - set(modules)):
      raise ValueError(
        f"config.{name}.only names {', '.join(wrong)}: no module at the top of the {name} network; "
        f"there are {', '.join(sorted(modules))}"
      )

  def train_step(self, name: str, step: int, judges, state, batch):
    """One step of a stage by the program that `prepare` made for it: (state, metrics).

    What is asked now and then only is not in the metrics of the other steps.
    """
    stage = self.stage_at(name, step)
    program = self.programs.get(self._key(stage, step))
    rng = jax.random.fold_in(self.rng, 10 + STAGES.index(name))
    if self.config.debug_nans:
      program = nans.checked(program, step_lib.train_step, self._begins[name])
    rate = np.float32(self.deadline.rate()) if self.deadline.is_set else None
    state, metrics = program(stage.replace(judges=judges, rate=rate), state, batch, rng)
    return state, step_lib.computed(stage, step - self._begins[name], metrics)

  def prepare(self, step: int) -> None:
    """Begins to compile the programs of a step, if that has not been done, and drops all others."""
    self.programs.keep(self._prepare(step))
    if step in self.plan.starts:  # photos have another size from here on
      self.make_batch.clear_cache()
      self.attach.clear_cache()

  def prepare_next(self, step: int) -> None:
    """Begins to compile the programs that will be needed next, after those of `step`."""
    later = [change for change in self.compiles_at if change > step]
    if later:
      self._prepare(later[0])

  def _prepare(self, step: int) -> list:
    """Begins to compile the programs of a step; their keys."""
    keys = []
    for name in self.trained:
      if step >= self._begins[name]:
        stage = self.stage_at(name, step)
        shapes = partial(self._step_shapes, stage, step)
        keys.append(self._key(stage, step))
        self.programs.prepare(keys[-1], self._step_fns[name], shapes)
    return keys

  def _key(self, stage: Stage, step: int):
    phase, active = self.plan.at(step), stage.objective.active
    return stage.name, phase.resolution, phase.batch_size, phase.micro_batches, active

  def _step_shapes(self, stage: Stage, step: int) -> tuple:
    """The arguments of a stage's step, as shapes."""
    whole, split = sharding.replicated(self.mesh), sharding.batch_sharding(self.mesh)
    placed, phase, shapes = sharding.placed, self.plan.at(step), self.shapes
    b, s = phase.batch_size, phase.resolution
    shape = jax.ShapeDtypeStruct
    maps = shape((b, s, s), np.uint8)
    batch = jax.eval_shape(
      step_lib.make_batch, shape((b, s, s, 3), np.uint8), maps, shape((b, s, s, 1), bool),
      maps if self.feed.confidence else None,
    )  # fmt: skip
    seen_through = Judges()
    if stage.name == TEXTURE:
      batch = jax.eval_shape(
        partial(step_lib.attach_layout, self.networks.layout), shapes[JUDGE], batch
      )
      seen_through = Judges(layout=shapes[JUDGE], perceptual=self.perceptual)
    state = shapes[stage.name]
    state = placed(state, sharding.state_shardings(state, self.mesh))
    rate = shape((), np.float32) if self.deadline.is_set else None
    stage = stage.replace(judges=placed(seen_through, whole), rate=placed(rate, whole))
    return stage, state, placed(batch, split), placed(jax.eval_shape(lambda: self.rng), whole)

  @functools.cache  # noqa: B019 (one run, few resolutions)
  def scorer(self, resolution: int) -> scoring.Scorer:
    """What held-out faces of a resolution are scored by."""
    return scoring.Scorer(
      self.scoring_weights, resolution, layouts=True, labels=True,
      put=partial(sharding.put_batch, mesh=self.mesh),
      replicate=lambda tree: jax.device_put(tree, sharding.replicated(self.mesh)),
    )  # fmt: skip

  def filler(self, states, resolution: int) -> Filler:
    """The averages as a model of that resolution, each batch split over the mesh."""
    params = {LAYOUT: self.layout_params(states)}
    if TEXTURE in states:
      params[TEXTURE] = states[TEXTURE].ema
    return Filler(self.networks, params, resolution, mesh=self.mesh)

  # What is written ----------------------------------------------------------------------------

  def write_record(self) -> dict[str, str]:
    """The resolved configuration, the versions and the parameters' names into the workdir.

    Returns:
      The same as Markdown, for TensorBoard's text page.
    """
    overview = partial(parameter_overview.get_parameter_overview, include_stats=False)
    tables = [f"{name}\n{overview(self.shapes[name].params)}\n" for name in self.trained]
    texts = {
      "config.json": json.dumps(self.config.to_dict(), indent=2),
      "versions.json": json.dumps(self.versions, indent=2),
      "parameters.txt": "".join(tables),
    }
    data = {DATA: json.dumps(self.feed.identity(0), indent=1)}
    for name, text in (texts | data).items():
      with reports.left_out(self.workdir / name):
        files.write_text(self.workdir / name, text)
    return {name.split(".")[0]: f"```\n{text}\n```" for name, text in texts.items()}

  def save_model(self, states, folder: str = "model", **changes) -> str:
    """Writes the averages with what one must know to use them, and the critics; the directory.

    changes: what its config.json says otherwise, or beside.
    """
    params = {LAYOUT: self.layout_params(states)}
    if TEXTURE in states:
      params[TEXTURE] = states[TEXTURE].ema
    config = {
      "format": model_files.FORMAT,
      "size": self.config.size,
      "resolution": self.plan.phases[-1].resolution,
      "stages_trained": sorted(params),
      "framing": {"kind": "as given"},
      "perceptual": self.config.texture.perceptual,
      "model": self.config.model.to_dict(),
      "data": self.feed.about,
      "images": self.config.total_images,
      "versions": self.versions,
    }
    directory = str(self.workdir / folder)
    critics = {name: states[name].critic_params for name in self.trained}
    params, critics = jax.device_get((params, critics))
    model_files.save_model(directory, params, config | changes, critics=critics)
    return directory
