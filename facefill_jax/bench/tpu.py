"""bench tpu: what a TPU's compiler says of a program, without a TPU.

The compiler comes with libtpu and runs on any Linux machine. It says how many bytes a program moves
and how many operations it makes, and its text says which tensors these are. The rest is division:
the program takes at least the longer of the two times at the chip's published speeds.
"""

import collections
import importlib.util
import math
import os
import re
import time
from collections.abc import Sequence

import jax
from jax.experimental import topologies

from facefill_jax import sharding
from facefill_jax.bench import hlo, memory

CHIPS = {  # TFLOP/s in bfloat16, GB/s of HBM, a chip; https://cloud.google.com/tpu/docs/v5e etc.
  "v4": (275, 1228),
  "v5e": (197, 819),
  "v5p": (459, 2765),
  "v6e": (918, 1640),
}
LARGEST = 10
_ONE_HOST = 4  # chips, for which the host's shape has to be given


def check_topology(topology: str) -> str:
  """The kind of chip of "v5e:2x2"; ValueError for others than CHIPS."""
  chip, _, shape = topology.partition(":")
  if chip not in CHIPS or not re.fullmatch(r"\d+(x\d+){1,2}", shape):
    raise ValueError(
      f"--topology {topology}: give CHIP:AxB (or AxBxC), such as v5e:1x1, with a chip of "
      f"{', '.join(CHIPS)}"
    )
  return chip


def mesh_of(topology: str):
  """A mesh over the chips of a topology that is not here.

  Raises:
    ValueError: an unknown topology, or no compiler for it.
  """
  check_topology(topology)
  if importlib.util.find_spec("libtpu") is None:
    raise ValueError("the TPU's compiler is not installed: pip install libtpu")
  os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")  # there is no TPU to ask
  os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")  # two compilations at once
  sides = [int(side) for side in topology.partition(":")[2].split("x")]
  options = {}
  if math.prod(sides) <= _ONE_HOST:
    options["chips_per_host_bounds"] = (*sides, 1, 1)[:3]
  try:
    found = topologies.get_topology_desc(platform="tpu", topology_name=topology, **options)
  except jax.errors.JaxRuntimeError as error:
    raise ValueError(f"--topology {topology}: {str(error).splitlines()[0]}") from error
  return sharding.mesh_over(found.devices)


def measure(lowered, photos: int, chip: str) -> tuple[dict, str]:
  """Compiles, which takes minutes; what the compiler says of a program, and the program's text.

  Args:
    lowered: for a mesh of `mesh_of`.
    photos: of a call; chip: a key of CHIPS.
  """
  begin, cpu = time.perf_counter(), time.process_time()
  compiled = lowered.compile()
  facts = {"compile_s": time.perf_counter() - begin, "compile_cpu_s": time.process_time() - cpu}
  cost = compiled.cost_analysis()
  text = compiled.as_text()
  facts |= {"compiled_mib": memory.compiled_mib(compiled), "gb": cost["bytes accessed"] / 1e9}
  said = read(text)
  return facts | said | roofline(cost["flops"] / 1e9, said["gb_of_hbm"], chip, photos), text


def roofline(gflop: float, gigabytes: float, chip: str, photos: int) -> dict:
  """Times at the chip's published speeds, the longer of which binds. All of one chip's part.

  gigabytes: through HBM.
  """
  teraflops, per_second = CHIPS[chip]
  arithmetic, traffic = gflop / teraflops, 1e3 * gigabytes / per_second
  return {
    "gflop": gflop, "arithmetic_ms": arithmetic, "traffic_ms": traffic,
    "bound_by": "memory" if traffic > arithmetic else "arithmetic",
    "photos_per_second_at_most": photos / max(arithmetic, traffic, 1e-9) * 1e3,
  }  # fmt: skip


def read(text: str) -> dict:
  """What the text of an optimised program says: largest tensors and operations, collectives."""
  found = hlo.operations(text)
  return {
    "gb_of_hbm": sum(op.bytes * op.times for op in found) / 1e9,
    "largest_tensors": _tensors(found),
    "largest_operations": _sums(found),
    "collectives": hlo.collectives(found),
  }


def _tensors(found: Sequence[hlo.Operation]) -> list[dict]:
  """The largest results, alike ones together."""
  sizes, counts, fast, where = {}, collections.Counter(), collections.Counter(), {}
  for op in found:
    if not op.result_bytes:  # a move of another's result
      continue
    sizes[op.tensor] = max(sizes.get(op.tensor, 0), op.result_bytes)
    counts[op.tensor] += 1
    fast[op.tensor] += op.fast
    where.setdefault(op.tensor, short(op.where) or op.opcode)
  chosen = sorted(sizes, key=lambda tensor: -sizes[tensor])[:LARGEST]
  return [
    {"tensor": tensor, "mib": sizes[tensor] / 2**20, "count": counts[tensor],
     "in_fast_memory": fast[tensor], "first": where[tensor]}
    for tensor in chosen
  ]  # fmt: skip


def _sums(found: Sequence[hlo.Operation]) -> list[dict]:
  """What moves most, summed over the operations that the sources name alike."""
  moved, counts = collections.Counter(), collections.Counter()
  for op in found:
    name = short(op.where) or f"({op.opcode})"
    moved[name] += op.bytes * op.times
    counts[name] += op.times
  return [
    {"operation": name, "gb": total / 1e9, "count": counts[name]}
    for name, total in moved.most_common(LARGEST)
  ]


def short(where: str) -> str:
  """An operation's name without the program's and without what only says how it was traced."""
  noise = r"jit\([\w<>]*\)/|closed_call/|checkpoint/|rematted_computation/|while/|body/"
  return re.sub(noise, "", where)


def describe(row: dict) -> str:
  """A row for the screen."""
  plan = row["compiled_mib"]
  lines = [
    f"{row['program']}, {row['name']}, {row['resolution']} px x {row['batch']}, {row['dtype']}, on "
    f"{row['topology']}: bound by {row['bound_by']}",
    f"  {row['gflop']:.2f} GFLOP, {row['arithmetic_ms']:.3f} ms at the chip's peak",
    f"  {row['gb_of_hbm']:.3f} GB through HBM, {row['traffic_ms']:.3f} ms at the chip's peak",
    f"  {row['gb']:.3f} GB by the compiler's count, of both memories",
    f"  at most {row['photos_per_second_at_most']:.0f} photos/s; temporary memory "
    f"{plan.get('temporary', 0):.0f} MiB, arguments {plan.get('arguments', 0):.0f} MiB; compiled "
    f"in {row['compile_s']:.0f} s",
    f"  collectives: {row['collectives'] or 'none'}",
    "  largest tensors (MiB with padding; how many, and of them in the fast memory; the first):",
    *(f"    {t['mib']:9.2f}  {t['count']:4d} ({t['in_fast_memory']})  {t['tensor']}  {t['first']}"
      for t in row["largest_tensors"]),
    "  operations that move most (GB, how many):",
    *(f"    {o['gb']:9.4f}  {o['count']:4d} x {o['operation']}" for o in row["largest_operations"]),
  ]  # fmt: skip
  return "\n".join(lines)
