"""What a stage is made of: network and critic, optimisers, loss weights, judges."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import flax.struct
from jaxtyping import Array

from facefill_jax.models.critic import Critic
from facefill_jax.models.networks import LAYOUT, TEXTURE, Networks, choose
from facefill_jax.stages.critic_augmentation import GEOMETRIC, Augmentation
from facefill_jax.stages.layout_objective import LayoutObjective
from facefill_jax.stages.objectives import Objective
from facefill_jax.stages.optimisers import Optimiser
from facefill_jax.stages.texture_objective import TextureObjective

WGAN_GP, HINGE_R1 = "wgan_gp", "hinge_r1"
ADVERSARIES = (WGAN_GP, HINGE_R1)
UNCHANGED = Augmentation()
OBJECTIVES: Mapping[str, type[Objective]] = {LAYOUT: LayoutObjective, TEXTURE: TextureObjective}


@flax.struct.dataclass
class Judges:
  """Frozen weights that a stage's losses look through."""

  layout: dict | None = None  # EMA of the layout network: reads the layout of a result
  perceptual: dict | None = None  # SqueezeNet or VGG16


@flax.struct.dataclass
class Stage:
  """One stage: static networks, optimisers and numbers; its leaves are the judges' weights and
  the rate.

  Attributes:
    optimiser, critic_optimiser: numbers; `make` makes them.
    weights: weight of each generator term, by name.
    adversary: "wgan_gp" or "hinge_r1".
    penalty: weight of the gradient penalty, wgan_gp's or hinge_r1's; penalty_every: steps from one
      to the next (lazy regularisation), each so many times as strong.
    drift: weight of the squared real score, with wgan_gp.
    generator_every: critic steps per generator step.
    micro_batches: parts of a batch whose gradients are summed; the step is the same, to rounding.
    ema_half_life_images: half-life of the weights' average, ramped up from the start.
    adversary_starts_at_images: photos of this stage before the critic trains and is asked.
    augment: how what the critic sees is changed at random.
    only: the modules at the top of the generator that learn; () for all of it.
    rate: float32 (), what the learning rates are multiplied with; None: nothing.
  """

  judges: Judges
  name: str = flax.struct.field(pytree_node=False)
  objective: Objective = flax.struct.field(pytree_node=False)
  net: Any = flax.struct.field(pytree_node=False)
  critic: Critic = flax.struct.field(pytree_node=False)
  optimiser: Optimiser = flax.struct.field(pytree_node=False)
  critic_optimiser: Optimiser = flax.struct.field(pytree_node=False)
  weights: tuple = flax.struct.field(pytree_node=False)
  adversary: str = flax.struct.field(pytree_node=False)
  penalty: float = flax.struct.field(pytree_node=False)
  penalty_every: int = flax.struct.field(pytree_node=False)
  drift: float = flax.struct.field(pytree_node=False)
  generator_every: int = flax.struct.field(pytree_node=False)
  micro_batches: int = flax.struct.field(pytree_node=False)
  ema_half_life_images: float = flax.struct.field(pytree_node=False)
  adversary_starts_at_images: int = flax.struct.field(pytree_node=False)
  augment: Augmentation = flax.struct.field(pytree_node=False)
  only: tuple[str, ...] = flax.struct.field(pytree_node=False, default=())
  rate: Array | None = None

  def at(self, images: int) -> "Stage":
    """This stage as it trains once it has seen `images` photos: at first without its adversary."""
    if images >= self.adversary_starts_at_images:
      return self
    return self.without_critic()

  def without_critic(self) -> "Stage":
    """This stage, the terms that ask the critic off."""
    return self.with_terms(self.objective.without_critic().active)

  def with_terms(self, active: Collection[str]) -> "Stage":
    """This stage, all terms but `active` at weight 0 and not computed."""
    weights = tuple((k, v if k in active else 0.0) for k, v in self.weights)
    objective = dataclasses.replace(self.objective, active=frozenset(active))
    return self.replace(weights=weights, objective=objective)


def make_stage(
  name: str,
  networks: Networks,
  judges: Judges,
  *,
  losses: Mapping[str, float],
  optimiser: Optimiser,
  critic_optimiser: Optimiser,
  adversary: str = WGAN_GP,
  penalty: float = 10.0,
  penalty_every: int = 1,
  drift: float = 1e-3,
  generator_every: int = 1,
  micro_batches: int = 1,
  ema_half_life_images: float = 10_000.0,
  adversary_starts_at_images: int = 0,
  augment: Augmentation = UNCHANGED,
  only: Sequence[str] = (),
  **objective_options,
) -> Stage:
  """A stage, "layout" or "texture", checked.

  Raises:
    ValueError: an unknown stage or adversary; loss weights whose keys are not exactly the stage's
      terms; an augmentation that the stage or its adversary cannot have.
  """
  kind = choose("stage", name, OBJECTIVES)
  check_terms(name, losses, kind.TERMS)
  if adversary not in ADVERSARIES:
    raise ValueError(f"{name}.adversary: {adversary!r} is not one of {', '.join(ADVERSARIES)}")
  counts = {"generator_every": generator_every, "penalty_every": penalty_every}
  for key, value in (counts | {"micro_batches": micro_batches}).items():
    if value < 1:
      raise ValueError(f"{name}.{key} must be 1 or more, got {value}")
  _check_augment(name, adversary, augment)
  active = frozenset(term for term, weight in losses.items() if weight)
  objective = kind(parser=networks.layout, active=active, **objective_options)
  return Stage(
    judges=judges,
    name=name,
    objective=objective,
    net=getattr(networks, name),
    critic=getattr(networks, f"{name}_critic"),
    optimiser=optimiser,
    critic_optimiser=critic_optimiser,
    weights=tuple(sorted((k, float(v)) for k, v in losses.items())),
    adversary=adversary,
    penalty=float(penalty),
    penalty_every=int(penalty_every),
    drift=float(drift),
    generator_every=int(generator_every),
    micro_batches=int(micro_batches),
    ema_half_life_images=float(ema_half_life_images),
    adversary_starts_at_images=int(adversary_starts_at_images),
    augment=augment,
    only=tuple(only),
  )


def _check_augment(name: str, adversary: str, augment: Augmentation) -> None:
  wrong = set(augment.kinds) - set(GEOMETRIC)
  if name == LAYOUT and augment.active and wrong:
    raise ValueError(
      f"layout.augment.kinds: {', '.join(sorted(wrong))} would spoil layouts; valid: "
      f"{', '.join(GEOMETRIC)}"
    )
  if augment.target and adversary != HINGE_R1:
    raise ValueError(
      f"{name}.augment.target goes by the sign of the critic's score, which means nothing with "
      f"{adversary}: give {name}.augment.strength and target 0, or adversary {HINGE_R1}"
    )


def check_terms(name: str, losses: Mapping[str, float], terms: tuple[str, ...]) -> None:
  """Raises ValueError naming both sets unless the weights' keys are exactly the terms."""
  if set(losses) != set(terms):
    raise ValueError(
      f"loss weights of the {name} stage are {sorted(losses)}, its terms are {sorted(terms)}: "
      f"no such term {sorted(set(losses) - set(terms))}, no weight for "
      f"{sorted(set(terms) - set(losses))}"
    )
