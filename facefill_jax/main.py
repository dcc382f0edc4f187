"""The training command: flags only. `python -m facefill_jax.main --config=FILE --workdir=DIR`."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from facefill_jax.data import notices
from facefill_jax.training.interruption import Interruption, Stopped

_CONFIG = config_flags.DEFINE_config_file(
  "config", None, "What to train: FILE.py or FILE.py:VARIANT of configs/.", lock_config=True
)
_WORKDIR = flags.DEFINE_string(
  "workdir",
  None,
  "Where all is written, resumed if it exists: a directory, which one run at a time may use, or "
  "gs://BUCKET/RUN, where nothing keeps a second run out (needs gcsfs).",
)
_DEBUG = flags.DEFINE_bool("debug", False, "Show the traceback of an input error.")
flags.mark_flags_as_required(["config", "workdir"])

FAILED, USAGE, INPUT, PREEMPTED = 1, 2, 3, 75


def run(argv: list[str]) -> int:
  """Trains. One line and an exit code for whatever ends it early.

  Returns:
    0; 3 for a user's mistake, a full disk or a device without room; 1 for a loss that is not
    finite; 75 if Ctrl-C or SIGTERM stopped it: the same command goes on. A second signal kills.
  """
  if len(argv) > 1:
    _say(f"unexpected argument {argv[1]!r}; flags begin with --")
    return USAGE
  interruption = Interruption()
  # Orbax tells each of its steps, and of errors that are raised, too, whole tracebacks.
  level = logging.WARNING if _DEBUG.value else logging.FATAL
  try:
    with interruption.handled(), notices.printed(), _absl_level(level):
      _train(interruption)
  except Stopped as stopped:
    _say(stopped)
    return PREEMPTED
  except (ValueError, OSError, FloatingPointError) as error:
    if _DEBUG.value:
      raise
    _say(error)
    return FAILED if isinstance(error, FloatingPointError) else INPUT
  return 0


@contextlib.contextmanager
def _absl_level(level: int) -> Iterator[None]:
  before = logging.get_verbosity()
  logging.set_verbosity(level)
  try:
    yield
  finally:
    logging.set_verbosity(before)


def _train(interruption: Interruption) -> None:
  """ValueError, too, if the device has no room."""
  import jax  # after the flags: --help need not import it

  from facefill_jax import compile_cache
  from facefill_jax.training import loop

  compile_cache.enable(lambda line: print(f"warning: {line}", file=sys.stderr))
  try:
    loop.train(_CONFIG.value, _WORKDIR.value, interruption)
  except jax.errors.JaxRuntimeError as error:
    if "RESOURCE_EXHAUSTED" not in str(error):
      raise
    raise ValueError(
      "the device has too little memory: give a smaller --config.batch_size, more "
      f"--config.micro_batches, or --config.remat=True ({str(error).splitlines()[0][:200]})"
    ) from error


def parse(argv: list[str]) -> list[str]:
  """absl's flags; any mistake in them, or in a configuration file, is one line and exit code 2."""
  # Shells expand ~ only where a word begins.
  argv = [re.sub(r"(?<=^--config=)~.*", _at_home, argument) for argument in argv]
  try:
    rest = flags.FLAGS(argv)
    _CONFIG.value.keys()  # a missing file shows only here
    return rest
  except Exception as error:  # a configuration file is a program: it may raise anything
    if "--debug" in argv:
      raise
    _say(reason(argv) or error)
    raise SystemExit(USAGE) from None


def reason(argv: list[str]) -> str:
  """The configuration file that does not exist or the first key that it lacks, or "" if neither."""
  files = [argument.split("=", 1)[1] for argument in argv if re.match(r"--?config=", argument)]
  if not files:
    return ""
  if not os.path.isfile(files[-1].split(":")[0]):
    return f"--config={files[-1]}: no such file; give FILE.py or FILE.py:VARIANT"
  try:
    config = flags.FLAGS["config"].parser.parse(files[-1])
  except Exception:  # the first error says it better
    return ""
  overrides = [re.match(r"--?(?:no)?config\.([\w.]+)", argument) for argument in argv]
  for path in [override[1] for override in overrides if override]:
    section, where = config, "config"
    for key in path.split("."):
      keys = list(section) if isinstance(section, ConfigDict) else []
      if key not in keys:
        return f"--config.{path}: {where} has no key {key!r}; valid keys: {', '.join(keys)}"
      section, where = section[key], f"{where}.{key}"
  return ""


def _at_home(path: re.Match) -> str:
  return os.path.expanduser(path[0])


def _say(error: Exception | str) -> None:
  text = str(error).strip()
  if "Traceback (most recent call last)" in text:
    text = text.splitlines()[-1]  # ml_collections' messages hold whole tracebacks
  print(f"facefill_jax.main: {' '.join(text.split())}", file=sys.stderr)


if __name__ == "__main__":
  app.run(run, flags_parser=parse)
