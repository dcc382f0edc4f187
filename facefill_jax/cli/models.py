"""Which model a verb uses, and what a model that cannot be used exits with."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from facefill_jax import PRETRAINED
from facefill_jax.cli.failures import ModelFailure
from facefill_jax.cli.paths import FilePath


class _Model(FilePath):
  """A model's directory; `pretrained`: the package's, unless there is a directory of that name."""

  def convert(self, value, param, ctx):
    if str(value) == PRETRAINED.name and not Path(value).exists():
      return PRETRAINED
    return super().convert(value, param, ctx)


MODEL = _Model(remote=True)


@contextlib.contextmanager
def model_failures() -> Iterator[None]:
  """What is wrong with a model becomes exit code 4."""
  from facefill_jax.filling import model_files  # jax takes seconds

  try:
    yield
  except model_files.ModelError as error:
    raise ModelFailure(str(error)) from error
