"""The words that every module uses: array types, a batch, a train state.

Axis letters: b photos, h height, w width, c channels, n tokens or cells, k heads or classes,
d width of a head. In shapes below `mask` is True in the hole.
"""

import flax.struct
from jaxtyping import Array, Bool, Float, Int

Photo = Float[Array, "b h w 3"]
"""float32 in [-1, 1], sRGB as stored."""
Mask = Bool[Array, "b h w 1"]
"""True = hole, False = known."""
Labels = Int[Array, "b h w"]
"""Class ids 0..19; 19 is void: no label there."""
Layout = Float[Array, "b h w k"]
"""Probabilities over the k = 20 classes, summing to 1 along the last axis."""
Features = Float[Array, "b hf wf c"]
"""F_enc, the fused features of the layout network, at 1/16 of the photo."""


@flax.struct.dataclass
class Batch:
  """What one training step sees. Optional fields are filled by `step.attach_layout`."""

  photo: Array  # float32 b h w 3, in [-1, 1]
  mask: Array  # bool b h w 1, True = hole
  labels: Array  # int32 b h w; void where unlabelled
  confidence: Array | None = None  # float32 b h w in [0, 1]: of each label; None: all are sure
  layout: Array | None = None  # float32 b h w k: the layout network's prediction
  features: Array | None = None  # float32 b h/16 w/16 c: F_enc


@flax.struct.dataclass
class Comparison:
  """What a critic compares."""

  fake: Array  # float32 b h w c
  real: Array  # float32 b h w c
  condition: Array  # float32 b h w e, the same for both
  changeable: Array  # bool b h w 1: where the generator decides
  valid: Array  # bool b: photos in which something can change and `real` is a fair answer


@flax.struct.dataclass
class TrainState:
  """One stage in training. Arrays only: nets and optimisers live in the Stage."""

  step: Array  # int32 (): batches seen
  images: Array  # int32 (): photos seen
  params: dict
  ema: dict
  opt_state: tuple
  critic_params: dict
  critic_opt_state: tuple
  augment: Array  # float32 (): how probable each change of what the critic sees is
