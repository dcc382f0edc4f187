"""Weights of the networks that metrics need: converted once, checked at every load.

    DIR/<kind>.safetensors    the arrays under their project's names and shapes, float32
    DIR/<kind>.sha256         the SHA-256 of that file, as `sha256sum` writes it

Nothing is ever downloaded: users get the files from the projects that publish them, under their
terms, and `convert` checks and copies them. Metrics whose file is missing are not computed.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy

from facefill_jax import files
from facefill_jax.pretrained_nets import foreign_files
from facefill_jax.pretrained_nets.foreign_files import WeightFileError, check_arrays, read_arrays
from facefill_jax.pretrained_nets.kinds import KINDS, KNOWN, Kind

__all__ = ["KINDS", "ExistsError", "Judge", "JudgeError", "convert", "default_directory",
           "implementation", "load", "metrics", "missing", "path_of", "read", "wanted"]  # fmt: skip


class JudgeError(ValueError):
  """Weights that cannot be used, in one line that names the file and says why."""


class ExistsError(JudgeError):
  """Converted weights are already there."""


@dataclass(frozen=True)
class Judge:
  """A network's weights, ready for its metric.

  Attributes:
    kind: a name of KINDS.
    params: name -> float32 array, as its network (`metrics.lpips`, ...) takes them.
    sha256: of the file, in hex.
    file: the file.
  """

  kind: str
  params: Mapping[str, np.ndarray]
  sha256: str
  file: Path


def default_directory() -> Path | None:
  """$FACEFILL_WEIGHTS, else ~/.cache/facefill_jax/weights; None if there is no home directory."""
  if named := os.environ.get("FACEFILL_WEIGHTS"):
    return Path(files.to_path(named))
  home = files.home_directory()
  return home / ".cache" / "facefill_jax" / "weights" if home else None


def path_of(directory: str | os.PathLike, kind: str) -> Path:
  """Where a directory has the weights of a kind, whether or not it does."""
  return Path(files.to_path(directory)) / f"{_kind(kind).name}.safetensors"


def load(directory: str | os.PathLike | None, kinds: Iterable[str] = KINDS) -> dict[str, Judge]:
  """The judges whose files are there, by kind; the others are left out: see `missing`.

  Without a directory (None, see `default_directory`) there are none.

  Raises:
    JudgeError: a file is damaged, or not what its name says.
    ValueError: a name that is not in KINDS.
  """
  known = [_kind(kind).name for kind in kinds]
  paths = {kind: path_of(directory, kind) for kind in known} if directory else {}
  return {kind: _load(_kind(kind), path) for kind, path in paths.items() if path.exists()}


def missing(kind: str) -> str:
  """One line: what the file is, who publishes it, how to convert it, which metrics go without."""
  known = _kind(kind)
  without = f"not computed without: {', '.join(known.metrics)}" if known.metrics else "for training"
  return (
    f"{kind}: {wanted(kind)}; `facefill weights convert {kind} {known.arguments}` takes them; "
    f"{without}"
  )


def wanted(kind: str) -> str:
  """In a few words: there are no weights, what they are and who publishes them."""
  known = _kind(kind)
  return f"no weights: {known.what}, published by {known.publisher}"


def metrics(kind: str) -> tuple[str, ...]:
  """The keys of the metrics that need this kind."""
  return _kind(kind).metrics


def implementation(kind: str) -> str:
  """One line for reports: network, variant and source."""
  return _kind(kind).implementation


def convert(
  kind: str,
  sources: Sequence[str | os.PathLike],
  to: str | os.PathLike,
  overwrite: bool = False,
) -> Path:
  """Checks the arrays of `sources` and writes them as `<kind>.safetensors`, with its SHA-256.

  Args:
    kind: a name of KINDS.
    sources: files that hold its arrays together: torch state dicts, .npz, .safetensors or MXNet
      .params. Arrays that the kind does not use are left out.
    to: a directory; made with its parents.
    overwrite: replace what is there.

  Returns:
    The file. Both files appear whole or not at all; one of an older pair fails the check.

  Raises:
    ExistsError: there is one, and not `overwrite`.
    JudgeError: a source is unreadable or lacks arrays, or an array is of another shape.
    ValueError: `kind` is not in KINDS.
  """
  known, target = _kind(kind), path_of(to, kind)
  if target.exists() and not overwrite:
    raise ExistsError(f"{target}: exists; give --overwrite to replace it")
  named = " + ".join(str(source) for source in sources)
  stored: dict[str, np.ndarray] = {}
  try:
    for source in sources:
      stored |= foreign_files.read(Path(files.to_path(source)))
    stored = check_arrays(named, stored, known.expected_shapes(stored), known.what)
  except WeightFileError as error:
    raise JudgeError(str(error)) from error
  content = safetensors.numpy.save({name: np.ascontiguousarray(x) for name, x in stored.items()})
  digest = hashlib.sha256(content).hexdigest()
  target.parent.mkdir(parents=True, exist_ok=True)
  # The sum first: killed in between, old arrays fail the check, and new ones need no other try.
  files.write_text(_sum_path(target), f"{digest}  {target.name}\n")
  files.write_bytes(target, content)
  return target


def read(kind: str, path: str | os.PathLike) -> dict[str, np.ndarray]:
  """The params of a kind from a file that a person names: .safetensors or .npz, not converted here.

  Raises:
    JudgeError: it is missing, unreadable, or holds another network.
    ValueError: `kind` is not in KINDS.
  """
  known, path = _kind(kind), Path(files.to_path(path))
  if path.suffix not in (".safetensors", ".npz"):
    raise JudgeError(
      f"{path}: give the .safetensors that `facefill weights convert {kind}` writes, or .npz"
    )
  try:
    shapes = known.expected_shapes(foreign_files.names(path))
    return known.arrange(check_arrays(path, read_arrays(path, shapes), shapes, known.what))
  except WeightFileError as error:
    raise JudgeError(str(error)) from error


def _load(known: Kind, path: Path) -> Judge:
  digest = _checked_sum(path)
  return Judge(known.name, read(known.name, path), digest, path)


def _checked_sum(path: Path) -> str:
  """The SHA-256 of the file. JudgeError if it is not the one noted, or none is."""
  noted = _sum_path(path)
  again = "; convert it again with `facefill weights convert --overwrite`"
  if not noted.is_file():
    raise JudgeError(f"{noted}: missing, so that {path.name} cannot be checked{again}")
  digest = files.sha256(path)
  if noted.read_text(encoding="utf-8", errors="replace").split()[:1] != [digest]:
    raise JudgeError(f"{path}: changed or damaged: its SHA-256 is not that in {noted.name}{again}")
  return digest


def _sum_path(path: Path) -> Path:
  return path.with_suffix(".sha256")


def _kind(name: str) -> Kind:
  if name not in KNOWN:
    raise ValueError(f"unknown kind of weights {name!r}; valid: {', '.join(KINDS)}")
  return KNOWN[name]
