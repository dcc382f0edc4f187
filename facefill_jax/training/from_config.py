"""From a configuration to what it asks for: the plan of its phases, and its stages."""

import dataclasses

from ml_collections import ConfigDict

from facefill_jax import files
from facefill_jax.models.networks import TEXTURE, Networks
from facefill_jax.stages import optimisers, stage
from facefill_jax.stages.critic_augmentation import Augmentation
from facefill_jax.training import config_check
from facefill_jax.training.phases import Phase, Plan

PATHS = (
  "init_from", "squeezenet_file", "vgg16_file", "lpips_vgg_file", "data.path", "data.labels",
  "data.confidence", "data.held_out_path", "data.held_out_labels", "masks.folder",
  "eval.masks_folder",
)  # fmt: skip
NUMBERS = ("name", "lr", "b1", "b2", "weight_decay", "clip")  # of an optimiser, as they are


def full_path(path: str) -> str:
  """`path`, its `~` replaced. ValueError if no home directory is known."""
  if (path == "~" or path.startswith("~/")) and files.home_directory() is None:
    raise ValueError(f"{path}: no home directory is known here (HOME is not set): give a full path")
  return str(files.to_path(path)) if path.startswith("~") else path


def with_full_paths(c: ConfigDict) -> ConfigDict:
  """A copy whose paths are full where they begin with `~`, the home directory."""
  c = c.copy_and_resolve_references()
  for name in PATHS:
    section, _, key = name.rpartition(".")
    where = c[section] if section else c
    where[key] = full_path(where[key])
  c.data.unlabelled = tuple(map(full_path, c.data.unlabelled))
  c.phases = tuple(
    {**phase, "unlabelled": tuple(map(full_path, phase["unlabelled"]))}
    if "unlabelled" in phase else phase
    for phase in c.phases
  )  # fmt: skip
  return c


def make_plan(c: ConfigDict) -> tuple[Plan, int]:
  """The plan, and the step at which the texture stage begins: 0 unless both train.

  Raises:
    ValueError: phases or lengths that leave nothing to do.
  """
  first = Phase(
    0, c.resolution, c.batch_size, c.micro_batches, c.masks.ratio, c.data.unlabelled_share,
    unlabelled=c.data.unlabelled,
  )  # fmt: skip
  plan = Plan(first, c.phases, c.total_images)
  texture_start = plan.step_at(c.texture_starts_at_images) if c.stages == "both" else 0
  if plan.total <= texture_start:
    raise ValueError(
      f"total_images {c.total_images} leaves no step of batch {plan.phases[-1].batch_size} after "
      f"texture_starts_at_images {c.texture_starts_at_images}"
    )
  if c.stages == TEXTURE and not c.init_from:
    raise ValueError(
      "stages is 'texture', which needs a trained layout network: give --config.init_from="
      "WORKDIR of a run that trained one, or train --config.stages=both on photos with labels"
    )
  return plan, texture_start


def optimiser(
  *, every: int, segments, total: int, warmup_images: int, decay_images: int, **numbers
):
  """A section of the configuration -> stages.Optimiser, which updates every `every` steps."""
  return optimisers.Optimiser(
    **numbers,
    warmup_images=warmup_images,
    decay_images=min(decay_images, total),
    total_images=total,
    segments=tuple(
      (-(-step // every), seen, each * every, lr) for step, seen, each, lr in segments
    ),
  )


def make_stage(
  name: str, config: ConfigDict, networks: Networks, plan: Plan, begin: int
) -> stage.Stage:
  """One stage, its judges still missing, from its section of the configuration.

  begin: the step of the run at which it starts.
  """
  section = config[name].to_dict()
  critic_begin = plan.step_after(begin, section.get("adversary_starts_at_images", 0))
  for key, first, every in (
    ("optimiser", begin, section.get("generator_every", 1)),
    ("critic_optimiser", min(critic_begin, plan.total - 1), 1),
  ):
    section[key] = config_check.splat(
      f"{name}.{key}", optimiser, section.get(key, {}), NUMBERS,
      every=every, segments=plan.schedule_segments(first),
      total=plan.total_images - plan.images_at(first),
    )  # fmt: skip
  section["augment"] = config_check.splat(
    f"{name}.augment", Augmentation, section.get("augment", {})
  )
  fields = dataclasses.fields(stage.OBJECTIVES[name])
  options = [f.name for f in fields if f.default is not dataclasses.MISSING]
  return config_check.splat(
    name, stage.make_stage, section, options, name=name, networks=networks,
    judges=stage.Judges(), micro_batches=config.micro_batches,
  )  # fmt: skip
