"""The training command: flags only. `python -m facefill_jax.main --config=FILE --workdir=DIR`."""

import sys

from absl import app, flags, logging
from ml_collections import config_flags

_CONFIG = config_flags.DEFINE_config_file(
  "config", None, "What to train: FILE.py or FILE.py:VARIANT of configs/.", lock_config=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Where all is written; resumed if it exists.")
_DEBUG = flags.DEFINE_bool("debug", False, "Show the traceback of an input error.")
flags.mark_flags_as_required(["config", "workdir"])

USAGE, INPUT = 2, 3


def run(argv: list[str]) -> int:
  """Trains; a user's mistake is one line on standard error and exit code 3."""
  if len(argv) > 1:
    print(
      f"facefill_jax.main: unexpected argument {argv[1]!r}; flags begin with --", file=sys.stderr
    )
    return USAGE
  logging.set_verbosity(logging.WARNING)  # orbax tells each of its steps
  from facefill_jax import train  # after the flags: --help need not import jax

  try:
    train.train(_CONFIG.value, _WORKDIR.value)
  except (ValueError, OSError) as error:
    if _DEBUG.value:
      raise
    print(f"facefill_jax.main: {error}", file=sys.stderr)
    return INPUT
  return 0


def parse(argv: list[str]) -> list[str]:
  """absl's flags; a misspelt key of the configuration is one line and exit code 2."""
  try:
    return flags.FLAGS(argv)
  except (flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
    print(f"facefill_jax.main: {' '.join(str(error).split())}", file=sys.stderr)
    raise SystemExit(USAGE) from None


if __name__ == "__main__":
  app.run(run, flags_parser=parse)
