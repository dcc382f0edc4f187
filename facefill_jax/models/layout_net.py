"""The layout network (stage 1): the photo with its hole -> a semantic layout of the whole face."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from facefill_jax import images
from facefill_jax.labels import NUM_CLASSES
from facefill_jax.models.cnn_branch import CnnBranch
from facefill_jax.models.layers import MaskedGroupNorm, Upsample, depth_to_space, icnr, recomputed
from facefill_jax.models.vit_branch import VitBranch
from facefill_jax.types import Features, Mask, Photo


class LayoutNet(nn.Module):
  """Hybrid encoder (CNN + ViT, fused by a 1x1 convolution) and a decoder with skips.

  F_enc = Conv1x1(F_cnn ++ F_vit), S = softmax(Decoder(F_enc)), as the paper gives them. With an
  empty mask the same network is a face parser.

  Attributes:
    stem, widths: channels of the CNN branch at 1/2 and at 1/4, 1/8, 1/16.
    vit_width, vit_layers, vit_heads: the ViT branch.
    fused: channels of F_enc.
    decoder: channels at 1/8, 1/4, 1/2; a depth-to-space head is the fourth block.
    resolution: the side at which the network looks at most: of larger photos it sees a smaller
      picture (`images.shrink_known`), and what it says is enlarged. Layouts are smooth; at 256 px
      this is a quarter of the work at 128. 0: any side, as the paper has it.
    sharpening: the power that predicted probabilities are raised to before they guide a filling,
      see `networks.predict_layout`. Where the network wavers, the mean of what it might be is a
      blur; with 3 it is mostly one of them.
    remat: see `layers.recomputed`.
  """

  stem: int
  widths: tuple[int, ...]
  vit_width: int
  vit_layers: int
  vit_heads: int
  fused: int
  decoder: tuple[int, ...]
  resolution: int = 0
  sharpening: float = 1.0
  dtype: jnp.dtype = jnp.float32
  remat: bool = False

  def shrinks(self, height: int, width: int) -> int:
    """How many times smaller than the photo the picture is that the network sees: 1, 2, 4 ..."""
    factor = 1
    while self.resolution and max(height, width) > factor * self.resolution:
      factor *= 2
    if height % (32 * factor) or width % (32 * factor):
      raise ValueError(
        f"a layout_resolution of {self.resolution} needs sides that are multiples of "
        f"{32 * factor}, got {height} x {width}"
      )
    return factor

  @nn.compact
  def __call__(
    self, photo: Photo, mask: Mask, taps: bool = False, enlarged: bool = True
  ) -> tuple[Float[Array, "b h w k"], Features] | tuple[Float[Array, "b h w k"], tuple]:
    """Logits and F_enc; with `taps`, logits and a tuple of features from fine to coarse.

    Args:
      photo: float32 (b, h, w, 3) in [-1, 1]; what is under the mask is never read.
      mask: bool (b, h, w, 1), True = hole.
      taps: return every scale of the encoder (for perceptual distances), as small as it sees them,
        in place of F_enc.
      enlarged: False leaves logits and F_enc as small as the network saw the photo.

    Returns:
      logits float32 (b, h, w, 20); F_enc (b, h/16, w/16, fused).

    Raises:
      ValueError: shapes disagree, or a side is not a multiple of 32 from 64 up (of more, where the
        photo is shrunk).
    """
    images.check_photo_and_mask(photo, mask)
    factor = self.shrinks(*photo.shape[1:3])
    if factor > 1:
      photo, mask = images.shrink_known(photo, mask, factor)
    seen = jnp.concatenate([images.hide(photo, mask), mask.astype(photo.dtype)], axis=-1)
    scales = CnnBranch(self.stem, self.widths, self.dtype, self.remat, name="cnn")(seen, mask)
    vit = VitBranch(
      self.vit_width, self.vit_layers, self.vit_heads, self.dtype, self.remat, name="vit"
    )(seen)
    norm = recomputed(MaskedGroupNorm, self.remat)
    fused = nn.Conv(self.fused, (1, 1), dtype=self.dtype, name="fuse")(
      jnp.concatenate([scales[-1], vit], axis=-1)
    )
    x = fused
    for i, (width, skip) in enumerate(zip(self.decoder, scales[-2::-1], strict=True)):
      x = Upsample(width, self.dtype, name=f"up_{i}")(x)
      x = jnp.concatenate([x, skip], axis=-1)
      x = nn.silu(norm(self.dtype, name=f"norm_{i}")(x))
      x = nn.Conv(width, (3, 3), padding=1, dtype=self.dtype, name=f"conv_{i}")(x)
    x = nn.silu(norm(self.dtype, name="norm_head")(x))
    x = nn.Conv(
      4 * NUM_CLASSES, (3, 3), padding=1, kernel_init=icnr(2), dtype=self.dtype, name="head"
    )(x)
    logits = depth_to_space(x, 2).astype(jnp.float32)
    if enlarged:
      logits, fused = images.enlarge(logits, factor), images.enlarge(fused, factor)
    return logits, ((*scales, fused) if taps else fused)
