"""The texture network (stage 2): photo, mask, layout, F_enc and a latent -> the filled photo.

The paper names a "multi-modal texture generator" with "multi-scale contextual attention" and gives
no layers: the structure here is ours (decisions in each class).
"""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from facefill_jax import images
from facefill_jax.labels import NUM_CLASSES
from facefill_jax.models.attention import ContextualAttention
from facefill_jax.models.cnn_branch import CnnBranch
from facefill_jax.models.layers import (
  MaskedGroupNorm,
  Upsample,
  depth_to_space,
  icnr,
  mirror_classes,
  recomputed,
  space_to_depth,
)
from facefill_jax.models.symmetry import reflection
from facefill_jax.types import Features, Layout, Mask, Photo

LATENT = 64  # width of z
HEAD = 16  # channels after the last shuffle, before the 3x3 convolution at full resolution
_MIRRORED = 4  # channels of the mirrored photo, and where it is known
_GATE_GAIN = 10.0  # Adam's steps are as small for weights that begin at zero as for all others
ALMOST_ONE = 0.995  # black and white must stay within reach of tanh


class ClassStyle(nn.Module):
  """What each class looks like in this photo: one vector a class, from its KNOWN pixels.

  (sum of features + tau * prior) / (count + tau); the prior is the mirror class (the left eye for
  the right one), itself smoothed towards a learned vector. Hair stays that person's hair.
  """

  width: int
  tau: float = 4.0  # positions of evidence that weigh as much as the prior
  dtype: jnp.dtype = jnp.float32

  @nn.compact
  def __call__(
    self,
    features: Float[Array, "b h w c"],
    known: Float[Array, "b h w 1"],
    layout: Float[Array, "b h w k"],
  ) -> Float[Array, "b k d"]:
    features = jnp.where(known > 0, features, 0).astype(self.dtype)
    features = nn.Dense(self.width, dtype=self.dtype, name="project")(features)
    weight = layout * known  # b h w k
    sums = jnp.einsum("bhwk,bhwd->bkd", weight, features.astype(jnp.float32))
    counts = weight.sum((1, 2))[..., None]  # b k 1
    learned = self.param("learned", nn.initializers.normal(0.1), (NUM_CLASSES, self.width))
    other_sums, other_counts = (mirror_classes(x, axis=1) for x in (sums, counts))
    prior = (other_sums + self.tau * learned) / (other_counts + self.tau)
    return (sums + self.tau * prior) / (counts + self.tau)


class Modulated(nn.Module):
  """Norm, then scale and shift by the layout, the class styles and z; then SiLU.

  SPADE's idea (Park et al. 2019, arXiv 1903.07291) with 1x1 maps: as probabilities sum to 1, a
  table of one (gamma, beta) a class and photo, spread by the layout, holds all three.
  """

  dtype: jnp.dtype = jnp.float32

  @nn.compact
  def __call__(
    self,
    x: Float[Array, "b h w c"],
    layout: Float[Array, "b h w k"],
    style: Float[Array, "b k d"],
    z: Float[Array, "b l"],
  ) -> Float[Array, "b h w c"]:
    c = x.shape[-1]
    x = MaskedGroupNorm(self.dtype, affine=False, name="norm")(x)
    small = nn.initializers.variance_scaling(0.1, "fan_in", "normal")
    table = self.param("classes", nn.initializers.normal(0.02), (NUM_CLASSES, 2 * c))
    table = table + nn.Dense(2 * c, kernel_init=small, name="style")(style)
    table = table + nn.Dense(2 * c, kernel_init=small, use_bias=False, name="latent")(z)[:, None]
    spread = jnp.einsum("bhwk,bkc->bhwc", layout.astype(self.dtype), table.astype(self.dtype))
    gamma, beta = jnp.split(spread, 2, axis=-1)
    return nn.silu(x * (1 + gamma) + beta)


class Grain(nn.Module):
  """Noise for the last convolution to draw with, in the hole only, so strong in each class.

  StyleGAN's noise inputs (Karras et al. 2019, arXiv 1812.04948): the strands of hair that nobody
  saw are chance, and a network that has none to draw on leaves them out. Only the finest detail of
  the noise is let through (coarser noise cost a dB for the same detail), as strong as the features
  at the start. It is drawn from the bits of z: the same z is the same picture, whatever the batch.
  """

  @nn.compact
  def __call__(
    self,
    x: Float[Array, "b h w c"],
    hole: Float[Array, "b h w 1"],
    layout: Float[Array, "b h w k"],
    z: Float[Array, "b l"],
  ) -> Float[Array, "b h w c"]:
    strength = self.param("strength", nn.initializers.ones, (NUM_CLASSES, x.shape[-1]))
    noise = self.draw(z, x.shape[1:])
    noise = noise - images.blur(noise)
    size = jnp.sqrt(jnp.square(x.astype(jnp.float32)).mean((1, 2, 3), keepdims=True) + 1e-6)
    spread = jnp.einsum("bhwk,kc->bhwc", layout * hole * size, strength)
    return x + (spread * noise).astype(x.dtype)

  def draw(self, z: Float[Array, "b l"], shape: tuple[int, ...]) -> Float[Array, "b h w c"]:
    """Standard normal noise of that shape a photo, by z."""
    bits = jax.lax.bitcast_convert_type(z[:, :2].astype(jnp.float32), jnp.uint32)
    keys = jax.random.wrap_key_data(bits, impl="threefry2x32")
    return jax.vmap(lambda key: jax.random.normal(key, shape))(keys)


class MirrorGate(nn.Module):
  """How much of the reflection is shown in place of what was drawn, a pixel: at the start nothing.

  It sees both, so that it can learn by itself, with all else as it is.
  """

  dtype: jnp.dtype = jnp.float32

  @nn.compact
  def __call__(
    self,
    x: Float[Array, "b hs ws c"],
    drawn: Float[Array, "b h w 3"],
    mirrored: Float[Array, "b h w 3"],
    valid: Bool[Array, "b h w 1"],
  ) -> Float[Array, "b h w 1"]:
    """float32, in (-1, 1): 1 is the reflection alone.

    Args:
      x: features at 1/2.
      drawn, mirrored: differences to the smooth filling.
      valid: where there is a reflection.
    """
    seen = jnp.concatenate([drawn, mirrored, valid], axis=-1).astype(self.dtype)
    x = jnp.concatenate([x, space_to_depth(seen, 2)], axis=-1)
    x = nn.silu(nn.Conv(HEAD, (3, 3), padding=1, dtype=self.dtype, name="look")(x))
    zeros = nn.initializers.zeros
    x = nn.Conv(4, (3, 3), padding=1, kernel_init=zeros, dtype=self.dtype, name="believe")(x)
    return jnp.tanh(_GATE_GAIN * depth_to_space(x, 2).astype(jnp.float32))


class TextureNet(nn.Module):
  """Encoder over (photo, M, S); F_enc joins at 1/16; modulated decoder with contextual attention.

  In the hole the encoder sees, and the decoder corrects, a smooth filling from the known pixels
  (`images.membrane`): the network spends itself on what that cannot know.

  Attributes:
    stem, widths: channels of the encoder at 1/2 and at 1/4, 1/8, 1/16.
    middle: residual blocks at 1/16.
    decoder: channels at 1/8, 1/4, 1/2; a depth-to-space head follows.
    attention: scales that attend, as divisors of the photo: (16, 8) or (16, 8, 4).
    max_keys: budget of keys a scale.
    style_width: width of a class style.
    attention_values: "unpooled", or for ablation "pooled" or "none" (no attention at all).
    class_style: False, for ablation, gives each class its learned vector whatever the photo.
    symmetry: the photo mirrored about the face's axis is seen, too, and shown in the hole as far as
      the network believes it, which at the start is not at all. See `symmetry.reflection`, and
      `with_symmetry` for networks that have learned without.
    remat: see `layers.recomputed`.
  """

  stem: int
  widths: tuple[int, ...]
  middle: int
  decoder: tuple[int, ...]
  attention: tuple[int, ...]
  max_keys: int
  style_width: int
  attention_values: str = "unpooled"
  class_style: bool = True
  symmetry: bool = False
  dtype: jnp.dtype = jnp.float32
  remat: bool = False

  @nn.compact
  def __call__(
    self,
    photo: Photo,
    mask: Mask,
    layout: Layout,
    features: Features,
    z: Float[Array, "b l"],
    use_features: Bool[Array, "b"],
  ) -> Photo:
    """The filled photo, float32 (b, h, w, 3) in [-1, 1]: everywhere, also where it was known.

    Args:
      photo: float32 (b, h, w, 3) in [-1, 1]; what is under the mask is never read.
      mask: bool (b, h, w, 1), True = hole.
      layout: float32 (b, h, w, 20), probabilities.
      features: F_enc of the layout network, (b, h/16, w/16, c).
      z: float32 (b, 64), standard normal: another z is another answer.
      use_features: bool (b,), False where F_enc is withheld, as it is in training at times.

    Raises:
      ValueError: shapes disagree, or a side is not a multiple of 32 from 64 up.
    """
    images.check_photo_and_mask(photo, mask)
    known = {s: images.known_fraction(mask, s) for s in (16, 8, 4)}
    layouts = {s: images.area_shrink(layout, s) for s in (16, 8, 4, 2)}
    smooth = images.membrane(photo, mask)
    seen = [smooth, mask, layout]
    if self.symmetry:
      mirror = reflection(photo, mask, layout)
      seen += [jnp.where(mirror.valid, mirror.picture - smooth, 0.0), mirror.valid]
    seen = jnp.concatenate([x.astype(jnp.float32) for x in seen], axis=-1)
    encoder = CnnBranch(self.stem, self.widths, self.dtype, self.remat, name="encoder")
    half, quarter, eighth, x = encoder(seen, mask)
    evidence = known[4] if self.class_style else jnp.zeros_like(known[4])
    style = ClassStyle(self.style_width, dtype=self.dtype, name="class_style")(
      quarter, evidence, layouts[4]
    )

    def modulated(y, scale, name):
      return recomputed(Modulated, self.remat)(self.dtype, name=name)(y, layouts[scale], style, z)

    def attend(y, source, scale):
      if scale not in self.attention or self.attention_values == "none":
        return y
      return recomputed(ContextualAttention, self.remat)(
        self.max_keys,
        pool_values=self.attention_values == "pooled",
        dtype=self.dtype,
        name=f"attention_{scale}",
      )(y, source, known[scale], layouts[scale])

    source = x
    x = self._join(x, features, use_features)
    for i in range(self.middle):
      y = modulated(x, 16, f"middle_{i}_norm_0")
      y = nn.Conv(self.widths[-1], (3, 3), padding=1, dtype=self.dtype, name=f"middle_{i}_0")(y)
      y = modulated(y, 16, f"middle_{i}_norm_1")
      y = nn.Conv(self.widths[-1], (3, 3), padding=1, dtype=self.dtype, name=f"middle_{i}_1")(y)
      x = x + y
    x = attend(x, source, 16)
    # Each block has a linear way past its norm: what a norm takes away, the photo's own brightness
    # and colour, would have to be guessed again at every scale.
    for width, skip, scale in zip(self.decoder, (eighth, quarter, half), (8, 4, 2), strict=True):
      x = jnp.concatenate([Upsample(width, self.dtype, name=f"up_{scale}")(x), skip], axis=-1)
      y = modulated(x, scale, f"norm_{scale}")
      y = nn.Conv(width, (3, 3), padding=1, dtype=self.dtype, name=f"conv_{scale}")(y)
      x = y + nn.Conv(width, (1, 1), use_bias=False, dtype=self.dtype, name=f"past_{scale}")(x)
      x = attend(x, skip, scale)
    draw = nn.remat(TextureNet._draw) if self.remat else TextureNet._draw
    y = draw(self, x, layouts[2], style, z, mask, layout)
    # What is drawn is the difference to the smooth filling: colours are right from the first step.
    # Drawn from nothing, 64 px faces were at 17.7 dB in the holes after 200 steps; so, at 19.3.
    y, base = y.astype(jnp.float32), jnp.arctanh(ALMOST_ONE * smooth)
    if self.symmetry:
      valid = mask & mirror.valid
      mirrored = jnp.where(valid, jnp.arctanh(ALMOST_ONE * mirror.picture) - base, 0.0)
      shown = mirror.fits * MirrorGate(self.dtype, name="mirror")(x, y, mirrored, valid)
      y = jnp.where(valid, y + shown * (mirrored - y), y)
    return jnp.tanh(y + base)

  def _draw(self, x, half_layout, style, z, mask, layout):
    """Features at 1/2 -> (b, h, w, 3) at full resolution."""
    y = Modulated(self.dtype, name="norm_head")(x, half_layout, style, z)
    y = nn.Conv(4 * HEAD, (3, 3), padding=1, kernel_init=icnr(2), dtype=self.dtype, name="head")(y)
    y = nn.silu(depth_to_space(y, 2))
    y = Grain(name="grain")(y, mask, layout, z)
    small = nn.initializers.variance_scaling(0.01, "fan_in", "normal")
    y = nn.Conv(3, (3, 3), padding=1, kernel_init=small, dtype=self.dtype, name="output")(y)
    # A straight way from features to pixels, as StyleGAN2's (Karras et al. 2020, arXiv 1912.04958).
    rgb = nn.Conv(12, (1, 1), kernel_init=nn.initializers.zeros, dtype=self.dtype, name="rgb")(x)
    return y + depth_to_space(rgb, 2)

  def _join(self, x, features, use_features):
    """F_enc beside the encoder's features at 1/16; a learned vector where it is withheld."""
    absent = self.param("absent", nn.initializers.normal(0.02), (features.shape[-1],))
    features = jnp.where(use_features[:, None, None, None], features, absent)
    x = jnp.concatenate([x, features.astype(self.dtype)], axis=-1)
    return nn.Conv(self.widths[-1], (1, 1), dtype=self.dtype, name="join")(x)


def with_symmetry(params: Mapping) -> dict:
  """Parameters of a network without `symmetry`, as those of one with it that fills the same.

  What is new begins at zero: the rows of the encoder's first kernel that see the mirrored photo,
  and the last layer of the gate that shows it; the gate's first begins at random.
  """
  encoder = dict(params["encoder"])
  stem = encoder["stem"]
  kernel = np.asarray(stem["kernel"])  # 3 3 4k f: the sub-pixel, then the channel
  parts = np.split(kernel, 4, axis=2)
  news = np.zeros((*kernel.shape[:2], _MIRRORED, kernel.shape[3]), kernel.dtype)
  encoder["stem"] = stem | {"kernel": np.concatenate([x for p in parts for x in (p, news)], axis=2)}
  width = np.shape(params["rgb"]["kernel"])[2]
  shapes = (1, 1, 1, width), (1, 2, 2, 3), (1, 2, 2, 3), (1, 2, 2, 1)
  gate = MirrorGate().init(jax.random.key(0), *map(jnp.zeros, shapes))["params"]
  gate = jax.tree.map(lambda x: np.asarray(x, kernel.dtype), gate)
  return {**params, "encoder": encoder, "mirror": gate}
