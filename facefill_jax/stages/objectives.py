"""What an objective is: what one stage's network is asked to do, and the losses that say so.

An objective has `inputs`, which draws what a step needs, `generate`, which runs the network,
`comparison`, which is what the critic sees, and LOSSES, one `Term` a loss. From LOSSES follow
`terms` and `counts`, so that a new loss is one entry there and its weight in the configurations.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
from jaxtyping import Array

from facefill_jax.models.layout_net import LayoutNet


@dataclasses.dataclass(frozen=True)
class View:
  """What a loss is computed from. Each stage adds properties, computed once, when first asked for.

  One of them each stage has: `compared`, bool (b,): the photos that the critic's loss is over. For
  a `count` only objective, inputs and rng are there.
  """

  objective: "Objective"
  inputs: Any
  rng: jax.Array | None
  outputs: Any = None
  judges: Any = None
  critic: Callable | None = None  # (candidate, condition, changeable) -> verdict, features


@dataclasses.dataclass(frozen=True)
class Term:
  """One loss of a generator.

  Attributes:
    name: of its weight in the configurations, `<stage>.losses.<name>`, and of its metric,
      `loss/<name>`.
    value: view -> float32 (): a mean, not yet weighted.
    count: view -> bool or float32 array: what the mean is over, as the sum of this array says. The
      mean over a batch is that of its parts, weighed by these sums.
    asks_critic: without an active term that does, the critic is not trained.
  """

  name: str
  value: Callable[[Any], Array]
  count: Callable[[Any], Array]
  asks_critic: bool = False


@dataclasses.dataclass(frozen=True)
class Objective:
  """What the objectives of both stages share.

  Attributes:
    parser: the layout network.
    active: the terms whose weight is not 0; the others are not computed.
  """

  LOSSES: ClassVar[tuple[Term, ...]]
  VIEW: ClassVar[type[View]]
  TERMS: ClassVar[tuple[str, ...]]  # the names of LOSSES
  parser: LayoutNet
  active: frozenset[str]

  def __init_subclass__(cls):
    cls.TERMS = tuple(term.name for term in cls.LOSSES)

  @property
  def asks_critic(self) -> bool:
    """Whether an active term asks the critic."""
    return any(term.asks_critic and term.name in self.active for term in self.LOSSES)

  def without_critic(self) -> Self:
    """This objective, the terms that ask the critic not active."""
    asking = {term.name for term in self.LOSSES if term.asks_critic}
    return dataclasses.replace(self, active=self.active - asking)

  def terms(self, outputs, inputs, judges, critic, rng) -> dict[str, Array]:
    """Each active term, a float32 scalar, not yet weighted."""
    view = self.VIEW(self, inputs, rng, outputs, judges, critic)
    return {term.name: term.value(view) for term in self.LOSSES if term.name in self.active}

  def counts(self, inputs, rng: jax.Array | None) -> dict[str, Array]:
    """What the mean of each term, and that of the critic's loss ("critic"), is over; float32."""
    view = self.VIEW(self, inputs, rng)
    counted = {term.name: term.count(view) for term in self.LOSSES}
    counted["critic"] = view.compared
    return {name: where.sum(dtype=jnp.float32) for name, where in counted.items()}
