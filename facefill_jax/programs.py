"""Compiled programs, made in the background before they are needed."""

import concurrent.futures
from collections.abc import Callable, Hashable


class Programs:
  """Programs by a key. Tracing shares Python with the run; compiling, the long part, does not."""

  def __init__(self, at_once: int = 2, exclusive: bool = False):
    """Args:
    at_once: how many are made at a time.
    exclusive: give none out while others are in the making. Several devices of one CPU share its
      threads with the compiler, and abort when one has long waited for another.
    """
    self.exclusive = exclusive
    self._pool = concurrent.futures.ThreadPoolExecutor(at_once, "compile")
    self._found: dict[Hashable, concurrent.futures.Future] = {}

  def prepare(self, key: Hashable, function: Callable, shapes: Callable[[], tuple]) -> None:
    """Begins to make one, unless it is made or in the making.

    Args:
      key: all that sets it apart from the others.
      function: jitted.
      shapes: gives its arguments as jax.ShapeDtypeStruct with shardings; called in the background.
    """
    if key not in self._found:
      self._found[key] = self._pool.submit(lambda: function.lower(*shapes()).compile())

  def get(self, key: Hashable) -> Callable:
    """The program; waits for it, and raises what its making raised."""
    if self.exclusive:
      concurrent.futures.wait(self._found.values())
    return self._found[key].result()

  def close(self) -> None:
    """Drops what is not begun, and waits for the rest."""
    self._pool.shutdown(cancel_futures=True)
