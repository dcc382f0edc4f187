"""Which model a verb uses."""

from pathlib import Path

import click

import facefill_jax

PRETRAINED = "pretrained"


class _Model(click.Path):
  """A model's directory; PRETRAINED is the package's, unless there is a directory of that name."""

  def convert(self, value, param, ctx) -> Path:
    if str(value) == PRETRAINED and not Path(PRETRAINED).exists():
      return facefill_jax.PRETRAINED
    return super().convert(value, param, ctx)


MODEL = _Model(path_type=Path)
