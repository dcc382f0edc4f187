"""`python -m facefill_jax.bench train`: its options."""

from functools import partial

import click

from facefill_jax.bench import measuring, train_case, versus
from facefill_jax.bench import train as train_lib


@click.command()
@click.option("--config", required=True, help="FILE.py or FILE.py:VARIANT, as in training.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE",
              help="Changes the configuration, as --config.KEY=VALUE of training.")  # fmt: skip
@click.option("--stage", "stages", multiple=True, type=click.Choice(train_case.STAGES),
              default=train_case.STAGES, show_default=True)  # fmt: skip
@click.option("--resolution", "resolutions", multiple=True, type=click.IntRange(64),
              help="Side of the photo.  [default: the configuration's, at the end]")  # fmt: skip
@click.option("--batch", "batches", multiple=True, type=click.IntRange(1),
              help="Photos a step.  [default: the same]")  # fmt: skip
@click.option("--early", is_flag=True, help="Before the critic begins to train.")
@click.option(
  "--parts/--no-parts",
  "split",
  default=True,
  show_default=True,
  help="Also time generator, judges, critic and penalty; compiles three more programs.",
)
@click.option("--fed", is_flag=True, help="Also train on the configuration's own photos: does the "
              "device wait for them?")  # fmt: skip
@click.option("--vs", metavar="B", help="Compare with another configuration, a size, KEY=VALUE, or "
              "another clone of this project.")  # fmt: skip
@measuring.timing_options
def train(config, settings, stages, resolutions, batches, early, split, fed, vs, **options) -> None:
  """Time, memory and arithmetic of each stage's training step, on made-up photos."""
  seconds = max(options["seconds"], 1e-3)
  asked = {"parts_seconds": split * seconds, "fed_seconds": fed * seconds}
  cases = [
    train_case.Case(config, stage, settings, resolution, batch, early, **asked)
    for stage in stages
    for resolution in resolutions or (None,)
    for batch in batches or (None,)
  ]

  def other(case):
    if versus.is_checkout(vs):
      return partial(versus.Checkout, vs, case.arguments())
    changed = train_case.changed(case, vs)
    train_case.load(changed)  # what cannot be is said before anything is timed
    return partial(train_lib.prepare, changed)

  measuring.run(
    cases, train_lib.prepare, other if vs else None, train_lib.COLUMNS, more=train_lib.say_more,
    **options,
  )  # fmt: skip
