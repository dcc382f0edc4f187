"""Names the module that first makes a value that is not finite, forward or backward.

A step whose metrics are not finite is run again, as one compiled program in which every module's
inputs, outputs and parameters pass through probes. A probe hands its value on; on the way forward
it looks at the value, on the way back at the gradient, and tells the host how many rows of it are
not finite. Probes are numbered when they are traced, which is the order of the computation, and on
the way back of the gradient's: the first that tells is the culprit.
"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from facefill_jax import compile_cache

INTO, OUT_OF, PARAMETER = "into", "out of", "parameter"
FORWARD, BACKWARD = "forward", "backward"
_NOTHING = jax.custom_derivatives.SymbolicZero


@dataclasses.dataclass(frozen=True)
class Event:
  """What one probe looked at.

  Attributes:
    order: number of the probe's look, in the order of the computation.
    place: "texture/encoder/block_1", or of a parameter "texture/encoder/block_1/kernel".
    side: INTO or OUT_OF the module, as the data goes; or PARAMETER.
    way: FORWARD: a value; BACKWARD: a gradient.
    shape: "float32[16,32,32,64]".
    rows: how many it has along the first axis, most often photos; 1 of a parameter.
    wrong: rows that are not finite; nan: whether one of them holds a NaN, and not infinities only.
  """

  order: int
  place: str
  side: str
  way: str
  shape: str
  rows: int
  wrong: int = 0
  nan: bool = False

  def describe(self) -> str:
    """In a few words."""
    kind = "nan" if self.nan else "inf"
    if self.side == PARAMETER:
      module, _, name = self.place.rpartition("/")
      return f"{module} gives its parameter {name} a gradient of {kind} ({self.way}; {self.shape})"
    what = f"({self.way}, {self.wrong} of {self.rows} rows; {self.shape})"
    entered = self.side == (INTO if self.way == FORWARD else OUT_OF)
    if not entered:
      given = "its inputs were" if self.way == FORWARD else "the gradient that reached it was"
      gives = "gives" if self.way == FORWARD else "hands back a gradient of"
      return f"{self.place} {gives} {kind} {what}; {given} finite"
    parent = self.place.rpartition("/")[0]
    origin = f"made in {parent} between its modules" if parent else "made outside the networks"
    thing = "what enters" if self.way == FORWARD else "the gradient that reaches"
    return f"{thing} {self.place} is {kind} {what}; {origin}"


class Probes:
  """Watches all modules while a function is traced, and collects what they tell when it runs.

  Attributes:
    found: the events whose values were not finite.
  """

  def __init__(self, names: Mapping[type, str]):
    """names: class of a whole network -> what to call it."""
    self.found: list[Event] = []
    self._names, self._order = names, itertools.count()
    self._inside = False  # whether the call that comes is one whose parameters are probed already

  def watch(self, function: Callable) -> Callable:
    """`function`, to be traced anew (by jax.jit): with probes in every module it calls."""

    def watched(*args):
      with nn.intercept_methods(self._intercept):
        return function(*args)

    return watched

  def first(self) -> Event | None:
    """The culprit, once all have told."""
    jax.effects_barrier()
    return min(self.found, key=lambda event: event.order, default=None)

  def _intercept(self, call, args, kwargs, context):
    if context.method_name != "__call__":
      return call(*args, **kwargs)
    module = context.module
    root = not isinstance(module.parent, nn.Module)
    if root and not self._inside:  # once more, with its parameters behind probes
      self._inside = True
      fresh, variables = module.unbind()
      params = self._look(self._place(module), PARAMETER, variables["params"])
      return fresh.apply({**variables, "params": params}, *args, **kwargs)
    self._inside = False
    place = self._place(module)
    args, kwargs = self._look(place, INTO, (args, kwargs))
    return self._look(place, OUT_OF, call(*args, **kwargs))

  def _place(self, module: nn.Module) -> str:
    root = module
    while isinstance(root.parent, nn.Module):
      root = root.parent
    return "/".join([self._names.get(type(root), type(root).__name__), *module.path])

  def _look(self, place: str, side: str, tree):
    """`tree`, its arrays that can be differentiated behind one probe."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
    floats = [
      i for i, (_, leaf) in enumerate(leaves)
      if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.floating)
    ]  # fmt: skip
    paths = [jax.tree_util.keystr(leaves[i][0], simple=True, separator="/") for i in floats]
    places = [f"{place}/{path}" if side == PARAMETER else place for path in paths]

    def tell(way, values):
      known = [(p, v) for p, v in zip(places, values, strict=True) if not isinstance(v, _NOTHING)]
      self._tell(known, side, way)

    @jax.custom_vjp
    def probe(values):
      if side != PARAMETER:  # what a parameter does shows in what its module gives
        tell(FORWARD, values)
      return values

    def backward(_, gradients):
      tell(BACKWARD, gradients)
      return ([None if isinstance(g, _NOTHING) else g for g in gradients],)

    # Gradients that are 0 by nature stay symbols: as arrays, the compiler would fold each of them.
    def forward(given):
      return probe([x.value for x in given]), None

    probe.defvjp(forward, backward, symbolic_zeros=True)
    values = [leaf for _, leaf in leaves]
    for i, value in zip(floats, probe([values[i] for i in floats]), strict=True):
      values[i] = value
    return jax.tree.unflatten(structure, values)

  def _tell(self, known: list[tuple[str, jax.Array]], side: str, way: str) -> None:
    order, events, looks = next(self._order), [], []
    for place, value in known:
      shape = f"{value.dtype}[{','.join(map(str, value.shape))}]"
      rows = value.shape[0] if value.ndim and side != PARAMETER else 1
      events.append(Event(order, place, side, way, shape, rows))
      # NaN if there is one, else infinite if there is one.
      largest = jnp.abs(value).reshape(rows, -1).max(-1)
      looks.append(jnp.stack([(~jnp.isfinite(largest)).sum(), jnp.isnan(largest).any()]))
    if events:
      jax.debug.callback(partial(self._told, events), jnp.stack(looks))

  def _told(self, events: list[Event], looks) -> None:
    for event, (wrong, nan) in zip(events, np.asarray(looks), strict=True):
      if wrong:
        self.found.append(dataclasses.replace(event, wrong=int(wrong), nan=bool(nan)))


def not_finite(tree: Any) -> list[str]:
  """Paths of the leaves that hold a value that is not finite, "params/stem/kernel"."""
  leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
  return [
    jax.tree_util.keystr(path, simple=True, separator="/")
    for path, leaf in leaves
    if jnp.issubdtype(leaf.dtype, jnp.floating) and not bool(jnp.isfinite(leaf).all())
  ]


def checked(step_fn: Callable, step: Callable, begins: int) -> Callable:
  """A train step that raises FloatingPointError, naming the culprit, as soon as it is not finite.

  Every step waits for its metrics. Another program is compiled only once there is
  something to find.

  Args:
    step_fn: `step` jitted, without donation: what it was given must still be there.
    step: (stage, state, batch, rng) -> (state, metrics), see `step.train_step`.
    begins: step of the run at which the stage begins, for the message.
  """

  def run(stage, state, batch, rng):
    made, metrics = step_fn(stage, state, batch, rng)
    wrong = [name for name, value in jax.device_get(metrics).items() if not np.isfinite(value)]
    if wrong:
      wrong.sort(key=lambda name: (not name.startswith("loss/"), "gradient_norm" in name, name))
      found = explain(step, stage, state, batch, rng)
      number = begins + int(state.step) + 1
      raise FloatingPointError(
        f"step {number}: {stage.name}: {found}; not finite are {_some(wrong)}"
      )
    return made, metrics

  return run


def explain(step: Callable, stage, state, batch, rng) -> str:
  """Runs the step again, with probes; says what first was not finite, and why if it is known."""
  names = {type(stage.objective.parser): "layout", type(stage.critic): f"{stage.name}_critic"}
  probes = Probes(names | {type(stage.net): stage.name})
  again = jax.jit(probes.watch(step), compiler_options=compile_cache.unoptimised())
  jax.block_until_ready(again(stage, state, batch, rng))
  event = probes.first()
  said = event.describe() if event else (
    "no module: its losses or its optimiser, or rounding that did not come again"
  )  # fmt: skip
  given = not_finite({"batch": batch, "judges": stage.judges, "state": state})
  return f"{said}; given to the step not finite: {_some(given)}" if given else said


def _some(names: list[str], count: int = 8) -> str:
  more = f" and {len(names) - count} more" if len(names) > count else ""
  return ", ".join(names[:count]) + more
