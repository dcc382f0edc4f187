"""The mesh, and where arrays lie on it: the one module that names a mesh axis.

Today: data-parallel. Batches are split over "data"; states are whole on every device.
"""

import re
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

DATA = "data"

RULES: tuple[tuple[str, P], ...] = ((r".*", P()),)
"""(pattern of a parameter's path, where it lies): the first that matches counts."""


_PACKAGES = {"cuda": "jax[cuda13]", "gpu": "jax[cuda13]", "tpu": "jax[tpu]"}


def check_devices() -> None:
  """Whether JAX has a device to compute on; begins to use it.

  Raises:
    ValueError: JAX_PLATFORMS asks for a kind of device that is not here; in one line.
  """
  try:
    jax.local_devices()
  except (RuntimeError, AssertionError) as error:  # by the kind of device
    asked = jax.config.jax_platforms
    if not asked:
      raise
    package = _PACKAGES.get(asked.split(",")[0])
    hint = f"is {package} installed? " if package else f"valid: cpu, {', '.join(_PACKAGES)}; "
    why = " ".join(str(error).partition(" (set JAX_PLATFORMS")[0].split())
    raise ValueError(
      f"JAX_PLATFORMS={asked}, but jax finds no such device here ({hint}unset JAX_PLATFORMS for "
      f"the CPU){f': {why}' if why else ''}"
    ) from error


def make_mesh(data: int = -1) -> Mesh:
  """A mesh over all devices; `data` devices along the batch, -1 for all there are.

  Raises:
    ValueError: `data` is not the number of devices; see also `check_devices`.
  """
  check_devices()
  found = jax.device_count()
  if data not in (-1, found):
    raise ValueError(f"mesh.data is {data}, but {found} device(s) are here: give -1 or {found}")
  return jax.make_mesh((found,), (DATA,), axis_types=(AxisType.Auto,))


def local_mesh(count: int = -1) -> Mesh:
  """A mesh over the first `count` devices of this process, -1 for all of them.

  Raises:
    ValueError: there are fewer; see also `check_devices`.
  """
  check_devices()
  found = jax.local_devices()
  if count != -1 and not 1 <= count <= len(found):
    raise ValueError(f"{count} devices asked for, {len(found)} are here: give 1..{len(found)}")
  used = found if count == -1 else found[:count]
  return mesh_over(used)


def mesh_over(devices: Sequence[Any]) -> Mesh:
  """A mesh over these devices, of whatever kind: also those of a TPU that is not here."""
  return jax.make_mesh((len(devices),), (DATA,), axis_types=(AxisType.Auto,), devices=list(devices))


def device_count(mesh: Mesh) -> int:
  """Devices that a batch is split over; its size must be a multiple."""
  return mesh.shape[DATA]


def check_batch(batch_size: int, mesh: Mesh, micro_batches: int = 1) -> None:
  """Raises ValueError unless the batch, or each of its parts, can be split over the mesh."""
  n = mesh.shape[DATA]
  if batch_size < 1 or batch_size % (n * micro_batches):
    parts = f" in {micro_batches} micro-batches" if micro_batches > 1 else ""
    raise ValueError(
      f"batch_size {batch_size} cannot be split over {n} devices{parts}: give a multiple"
    )


def replicated(mesh: Mesh) -> NamedSharding:
  """Whole on every device."""
  return NamedSharding(mesh, P())


def batch_sharding(mesh: Mesh) -> NamedSharding:
  """Split along the first axis."""
  return NamedSharding(mesh, P(DATA))


def state_shardings(tree: Any, mesh: Mesh) -> Any:
  """A tree of NamedSharding for a tree of arrays (or shapes), by RULES."""

  def place(path, _):
    name = jax.tree_util.keystr(path, simple=True, separator="/")
    spec = next(spec for pattern, spec in RULES if re.search(pattern, name))
    return NamedSharding(mesh, spec)

  return jax.tree_util.tree_map_with_path(place, tree)


def placed(shapes: Any, shardings: Any) -> Any:
  """ShapeDtypeStructs of a tree of arrays or shapes, lying as `shardings`, a tree or just one."""
  if isinstance(shardings, NamedSharding):
    shardings = jax.tree.map(lambda _: shardings, shapes)

  def place(x, sharding):
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)

  return jax.tree.map(place, shapes, shardings)


def put_batch(batch: dict[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
  """This process's rows of a batch -> global arrays, split over the mesh."""
  sharding = batch_sharding(mesh)
  return {
    name: jax.make_array_from_process_local_data(sharding, rows) for name, rows in batch.items()
  }
