"""What each stage is asked to do: what its network sees, what its critic compares, its terms.

The two objectives have the same five methods, so that one step serves both stages: `inputs` draws
what a step needs, `generate` runs the network, `comparison` is what the critic sees, `terms` are
the losses, and `counts` says how much each of their means is over: the mean over a batch is that of
its parts, weighed by these.
"""

import dataclasses
from typing import ClassVar

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array

from facefill_jax import images
from facefill_jax.labels import NUM_CLASSES, VOID
from facefill_jax.models.layout_net import LayoutNet
from facefill_jax.models.texture_net import LATENT
from facefill_jax.pretrained_nets import squeezenet, torchvision_nets
from facefill_jax.stages import losses
from facefill_jax.types import Batch, Comparison

ADVERSARIAL = frozenset({"adversarial", "feature_matching"})
"""The terms that ask the critic: without them it is not trained."""
PERCEPTUAL = ("layout", "squeezenet", "vgg16")
JITTER = 4  # pixels: all phases of the layout network's strides up to 8


@flax.struct.dataclass
class LayoutInputs:
  """What the layout network sees, and what is held against it."""

  photo: Array  # float32 b h w 3
  mask: Array  # bool b h w 1
  labels: Array  # int32 b h w
  class_weights: Array  # float32 b k: those of the whole batch, in each row
  confidence: Array | None  # float32 b h w in [0, 1]: of each label; None: all are sure


@dataclasses.dataclass(frozen=True)
class LayoutObjective:
  """Labels of the whole face from the photo with its hole.

  Attributes:
    parser: the layout network that trains.
    active: the terms whose weight is not 0; the others are not computed.
  """

  TERMS: ClassVar = ("cross_entropy_hole", "cross_entropy_known", "dice", "adversarial")
  parser: LayoutNet
  active: frozenset[str]

  def inputs(self, batch: Batch, rng: jax.Array) -> LayoutInputs:
    """The batch, with the weights that balance its classes: nothing is drawn."""
    weights = losses.class_weights(batch.labels)
    weights = jnp.broadcast_to(weights, (len(batch.labels), *weights.shape))
    return LayoutInputs(batch.photo, batch.mask, batch.labels, weights, batch.confidence)

  def generate(self, net, params, inputs: LayoutInputs) -> Array:
    """Logits of the whole face, float32 (b, h, w, 20)."""
    return net.apply({"params": params}, inputs.photo, inputs.mask)[0]

  def comparison(self, logits: Array, inputs: LayoutInputs) -> Comparison:
    """Layouts, given the known photo and the mask.

    The true layout is made exactly as sure of itself as the network is at each pixel: one-hot reals
    would teach the critic softness in place of plausibility (ours). Void is the network's own.
    """
    fake = jax.nn.softmax(logits, axis=-1)
    sure = fake.max(-1, keepdims=True)
    truth = jax.nn.one_hot(inputs.labels, NUM_CLASSES, dtype=jnp.float32)
    smooth = sure * truth + (1.0 - sure) * (1.0 - truth) / (NUM_CLASSES - 1)
    labelled = inputs.labels != VOID
    real = jnp.where(labelled[..., None], jax.lax.stop_gradient(smooth), fake)
    seen = [images.hide(inputs.photo, inputs.mask), inputs.mask.astype(jnp.float32)]
    return Comparison(
      fake=fake,
      real=jax.lax.stop_gradient(real),
      condition=jnp.concatenate(seen, axis=-1),
      changeable=labelled[..., None],
      valid=labelled.any((1, 2)),
    )

  def terms(self, logits: Array, inputs: LayoutInputs, judges, critic, rng) -> dict[str, Array]:
    """Each active term, a float32 scalar, not yet weighted."""
    hole, labels = inputs.mask[..., 0], inputs.labels
    weights = inputs.class_weights[0]  # the same for each photo
    entropy = lambda where: losses.cross_entropy(  # noqa: E731
      logits, labels, where, weights, inputs.confidence
    )
    terms = {
      "cross_entropy_hole": lambda: entropy(hole),
      "cross_entropy_known": lambda: entropy(~hole),
      "dice": lambda: losses.soft_dice(jax.nn.softmax(logits, -1), labels),
      "adversarial": lambda: self._adversarial(logits, inputs, critic),
    }
    return {name: term() for name, term in terms.items() if name in self.active}

  def counts(self, inputs: LayoutInputs, rng: jax.Array) -> dict[str, Array]:
    """What the mean of each term, of the critic's loss and of its penalty is over, float32."""
    labelled = inputs.labels != VOID
    weights = jnp.where(labelled, inputs.class_weights[0][inputs.labels], 0.0)
    if inputs.confidence is not None:
      weights = weights * inputs.confidence
    hole = inputs.mask[..., 0]
    classes = jnp.arange(NUM_CLASSES)[:, None, None]
    present = (inputs.labels[:, None] == classes).any((2, 3)) & (jnp.arange(NUM_CLASSES) != VOID)
    photos = labelled.any((1, 2)).sum(dtype=jnp.float32)
    return {
      "cross_entropy_hole": jnp.where(hole, weights, 0.0).sum(),
      "cross_entropy_known": jnp.where(hole, 0.0, weights).sum(),
      "dice": present.sum(dtype=jnp.float32),
      "adversarial": photos,
      "critic": photos,
      "penalty": photos,
    }

  def _adversarial(self, logits, inputs, critic):
    pair = self.comparison(logits, inputs)
    verdict, _ = critic(pair.fake, pair.condition, pair.changeable)
    return losses.masked_mean(-verdict.score(), pair.valid)


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


@dataclasses.dataclass(frozen=True)
class TextureObjective:
  """The photo, from its known part and a layout.

  Attributes:
    parser: the layout network, with which a result is read.
    active: the terms whose weight is not 0; the others are not computed.
    perceptual: "layout" (features of the trained layout network), "squeezenet" or "vgg16".
    true_layout_share: of the labelled samples, how many see their true layout; predicted layouts
      alone teach the network to ignore layouts.
    swapped_layout_share: samples that see another face's layout in the hole, as sure of itself as
      a person's edit (one-hot); for them there is no truth, only plausibility and the layout asked
      for.
    drop_features_share: samples from which F_enc is withheld: it is a way around the layout.
    critic_sharpening: gain of the finest detail in what the critic compares. A 1-Lipschitz critic
      spends itself on the largest differences, and detail is small beside colour; a Sobolev norm
      in its penalty is the known cure (Adler and Lunz 2018, arXiv 1806.06621), and sharpened
      pictures under the plain penalty are the same thing.
    adversary_moves_coarse: share, 0..1, of the critic's gradient that reaches all but the finest
      detail (what a 3 x 3 blur takes away): with 0, colours and shapes are left to the other terms.
  """

  TERMS: ClassVar = (
    "known_l1", "hole_l1", "coarse_l1", "perceptual", "style", "adversarial", "layout_consistency",
    "feature_matching", "diversity",
  )  # fmt: skip
  parser: LayoutNet
  active: frozenset[str]
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
    other = jax.nn.one_hot(jnp.roll(layout, 1, axis=0).argmax(-1), NUM_CLASSES)
    layout = jnp.where(swap & batch.mask, other, layout)
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
      use_features=~(drop | swapped),
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
    fill = lambda z: net.apply(  # noqa: E731
      {"params": params}, i.photo, i.mask, i.layout, i.features, z, i.use_features
    )
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
      valid=inputs.paired,
    )

  def terms(self, outputs, inputs: TextureInputs, judges, critic, rng) -> dict[str, Array]:
    """Each active term, a float32 scalar, not yet weighted."""
    whole, photo, mask = outputs["whole"], inputs.photo, inputs.mask
    judged = images.move_coarse_less(whole, self.adversary_moves_coarse)
    pair = self.comparison({"whole": judged}, inputs)
    paired = inputs.paired
    fair = mask & paired[:, None, None, None]
    verdict, levels = critic(pair.fake, pair.condition, pair.changeable)
    terms = {
      "known_l1": losses.l1(outputs["filled"], photo, ~mask),
      "hole_l1": losses.l1(whole, photo, fair),
      "coarse_l1": losses.l1(images.blur(whole), images.blur(photo), fair),
      "adversarial": losses.masked_mean(-verdict.score(), mask.any((1, 2, 3))),
    }
    if "feature_matching" in self.active:
      _, real_levels = critic(pair.real, pair.condition, pair.changeable)
      distance = losses.feature_distance(levels, real_levels)
      terms["feature_matching"] = losses.masked_mean(distance, paired)
    if "diversity" in self.active:
      terms["diversity"] = losses.mode_seeking(
        whole, outputs["other"], inputs.z, inputs.other_z, mask
      )
    terms |= self._seen_by_judges(whole, inputs, judges, rng)
    return {name: value for name, value in terms.items() if name in self.active}

  def counts(self, inputs: TextureInputs, rng: jax.Array) -> dict[str, Array]:
    """What the mean of each term, of the critic's loss and of its penalty is over, float32."""
    paired, holes = inputs.paired, inputs.mask.any((1, 2, 3))
    fair = inputs.mask & paired[:, None, None, None]
    trust = 1.0 if inputs.trust is None else inputs.trust[..., None]
    (seen,) = images.jitter(rng, JITTER, trust * inputs.mask)
    large = inputs.mask.mean((1, 2, 3), dtype=jnp.float32) >= losses.LARGE_HOLE
    counted = {
      "known_l1": ~inputs.mask,
      "hole_l1": fair,
      "coarse_l1": fair,
      "perceptual": paired,
      "style": paired,
      "adversarial": holes,
      "layout_consistency": seen,
      "feature_matching": paired,
      "diversity": large,
      "critic": paired,
      "penalty": paired & holes,
    }
    return {name: where.sum(dtype=jnp.float32) for name, where in counted.items()}

  def _seen_by_judges(self, whole, inputs, judges, rng):
    """perceptual, style and layout_consistency, from one look of each judge at the result.

    The layout network looks from a little aside and through a blur: shown the pixels themselves,
    it is soon fooled by grids in step with its strides, which it reads as eyes and hair.
    """
    terms = {}
    compares = {"perceptual", "style"} & self.active
    if not compares and "layout_consistency" not in self.active:
      return terms
    fake = real = None
    if "layout_consistency" in self.active or self.perceptual == "layout":
      trust = [] if inputs.trust is None else [inputs.trust[..., None]]
      seen, truth, asked, hole, *trust = images.jitter(
        rng, JITTER, whole, inputs.photo, inputs.layout, inputs.mask, *trust
      )
      logits, fake = self._read(judges.layout, seen)
      terms["layout_consistency"] = losses.soft_cross_entropy(
        logits, asked, hole[..., 0], *(x[..., 0] for x in trust)
      )
    if compares and self.perceptual == "layout":
      _, real = self._read(judges.layout, truth)
    elif compares:
      look = {
        "squeezenet": squeezenet.squeezenet_features,
        "vgg16": torchvision_nets.vgg16_features,
      }
      fake, real = (look[self.perceptual](judges.perceptual, x) for x in (whole, inputs.photo))
    if compares:
      terms["perceptual"] = losses.masked_mean(losses.feature_distance(fake, real), inputs.paired)
    if "style" in self.active:
      terms["style"] = losses.masked_mean(losses.style_distance(fake, real), inputs.paired)
    return terms

  def _read(self, params, picture):
    """The parser's logits and features of a whole picture: nothing is hidden from it."""
    empty = jnp.zeros((*picture.shape[:3], 1), bool)
    return self.parser.apply({"params": params}, images.blur(picture), empty, taps=True)
