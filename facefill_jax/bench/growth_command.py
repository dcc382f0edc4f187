"""`python -m facefill_jax.bench growth`: its options."""

import json
import sys

import click

from facefill_jax import files
from facefill_jax.bench import tables

_NEEDED = ("ms", "batch", "resolution", "name", "gflop_per_photo", "peak_mib")


@click.command()
@click.argument("measured", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--svg", "picture", type=click.Path(dir_okay=False), required=True,
              help="Write the plot here.")  # fmt: skip
@click.option("--json", "out", type=click.Path(dir_okay=False), help="Write its numbers here.")
def growth(measured, picture, out) -> None:
  """Plot the cost of a fill over the photo's side and over the batch.

  MEASURED: files of `inference --json`, of one network on one machine: one with several
  --resolution and --batch 1, and one with several --batch.
  """
  from facefill_jax.bench import growth as growth_lib  # Matplotlib takes a second

  read = [_read(path) for path in measured]
  found = {key: read[0][key] for key in ("machine", "versions", "peak")}
  rows = [row for each in read for row in each["rows"]]
  for name, values in (
    ("networks", {row["name"] for row in rows}),
    ("machines", {json.dumps(each["machine"], sort_keys=True) for each in read}),
  ):
    if len(values) > 1:
      raise ValueError(f"{', '.join(measured)}: of several {name}: {'; '.join(sorted(values))}")
  machine = found["machine"]
  unit = "CPU-seconds" if "cpu_s_per_photo" in rows[0] else "seconds"
  where = machine["processor"] if machine["backend"] == "cpu" else machine["device"]
  title = f"A fill by {rows[0]['name']}, {rows[0]['dtype']}: {where}, {machine['cores']} cores"
  files.write_text(picture, growth_lib.svg(rows, title, unit))
  summary = growth_lib.summary(rows)
  tables.write(out, sys.argv[1:], found | summary, rows)
  for row, power in zip(summary["by_side"], [None, *summary["exponents"]], strict=True):
    grows = "" if power is None else f", as pixels^{power:.2f} from the side before"
    click.echo(f"{row['resolution']} px: {row['seconds']:.4f} {unit} a photo{grows}")
  for row in summary["by_batch"]:
    click.echo(
      f"{summary['batch_resolution']} px x {row['batch']}: {row['seconds']:.4f} {unit} a photo"
    )


def _read(path: str) -> dict:
  """A file of `inference --json`; ValueError if it is none."""
  try:
    with open(path, encoding="utf-8") as file:
      found = json.load(file)
    rows = found["rows"]
    if rows and all(key in row for row in rows for key in _NEEDED):
      return found
  except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError):
    pass
  raise ValueError(f"{path}: not what `inference --json` writes (without --vs)")
