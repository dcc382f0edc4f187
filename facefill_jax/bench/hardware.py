"""What was measured on: processor, device, versions."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import jax

import facefill_jax
from facefill_jax.cli.data import cores

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")
_CPUINFO = Path("/proc/cpuinfo")


def describe() -> dict[str, dict]:
  """{"machine": ..., "versions": ...}; begins to use the device."""
  device = jax.devices()[0]
  machine = {
    "processor": processor(),
    "cores": cores(),
    "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
    "device": device.device_kind,
    "backend": jax.default_backend(),
    "devices": jax.device_count(),
    "compile_cache": bool(jax.config.jax_compilation_cache_dir),
    "xla_flags": os.environ.get("XLA_FLAGS", ""),
  }
  versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
  versions |= {
    "facefill_jax": facefill_jax.__version__,
    "commit": commit(Path(facefill_jax.__file__).parent),
    "python": platform.python_version(),
  }
  return {"machine": machine, "versions": versions}


def processor() -> str:
  """The model of the CPU; "" if nothing says it."""
  if _CPUINFO.exists():
    for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
      if line.startswith("model name"):
        return line.partition(":")[2].strip()
  return platform.processor()


def commit(directory: Path) -> str:
  """The commit that the sources in `directory` are of, "+" behind it if changed; "" if unknown."""
  try:
    done = subprocess.run(
      ["git", "-C", str(directory), "describe", "--always", "--abbrev=12", "--dirty=+"],
      capture_output=True, text=True, check=False,
    )  # fmt: skip
  except FileNotFoundError:  # no git here
    return ""
  return done.stdout.strip() if not done.returncode else ""


def on_cpu() -> bool:
  """Whether the device is the CPU: then CPU seconds are what a call costs."""
  return jax.default_backend() == "cpu"
