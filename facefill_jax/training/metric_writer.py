"""What a run tells people while it goes: a progress line, metrics on disk, sample grids."""

import json
import os

import jax
import numpy as np
import tensorboardX


class MetricWriter:
  """Scalars and pictures to TensorBoard event files, and scalars to `metrics.jsonl`.

  It has the methods of clu's MetricWriter, whose own writers import TensorFlow.
  """

  def __init__(self, workdir: str, step: int = 0):
    """Goes on after `step`: what a killed run wrote beyond its last checkpoint is dropped."""
    os.makedirs(workdir, exist_ok=True)
    self._events = tensorboardX.SummaryWriter(
      os.path.join(workdir, "events"), flush_secs=30, purge_step=step + 1
    )
    path = os.path.join(workdir, "metrics.jsonl")
    _drop_after(path, step)
    self._lines = open(path, "a", encoding="utf-8")

  def __enter__(self) -> "MetricWriter":
    return self

  def __exit__(self, *_) -> None:
    self.close()

  def write_scalars(self, step: int, scalars: dict[str, float]) -> None:
    """One line of JSON, and one event a scalar. Not-a-number is written as null."""
    for name, value in scalars.items():
      self._events.add_scalar(name, value, step)
    finite = {k: (round(float(v), 6) if np.isfinite(v) else None) for k, v in scalars.items()}
    self._lines.write(json.dumps({"step": step, **finite}) + "\n")
    self._lines.flush()

  def write_images(self, step: int, pictures: dict[str, np.ndarray]) -> None:
    """uint8 (h, w, 3) each."""
    for name, picture in pictures.items():
      self._events.add_image(name, picture, step, dataformats="HWC")

  def write_texts(self, step: int, texts: dict[str, str]) -> None:
    """Markdown each."""
    for name, text in texts.items():
      self._events.add_text(name, text, step)

  def flush(self) -> None:
    """Writes what is buffered."""
    self._events.flush()

  def close(self) -> None:
    """Closes both files."""
    self._events.close()
    self._lines.close()


def _drop_after(path: str, step: int) -> None:
  """Keeps the whole lines of `path` whose step is at most `step`."""
  if not os.path.exists(path):
    return
  with open(path, encoding="utf-8") as file:
    lines = [line for line in file if line.endswith("}\n")]  # a killed run may leave half a line
  kept = [line for line in lines if json.loads(line)["step"] <= step]
  with open(path + ".new", "w", encoding="utf-8") as file:
    file.writelines(kept)
  os.replace(path + ".new", path)


def memory() -> dict[str, float]:
  """GiB in use and at the peak on the fullest device of this process; {} if it does not tell."""
  stats = [device.memory_stats() or {} for device in jax.local_devices()]
  names = {"memory/gib": "bytes_in_use", "memory/peak_gib": "peak_bytes_in_use"}
  known = {name: [s[key] for s in stats if key in s] for name, key in names.items()}
  return {name: max(values) / 2**30 for name, values in known.items() if values}
