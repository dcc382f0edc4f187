"""A face is nearly symmetric: what the mirrored known half of a photo says about its hole.

The idea is SymmFCNet's (Li et al. 2018, arXiv 1812.07741). That learns a flow from one half of the
face to the other; here the layout says where the axis is, and the photo is flipped about it.
Heads that are turned, or lit from one side, are not symmetric: how far to believe the reflection is
for the network to learn.
"""

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from facefill_jax import images
from facefill_jax.labels import CLASSES, MIRROR_PAIRS
from facefill_jax.models.layers import mirror_classes
from facefill_jax.types import Layout, Mask, Photo

_PAIRS = MIRROR_PAIRS[:2]  # eyes and brows: ears are seldom both in sight
_MIDDLE = tuple(map(CLASSES.index, ("nose", "mouth", "u_lip", "l_lip")))
_SEEN = 2e-4  # share of the photo from which on a part is there; an eye of a framed face has .003
_MIDDLE_WEIGHT = 0.1  # beside a pair's 1: a turned head moves its nose, not the middle of its eyes


@flax.struct.dataclass
class Reflection:
  """A photo mirrored about the axis of its face.

  In the hole it is joined to the known pixels as a fill is (`images.seamless`), so that the light
  of the other side of the face does not show as a seam. Where the photo is known it is as it is:
  there one sees how alike the two sides are.
  """

  picture: Array  # float32 b h w 3, [-1, 1]; 0 where not valid
  valid: Array  # bool b h w 1: where the mirrored pixel is known
  fits: Array  # float32 b h w 1, 0..1: how far it shows what the layout asks for; 1 in full


def face_axis(layout: Layout) -> tuple[Float[Array, "b"], Float[Array, "b"]]:
  """The column about which a face is most nearly symmetric, by the parts of its layout.

  It is the mean of the middles between the two eyes and between the two brows, and, as little as
  they count beside these, of nose and mouth.

  Args:
    layout: float32 (b, h, w, 20), probabilities.

  Returns:
    The column, float32 (b,), in pixels: that of pixel i is i. And whether any part was found,
    float32 (b,) in [0, 1]; 0: there is no face to mirror.
  """
  h, w = layout.shape[1:3]
  # Squared: a little of a class everywhere would draw its centre to that of the frame.
  mass = jnp.square(layout.astype(jnp.float32)).sum(1) / (h * w)  # b w k
  columns = jnp.arange(w, dtype=jnp.float32) - (w - 1) / 2  # from the middle: exact when mirrored
  share = mass.sum(1)  # b k
  middle = jnp.einsum("bwk,w->bk", mass, columns, precision="highest")
  middle = middle / jnp.maximum(share, 1e-9)
  there = jnp.clip(share / _SEEN, 0.0, 1.0)
  places = [(middle[:, a] + middle[:, b]) / 2 for a, b in _PAIRS] + [middle[:, c] for c in _MIDDLE]
  weights = [jnp.minimum(there[:, a], there[:, b]) for a, b in _PAIRS]
  weights += [_MIDDLE_WEIGHT * there[:, c] for c in _MIDDLE]
  total = sum(weights)
  weighted = sum(weight * x for weight, x in zip(weights, places, strict=True))
  place = weighted / jnp.maximum(total, 1e-6)
  return place + (w - 1) / 2, jnp.clip(total / _MIDDLE_WEIGHT, 0.0, 1.0)


def reflect(photo: Photo, mask: Mask, axis: Float[Array, "b"]) -> tuple[Photo, Array]:
  """The known pixels, mirrored about a column that is rounded to half a pixel: none is blurred.

  By a product with a matrix of zeros and ones a photo: gathers are dear on a TPU.

  Args:
    photo: float32 (b, h, w, 3); what is under the mask is never read.
    axis: in pixels, as `face_axis` gives it.

  Returns:
    The mirrored photo, 0 where its pixel is not known or lies outside, and where it is known, bool
    (b, h, w, 1).
  """
  known = jnp.logical_not(mask).astype(jnp.float32)
  both = jnp.concatenate([images.hide(photo, mask).astype(jnp.float32), known], axis=-1)
  both = _mirrored(both, axis)
  return both[..., :-1], both[..., -1:] > 0.5


def _mirrored(x: Float[Array, "b h w c"], axis: Float[Array, "b"]) -> Float[Array, "b h w c"]:
  twice, places = jnp.round(2.0 * axis).astype(jnp.int32), jnp.arange(x.shape[2])
  moves = places[:, None] + places == twice[:, None, None]  # b x x': x + x' is twice the axis
  return jnp.einsum("bhxc,bxy->bhyc", x, moves.astype(jnp.float32), precision="highest")


def _fit(layout: Layout, axis: Float[Array, "b"]) -> Float[Array, "b h w 1"]:
  """How alike a layout is to its mirror image, 0..1: what the two have in common of each class.

  An edit that opens an eye must not be painted over by the mirrored, closed one.
  """
  other = mirror_classes(_mirrored(layout, axis), axis=-1)
  common = jnp.minimum(layout, other).sum(-1, keepdims=True)
  return jnp.clip(2.0 * common - 0.5, 0.0, 1.0)  # sure from .75 on, out of the question below .25


def reflection(photo: Photo, mask: Mask, layout: Layout) -> Reflection:
  """The photo mirrored about the axis of the face in `layout`; shapes as in `TextureNet`.

  What is under the mask has no influence, through the mirror neither.
  """
  half = images.area_shrink(layout, 2)
  axis, found = face_axis(half)
  mirrored, valid = reflect(photo, mask, 2.0 * axis + 0.5)
  valid = valid & (found > 0.5)[:, None, None, None]
  joined = images.seamless(photo, mirrored, mask | jnp.logical_not(valid))
  picture = jnp.where(valid, jnp.where(mask, joined, mirrored), 0.0)
  fits = images.enlarge(_fit(images.area_shrink(half, 2), (axis - 0.5) / 2.0), 4)
  return Reflection(jax.lax.stop_gradient(picture), valid, fits)
