"""What a stage is made of: its networks by size, its optimisers, its loss weights, its judges."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from facefill_jax.labels import NUM_CLASSES
from facefill_jax.models.critic import Critic
from facefill_jax.models.layout_net import LayoutNet
from facefill_jax.models.texture_net import LATENT, TextureNet
from facefill_jax.stages import objectives
from facefill_jax.stages.critic_augmentation import GEOMETRIC, Augmentation

LAYOUT, TEXTURE = "layout", "texture"
STAGES = (LAYOUT, TEXTURE)
WGAN_GP, HINGE_R1 = "wgan_gp", "hinge_r1"
ADVERSARIES = (WGAN_GP, HINGE_R1)


@dataclasses.dataclass(frozen=True)
class Size:
  """The numbers of one size; see the table in the README for what they cost."""

  stem: int
  widths: tuple[int, int, int]
  vit: tuple[int, int, int]  # width, layers, heads
  decoder: tuple[int, int, int]
  middle: int
  attention: tuple[int, ...]
  max_keys: int
  style_width: int


SIZES: Mapping[str, Size] = MappingProxyType(
  {
    "tiny": Size(16, (32, 64, 128), (64, 2, 4), (64, 32, 16), 1, (16, 8), 256, 32),
    "small": Size(32, (64, 128, 256), (256, 4, 4), (128, 64, 32), 2, (16, 8), 256, 64),
    "base": Size(64, (128, 256, 512), (512, 6, 8), (256, 128, 64), 4, (16, 8, 4), 256, 128),
    "paper": Size(64, (128, 256, 512), (768, 6, 8), (256, 128, 64), 6, (16, 8, 4), 1024, 128),
  }
)
UNCHANGED = Augmentation()
OPTIMISERS = {"adam": optax.adam, "adamw": optax.adamw}
DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


@dataclasses.dataclass(frozen=True)
class Networks:
  """The four networks of one size."""

  layout: LayoutNet
  texture: TextureNet
  layout_critic: Critic
  texture_critic: Critic


def choose(what: str, name: str, valid: Mapping[str, Any]):
  """valid[name], or a ValueError that names the choice and all valid ones."""
  if name not in valid:
    raise ValueError(f"{what}: {name!r} is not one of {', '.join(sorted(valid))}")
  return valid[name]


def build_networks(
  size: str,
  dtype: str = "float32",
  attention_values: str = "unpooled",
  class_style: bool = True,
  remat: bool = False,
) -> Networks:
  """The networks of a size in SIZES, computing in `dtype` (parameters are float32).

  With `remat`, training keeps less and computes more: see `models.layers.recomputed`.

  Raises:
    ValueError: an unknown size, dtype or kind of attention values.
  """
  n, d = choose("size", size, SIZES), choose("dtype", dtype, DTYPES)
  choose("attention_values", attention_values, {"unpooled": 0, "pooled": 0, "none": 0})
  width, layers, heads = n.vit
  return Networks(
    layout=LayoutNet(
      n.stem, n.widths, width, layers, heads, n.widths[-1], n.decoder, dtype=d, remat=remat
    ),
    texture=TextureNet(
      n.stem, n.widths, n.middle, n.decoder, n.attention, n.max_keys, n.style_width,
      attention_values=attention_values, class_style=class_style, dtype=d, remat=remat,
    ),
    layout_critic=Critic(n.stem, n.widths, dtype=d, remat=remat),
    texture_critic=Critic(n.stem, n.widths, dtype=d, remat=remat),
  )  # fmt: skip


def example_inputs(networks: Networks, resolution: int, batch: int = 1) -> dict[str, tuple]:
  """Zeros with the shapes that each network takes, by the network's field name."""
  b, s = batch, resolution
  photo, mask = jnp.zeros((b, s, s, 3)), jnp.zeros((b, s, s, 1), bool)
  layout = jnp.full((b, s, s, NUM_CLASSES), 1.0 / NUM_CLASSES)
  features = jnp.zeros((b, s // 16, s // 16, networks.layout.fused), networks.layout.dtype)
  return {
    "layout": (photo, mask),
    "texture": (photo, mask, layout, features, jnp.zeros((b, LATENT)), jnp.ones((b,), bool)),
    "layout_critic": (layout, jnp.zeros((b, s, s, 4)), mask),
    "texture_critic": (photo, jnp.zeros((b, s, s, 1 + NUM_CLASSES)), mask),
  }


def init_params(networks: Networks, name: str, rng: jax.Array, resolution: int) -> dict:
  """Fresh parameters of one network (`name`: a field of Networks)."""
  inputs = example_inputs(networks, resolution)[name]
  return getattr(networks, name).init(rng, *inputs)["params"]


def abstract_params(size: str, resolution: int = 64, **options) -> dict[str, Any]:
  """Shapes of both generators' parameters, {"layout": ..., "texture": ...}; no allocation."""
  networks = build_networks(size, **options)
  return {
    name: jax.eval_shape(partial(init_params, networks, name, resolution=resolution), key())
    for name in STAGES
  }


def networks_of_model(config: Mapping[str, Any]) -> Networks:
  """The networks that a saved model's config.json describes, computing in float32."""
  return build_networks(config["size"], **config.get("model", {}))


def key(seed: int = 0) -> jax.Array:
  """A typed key."""
  return jax.random.key(seed)


@dataclasses.dataclass(frozen=True)
class Optimiser:
  """Numbers of one optimiser. Lengths are in images of the stage; a critic's, since it trains.

  Attributes:
    name: "adam" or "adamw".
    lr: peak learning rate, after `warmup_images` of linear warm-up; constant until the last
      `decay_images` of `total_images`, where a cosine takes it to `final` of the peak.
    clip: bound of the gradient's global norm; 0 for none.
    legs: (first update, images seen before it, images an update, factor of the rate), in order:
      how updates and images go together, which changes with the batch.
  """

  name: str
  lr: float
  b1: float
  b2: float
  weight_decay: float
  clip: float
  warmup_images: int
  decay_images: int
  total_images: int
  final: float = 0.05
  legs: tuple[tuple[int, int, int, float], ...] = ((0, 0, 1, 1.0),)

  def __post_init__(self):
    choose("optimiser", self.name, OPTIMISERS)

  def schedule(self) -> optax.Schedule:
    """Learning rate as a function of the number of updates before."""
    begins, seen, each, factors = (np.array(column) for column in zip(*self.legs, strict=True))
    begin = max(self.total_images - self.decay_images, self.warmup_images)

    def rate(count):
      leg = jnp.searchsorted(begins, count, side="right") - 1
      images = jnp.asarray(seen)[leg] + (count - jnp.asarray(begins)[leg]) * jnp.asarray(each)[leg]
      rate = self.lr * jnp.asarray(factors, jnp.float32)[leg]
      if self.warmup_images:
        rate = rate * jnp.minimum(images / self.warmup_images, 1.0)
      if self.decay_images:
        way = jnp.clip((images - begin) / self.decay_images, 0.0, 1.0)
        rate = rate * (self.final + (1.0 - self.final) * 0.5 * (1.0 + jnp.cos(jnp.pi * way)))
      return rate

    return rate

  def make(self) -> optax.GradientTransformation:
    """The optax chain."""
    clip = [optax.clip_by_global_norm(self.clip)] if self.clip else []
    decay = {"weight_decay": self.weight_decay} if self.name == "adamw" else {}
    return optax.chain(*clip, OPTIMISERS[self.name](self.schedule(), self.b1, self.b2, **decay))


@flax.struct.dataclass
class Judges:
  """Frozen weights that a stage's losses look through."""

  layout: dict | None = None  # EMA of the layout network: reads the layout of a result
  perceptual: dict | None = None  # SqueezeNet or VGG16


@flax.struct.dataclass
class Stage:
  """One stage: static networks, optimisers and numbers; its leaves are the judges' weights.

  Attributes:
    optimiser, critic_optimiser: numbers; `make` makes them.
    weights: weight of each generator term, by name.
    adversary: "wgan_gp" or "hinge_r1".
    penalty: weight of the gradient penalty, wgan_gp's or hinge_r1's; penalty_every: it is asked at
      every so many steps, as many times as strong.
    drift: weight of the squared real score, with wgan_gp.
    generator_every: critic steps per generator step.
    micro_batches: parts of a batch whose gradients are summed; the step is the same, to rounding.
    ema_half_life_images: half-life of the weights' average, ramped up from the start.
    adversary_starts_at_images: photos of this stage before the critic trains and is asked.
    augment: how what the critic sees is changed at random.
  """

  judges: Judges
  name: str = flax.struct.field(pytree_node=False)
  objective: Any = flax.struct.field(pytree_node=False)
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

  def at(self, images: int) -> "Stage":
    """This stage as it trains once it has seen `images` photos: at first without its adversary."""
    if images >= self.adversary_starts_at_images:
      return self
    weights = tuple((k, 0.0 if k in objectives.ADVERSARIAL else v) for k, v in self.weights)
    active = self.objective.active - objectives.ADVERSARIAL
    return self.replace(
      weights=weights, objective=dataclasses.replace(self.objective, active=active)
    )


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
  **objective_options,
) -> Stage:
  """A stage, "layout" or "texture", checked.

  Raises:
    ValueError: an unknown stage or adversary; loss weights whose keys are not exactly the stage's
      terms; an augmentation that the stage or its adversary cannot have.
  """
  kinds = {LAYOUT: objectives.LayoutObjective, TEXTURE: objectives.TextureObjective}
  kind = choose("stage", name, kinds)
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
