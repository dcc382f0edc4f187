"""A function's program with its loops and calls written out, for converters that know neither.

What is left are JAX's primitives for arrays, in one list. Same numbers, a longer program.
"""

from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax import lax
from jax.extend import core

_FOLDED = 4096  # values: larger constants would make the program larger, not shorter


def unrolled(function: Callable, *inputs: jax.ShapeDtypeStruct) -> Callable:
  """A function that computes the same for arrays like `inputs`, and returns a list of arrays.

  Args:
    function: of arrays, whose result is a tuple of arrays; traced here, without its jit.
    inputs: shapes and types of its arguments.
  """
  closed = jax.make_jaxpr(function)(*inputs)

  def run(*arrays):
    return _evaluate(closed, arrays)

  return run


def _evaluate(program: core.ClosedJaxpr | core.Jaxpr, arrays: Sequence) -> list:
  """Newer versions of JAX have no constants in the programs of loops and calls."""
  is_closed = isinstance(program, core.ClosedJaxpr)
  jaxpr, constants = (program.jaxpr, program.consts) if is_closed else (program, ())
  known = dict(zip(jaxpr.constvars, constants, strict=True))
  known |= zip(jaxpr.invars, arrays, strict=True)

  def read(variable):
    return variable.val if isinstance(variable, core.Literal) else known[variable]

  for equation in jaxpr.eqns:
    found = _compute(equation, [read(variable) for variable in equation.invars])
    known |= zip(equation.outvars, found, strict=True)
  return [read(variable) for variable in jaxpr.outvars]


def _compute(equation, values: list) -> list:
  """The results of one equation: a loop step by step, a call by what it calls."""
  primitive, options = equation.primitive, equation.params
  if primitive.name == "scan":
    return _scan(values, **options)
  for name in ("jaxpr", "call_jaxpr"):
    if isinstance(options.get(name), core.ClosedJaxpr | core.Jaxpr):
      return _evaluate(options[name], values)
  constant = not any(isinstance(value, jax.core.Tracer) for value in values)
  if constant and all(variable.aval.size <= _FOLDED for variable in equation.outvars):
    with jax.ensure_compile_time_eval():
      found = primitive.bind(*values, **options)
    return [np.asarray(x) for x in (found if primitive.multiple_results else [found])]
  found = primitive.bind(*values, **options)
  return found if primitive.multiple_results else [found]


def _scan(values, *, jaxpr, length, reverse, **options) -> list:
  if "num_consts" in options:
    num_consts, num_carry = options["num_consts"], options["num_carry"]
  else:  # from JAX 0.11 on
    num_consts, num_carry = (len(part) for part in options["ft_in"].unpack()[:2])
  constants, rows = values[:num_consts], values[num_consts + num_carry :]
  carry, steps = values[num_consts : num_consts + num_carry], [None] * length
  for i in reversed(range(length)) if reverse else range(length):
    row = [x[i] if isinstance(x, np.ndarray) else lax.index_in_dim(x, i, 0, False) for x in rows]
    found = _evaluate(jaxpr, [*constants, *carry, *row])
    carry, steps[i] = found[:num_carry], found[num_carry:]
  return [*carry, *(jax.numpy.stack(each) for each in zip(*steps, strict=True))]
