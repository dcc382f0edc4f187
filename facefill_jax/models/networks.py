"""The networks of each size: how they are built, and what they do in turn, layout then filling."""

import dataclasses
import math
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from facefill_jax import images
from facefill_jax.labels import NUM_CLASSES
from facefill_jax.models.critic import Critic
from facefill_jax.models.layers import mirror_classes
from facefill_jax.models.layout_net import LayoutNet
from facefill_jax.models.texture_net import LATENT, TextureNet
from facefill_jax.types import Features, Layout, Mask, Photo

LAYOUT, TEXTURE = "layout", "texture"
STAGES = (LAYOUT, TEXTURE)


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
  layout_resolution: int = 0,
  layout_sharpening: float = 1.0,
  symmetry: bool = False,
  remat: bool = False,
) -> Networks:
  """The networks of a size in SIZES, computing in `dtype` (parameters are float32).

  `symmetry` is TextureNet's; `layout_resolution` (the side at which it looks at most; 0: any) and
  `layout_sharpening` are LayoutNet's.
  With `remat`, training keeps less and computes more: see `models.layers.recomputed`.

  Raises:
    ValueError: an unknown size, dtype or kind of attention values, a layout resolution that is not
      0 or a multiple of 32 from 64 up, or a sharpening below 1.
  """
  n, d = choose("size", size, SIZES), choose("dtype", dtype, DTYPES)
  choose("attention_values", attention_values, {"unpooled": 0, "pooled": 0, "none": 0})
  check_layout_resolution(layout_resolution)
  if not isinstance(layout_sharpening, int | float) or not 1 <= layout_sharpening < math.inf:
    raise ValueError(f"layout_sharpening must be a number, 1 or more, got {layout_sharpening!r}")
  width, layers, heads = n.vit
  return Networks(
    layout=LayoutNet(
      n.stem, n.widths, width, layers, heads, n.widths[-1], n.decoder,
      resolution=layout_resolution, sharpening=layout_sharpening, dtype=d, remat=remat,
    ),
    texture=TextureNet(
      n.stem, n.widths, n.middle, n.decoder, n.attention, n.max_keys, n.style_width,
      attention_values=attention_values, class_style=class_style, symmetry=symmetry, dtype=d,
      remat=remat,
    ),
    layout_critic=Critic(n.stem, n.widths, dtype=d, remat=remat),
    texture_critic=Critic(n.stem, n.widths, dtype=d, remat=remat),
  )  # fmt: skip


def check_layout_resolution(side: int) -> None:
  """Raises ValueError unless `side` is 0 or a multiple of 32 from 64 up."""
  if not isinstance(side, int) or isinstance(side, bool) or (side and not images.is_side(side)):
    raise ValueError(f"layout_resolution must be 0 or a multiple of 32 from 64 up, got {side!r}")


def example_inputs(networks: Networks, resolution: int, batch: int = 1) -> dict[str, tuple]:
  """Zeros with the shapes that each network takes, by the network's field name."""
  b, s = batch, resolution
  photo, mask = jnp.zeros((b, s, s, 3)), jnp.zeros((b, s, s, 1), bool)
  layout = jnp.full((b, s, s, NUM_CLASSES), 1.0 / NUM_CLASSES)
  cells = slice(None, None, networks.layout.shrinks(s, s))  # as large as the layout network sees it
  features = jnp.zeros((b, s // 16, s // 16, networks.layout.fused), networks.layout.dtype)
  return {
    "layout": (photo, mask),
    "texture": (photo, mask, layout, features, jnp.zeros((b, LATENT)), jnp.ones((b,), bool)),
    "layout_critic": tuple(x[:, cells, cells] for x in (layout, jnp.zeros((b, s, s, 4)), mask)),
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


def networks_of_model(config: Mapping[str, Any], dtype: str = "float32") -> Networks:
  """The networks that a saved model's config.json describes, computing in `dtype`."""
  return build_networks(config["size"], dtype, **config.get("model", {}))


def key(seed: int = 0) -> jax.Array:
  """A typed key."""
  return jax.random.key(seed)


def predict_layout(
  net: LayoutNet, params: dict, photo: Photo, mask: Mask
) -> tuple[Layout, Features]:
  """The layout of the whole face that guides a filling, float32 (b, h, w, 20), and F_enc.

  Probabilities, raised to `net.sharpening` and normalised again.
  """
  return _guiding(net, photo, *_look(net, params, photo, mask))


def _look(net, params, photo, mask) -> tuple[Layout, Features]:
  """As `predict_layout`, as small as the network saw the photo."""
  logits, features = net.apply({"params": params}, photo, mask, enlarged=False)
  return jax.nn.softmax(logits, axis=-1), features


def _guiding(net, photo, layout, features) -> tuple[Layout, Features]:
  """Probabilities and F_enc of a look, sharpened and as large as the photo."""
  factor = net.shrinks(*photo.shape[1:3])
  if net.sharpening != 1:
    layout = layout**net.sharpening
    layout = layout / layout.sum(-1, keepdims=True)
  return images.enlarge(layout, factor), images.enlarge(features, factor)


def predict_layout_twice(
  net: LayoutNet, params: dict, photo: Photo, mask: Mask
) -> tuple[Layout, Features]:
  """As `predict_layout`, the mean of what the network sees in the photo and in its mirror image.

  Better layouts at twice the cost, for fills and labels; a mirrored photo gets the mirrored layout.
  Training looks once.
  """

  def mirror(x):
    return x[:, :, ::-1]

  layout, features = _look(
    net, params, images.interleave(photo, mirror(photo)), images.interleave(mask, mirror(mask))
  )
  mirrored = mirror_classes(mirror(layout[1::2]), axis=-1)
  return _guiding(net, photo, 0.5 * (layout[::2] + mirrored), features[::2])


def fill(
  net: TextureNet,
  params: dict,
  photo: Photo,
  mask: Mask,
  layout: Layout,
  features: Features,
  z: Float[Array, "b l"],
  use_features: Bool[Array, "b"],
) -> Photo:
  """The whole picture, float32 (b, h, w, 3): the photo bit for bit where known, else filled.

  The filling is joined to the photo by `images.seamless`, as it is in training. See
  `TextureNet.__call__` for the arguments.
  """
  filled = net.apply({"params": params}, photo, mask, layout, features, z, use_features)
  return images.seamless(photo, filled, mask)
