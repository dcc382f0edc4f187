"""Files of arrays that other projects publish, read without running anything in them."""

import re
import struct
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import safetensors

TORCH = (".pth", ".pt", ".bin")
SUFFIXES = (*TORCH, ".npz", ".safetensors", ".params")

_IMPOSTORS = (  # what is often downloaded in place of weights: how it begins, what it is
  (rb"(?i)\s*<(!doctype|html|head|\?xml)", "a web page: download the file itself"),
  (rb"version https://git-lfs", "a Git LFS pointer: get the file itself with `git lfs pull`"),
)
_ELSE = {b"\x80": "a pickle, which is never read", b"\x93": "a single array (.npy)"}
_LIST_MAGIC, _ARRAY_MAGIC = 0x112, 0xF993FAC9  # MXNet's
_MX_TYPES = {0: np.dtype("<f4"), 1: np.dtype("<f8"), 2: np.dtype("<f2")}


class WeightFileError(ValueError):
  """A weight file is missing, unreadable, or not of this network; the message names the file."""


def read(path: Path) -> dict[str, np.ndarray]:
  """All arrays of a file, by name; of any type.

  Args:
    path: a torch state dict (.pth, .pt, .bin; needs torch), .npz, .safetensors, or a list of
      arrays of MXNet (.params). What it is goes by the suffix.

  Raises:
    WeightFileError: missing, unreadable, of another kind, or torch is needed and not there.
  """
  if not path.is_file():
    raise WeightFileError(f"{path}: no such file")
  if path.suffix in SUFFIXES:
    _check_beginning(path)
  if path.suffix in TORCH:
    return _read_torch(path)
  if path.suffix == ".params":
    return _read_mxnet(path)
  if path.suffix not in SUFFIXES:
    raise WeightFileError(
      f"{path}: unknown kind of file {path.suffix!r}; valid: {', '.join(SUFFIXES)}"
    )
  return read_arrays(path, names(path))


def names(path: Path) -> list[str]:
  """The names of the arrays in an .npz or .safetensors file. WeightFileError as `read`."""
  try:
    _check_beginning(path)
    if path.suffix == ".npz":
      with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return list(archive.files)
    with safetensors.safe_open(path, framework="numpy") as archive:
      return list(archive.keys())
  except WeightFileError:
    raise
  except Exception as error:  # damaged, these raise whatever their parsers met
    raise WeightFileError(f"{path}: cannot read weights: {_line(error)}") from error


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
  """The named arrays of an .npz or .safetensors file, as far as they are there.

  Raises:
    WeightFileError: the file is missing or unreadable.
  """
  try:
    return _read(path, names)
  except (OSError, ValueError, EOFError, zipfile.BadZipFile, safetensors.SafetensorError) as error:
    raise WeightFileError(f"{path}: cannot read weights: {_line(error)}") from error


def check_arrays(
  where: object, stored: Mapping[str, np.ndarray], shapes: Mapping[str, tuple], network: str
) -> dict[str, np.ndarray]:
  """The arrays that `shapes` names, as float32.

  Args:
    where: what messages begin with: a file's name.
    stored: name -> array.
    shapes: name -> wanted shape.
    network: its name, for messages.

  Raises:
    WeightFileError: an array is missing, misshapen, not of floats, or not finite.
  """
  missing = [name for name in shapes if name not in stored]
  if missing:
    raise WeightFileError(
      f"{where}: not {network}: {len(missing)} of {len(shapes)} arrays are missing, first "
      f"{missing[0]!r} of shape {shapes[missing[0]]}"
    )
  for name, shape in shapes.items():
    x = stored[name]
    if x.shape != shape or not np.issubdtype(x.dtype, np.floating):
      raise WeightFileError(
        f"{where}: not {network}: {name!r} is {x.dtype} {x.shape}, want floats {shape}"
      )
    if not np.isfinite(x).all():
      raise WeightFileError(f"{where}: {name!r} has values that are not finite")
  return {name: stored[name].astype(np.float32) for name in shapes}


def _read_torch(path: Path) -> dict[str, np.ndarray]:
  try:
    import torch
  except ModuleNotFoundError as error:
    raise WeightFileError(
      f"{path}: reading a torch file needs torch: pip install 'facefill_jax[torch]'"
    ) from error
  try:
    content = torch.load(path, map_location="cpu", weights_only=True)
  except Exception as error:  # torch raises whatever its unpickler met
    raise WeightFileError(f"{path}: not a whole torch state dict: {_line(error)}") from error
  if not isinstance(content, dict):
    raise WeightFileError(f"{path}: not a torch state dict, but a {type(content).__name__}")
  arrays = {}
  for name, x in content.items():
    if isinstance(x, torch.Tensor):
      arrays[str(name)] = (x.detach().float() if x.is_floating_point() else x).numpy()
  return arrays


def _read_mxnet(path: Path) -> dict[str, np.ndarray]:
  """NDArray::Save of MXNet 1.x: a list of dense arrays, then their names ("arg:...", "aux:...")."""
  data, at = path.read_bytes(), 0

  def take(form: str) -> tuple:
    nonlocal at
    values = struct.unpack_from(f"<{form}", data, at)
    at += struct.calcsize(f"<{form}")
    return values

  try:
    magic, _, count = take("QQQ")
    if magic != _LIST_MAGIC or count > len(data):
      raise ValueError("it does not begin as one")
    arrays = []
    for _ in range(count):
      magic, storage, axes = take("IiI")
      if magic != _ARRAY_MAGIC or storage != 0 or not 0 < axes <= 8:
        raise ValueError("an array of a form that is not read here")
      shape = take(f"{axes}q")
      *_, kind = take("iii")  # the device does not matter
      size = int(np.prod(shape, dtype=object))
      if kind not in _MX_TYPES or min(shape) < 0 or size > len(data):
        raise ValueError("an array of a type or size that is not read here")
      arrays.append(np.frombuffer(data, _MX_TYPES[kind], size, at).reshape(shape))
      at += arrays[-1].nbytes
    (count,) = take("Q")
    if count != len(arrays):
      raise ValueError(f"{count} names for {len(arrays)} arrays")
    found = [take(f"{take('Q')[0]}s")[0].decode("utf-8") for _ in arrays]
  except (ValueError, struct.error) as error:
    raise WeightFileError(f"{path}: not a whole MXNet .params file: {_line(error)}") from error
  return {name.partition(":")[2] or name: x for name, x in zip(found, arrays, strict=True)}


def _read(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
  if path.suffix == ".npz":
    # Given a name, NumPy would leave a damaged file open.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
      return {name: archive[name] for name in names if name in archive.files}
  if path.suffix == ".safetensors":
    with safetensors.safe_open(path, framework="numpy") as archive:
      present = set(archive.keys())
      return {name: archive.get_tensor(name) for name in names if name in present}
  raise ValueError(f"unknown kind of file {path.suffix!r}; valid: '.npz', '.safetensors'")


def _check_beginning(path: Path) -> None:
  """Raises WeightFileError if the file is plainly something else, and says what."""
  with path.open("rb") as file:
    head = file.read(512)
  for pattern, kind in _IMPOSTORS:
    if re.match(pattern, head):
      raise WeightFileError(f"{path}: is no {path.suffix} file, but {kind}")
  if path.suffix == ".npz" and not head.startswith(b"PK"):
    kind = _ELSE.get(head[:1], "something else")
    raise WeightFileError(f"{path}: cannot read weights: is no .npz file, but {kind}")


def _line(error: Exception) -> str:
  """The first sentence of what may be many lines; never how to load a file unsafely."""
  text = " ".join(str(error).split())
  if any(word in text.lower() for word in ("pickle", "weights_only", "torchscript")):
    found = re.search(r"GLOBAL (\S+)", text)
    named = f" ({found[1]})" if found else ""
    return f"it holds other things than arrays{named}, or is damaged; only arrays are ever read"
  return text[:200] or type(error).__name__
