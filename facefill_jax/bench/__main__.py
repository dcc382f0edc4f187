"""`python -m facefill_jax.bench VERB`: measurements, one file a verb.

Exit codes: 0 ok, 2 usage, 3 input; a failure is one line on stderr.
"""

import sys

import click

from facefill_jax.bench.cost import cost
from facefill_jax.bench.data import data
from facefill_jax.bench.growth_command import growth
from facefill_jax.bench.inference_command import inference
from facefill_jax.bench.tpu_command import tpu
from facefill_jax.bench.train_command import train


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", is_flag=True, help="Show a traceback when it fails.")
@click.pass_obj
def commands(options: dict, verbose: bool) -> None:
  """Measure networks, models and data."""
  options["verbose"] = verbose


commands.add_command(cost)
commands.add_command(data)
commands.add_command(inference)
commands.add_command(tpu)
commands.add_command(train)
commands.add_command(growth)


def main(argv: list[str] | None = None) -> int:
  """Runs the command line (None: the process's own arguments) and returns the exit code."""
  options = {"verbose": False}
  try:
    commands.main(argv, prog_name="facefill_jax.bench", standalone_mode=False, obj=options)
    return 0
  except click.ClickException as error:
    error.show()
    return error.exit_code
  except click.exceptions.Abort:
    click.echo("cancelled", err=True)
    return 130  # 128 + SIGINT, as shells have it
  except (ValueError, OSError) as error:
    if options["verbose"]:
      raise
    click.echo(f"error: {' '.join(str(error).split())}", err=True)
    return 3


if __name__ == "__main__":
  sys.exit(main())
