"""facefill data: photos and layouts, before they train anything. One file a verb."""

import click

from facefill_jax.cli import data_label, data_show


@click.group()
def data() -> None:
  """Look at photos and layouts, and make layouts."""


data.add_command(data_label.label)
data.add_command(data_show.show)
