"""`python -m facefill_jax.bench tpu`: its options."""

import gzip
import sys
from pathlib import Path

import click

from facefill_jax import files
from facefill_jax.bench import hardware, inference, tables, train_case, train_step
from facefill_jax.bench import tpu as tpu_lib
from facefill_jax.models.networks import DTYPES, SIZES

_FILL = "fill"


@click.command()
@click.option("--program", "programs", multiple=True, default=(_FILL,), show_default=True,
              type=click.Choice((_FILL, *train_case.STAGES)),
              help="A fill, or a stage's training step.")  # fmt: skip
@click.option("--size", type=click.Choice(tuple(SIZES)), default="small", show_default=True,
              help="Of the networks that fill.")  # fmt: skip
@click.option("--layout-resolution", type=click.IntRange(0), help="Of the networks that fill.")
@click.option("--config", default="configs/celebahq_256.py:small", show_default=True,
              help="Of the training steps.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Changes it.")
@click.option("--early", is_flag=True, help="A training step before the critic begins.")
@click.option("--resolution", type=click.IntRange(64), default=256, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True)
@click.option("--dtype", type=click.Choice(tuple(DTYPES)), default="bfloat16", show_default=True)
@click.option("--topology", default="v5e:1x1", show_default=True, help="CHIP:AxB.")
@click.option("--hlo", type=click.Path(file_okay=False), help="Write the programs' text there.")
@click.option("--json", "out", type=click.Path(dir_okay=False), help="Write the numbers here.")
def tpu(
  programs, size, layout_resolution, config, settings, early, resolution, batch, dtype, topology,
  hlo, out,
) -> None:  # fmt: skip
  """What a TPU's compiler says of a program, without a TPU: bytes, arithmetic, what binds it.

  Needs libtpu (pip install libtpu). It compiles for minutes.
  """
  mesh, chip = tpu_lib.mesh_of(topology), tpu_lib.check_topology(topology)
  rows = []
  for program in programs:
    if program == _FILL:
      case = inference.Case(
        size, resolution, batch, dtype=dtype, layout_resolution=layout_resolution
      )
      arguments = inference.arguments(batch, resolution)
      lowered = inference.lower(case, *inference.load(case), arguments, mesh)
    else:
      settings_ = (*settings, f"dtype={dtype}")
      case = train_case.Case(config, program, settings_, resolution, batch, early)
      lowered = train_step.lower(train_step.set_up(case), mesh=mesh)
    found, text = tpu_lib.measure(lowered, batch, chip)
    rows.append({"program": program, "name": case.name, "resolution": resolution, "batch": batch,
                 "dtype": dtype, "topology": topology, **found})  # fmt: skip
    if hlo:
      Path(hlo).mkdir(parents=True, exist_ok=True)
      path = Path(hlo) / f"{program}_{resolution}_x{batch}_{topology.replace(':', '_')}.txt.gz"
      files.write_bytes(path, gzip.compress(text.encode()))
    click.echo(tpu_lib.describe(rows[-1]))
    tables.write(out, sys.argv[1:], hardware.describe(), rows)
