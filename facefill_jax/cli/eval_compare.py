"""facefill eval compare: runs side by side, differences with their intervals."""

import click

from facefill_jax.cli.failures import InputFailure, input_failures
from facefill_jax.cli.paths import FilePath

_DIR = FilePath(file_okay=False)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=_DIR, metavar="RUN RUN...")
@click.option("--out", type=_DIR, metavar="DIR", help="Gets compare.json and compare.html.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
              help="Of the intervals.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace a comparison that is there.")
@click.option("-v", "--verbose", is_flag=True, help="Show a traceback when it fails.")
@click.pass_obj
def compare(options, runs, out, seed, overwrite, verbose) -> None:
  """Put runs of `facefill eval` side by side, on the fills that all of them have.

  Each RUN is an --out directory. Differences are to the first, fill by fill, with 95 % intervals
  over photos. Fills are the same if photo (id) and mask are.
  """
  options["verbose"] = verbose
  from facefill_jax.evaluation import compare as comparing

  if len(runs) < 2:
    raise click.UsageError("give two runs or more")
  for name in (comparing.JSON, comparing.PAGE) if out and not overwrite else ():
    if (out / name).exists():
      raise InputFailure(f"{out / name}: exists; give --overwrite to replace it")
  with input_failures():
    text = comparing.compare(runs, out, seed)
  click.echo(text)
  if out:
    click.echo(f"the comparison is in {out / comparing.PAGE}", err=True)
