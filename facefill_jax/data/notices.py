"""What the package logs of the data that it reads, as lines for the person at the terminal."""

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def printed() -> Iterator[None]:
  """Within it, warnings that this package logs are lines on stderr: `warning: ...`.

  The commands use it: absl, whose level they set for other libraries, would swallow them.
  """
  logger, handler = logging.getLogger("facefill_jax"), logging.StreamHandler()
  handler.setFormatter(logging.Formatter("warning: %(message)s"))
  before = logger.level, logger.propagate
  logger.addHandler(handler)
  logger.setLevel(logging.WARNING)
  logger.propagate = False
  try:
    yield
  finally:
    logger.removeHandler(handler)
    logger.setLevel(before[0])
    logger.propagate = before[1]
