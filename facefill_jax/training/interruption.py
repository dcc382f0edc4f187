"""Ctrl-C and SIGTERM: the run saves a checkpoint and ends, and the same command goes on from there.

A second signal kills at once: by then the default handlers are back.
"""

import contextlib
import os
import signal
from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
  """A run was asked to stop, and has. Its message says where it is, in one line."""


class Interruption:
  """Whether a run was asked to stop.

  Attributes:
    signal: the signal's name, "SIGTERM"; "" while none has come.
  """

  def __init__(self):
    self.signal = ""
    self._deferred = False

  @contextlib.contextmanager
  def handled(self) -> Iterator["Interruption"]:
    """Catches both signals while the block runs; in the main thread only.

    The first one raises Stopped wherever the program is, or, inside `deferred`, is only noted.
    """
    before = {number: signal.signal(number, self._handle) for number in SIGNALS}
    try:
      yield self
    finally:
      for number, handler in before.items():
        signal.signal(number, handler)

  @contextlib.contextmanager
  def deferred(self) -> Iterator["Interruption"]:
    """While the block runs there is something to save: it looks at `signal` now and then."""
    self._deferred = True
    try:
      yield self
    finally:
      self._deferred = False

  def _handle(self, number: int, _) -> None:
    self.signal = signal.Signals(number).name
    for each in SIGNALS:
      signal.signal(each, signal.SIG_DFL)
    if not self._deferred:
      raise Stopped(f"stopped by {self.signal} before it trained; the same command goes on")
    # Not by print: the signal may have come in the middle of one.
    os.write(2, f"{self.signal}: saving after this step; once more to stop at once\n".encode())
