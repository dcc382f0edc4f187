"""`python -m facefill_jax.bench inference`: its options."""

from functools import partial

import click

from facefill_jax.bench import inference as inference_lib
from facefill_jax.bench import measuring, versus
from facefill_jax.cli.models import MODEL, model_failures
from facefill_jax.filling import model_directory
from facefill_jax.models.networks import DTYPES, SIZES

_RESOLUTION = 256


@click.command()
@click.option("--size", "sizes", multiple=True, type=click.Choice(tuple(SIZES)),
              default=("small",), show_default=True, help="Of random networks.")  # fmt: skip
@click.option("--model", type=MODEL, help="A model's directory, in place of --size; `pretrained`: "
              "the package's.")  # fmt: skip
@click.option("--resolution", "resolutions", multiple=True, type=click.IntRange(64),
              help="Side of what the networks see.  [default: the model's, else 256]")  # fmt: skip
@click.option("--batch", "batches", multiple=True, type=click.IntRange(1), default=(1,),
              show_default=True, help="Photos a call.")  # fmt: skip
@click.option("--dtype", type=click.Choice(tuple(DTYPES)), default="float32", show_default=True)
@click.option("--two-looks/--one-look", "twice", default=True, show_default=True,
              help="Layouts from the mirror image, too, as when filling.")  # fmt: skip
@click.option("--layout-resolution", type=click.IntRange(0),
              help="Side at which layouts are predicted, at most; 0: any.  "
              "[default: the model's, else 0]")  # fmt: skip
@click.option("--vs", metavar="B", help="Compare with a size, a model's directory, another clone "
              "of this project, or KEY=VALUE (looks=1, dtype=bfloat16 ...).")  # fmt: skip
@measuring.timing_options
def inference(
  sizes, model, resolutions, batches, dtype, twice, layout_resolution, vs, **options
) -> None:
  """Time, memory and arithmetic of a fill, by sizes, resolutions and batches.

  To measure one core: taskset -c 0 python -m facefill_jax.bench inference
  """
  own = _RESOLUTION
  with model_failures():
    if model:
      sizes = ("",)
      own = model_directory.read_json(model / "config.json").get("resolution", own)
    cases = [
      inference_lib.Case(
        size, resolution, batch, str(model or ""), dtype, 2 if twice else 1, layout_resolution
      )
      for size in sizes
      for resolution in resolutions or (own,)
      for batch in batches
    ]

    def other(case):
      if versus.is_checkout(vs):
        return partial(versus.Checkout, vs, case.arguments())
      return partial(inference_lib.prepare, inference_lib.changed(case, vs))

    measuring.run(
      cases, inference_lib.prepare, other if vs else None, inference_lib.COLUMNS, **options
    )
