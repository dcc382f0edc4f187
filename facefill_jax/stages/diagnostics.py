"""What an update did, in numbers that cost nothing: norms by module, clipping, ratio, rate."""

import re

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from facefill_jax.stages.optimisers import Optimiser

KINDS = ("up", "norm", "conv", "past", "middle", "local")
"""Modules of which a network has one at each scale, shown as one: up_8, up_4 ... are "up"."""


def module_of(path: tuple[str, ...]) -> str:
  """The curve that a parameter belongs to: its module at the top of the network, or its KIND."""
  kind = re.match(rf"({'|'.join(KINDS)})_", path[0])
  return kind[1] if kind else path[0]


def norms_by_module(tree: dict) -> dict[str, Array]:
  """Euclidean norm of all leaves of each module, float32 (); see `module_of`."""
  squares: dict[str, Array] = {}
  for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
    name = module_of(tuple(str(part.key) for part in path))
    squares[name] = squares.get(name, 0.0) + jnp.square(leaf.astype(jnp.float32)).sum()
  return {name: jnp.sqrt(square) for name, square in squares.items()}


def of_update(
  numbers: Optimiser, params: dict, grads: dict, updates: dict, opt_state
) -> dict[str, Array]:
  """Metrics of one update, float32 scalars.

  Args:
    numbers: of the optimiser: its clipping and its schedule.
    params, opt_state: before the update.
    grads: before clipping.
    updates: what is added to the parameters.

  Returns:
    gradient_norm, and gradient_norm/<module> of each; clip_factor, by which clipping multiplied
    the gradient (only if it clips); update_ratio, |updates| / |params|; learning_rate.
  """
  modules = norms_by_module(grads)
  norm = jnp.sqrt(sum(jnp.square(value) for value in modules.values()))
  found = {f"gradient_norm/{name}": value for name, value in modules.items()}
  found["gradient_norm"] = norm
  if numbers.clip:
    found["clip_factor"] = numbers.clip / jnp.maximum(norm, numbers.clip)
  found["update_ratio"] = optax.tree.norm(updates) / jnp.maximum(optax.tree.norm(params), 1e-12)
  found["learning_rate"] = jnp.asarray(numbers.schedule()(updates_done(opt_state)), jnp.float32)
  return found


def updates_done(opt_state) -> Array:
  """How many updates the optimiser's schedule has counted, int32 ()."""

  def counts(node):
    return isinstance(node, optax.ScaleByScheduleState)

  return next(filter(counts, jax.tree.leaves(opt_state, is_leaf=counts))).count
