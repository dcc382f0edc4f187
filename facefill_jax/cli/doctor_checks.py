"""What `facefill doctor` looks at: one function a part. None stops another.

Each returns a Part, or raises; `examine` makes a Part of what it raised, too. Nothing of JAX is
imported before a check needs it.
"""

import importlib.metadata
import importlib.util
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from facefill_jax import PRETRAINED, __version__
from facefill_jax.cli.data import cores
from facefill_jax.cli.failures import InputFailure, ModelFailure, reason
from facefill_jax.cli.models import model_failures

PACKAGES = (
  "jax",
  "jaxlib",
  "flax",
  "numpy",
  "opencv-python-headless",
  "pillow",
  "orbax-checkpoint",
)
EXTRAS = {  # of pyproject.toml, but those for development: (what it installs, what that is for)
  "eval": ("sklearn", "the scores P-IDS and U-IDS of `facefill eval`"),
  "torch": ("torch", "`facefill weights convert` of PyTorch's files"),
  "gcs": ("gcsfs", "models and working directories in buckets, gs://"),
  "export": ("flatbuffers", "`facefill export`"),
}
SIDE = 128
_NVIDIA = Path("/proc/driver/nvidia")


@dataclass(frozen=True)
class Part:
  """One part of the report.

  Attributes:
    name: of the part.
    found: what was found, JSON-able.
    lines: the same in words.
    to_do: what the user should do, a line each; none if all is well.
    exit_code: what the command should exit with; 0 if it can be used as it is.
  """

  name: str
  found: dict
  lines: tuple[str, ...]
  to_do: tuple[str, ...] = ()
  exit_code: int = 0


def examine(model: Path) -> Iterator[Part]:
  """All parts, each as soon as it is known."""
  failed = set()
  for name, check in (
    ("versions", versions),
    ("platform", this_platform),
    ("devices", devices),
    ("compile cache", compile_cache),
    ("model", lambda: model_directory(model)),
    ("extras", extras),
    ("self-test", lambda: self_test(model)),
  ):
    if name == "self-test" and failed & {"devices", "model"}:
      yield Part(name, {"run": False}, (f"{name}: not run, because of the above",))
      continue
    try:
      part = check()
    except Exception as error:  # whatever is broken, the rest is worth knowing
      part = _broken(name, error)
    if part.exit_code:
      failed.add(name)
    yield part


def _broken(name: str, error: Exception) -> Part:
  known = isinstance(error, InputFailure | ModelFailure)
  text = " ".join(reason(error).split()) or "no reason given"
  text = text if known else f"{type(error).__name__}: {text}"
  to_do = f"{name}: {text}"
  if isinstance(error, ImportError):
    to_do += " (a package is broken: pip install --upgrade --force-reinstall facefill_jax)"
  code = error.exit_code if known else 1
  return Part(name, {"error": text}, (f"{name}: {text}",), (to_do,), code)


def versions() -> Part:
  """Of this package, Python, and what it stands on."""
  found = {"facefill_jax": __version__, "python": platform.python_version()}
  found |= {name: _version(name) for name in PACKAGES}
  missing = [name for name in PACKAGES if not found[name]]
  words = ", ".join(f"{name} {version or 'is missing'}" for name, version in found.items())
  to_do = tuple(f"{name} is missing: pip install --upgrade facefill_jax" for name in missing)
  return Part("versions", found, (f"versions: {words}",), to_do, int(bool(missing)))


def _version(package: str) -> str:
  """ "" if it is not installed. OpenCV comes in four packages that are the same here."""
  names = [package]
  if package.startswith("opencv"):
    names += ["opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"]
  for name in names:
    try:
      return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
      continue
  return ""


def this_platform() -> Part:
  """The machine, as the operating system describes it."""
  memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
  found = {"system": platform.platform(), "cores": cores(), "memory_bytes": memory}
  words = f"{found['system']}, {found['cores']} cores, {_size(memory)} of memory"
  return Part("platform", found, (f"platform: {words}",))


def devices() -> Part:
  """What JAX computes on, and what it misses."""
  import jax

  from facefill_jax import sharding

  asked = jax.config.jax_platforms or ""
  try:
    sharding.check_devices()
  except ValueError as error:
    raise InputFailure(str(error)) from error
  found = [
    {"platform": device.platform, "kind": device.device_kind, "memory_bytes": _memory(device)}
    for device in jax.local_devices()
  ]
  lines = []
  for kind, memory in dict.fromkeys((x["kind"], x["memory_bytes"]) for x in found):
    count = sum((x["kind"], x["memory_bytes"]) == (kind, memory) for x in found)
    lines.append(f"devices: {count} x {kind}{f', {_size(memory)} each' if memory else ''}")
  if asked:
    lines.append(f"devices: chosen by JAX_PLATFORMS={asked}")
  to_do = _missed(asked, {x["platform"] for x in found}, _NVIDIA.exists())
  return Part("devices", {"asked_for": asked, "found": found}, tuple(lines), to_do)


def _missed(asked: str, platforms: set[str], nvidia: bool) -> tuple[str, ...]:
  """What to do about a GPU that JAX does not see, if the user did not choose so."""
  if asked or not nvidia or platforms != {"cpu"}:
    return ()
  return (
    "jax sees only the CPU though an NVIDIA GPU is there: pip install 'jax[cuda13]' (with an older "
    "driver 'jax[cuda12]')",
  )


def _memory(device) -> int | None:
  """Bytes that JAX may use of a device's memory, where it knows."""
  statistics = device.memory_stats() or {}
  return statistics.get("bytes_limit")


def compile_cache() -> Part:
  """Where compiled programs are kept."""
  from facefill_jax import compile_cache as cache

  warnings = []
  folder = cache.enable(warn=warnings.append)
  if folder is None:
    why = warnings or [f"off: each start compiles anew ({cache.VARIABLE}=DIR names a folder)"]
    return Part(
      "compile cache", {"folder": None}, tuple(f"compile cache: {x}" for x in why), tuple(warnings)
    )
  sizes = [path.stat().st_size for path in folder.iterdir()] if folder.is_dir() else []
  found = {"folder": str(folder), "bytes": sum(sizes)}
  words = f"compile cache: {folder}, {_size(sum(sizes))}; it can be deleted at any time"
  return Part("compile cache", found, (words,))


def model_directory(model: Path) -> Part:
  """The model that would be used: that it is whole, and what it is."""
  from facefill_jax.filling import model_files
  from facefill_jax.models.networks import STAGES

  with model_failures():
    config, _ = model_files.load_model(model, needed=STAGES)
  found = {"directory": str(model), "size": config["size"], "resolution": config["resolution"]}
  whose = "the package's" if os.fspath(model) == os.fspath(PRETRAINED) else "yours"
  words = f"model: {whose}, {model}: size {config['size']}, {config['resolution']} px, undamaged"
  return Part("model", found, (words,))


def extras() -> Part:
  """Optional packages: which are there, and what each is for."""
  found, lines = {}, []
  for extra, (package, purpose) in EXTRAS.items():
    found[extra] = importlib.util.find_spec(package) is not None
    state = "there" if found[extra] else f"not there: pip install 'facefill_jax[{extra}]'"
    lines.append(f"optional: {extra}, for {purpose}: {state}")
  return Part("extras", found, tuple(lines))


def self_test(model: Path) -> Part:
  """Fills a hole in a drawn face: in what time, and whether all that was known came back."""
  import numpy as np

  from facefill_jax.data.drawn.faces import DrawnFaces
  from facefill_jax.filling.filler import Filler, Request

  photo, mask = DrawnFaces(SIDE, length=1)[0]["photo"], np.zeros((SIDE, SIDE), bool)
  mask[50:80, 40:90] = True
  start = time.monotonic()
  with model_failures():
    filler = Filler.from_directory(model, few_photos=True)
  whole = filler.fill_many([Request(photo, mask)])[0].whole
  seconds = time.monotonic() - start
  kept, painted = (whole == photo)[~mask].all(), (whole != photo)[mask].any()
  found = {"run": True, "seconds": round(seconds, 2), "known_pixels_kept": bool(kept)}
  found["hole_painted"] = bool(painted)
  if not (kept and painted):
    wrong = "the hole was not painted" if kept else "pixels outside the hole were changed"
    to_do = f"{wrong} in the self-test: please report it, with what this command prints"
    return Part("self-test", found, (f"self-test: {wrong}",), (to_do,), 1)
  words = (
    f"self-test: filled a hole in a drawn face in {seconds:.1f} s, compiling included if it was "
    "needed; every pixel outside the hole came back as it was"
  )
  return Part("self-test", found, (words,))


def _size(count: int) -> str:
  """Bytes, as a person reads them."""
  return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
