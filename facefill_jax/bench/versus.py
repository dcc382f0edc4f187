"""A against B, in turn: A here, B here too or in a process of another checkout."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from facefill_jax.bench import hardware, timing
from facefill_jax.bench.prepared import Prepared, ratio, row

_NO_POOL = "XLA_PYTHON_CLIENT_PREALLOCATE"  # else the first process takes most of a GPU's memory


def is_checkout(name: str) -> bool:
  """Whether a directory is a clone of this project."""
  return (Path(name) / "facefill_jax" / "__init__.py").is_file()


def share_device() -> None:
  """Leaves another process room on a GPU. Call it before JAX begins to use the device."""
  os.environ.setdefault(_NO_POOL, "false")


class Checkout:
  """The same measurement by another checkout's sources, in a process that waits for its turns.

  The device must be one that two processes can share: a CPU or a GPU, not a TPU. The other checkout
  must have the same command.
  """

  def __init__(self, directory: str, arguments: Sequence[str]):
    """Args:
    directory: of the clone; relative paths in `arguments` are looked for there.
    arguments: of `python -m facefill_jax.bench`, for one row.

    Raises:
      ValueError: it ended before it was ready; with its last line.
    """
    root = Path(directory).resolve()
    self._name = str(root)
    self._process = subprocess.Popen(
      [sys.executable, "-m", "facefill_jax.bench", *arguments, "--paced"],
      cwd=root, env=os.environ | {"PYTHONPATH": str(root), _NO_POOL: "false"}, text=True,
      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    self.facts = self._answer() | {"checkout": self._name, "commit": hardware.commit(root)}

  def collect(self, seconds: float) -> list[timing.Sample]:
    """Samples of so many seconds, taken while this process waits."""
    self._process.stdin.write(f"{seconds}\n")
    self._process.stdin.flush()
    return [timing.Sample(*pair) for pair in self._answer()["samples"]]

  def close(self) -> None:
    """Ends the process."""
    self._process.communicate()

  def _answer(self) -> dict:
    line = self._process.stdout.readline()
    if line:
      return json.loads(line)
    said = self._process.communicate()[1].strip().splitlines()
    raise ValueError(f"--vs {self._name}: {said[-1] if said else 'ended without a word'}")


def serve(side: Prepared) -> None:
  """The other end of `Checkout`: facts, then samples for each number of seconds on stdin."""
  timing.warm_up(side.sample)
  print(json.dumps(side.facts), flush=True)
  for line in sys.stdin:
    samples = side.collect(float(line))
    print(json.dumps({"samples": [(s.wall, s.cpu) for s in samples]}), flush=True)


@dataclasses.dataclass(frozen=True)
class Pace:
  """How long is measured: seconds of each side, and in how many turns."""

  seconds: float
  rounds: int


def measure(
  a: Callable[[], Prepared], b: Callable[[], Prepared | Checkout] | None, pace: Pace
) -> dict:
  """A's row; with B {"a": row, "b": row, "ratio": ..., "cpu_ratio": ... (on a CPU)}."""
  sides = {}
  try:
    for name, make in (("a", a), ("b", b)):
      if make is not None:
        sides[name] = make()
        if isinstance(sides[name], Prepared):
          timing.warm_up(sides[name].sample)
    if b is None:
      found = {"a": [sides["a"].collect(pace.seconds, timing.LEAST)]}
    else:
      collectors = {name: side.collect for name, side in sides.items()}
      found = timing.in_turn(collectors, pace.rounds, pace.seconds)
  finally:
    for side in sides.values():
      side.close()
  rows = {name: row(sides[name].facts, found[name]) for name in sides}
  if b is None:
    return rows["a"]
  photos = rows["a"]["photos"], rows["b"]["photos"]
  ratios = {"ratio": ratio(found["a"], found["b"], photos)}
  if hardware.on_cpu():
    ratios["cpu_ratio"] = ratio(found["a"], found["b"], photos, "cpu")
  return rows | ratios
