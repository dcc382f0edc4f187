"""The texture stage: the photo, from its known part and a layout."""

import dataclasses
from functools import cached_property

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array

from facefill_jax import images
from facefill_jax.labels import NUM_CLASSES, VOID
from facefill_jax.models.texture_net import LATENT
from facefill_jax.pretrained_nets import squeezenet, torchvision_nets
from facefill_jax.stages import losses
from facefill_jax.stages.objectives import Objective, Term, View
from facefill_jax.types import Batch, Comparison

PERCEPTUAL = ("layout", "squeezenet", "vgg16")
JITTER = 4  # pixels of what the layout network sees: all phases of its strides up to 8


@flax.struct.dataclass
class TextureInputs:
  """What the texture network sees, and what may be held against it."""

  photo: Array  # float32 b h w 3: the truth
  mask: Array  # bool b h w 1
  layout: Array  # float32 b h w k: the one that is asked for
  features: Array  # b h/16 w/16 c
  use_features: Array  # bool b
  z: Array  # float32 b l
  other_z: Array  # float32 b l, for the diversity term
  paired: Array  # bool b: the layout belongs to this photo
  trust: Array | None = None  # float32 b h w in [0, 1]: in the layout asked for; None: 1 everywhere


class TextureView(View):
  """What the losses below are computed from."""

  @property
  def filled(self) -> Array:
    """float32 b h w 3: what the network drew, everywhere."""
    return self.outputs["filled"]

  @property
  def whole(self) -> Array:
    """float32 b h w 3: the photo, its hole filled."""
    return self.outputs["whole"]

  @property
  def photo(self) -> Array:  # float32 b h w 3
    return self.inputs.photo

  @property
  def mask(self) -> Array:  # bool b h w 1
    return self.inputs.mask

  @property
  def paired(self) -> Array:  # bool b: there is a truth
    return self.inputs.paired

  @cached_property
  def with_hole(self) -> Array:  # bool b
    return self.mask.any((1, 2, 3))

  @property
  def large_hole(self) -> Array:  # bool b
    return self.mask.mean((1, 2, 3), dtype=jnp.float32) >= losses.LARGE_HOLE

  @cached_property
  def hole_with_truth(self) -> Array:  # bool b h w 1
    return self.mask & self.paired[:, None, None, None]

  @property
  def compared(self) -> Array:
    """bool b: the photos that the critic's loss is over."""
    return self.paired & self.with_hole

  # What the critic says.

  @cached_property
  def pair(self) -> Comparison:
    """Only as much of the critic's gradient as `adversary_moves_coarse` reaches coarse detail."""
    share = self.objective.adversary_moves_coarse
    outputs = {"whole": images.move_coarse_less(self.whole, share)}
    return self.objective.comparison(outputs, self.inputs)

  @cached_property
  def judged(self) -> tuple:
    """(verdict, features of each level) of the result."""
    return self.critic(self.pair.fake, self.pair.condition, self.pair.changeable)

  def score(self) -> Array:  # float32 b
    return self.judged[0].score()

  def critic_distance(self) -> Array:
    """float32 b: between the critic's features of result and photo."""
    _, real = self.critic(self.pair.real, self.pair.condition, self.pair.changeable)
    return losses.feature_distance(self.judged[1], real)

  # What frozen networks see in the result: from a little aside, and the layout network through a
  # blur. Shown the pixels themselves, they are soon fooled by grids in step with their strides: the
  # layout network reads them as eyes and hair, to SqueezeNet they are sharp skin.

  def aside(self, picture: Array) -> Array:
    """A picture as it is seen from where the frozen networks look: the same for all."""
    cell = self.objective.parser.shrinks(*picture.shape[1:3])
    return images.jitter(self.rng, JITTER * cell, picture)[0]

  def read(self, picture: Array) -> tuple[Array, tuple]:
    """The layout network's logits and features of a whole picture: nothing is hidden from it."""
    # Not as a constant: the compiler would spend seconds on what follows from it.
    empty = jax.lax.optimization_barrier(jnp.zeros((*picture.shape[:3], 1), bool))
    seen = images.blur(self.aside(picture))
    return self.objective.parser.apply({"params": self.judges.layout}, seen, empty, taps=True)

  @cached_property
  def reading(self) -> tuple[Array, tuple]:
    """`read` of the result."""
    return self.read(self.whole)

  @property
  def trust(self) -> Array | None:  # float32 b h w 1
    return None if self.inputs.trust is None else self.inputs.trust[..., None]

  def asked_in_hole(self) -> Array:
    """float32 b h w 1: how much each pixel of the hole, seen from aside, counts."""
    return self.aside((1.0 if self.trust is None else self.trust) * self.mask)

  def layout_cross_entropy(self) -> Array:
    """Of the layout read in the result, in the hole, against the one that was asked for."""
    trust = None if self.trust is None else self.aside(self.trust)[..., 0]
    hole = self.aside(self.mask)[..., 0]
    return losses.soft_cross_entropy(self.reading[0], self.aside(self.inputs.layout), hole, trust)

  @cached_property
  def features(self) -> tuple[tuple, tuple]:
    """The perceptual network's features of result and photo."""
    if self.objective.perceptual == "layout":
      return self.reading[1], self.read(self.photo)[1]
    look = {
      "squeezenet": squeezenet.squeezenet_features,
      "vgg16": torchvision_nets.vgg16_features,
    }[self.objective.perceptual]
    params, dtype = self.judges.perceptual, self.objective.parser.dtype
    return tuple(look(params, self.aside(x), dtype) for x in (self.whole, self.photo))


LOSSES = (
  Term(
    "adversarial",
    value=lambda v: losses.masked_mean(-v.score(), v.with_hole),
    count=lambda v: v.with_hole,
    asks_critic=True,
  ),
  Term(
    "known_l1",
    value=lambda v: losses.l1(v.filled, v.photo, ~v.mask),
    count=lambda v: ~v.mask,
  ),
  Term(
    "hole_l1",
    value=lambda v: losses.l1(v.whole, v.photo, v.hole_with_truth),
    count=lambda v: v.hole_with_truth,
  ),
  Term(
    "coarse_l1",
    value=lambda v: losses.l1(images.blur(v.whole), images.blur(v.photo), v.hole_with_truth),
    count=lambda v: v.hole_with_truth,
  ),
  Term(
    "feature_matching",
    value=lambda v: losses.masked_mean(v.critic_distance(), v.compared),
    count=lambda v: v.compared,
    asks_critic=True,
  ),
  Term(
    "diversity",
    value=lambda v: losses.mode_seeking(
      v.whole, v.outputs["other"], v.inputs.z, v.inputs.other_z, v.mask
    ),
    count=lambda v: v.large_hole,
  ),
  Term(
    "layout_consistency",
    value=lambda v: v.layout_cross_entropy(),
    count=lambda v: v.asked_in_hole(),
  ),
  Term(
    "perceptual",
    value=lambda v: losses.masked_mean(losses.feature_distance(*v.features), v.paired),
    count=lambda v: v.paired,
  ),
  Term(
    "style",
    value=lambda v: losses.masked_mean(losses.style_distance(*v.features), v.paired),
    count=lambda v: v.paired,
  ),
)


@dataclasses.dataclass(frozen=True)
class TextureObjective(Objective):
  """The photo, from its known part and a layout.

  Attributes:
    parser: the layout network, with which a result is read.
    active: the terms whose weight is not 0; the others are not computed.
    perceptual: "layout" (features of the trained layout network), "squeezenet" or "vgg16".
    true_layout_share: of the labelled samples, how many see their true layout; predicted layouts
      alone teach the network to ignore layouts.
    swapped_layout_share: samples that see another face's layout in the hole, as sure of itself as
      a person's edit (one-hot); for them there is no truth, only plausibility and the layout asked
      for. The network must not be able to tell them from those that see their true layout: F_enc
      withheld from all of them, it painted them noise that the parser reads as what was asked for.
    drop_features_share: samples from which F_enc is withheld: it is a way around the layout.
    critic_sharpening: gain of the finest detail in what the critic compares. A 1-Lipschitz critic
      spends itself on the largest differences, and detail is small beside colour; a Sobolev norm
      in its penalty is the known cure (Adler and Lunz 2018, arXiv 1806.06621), and sharpened
      pictures under the plain penalty are the same thing.
    adversary_moves_coarse: share, 0..1, of the critic's gradient that reaches all but the finest
      detail (what a 3 x 3 blur takes away): with 0, colours and shapes are left to the other terms.
  """

  LOSSES = LOSSES
  VIEW = TextureView
  perceptual: str = "layout"
  true_layout_share: float = 0.5
  swapped_layout_share: float = 0.1
  drop_features_share: float = 0.3
  critic_sharpening: float = 0.0
  adversary_moves_coarse: float = 1.0

  def __post_init__(self):
    if self.perceptual not in PERCEPTUAL:
      raise ValueError(f"perceptual: {self.perceptual!r} is not one of {', '.join(PERCEPTUAL)}")

  def inputs(self, batch: Batch, rng: jax.Array) -> TextureInputs:
    """Draws, a photo: which layout, whether F_enc is seen, z. The batch has its layout attached.

    Where labels are unsure the true layout is the mean of label and prediction by the confidence,
    c one_hot + (1 - c) predicted: at no confidence, the predicted layout is as good.
    """
    b = batch.photo.shape[0]
    true_rng, swap_rng, drop_rng, z_rng, other_rng = jax.random.split(rng, 5)
    labelled = (batch.labels != VOID)[..., None]
    use_true = jax.random.bernoulli(true_rng, self.true_layout_share, (b, 1, 1, 1))
    truth = jax.nn.one_hot(batch.labels, NUM_CLASSES, dtype=jnp.float32)
    if batch.confidence is not None:
      sure = batch.confidence[..., None]
      truth = sure * truth + (1.0 - sure) * batch.layout
    layout = jnp.where(use_true & labelled, truth, batch.layout)
    swap = jax.random.bernoulli(swap_rng, self.swapped_layout_share, (b, 1, 1, 1))
    # It may come from another device: as one byte a pixel, not as 20 floats.
    other = jnp.roll(layout.argmax(-1).astype(jnp.uint8), 1, axis=0)
    layout = jnp.where(swap & batch.mask, jax.nn.one_hot(other, NUM_CLASSES), layout)
    drop = jax.random.bernoulli(drop_rng, self.drop_features_share, (b,))
    swapped = swap[:, 0, 0, 0]
    trust = None
    if batch.confidence is not None:  # a prediction is asked for as it is, and so is an edit
      by_label = use_true & labelled & ~(swap & batch.mask)
      trust = jnp.where(by_label[..., 0], batch.confidence, 1.0)
    return TextureInputs(
      photo=batch.photo,
      mask=batch.mask,
      layout=layout,
      features=batch.features,
      use_features=~drop,
      z=jax.random.normal(z_rng, (b, LATENT)),
      other_z=jax.random.normal(other_rng, (b, LATENT)),
      paired=~swapped,
      trust=trust,
    )

  def generate(self, net, params, inputs: TextureInputs) -> dict[str, Array]:
    """{"filled": (b, h, w, 3), "whole": the picture made of it}.

    With the diversity term also "other", a whole picture from another z.
    """
    i = inputs

    def fill(z):
      return net.apply({"params": params}, i.photo, i.mask, i.layout, i.features, z, i.use_features)

    filled = fill(i.z)
    outputs = {"filled": filled, "whole": images.seamless(i.photo, filled, i.mask)}
    if "diversity" in self.active:
      outputs["other"] = images.seamless(i.photo, fill(i.other_z), i.mask)
    return outputs

  def comparison(self, outputs: dict[str, Array], inputs: TextureInputs) -> Comparison:
    """Whole pictures, sharpened, given mask and layout."""
    pictures = (outputs["whole"], inputs.photo)
    sharp, real = (images.sharpen(x, self.critic_sharpening) for x in pictures)
    return Comparison(
      fake=images.composite(real, sharp, inputs.mask),  # the known rim does not give it away
      real=real,
      condition=jnp.concatenate([inputs.mask.astype(jnp.float32), inputs.layout], axis=-1),
      changeable=inputs.mask,
      valid=inputs.paired & inputs.mask.any((1, 2, 3)),
    )
