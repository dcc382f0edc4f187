"""What an optimised TPU program moves through its memory, read from its text.

A TPU's compiler lays tensors out in tiles, such as 8 x 128: 16 channels along the last axis take
the room of 128. And it keeps what it can in the chip's own fast memory, `S(1)` in a layout, where
a tensor costs no traffic. Both are counted here, as the compiler's own count of bytes does not say
which tensors they are.
"""

import collections
import dataclasses
import math
import re
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

_BYTES = {
  "pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s16": 2, "u16": 2, "f32": 4, "s32": 4,
  "u32": 4, "f64": 8, "s64": 8, "u64": 8,
}  # fmt: skip
# f32[2,64,64,16]{3,2,1,0:T(8,128)(2,1)S(1)}: type, sides, axes from minor to major, tile, space.
_TENSOR = re.compile(r"([a-z]+\d*)\[([\d,]*)\](?:\{([\d,]*)(?::([^{}]*))?\})?")
_TILE = re.compile(r"T\((\d+(?:,\d+)*)\)")
_COMPUTATION = re.compile(r"(ENTRY )?%([\w.\-]+) \(.*\{\s*$")
_NAMED = re.compile(r"\s+(?:ROOT )?%([\w.\-]+) = (.*)")
_FREE = frozenset(
  ("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "conditional", "call",
   "after-all", "partition-id", "replica-id")
)  # fmt: skip
"""Opcodes that move nothing themselves; what ends in -done was counted where it began."""
_MOVES = ("copy-start", "slice-start")
COLLECTIVES = (
  "all-reduce", "all-gather", "collective-permute", "all-to-all", "reduce-scatter",
  "collective-broadcast", "ragged-all-to-all",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Operation:
  """One instruction of the program outside fusions.

  Attributes:
    tensor: its largest result, as text without layout; "" of a move between the memories.
    result_bytes: of that, with padding.
    fast: whether it lies in the fast memory.
    bytes: of results and operands together, as far as they lie in the large memory.
    times: how often it runs, by the trip counts of the loops around it.
    where: the name that the sources gave it, or to what it moves.
  """

  opcode: str
  tensor: str
  result_bytes: int
  fast: bool
  bytes: int
  times: int
  where: str


def tensor_bytes(text: str, anywhere: bool = False) -> int:
  """Bytes, with padding, of all tensors in a type's text that lie in the large memory.

  anywhere: those in the fast one, too.
  """
  return sum(_size(match, anywhere) for match in _TENSOR.finditer(text))


def _size(match: re.Match, anywhere: bool = False) -> int:
  kind, sides, order, layout = match.groups()
  if kind not in _BYTES or ("S(" in (layout or "") and not anywhere):
    return 0
  shape = [int(side) for side in sides.split(",") if side]
  tile = _TILE.search(layout or "")
  if tile and order:
    steps = [int(step) for step in tile[1].split(",")]
    for axis, step in zip(map(int, order.split(",")), reversed(steps), strict=False):
      shape[axis] = -(-shape[axis] // step) * step
  return _BYTES[kind] * math.prod(shape)


def operations(text: str) -> list[Operation]:
  """All that moves something, in the entry and in the bodies of its loops and branches."""
  computations, entry = _parse(text)
  return list(_walk(computations, entry, 1)) if entry else []


def collectives(found: list[Operation]) -> dict[str, int]:
  """How often devices exchange something, by kind."""
  counts = collections.Counter()
  for operation in found:
    kind = operation.opcode.removesuffix("-start")
    if kind in COLLECTIVES:
      counts[kind] += operation.times
  return dict(counts)


class _Instruction(NamedTuple):
  name: str
  type: str
  opcode: str
  arguments: str
  rest: str  # attributes

  @property
  def operands(self) -> list[str]:
    return re.findall(r"%([\w.\-]+)", self.arguments)

  @property
  def where(self) -> str:
    found = re.search(r'op_name="([^"]*)"', self.rest)
    return found[1].replace("\\'", "'") if found else ""


def _parse(text: str) -> tuple[dict[str, list[_Instruction]], str | None]:
  """Computation -> its instructions, and the name of the entry."""
  computations, here, entry = {}, None, None
  for line in text.splitlines():
    head = _COMPUTATION.match(line)
    if head:
      here = computations[head[2]] = []
      entry = head[2] if head[1] else entry
    elif here is not None:
      instruction = _split(line)
      if instruction:
        here.append(instruction)
  return computations, entry


def _split(line: str) -> _Instruction | None:
  found = _NAMED.match(line)
  if not found:
    return None
  name, rest = found.groups()
  end = _end_of_tuple(rest) if rest.startswith("(") else rest.find(" ")
  call = re.match(r"([\w\-]+)\((.*?)\)(?:, (.*))?$", rest[end + 1 :])
  return _Instruction(name, rest[:end], call[1], call[2], call[3] or "") if call else None


def _end_of_tuple(text: str) -> int:
  """Where the brackets close that `text` begins with; layouts have some, too."""
  depth = 0
  for end, letter in enumerate(text):
    depth += (letter == "(") - (letter == ")")
    if not depth:
      return end + 1
  return len(text)


def _walk(computations: dict, name: str, times: int) -> Iterator[Operation]:
  here = {each.name: each for each in computations.get(name, ())}
  for each in here.values():
    if each.opcode == "while":
      body = re.search(r"body=%([\w.\-]+)", each.rest)[1]
      yield from _walk(computations, body, times * _trips(computations, each.rest))
    elif each.opcode in ("conditional", "call"):
      chosen = re.search(r"branch_computations=\{[^}]*\}|\w+_computation=.*|to_apply=.*", each.rest)
      for branch in re.findall(r"%([\w.\-]+)", chosen[0] if chosen else ""):
        yield from _walk(computations, branch, times)
    if each.opcode not in _FREE and not each.opcode.endswith("-done"):
      yield _operation(each, here, times)


def _operation(each: _Instruction, here: dict[str, _Instruction], times: int) -> Operation:
  tensors = list(_TENSOR.finditer(each.type))
  if each.opcode in _MOVES:  # between the memories: (source, target, counter), or the other order
    sides = [size for size in (_size(tensor, anywhere=True) for tensor in tensors[:2]) if size]
    source = here.get(each.operands[0]) if each.operands else None
    where = source and (source.where or source.name)
    moved = min(sides, default=0)
    return Operation(each.opcode, "", 0, False, moved, times, f"move of {where}")
  results = tensor_bytes(each.type)
  moved = results + sum(tensor_bytes(here[name].type) for name in each.operands if name in here)
  largest = max(tensors, key=partial(_size, anywhere=True), default=None)
  if largest is None:
    return Operation(each.opcode, each.type, 0, False, moved, times, each.where)
  size = _size(largest, anywhere=True)
  tensor, fast = f"{largest[1]}[{largest[2]}]", not _size(largest)
  return Operation(each.opcode, tensor, size, fast, moved, times, each.where)


def _trips(computations: dict, rest: str) -> int:
  """How often a loop turns: as the compiler noted, or as its condition compares; else 1."""
  known = re.search(r"known_trip_count\D+(\d+)", rest)
  if known:
    return int(known[1])
  condition = computations.get(re.search(r"condition=%([\w.\-]+)", rest)[1], ())
  bounds = [each.arguments for each in condition if each.opcode == "constant"]
  return int(bounds[0]) if len(bounds) == 1 and bounds[0].isdigit() else 1
