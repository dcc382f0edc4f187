"""bench inference: what a fill costs, by the very program that fills."""

import dataclasses
import os
import time
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np

from facefill_jax import PRETRAINED, sharding
from facefill_jax.bench import made_up, memory, tables, timing
from facefill_jax.bench.prepared import Prepared
from facefill_jax.filling import filler, model_files
from facefill_jax.labels import VOID
from facefill_jax.models import networks as networks_lib
from facefill_jax.models.texture_net import LATENT


@dataclasses.dataclass(frozen=True)
class Case:
  """What is filled by what.

  Attributes:
    size: of the networks; of no account where a model is given.
    resolution: side in pixels of what the networks see.
    batch: photos a call.
    model: a model's directory; "": random numbers in the shapes of the size.
    dtype: of the computation.
    looks: 2: the layout network looks at the mirror image, too, as in the product; 1: it does not.
    layout_resolution: side at which it looks at most, 0: any; None: as the model has it, or any.
  """

  size: str
  resolution: int
  batch: int = 1
  model: str = ""
  dtype: str = "float32"
  looks: int = 2
  layout_resolution: int | None = None

  def __post_init__(self):
    if self.looks not in (1, 2):
      raise ValueError(f"looks is {self.looks}: give 1 or 2")

  @property
  def name(self) -> str:
    """For a table."""
    looks = "" if self.looks == 2 else ", one look"
    layouts = "" if self.layout_resolution is None else f", layouts {self.layout_resolution}"
    return f"{Path(self.model).name or self.size}{layouts}{looks}"

  def arguments(self) -> list[str]:
    """Of the command line, for another checkout."""
    said = ["inference", "--resolution", str(self.resolution), "--batch", str(self.batch)]
    said += ["--model", os.path.abspath(self.model)] if self.model else ["--size", self.size]
    said += ["--dtype", self.dtype, "--two-looks" if self.looks == 2 else "--one-look"]
    if self.layout_resolution is not None:
      said += ["--layout-resolution", str(self.layout_resolution)]
    return said


def changed(case: Case, change: str) -> Case:
  """The case of `--vs`: a size, a model's directory, or FIELD=VALUE with a field of Case.

  Raises:
    ValueError: it is none of these.
  """
  field, equals, value = change.partition("=")
  types = {"resolution": int, "batch": int, "looks": int, "layout_resolution": int, "dtype": str}
  if equals and field in types:
    if types[field] is int and not value.isdecimal():
      raise ValueError(f"--vs {change}: {field} is a whole number")
    return dataclasses.replace(case, **{field: types[field](value)})
  if change in networks_lib.SIZES:
    return dataclasses.replace(case, size=change, model="")
  if change == PRETRAINED.name and not Path(change).exists():
    return dataclasses.replace(case, model=str(PRETRAINED))
  if Path(change).is_dir():
    return dataclasses.replace(case, model=change)
  raise ValueError(
    f"--vs {change}: neither a checkout, a model's directory, a size "
    f"({', '.join(networks_lib.SIZES)}) nor KEY=VALUE with a key of {', '.join(types)}"
  )


def load(case: Case) -> tuple[networks_lib.Networks, dict]:
  """The networks and their parameters, float32 NumPy arrays."""
  if case.model:
    config, params = model_files.load_model(case.model, needed=networks_lib.STAGES)
    params = {name: params[name] for name in networks_lib.STAGES}
  else:
    config = {"size": case.size}
  if case.layout_resolution is not None:
    model = {**config.get("model", {}), "layout_resolution": case.layout_resolution}
    config = {**config, "model": model}
  networks = networks_lib.networks_of_model(config, case.dtype)
  if not case.model:
    shapes = networks_lib.abstract_params(case.size, **config.get("model", {}))
    params = {name: made_up.parameters(shapes[name]) for name in networks_lib.STAGES}
  return networks, jax.tree.map(lambda x: np.asarray(x, np.float32), params)


def arguments(batch: int, resolution: int) -> dict[str, np.ndarray]:
  """What `filler.filling_program` takes beside the parameters."""
  made, shape = made_up.photos(batch, resolution), (batch, resolution, resolution)
  return {
    "photo": made["photo"],
    "mask": made["mask"],
    "edit": np.full(shape, VOID, np.uint8),
    "z": np.random.default_rng(1).standard_normal((batch, LATENT), np.float32),
  }


def lower(case: Case, networks: networks_lib.Networks, params: dict, others: dict, mesh=None):
  """The program of a fill for these arguments, lowered.

  mesh: the devices that it is for, which need not be here; None: this process's own.
  """
  if mesh is not None:
    params = sharding.placed(params, sharding.replicated(mesh))
    others = sharding.placed(others, sharding.batch_sharding(mesh))
  program = filler.filling_program(networks, looks=case.looks)
  return program.lower(params, **others, smooth=False)


def prepare(case: Case) -> Prepared:
  """Compiles and runs once. A call is as in the product: from NumPy arrays to NumPy arrays."""
  networks, params = load(case)
  others = arguments(case.batch, case.resolution)
  begin = time.perf_counter()
  lowered = lower(case, networks, params, others)
  lowered_s = time.perf_counter() - begin
  begin = time.perf_counter()
  compiled = lowered.compile()
  compile_s = time.perf_counter() - begin
  params = jax.block_until_ready(jax.device_put(params))

  def call():
    jax.device_get(compiled(params, **others))

  begin = time.perf_counter()
  held = memory.peak(call)
  run_s = time.perf_counter() - begin
  flops = _flops(compiled.cost_analysis()) or _flops(lowered.cost_analysis())
  facts = dataclasses.asdict(case) | {
    "name": case.name, "photos": case.batch, "lower_s": lowered_s, "compile_s": compile_s,
    "first_call_s": lowered_s + compile_s + run_s, "gflop_per_photo": flops / 1e9 / case.batch,
    **held, "compiled_mib": memory.compiled_mib(compiled),
  }  # fmt: skip
  return Prepared(facts, lambda: timing.timed(call))


def _flops(analysis: Mapping | None) -> float:
  return float((analysis or {}).get("flops", 0.0))


COLUMNS = (
  ("network", lambda row: row["name"]),
  ("px", lambda row: str(row["resolution"])),
  ("batch", lambda row: str(row["batch"])),
  ("dtype", lambda row: row["dtype"]),
  ("first call s", lambda row: f"{row['first_call_s']:.2f}"),
  ("compile s", lambda row: f"{row['compile_s']:.2f}"),
  *tables.TIMES,
  ("peak MiB", lambda row: "" if row["peak_mib"] is None else f"{row['peak_mib']:.0f}"),
)
"""Of the table: heads, and a row's cell."""
