"""What bench train measures: one stage of a configuration, as it trains when all is on."""

import ast
import dataclasses
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from facefill_jax.models.networks import LAYOUT, SIZES, TEXTURE


@dataclasses.dataclass(frozen=True)
class Case:
  """A stage's step.

  Attributes:
    config: "FILE.py" or "FILE.py:VARIANT".
    stage: layout or texture.
    settings: "KEY=VALUE" each, as --config.KEY=VALUE of the training command.
    resolution, batch: side in pixels, photos a step; None: those of the configuration's last phase.
    parts_seconds: for each program that the parts are found by; 0: the parts are not asked for.
    early: before the critic begins to train (texture.adversary_starts_at_images).
    fed_seconds: for steps on the configuration's own photos, and for as many on made-up ones that
      are there already; 0: not asked for.
  """

  config: str
  stage: str
  settings: tuple[str, ...] = ()
  resolution: int | None = None
  batch: int | None = None
  early: bool = False
  parts_seconds: float = 0.0
  fed_seconds: float = 0.0

  @property
  def name(self) -> str:
    """For a table."""
    file, _, variant = self.config.partition(":")
    said = [Path(file).stem + (f":{variant}" if variant else ""), *self.settings]
    return " ".join([*said, "early"] if self.early else said)

  @property
  def dtype(self) -> str:
    """Of the computation."""
    return load(self).dtype

  def arguments(self) -> list[str]:
    """Of the command line, for another checkout, whose file of that name counts."""
    said = ["train", "--config", self.config, "--stage", self.stage, "--no-parts"]
    said += [word for setting in self.settings for word in ("--set", setting)]
    for name in ("resolution", "batch"):
      if getattr(self, name) is not None:
        said += [f"--{name}", str(getattr(self, name))]
    return [*said, "--early"] if self.early else said


def changed(case: Case, change: str) -> Case:
  """The case of `--vs`: another configuration, a size, or KEY=VALUE.

  Raises:
    ValueError: it is none of these.
  """
  if change.partition(":")[0].endswith(".py"):
    return dataclasses.replace(case, config=change)
  setting = f"size={change}" if change in SIZES else change
  if "=" not in setting:
    raise ValueError(
      f"--vs {change}: neither a checkout, a configuration FILE.py:VARIANT, a size "
      f"({', '.join(SIZES)}) nor KEY=VALUE"
    )
  return dataclasses.replace(case, settings=(*case.settings, setting))


def load(case: Case) -> ConfigDict:
  """The configuration with its settings, resolution and batch, both stages in it.

  Raises:
    ValueError: no such file, variant or key, or a value of another type.
  """
  c = read(case.config)
  for setting in case.settings:
    apply(c, setting)
  if case.resolution is not None or case.batch is not None:
    last = {**dict(resolution=c.resolution, batch_size=c.batch_size), **_merged(c.phases)}
    c.resolution, c.batch_size = last["resolution"], last["batch_size"]
    c.micro_batches = last.get("micro_batches", c.micro_batches)
    c.phases = ()
  if case.resolution is not None:
    c.resolution = case.resolution
  if case.batch is not None:
    c.batch_size = case.batch
  if c.stages != "both":  # nothing of the other stage is computed
    c.stages = "both"
    c.texture_starts_at_images = 0
  # A plan needs a step of each stage; how many there are changes nothing.
  c.total_images = max(c.total_images, c.texture_starts_at_images + 2 * c.batch_size)
  return c


def read(name: str) -> ConfigDict:
  """FILE.py or FILE.py:VARIANT; ValueError if there is none."""
  file, _, variant = name.partition(":")
  if not os.path.isfile(file):
    raise ValueError(f"--config {name}: no such file; give FILE.py or FILE.py:VARIANT")
  spec = importlib.util.spec_from_file_location("facefill_jax_bench_config", file)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module.get_config(variant) if variant else module.get_config()


def apply(c: ConfigDict, setting: str) -> None:
  """KEY=VALUE into a configuration; ValueError for an unknown key or a value of another type."""
  path, equals, text = setting.partition("=")
  *sections, key = path.split(".")
  where: Any = c
  for section in sections:
    where = where.get(section) if isinstance(where, ConfigDict) else None
  if not equals or not isinstance(where, ConfigDict) or key not in where:
    valid = f"; valid here: {', '.join(where)}" if isinstance(where, ConfigDict) else ""
    raise ValueError(f"--set {setting}: give KEY=VALUE with a key of the configuration{valid}")
  old = where[key]
  value = text if isinstance(old, str) else _literal(text)
  if isinstance(old, float) and type(value) is int:
    value = float(value)
  if type(value) is not type(old):
    raise ValueError(f"--set {setting}: {path} is a {type(old).__name__}, such as {old!r}")
  where[key] = value


def _literal(text: str) -> Any:
  try:
    return ast.literal_eval(text)
  except (ValueError, SyntaxError):
    return text


def _merged(phases: Sequence) -> dict:
  """What the last phase trains with, as far as the phases say it."""
  found = {}
  for phase in phases:
    found |= dict(phase)
  return found


STAGES = (LAYOUT, TEXTURE)
