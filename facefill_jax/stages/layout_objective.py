"""The layout stage: labels of the whole face, from the photo with its hole."""

import dataclasses
from functools import cached_property

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array

from facefill_jax import images
from facefill_jax.labels import NUM_CLASSES, VOID
from facefill_jax.stages import losses
from facefill_jax.stages.objectives import Objective, Term, View
from facefill_jax.types import Batch, Comparison


@flax.struct.dataclass
class LayoutInputs:
  """What the layout network sees, and what is held against it."""

  photo: Array  # float32 b h w 3
  mask: Array  # bool b h w 1
  labels: Array  # int32 b h w
  class_weights: Array  # float32 b k: those of the whole batch, in each row
  confidence: Array | None  # float32 b h w in [0, 1]: of each label; None: all are sure


class LayoutView(View):
  """What the losses below are computed from."""

  @property
  def logits(self) -> Array:  # float32 b h w k
    return self.outputs

  @property
  def hole(self) -> Array:  # bool b h w
    return self.inputs.mask[..., 0]

  @cached_property
  def labelled(self) -> Array:  # bool b h w
    return self.inputs.labels != VOID

  @cached_property
  def label_weight(self) -> Array:
    """float32 b h w: how much each label weighs in a cross-entropy, by class and confidence."""
    i = self.inputs
    weight = jnp.where(self.labelled, losses.at_labels(i.class_weights[0], i.labels), 0.0)
    return weight if i.confidence is None else weight * i.confidence

  @property
  def present(self) -> Array:
    """bool b k: the classes that the labels of each photo have."""
    classes = jnp.arange(NUM_CLASSES)
    found = (self.inputs.labels[:, None] == classes[:, None, None]).any((2, 3))
    return found & (classes != VOID)

  @cached_property
  def compared(self) -> Array:
    """bool b: the photos that the critic's loss is over: those with labels."""
    return self.labelled.any((1, 2))

  def cross_entropy(self, where: Array) -> Array:
    """Mean over the labelled pixels in `where`, weighed by class and confidence."""
    i = self.inputs  # whose class weights are the same for each photo
    return losses.cross_entropy(self.logits, i.labels, where, i.class_weights[0], i.confidence)

  def score(self) -> Array:
    """float32 b: the critic's score of the network's layouts."""
    pair = self.objective.comparison(self.logits, self.inputs)
    verdict, _ = self.critic(pair.fake, pair.condition, pair.changeable)
    return verdict.score()


LOSSES = (
  Term(
    "cross_entropy_hole",
    value=lambda v: v.cross_entropy(v.hole),
    count=lambda v: jnp.where(v.hole, v.label_weight, 0.0),
  ),
  Term(
    "cross_entropy_known",
    value=lambda v: v.cross_entropy(~v.hole),
    count=lambda v: jnp.where(v.hole, 0.0, v.label_weight),
  ),
  Term(
    "dice",
    value=lambda v: losses.soft_dice(jax.nn.softmax(v.logits, -1), v.inputs.labels),
    count=lambda v: v.present,
  ),
  Term(
    "adversarial",
    value=lambda v: losses.masked_mean(-v.score(), v.compared),
    count=lambda v: v.compared,
    asks_critic=True,
  ),
)


@dataclasses.dataclass(frozen=True)
class LayoutObjective(Objective):
  """Labels of the whole face from the photo with its hole.

  Attributes:
    parser: the layout network that trains.
    active: the terms whose weight is not 0; the others are not computed.
  """

  LOSSES = LOSSES
  VIEW = LayoutView

  def inputs(self, batch: Batch, rng: jax.Array) -> LayoutInputs:
    """The batch as the network looks at it, with the weights that balance its classes.

    Where that is smaller than the photo, labels are those of one pixel of each cell. Nothing is
    drawn.
    """
    photo, mask, labels, confidence = batch.photo, batch.mask, batch.labels, batch.confidence
    factor = self.parser.shrinks(*photo.shape[1:3])
    if factor > 1:
      photo, mask = images.shrink_known(photo, mask, factor)
      cells = slice(factor // 2, None, factor)
      labels = labels[:, cells, cells]
      confidence = None if confidence is None else confidence[:, cells, cells]
    weights = losses.class_weights(labels)
    weights = jnp.broadcast_to(weights, (len(labels), *weights.shape))
    return LayoutInputs(photo, mask, labels, weights, confidence)

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
