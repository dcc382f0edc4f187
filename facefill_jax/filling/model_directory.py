"""The directory that a model lies in: what it is, whether it is whole, what a new one may replace.

A wrong path must cost nobody a file: only a directory that holds a model is written to, and of what
is in it only the files that its SHA256SUMS lists are replaced.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from etils import epath

from facefill_jax import PRETRAINED, files

FORMAT = 1
SUMS = "SHA256SUMS"
OF_A_RUN = ("model", "best")  # models in the working directory of a training run
_JSON_BYTES = 1 << 20  # far above any real one: a gigabyte of JSON is not a model's config


VARIABLE = "FACEFILL_MODEL"
"""The environment variable that names the model of those who name none."""


class ModelError(ValueError):
  """A model directory that cannot be used, in one line that says which file and why."""


def default() -> epath.Path:
  """The model of those who name none: FACEFILL_MODEL's, or the one that comes with the package."""
  named = os.environ.get(VARIABLE, "")
  return files.to_path(named or PRETRAINED)


def replaceable_files(target: epath.Path, written: Sequence[str]) -> set[str]:
  """The names of the model's files in `target`, which a new model replaces; none if it is empty.

  Args:
    target: where the new model goes.
    written: the names of its files.

  Raises:
    ModelError: something else is there, which a wrong path must not delete.
  """
  if not target.is_dir():
    if target.exists():
      raise ModelError(f"{target}: is a file, not a model directory")
    return set()
  found = {path.name for path in target.iterdir()}
  if not found or (files.is_remote(target) and found <= set(written) - {SUMS}):
    return found  # in a bucket, where files come one by one: a model that was never completed
  refusal = f"is a directory that holds no model of format {FORMAT}; it is not replaced"
  if not (target / SUMS).is_file() or "config.json" not in found:
    raise ModelError(f"{target}: {refusal}: a model has config.json and {SUMS}")
  names = listed(target)
  try:
    is_ours = read_json(target / "config.json").get("format") == FORMAT
  except ModelError as error:
    raise ModelError(f"{target}: {refusal}: {error}") from error
  if not is_ours or "config.json" not in names:
    raise ModelError(f"{target}: {refusal}")
  ours = {SUMS, *(name for name in found & names if not (target / name).is_dir())}
  return ours


def download(root: epath.Path, to: Path, names: Sequence[str]) -> None:
  """Copies those files of a bucket that are there: safetensors are read from local ones."""
  try:
    if not root.is_dir():
      raise ModelError(f"{root}: no such model directory")
    for path in root.iterdir():
      if path.name in names:
        (to / path.name).write_bytes(path.read_bytes())
  except (OSError, ImportError) as error:  # gs:// needs the package gcsfs
    raise ModelError(f"{root}: cannot be read: {error}") from error


def check_directory(root: Path) -> None:
  """Raises ModelError unless this may be a model; says where a training run has its model."""
  if not root.is_dir():
    raise ModelError(f"{root}: no such model directory")
  if (root / SUMS).exists():
    return
  models = [name for name in OF_A_RUN if (root / name).is_dir()]
  if models:
    raise ModelError(
      f"{root}: is the working directory of a training run, not a model: give its "
      f"{' or '.join(f'{name}/' for name in models)}, say {root / models[0]}"
    )
  if (root / "checkpoints").is_dir():
    raise ModelError(f"{root}: is the working directory of a run that has written no model yet")


def check_sums(root: epath.Path, names: Sequence[str]) -> None:
  """Raises ModelError naming the first file that is missing or not what SHA256SUMS says."""
  path = root / SUMS
  if not path.is_file():
    raise ModelError(f"{path}: missing, so that the model cannot be checked")
  sums = _read_sums(path)
  for name in names:
    if not (root / name).is_file():
      raise ModelError(f"{root / name}: missing")
    if name not in sums:
      raise ModelError(f"{path}: has no line for {name}")
    if files.sha256(root / name) != sums[name]:
      raise ModelError(f"{root / name}: changed or damaged: its SHA-256 is not that in {SUMS}")


def listed(root: epath.Path) -> set[str]:
  """The names of the files that a model's SHA256SUMS lists; none without one."""
  return set(_read_sums(root / SUMS)) if (root / SUMS).is_file() else set()


def _read_sums(path: epath.Path) -> dict[str, str]:
  """Name -> SHA-256, of a file in the format of `sha256sum`."""
  lines = path.read_bytes().decode("utf-8", errors="replace").splitlines()
  return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def read_json(path: epath.Path) -> dict:
  if not path.is_file():
    raise ModelError(f"{path}: missing: not a model directory")
  with path.open("rb") as file:
    content = file.read(_JSON_BYTES + 1)
  if len(content) > _JSON_BYTES:
    raise ModelError(f"{path}: larger than {_JSON_BYTES} bytes")
  try:
    value = json.loads(content.decode("utf-8"))
  except (ValueError, RecursionError) as error:
    raise ModelError(f"{path}: not valid JSON: {error}") from error
  if not isinstance(value, dict):
    raise ModelError(f"{path}: must hold a JSON object, got {type(value).__name__}")
  return value
