"""What a critic sees, changed at random, so that a few thousand photos are not learned by heart.

Sources: Zhao et al. 2020, "Differentiable Augmentation" (arXiv 2006.10738); Karras et al. 2020,
"Training GANs with Limited Data", ADA (arXiv 2006.06676). Real and fake picture, condition and
changeable pixels of one photo get the same draw, in the critic's step and in the generator's, whose
gradient passes through. Each kind of change is drawn for a photo with a probability of its own.

Everything works on what is compared, after sharpening: shifting and the colours commute with it,
while the rims of a cut-out would be sharpened into marks. Every pixel's change depends on its draw
and place alone, never on the rest of the picture: known pixels, the same in real and fake, stay so.

Pictures are not flipped: the data are already, with their left and right classes swapped.
"""

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from facefill_jax.types import Comparison

GEOMETRIC = ("translation", "zoom")
"""The kinds that leave layouts layouts: colours would not, nor is a hole in them a layout."""
KINDS = (*GEOMETRIC, "colour", "cutout")
CAP = 0.8
"""Up to here the generator does not learn to draw the changes: enough photos stay as they are for
only the true distribution to explain what is seen (ADA, section 2.2: below .8, leaks are unlikely).
"""

SHIFT = 0.125  # of the side: both papers
ZOOM = 0.2  # standard deviation of the factor's log2: ADA
BRIGHTNESS, CONTRAST, SATURATION = 0.5, 0.5, 1.0  # most, either way: DiffAugment
CUT = 0.5  # of the side: both papers
_NOWHERE = -1.0  # a centre whose square is outside the picture


@dataclasses.dataclass(frozen=True)
class Augmentation:
  """How much a stage's critic is kept from learning photos by heart.

  Attributes:
    strength: probability of each kind of change, 0..CAP; with `target`, the one to start from.
    target: with more than 0, the probability moves until r_t = E[sign(D(real))] is this (ADA,
      section 3: .6). It is 1 if the critic knows every real photo, 0 if it knows nothing.
    adapt_images: photos in which the probability could go from 0 to 1.
    kinds: which of KINDS. ADA found cut-outs of little use.
  """

  strength: float = 0.0
  target: float = 0.0
  adapt_images: int = 500_000
  kinds: tuple[str, ...] = (*GEOMETRIC, "colour")

  def __post_init__(self):
    if not 0 <= self.strength <= CAP:
      raise ValueError(
        f"augment.strength must be 0 to {CAP}, got {self.strength}: with more, fills begin to look "
        "like what was done to the photos"
      )
    if not 0 <= self.target < 1:
      raise ValueError(f"augment.target must be 0 (fixed strength) to below 1, got {self.target}")
    if self.adapt_images < 1:
      raise ValueError(f"augment.adapt_images must be 1 or more, got {self.adapt_images}")
    for kind in self.kinds:
      if kind not in KINDS:
        raise ValueError(f"augment.kinds: {kind!r} is not one of {', '.join(KINDS)}")

  @property
  def active(self) -> bool:
    """Whether anything is drawn at all."""
    return bool(self.kinds) and (self.strength > 0 or self.target > 0)

  def adapted(self, p: Array, sign: Array, images: int) -> Float[Array, ""]:
    """The next step's probability, from this one's and r_t over the step's photos.

    It moves at each step, where ADA's does at every fourth: by so little that it is itself a mean
    over thousands of steps.
    """
    if not self.target:
      return jnp.full((), self.strength, jnp.float32)
    move = jnp.sign(sign - self.target) * (images / self.adapt_images)
    return jnp.clip(p + move, 0.0, CAP).astype(jnp.float32)


@flax.struct.dataclass
class Draws:
  """What happens to each photo of a batch; None: a kind that is left out."""

  shift: Array | None  # float32 b 2: down and right, of the side; 0: stays
  zoom: Array | None  # float32 b: how many times as large; 1: stays
  brightness: Array | None  # float32 b: added; 0: stays
  contrast: Array | None  # float32 b: factor about mid-grey; 1: stays
  saturation: Array | None  # float32 b: factor about the pixel's own grey; 1: stays
  cut: Array | None  # float32 b 2: centre of the square, of the side


def draw(
  rng: jax.Array, batch_size: int, strength: Array | float, kinds: tuple[str, ...] = KINDS
) -> Draws:
  """Draws for a batch: each kind happens to each photo with probability `strength`."""
  shift, zoom, brightness, contrast, saturation, cut = jax.random.split(rng, 6)

  def drawn(key, kind, sample, otherwise, *shape):
    if kind not in kinds:
      return None
    which, value = jax.random.split(key)
    happens = jax.random.bernoulli(which, strength, (batch_size, *[1] * len(shape)))
    return jnp.where(happens, sample(value, (batch_size, *shape)), otherwise)

  def around(middle, most):
    return lambda key, shape: middle + jax.random.uniform(key, shape, minval=-most, maxval=most)

  def log_normal(key, shape):
    return jnp.exp2(ZOOM * jax.random.normal(key, shape))

  return Draws(
    shift=drawn(shift, "translation", around(0.0, SHIFT), 0.0, 2),
    zoom=drawn(zoom, "zoom", log_normal, 1.0),
    brightness=drawn(brightness, "colour", around(0.0, BRIGHTNESS), 0.0),
    contrast=drawn(contrast, "colour", around(1.0, CONTRAST), 1.0),
    saturation=drawn(saturation, "colour", around(1.0, SATURATION), 1.0),
    cut=drawn(cut, "cutout", jax.random.uniform, _NOWHERE, 2),
  )


def apply(draws: Draws, pair: Comparison) -> Comparison:
  """The comparison with each photo changed as drawn; `valid` stays.

  `changeable` becomes all pixels into which a changeable one enters, but for what is cut out.
  """
  fake, condition, changeable = seen(draws, pair.fake, pair.condition, pair.changeable)
  real, _, _ = seen(draws, pair.real, pair.condition, pair.changeable)
  return pair.replace(fake=fake, real=real, condition=condition, changeable=changeable)


def seen(
  draws: Draws,
  candidate: Float[Array, "b h w c"],
  condition: Float[Array, "b h w e"],
  changeable: Bool[Array, "b h w 1"],
) -> tuple[Array, Array, Array]:
  """What a critic is shown in place of its three arguments. Differentiable in the candidate."""
  parts = _coloured(draws, candidate), condition, changeable.astype(jnp.float32)
  parts = [_cut(draws, _moved(draws, x.astype(jnp.float32))) for x in parts]
  return parts[0], parts[1], parts[2] > 0


def _coloured(draws, x):
  """Factors about constants, not about the picture's mean: the fill must not tint what is known."""
  if draws.brightness is None:
    return x
  brightness, contrast, saturation = (
    value[:, None, None, None] for value in (draws.brightness, draws.contrast, draws.saturation)
  )
  x = x + (saturation - 1.0) * (x - x.mean(-1, keepdims=True))
  return contrast * x + brightness


def _moved(draws, x):
  """Zoom and translation along each side by a matrix product: no gather, no scatter in its
  gradient; exact where a photo stays or moves by whole pixels."""
  if draws.shift is None and draws.zoom is None:
    return x
  rows, columns = (_resampling(draws, side, axis) for axis, side in enumerate(x.shape[1:3]))
  x = jnp.einsum("bij,bjwc->biwc", rows, x, precision=lax.Precision.HIGHEST)
  return jnp.einsum("bij,bhjc->bhic", columns, x, precision=lax.Precision.HIGHEST)


def _resampling(draws, side: int, axis: int) -> Float[Array, "b n n"]:
  """Linear interpolation from (last axis) to; beyond the edge the picture is mirrored, as ADA's."""
  centre, last = (side - 1) / 2, side - 1
  place = (jnp.arange(side) - centre)[None]
  if draws.zoom is not None:
    place = place / draws.zoom[:, None]
  place = place + centre
  if draws.shift is not None:
    place = place - jnp.round(side * draws.shift[:, axis])[:, None]
  place = jnp.clip(last - jnp.abs(last - jnp.abs(place)), 0, last)
  return jnp.maximum(1.0 - jnp.abs(place[..., None] - jnp.arange(side)), 0.0)


def _cut(draws, x):
  """A square of zeros: mid-grey, known, without a class."""
  if draws.cut is None:
    return x
  inside = [
    jnp.abs((jnp.arange(side) + 0.5) / side - draws.cut[:, axis, None]) < CUT / 2
    for axis, side in enumerate(x.shape[1:3])
  ]
  square = inside[0][:, :, None] & inside[1][:, None, :]
  return jnp.where(square[..., None], 0.0, x)
