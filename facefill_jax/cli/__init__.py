"""The `facefill` command. One file a verb; nothing heavy is imported before a verb needs it."""

import signal
import sys
import traceback

import click

from facefill_jax import __version__
from facefill_jax.cli import failures
from facefill_jax.data import notices


def main(argv: list[str] | None = None) -> int:
  """Runs the command line.

  Args:
    argv: arguments without the program's name; None takes the process's own.

  Returns:
    The exit code: 0 ok, 1 a bug of ours, 2 usage, 3 input, 4 model, 5 some of many failed, 130
    cancelled. A failure is one line on stderr, and a traceback before it if the verb was given -v.
  """
  argv, options = sys.argv[1:] if argv is None else argv, {"verbose": False}
  try:
    with notices.printed():
      commands = _commands(only_doctor=argv[:1] == ["doctor"])
      result = commands.main(argv, prog_name="facefill", standalone_mode=False, obj=options)
    return result if isinstance(result, int) else 0
  except click.exceptions.NoArgsIsHelpError as error:
    error.show()  # many lines, and wanted
    return error.exit_code
  except (click.exceptions.Abort, KeyboardInterrupt):
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C ends the clean-up, too
    click.echo("facefill: cancelled", err=True)
    return failures.CANCELLED
  except Exception as error:
    if options["verbose"]:
      traceback.print_exc(file=sys.stderr)
    click.echo(f"facefill: {failures.describe(error)}", err=True)
    return failures.exit_code(error)


def _commands(only_doctor: bool = False) -> click.Group:
  """All verbs; or doctor, which must start where a library that the others import is broken.

  Imported here, so that Ctrl-C at any time is one line.
  """
  from facefill_jax.cli import doctor

  @click.group(context_settings={"help_option_names": ["-h", "--help"]})
  @click.version_option(__version__, prog_name="facefill")
  def commands() -> None:
    """Fill holes in photos of faces."""

  for verb in (doctor.doctor, *(() if only_doctor else _others())):
    commands.add_command(verb)
  return commands


def _others() -> tuple[click.Command, ...]:
  from facefill_jax.cli import (
    batch,
    completion,
    data,
    demo,
    eval,
    export,
    fill,
    layout,
    masks,
    weights,
  )  # fmt: skip

  return (
    batch.batch, completion.completion, data.data, demo.demo, eval.evaluate, export.export,
    fill.fill, layout.layout, masks.masks, weights.weights,
  )  # fmt: skip
