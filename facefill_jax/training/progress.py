"""The progress line of a run on standard error."""

import sys
import time


class Progress:
  """A line on standard error: how far, how fast, how long yet, and the losses."""

  def __init__(self, total: int):
    self._total = total
    self._rate = None

  def begin(self, step: int) -> None:
    """From here on time counts."""
    self._last = (step, time.monotonic())

  def report(self, step: int, batch_size: int, metrics: dict[str, float]) -> float:
    """Prints the line; returns photos per second since the last one."""
    now = time.monotonic()
    steps, seconds = step - self._last[0], max(now - self._last[1], 1e-9)
    self._last = (step, now)
    rate = steps / seconds
    self._rate = rate if self._rate is None else 0.7 * self._rate + 0.3 * rate
    left = (self._total - step) / max(self._rate, 1e-9)
    shown = "  ".join(f"{name} {value:.3f}" for name, value in metrics.items())
    print(
      f"step {step}/{self._total}  {rate * batch_size:.1f} photos/s  ETA {_clock(left)}  {shown}",
      file=sys.stderr,
      flush=True,
    )
    return rate * batch_size


def _clock(seconds: float) -> str:
  minutes, seconds = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
