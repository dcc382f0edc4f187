"""Reports and pictures never end a run: what cannot be read or written is left out, and said."""

import contextlib
import sys
from collections.abc import Iterator

from PIL import Image

from facefill_jax.files import PathLike


def warn(path: PathLike, what: object) -> None:
  """One line on standard error that names the file."""
  print(f"warning: {path}: {' '.join(str(what).split())}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def left_out(path: PathLike) -> Iterator[None]:
  """A block that writes a report: a full disk or a foreign file is a warning about `path`."""
  try:
    yield
  except (OSError, ValueError, Image.DecompressionBombError) as error:
    warn(path, f"left out: {error}")
