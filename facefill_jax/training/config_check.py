"""A configuration held against what the code takes: no key unknown, none missing."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from ml_collections import ConfigDict

KEYS = {
  "": (
    "seed", "size", "dtype", "resolution", "batch_size", "total_images", "stages",
    "texture_starts_at_images", "judge_every_steps", "init_from", "squeezenet_file",
    "vgg16_file", "lpips_vgg_file", "log_every_steps", "stop_after_minutes", "debug_nans",
    "micro_batches", "remat", "phases", "mesh", "model", "data", "masks", "layout", "texture",
    "eval", "checkpoint",
  ),
  "eval": (
    "every_steps", "count", "raw_count", "train_count", "batch_size", "masks_folder", "ratio",
  ),
  "checkpoint": ("every_steps", "every_minutes", "keep"),
}  # fmt: skip
"""Keys of what is not handed to a function whole; see `splat` for the other sections."""

NEEDED = {
  "data": (
    "kind", "about", "workers", "flip", "zoom", "on_bad_record", "augment", "vocabulary",
    "confidence",
  )
}  # fmt: skip
"""Keys that are taken out of a section before the rest is handed on."""

COUNTS = (
  "batch_size", "micro_batches", "judge_every_steps", "log_every_steps", "layout.generator_every",
  "texture.generator_every", "eval.every_steps", "eval.count", "eval.batch_size",
  "checkpoint.every_steps", "checkpoint.keep",
)  # fmt: skip
"""What must be 1 or more."""

MAY_BE_0 = ("eval.raw_count", "eval.train_count")
"""What must be 0 or more."""


def check(config: ConfigDict) -> None:
  """Raises ValueError for keys that are not those of KEYS, and for counts below 1 or 0."""
  for section, keys in KEYS.items():
    check_keys(section, config[section] if section else config, keys, keys)
  for section, keys in NEEDED.items():
    check_keys(section, config[section], {*config[section], *keys}, keys)
  for name in (*COUNTS, *MAY_BE_0):
    least = 0 if name in MAY_BE_0 else 1
    section, _, key = name.rpartition(".")
    value = (config[section] if section else config).get(key, 1)
    if not isinstance(value, int) or value < least:
      raise ValueError(f"config.{name} is {value!r}: give a whole number, {least} or more")


def check_keys(
  section: str, found: Iterable[str], valid: Iterable[str], needed: Iterable[str]
) -> None:
  """Raises ValueError, naming all sides, for a key that is not valid and a needed one not there."""
  wrong = {
    "unknown key": sorted(set(found) - set(valid)),
    "missing key": sorted(set(needed) - set(found)),
  }
  said = [f"{what} {', '.join(names)}" for what, names in wrong.items() if names]
  if said:
    where = f"config.{section}" if section else "config"
    raise ValueError(f"{where}: {'; '.join(said)}; valid keys are {', '.join(sorted(valid))}")


def splat(section: str, function: Callable, options: Any, more_keys: Iterable[str] = (), **others):
  """function(**options, **others): what a section says, and what the code adds.

  Args:
    section: its name, for the message.
    function: whose keywords are the valid keys; those with a default may be left out.
    options: the section, a mapping of strings.
    more_keys: keys that `function` takes as **keywords, and all of which are needed.

  Raises:
    ValueError: a key is unknown or missing.
  """
  parameters = inspect.signature(function).parameters.values()
  named = [p for p in parameters if p.kind is not p.VAR_KEYWORD and p.name not in others]
  needed = [p.name for p in named if p.default is p.empty]
  check_keys(section, options, [*(p.name for p in named), *more_keys], [*needed, *more_keys])
  return function(**options, **others)
