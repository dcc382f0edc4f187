"""facefill doctor: what is installed, what works, and what to do about the rest."""

import json

import click

from facefill_jax.cli import doctor_checks
from facefill_jax.cli.models import MODEL
from facefill_jax.filling import model_directory


@click.command()
@click.option(
  "--model", type=MODEL, metavar="DIR",
  help=f"A trained model; without it {model_directory.VARIABLE}'s, or the small one that comes "
       "with the package.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
@click.option("-v", "--verbose", is_flag=True, help="Show a traceback when it fails.")
@click.pass_obj
def doctor(options, model, as_json, verbose) -> int:
  """Look at this installation, try it on a drawn face, and say what to do if something is amiss.

  Exit code 3 if JAX_PLATFORMS asks for a device that is not here, 4 if the model cannot be used, 1
  if anything else is broken.
  """
  options["verbose"] = verbose
  parts = []
  for part in doctor_checks.examine(model or model_directory.default()):
    parts.append(part)
    if not as_json:
      click.echo("\n".join(part.lines))
  to_do = [line for part in parts for line in part.to_do]
  code = next((part.exit_code for part in parts if part.exit_code), 0)
  if as_json:
    found = {part.name.replace(" ", "_").replace("-", "_"): part.found for part in parts}
    click.echo(json.dumps({"exit_code": code, "to_do": to_do, **found}, indent=2))
  else:
    click.echo("\n".join(f"to do: {line}" for line in to_do) or "all is well")
  return code
