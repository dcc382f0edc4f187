"""Compiled programs, made in the background before they are needed."""

import functools
from collections.abc import Callable, Collection, Hashable
from concurrent.futures import ThreadPoolExecutor


class Programs:
  """Programs by a key. Tracing shares Python with the run; compiling, the long part, does not."""

  def __init__(self, at_once: int = 2):
    """at_once: how many are made at a time; 0: none but when it is asked for."""
    self._pool = ThreadPoolExecutor(at_once, "compile") if at_once else None
    self._found: dict[Hashable, Callable[[], Callable]] = {}

  def prepare(self, key: Hashable, function: Callable, shapes: Callable[[], tuple]) -> None:
    """Begins to make one, unless it is made or in the making.

    Args:
      key: all that sets it apart from the others.
      function: jitted.
      shapes: gives its arguments as jax.ShapeDtypeStruct with shardings; called in the background.
    """
    if key in self._found:
      return
    make = functools.cache(lambda: function.lower(*shapes()).compile())
    self._found[key] = self._pool.submit(make).result if self._pool else make

  def get(self, key: Hashable) -> Callable:
    """The program; waits for it, and raises what its making raised."""
    return self._found[key]()

  def keep(self, keys: Collection[Hashable]) -> None:
    """Forgets all others: programs of a past phase take memory on the device."""
    self._found = {key: found for key, found in self._found.items() if key in keys}

  def close(self) -> None:
    """Drops what is not begun, and waits for the rest."""
    if self._pool:
      self._pool.shutdown(cancel_futures=True)
