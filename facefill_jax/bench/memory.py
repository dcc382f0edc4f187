"""Peak memory of what runs: as the device counts it, or on a CPU as the process grows."""

import ctypes
import gc
import re
from collections.abc import Callable
from pathlib import Path

import jax

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak(function: Callable[[], object]) -> dict[str, float | None]:
  """{"peak_mib", "process_mib"} of a call; None where nothing can say it.

  "peak_mib" on a GPU or TPU: the most that the device held since the process began, parameters and
  all; so it never falls from one row to the next. On a CPU under Linux: by how much the process's
  resident memory grew above what it held before the call, with parameters and code loaded.
  "process_mib" is all that the process held at the peak: to be compared with other programs, if
  there is but one row.
  """
  before = _most_resident(reset=True)
  function()
  most = None if before is None else _most_resident()
  stats = jax.local_devices()[0].memory_stats()
  if stats and "peak_bytes_in_use" in stats:
    grown = stats["peak_bytes_in_use"] / 2**20
  else:
    grown = None if most is None else max(most - before, 0.0)
  return {"peak_mib": grown, "process_mib": most}


def compiled_mib(compiled) -> dict[str, float]:
  """MiB that a compiled program takes by its compiler's plan: "arguments", "outputs", "temporary".

  {} where the compiler does not say.
  """
  plan = compiled.memory_analysis()
  if plan is None:
    return {}
  return {
    "arguments": plan.argument_size_in_bytes / 2**20,
    "outputs": plan.output_size_in_bytes / 2**20,
    "temporary": plan.temp_size_in_bytes / 2**20,
  }


def _most_resident(reset: bool = False) -> float | None:
  """MiB of the process at its peak (VmHWM of proc(5)) since the last reset, or since it began.

  None: not Linux, or the peak may not be reset here.
  """
  if not _RESET.exists():
    return None
  if reset:
    gc.collect()
    # What compiling left free goes back to the system, or the call would only use that up.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # glibc only
      trim(0)
    try:
      _RESET.write_text("5")
    except OSError:  # a sandbox without it
      return None
  return int(re.search(r"VmHWM:\s+(\d+)", _STATUS.read_text())[1]) / 1024
