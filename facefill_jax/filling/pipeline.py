"""FaceFillPipeline: a model from disk, a photo and a mask in, the whole photo out."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from facefill_jax import images
from facefill_jax.filling import model_files
from facefill_jax.filling.frame import Frame, square_frame
from facefill_jax.labels import NUM_CLASSES, VOID, check_labels
from facefill_jax.models.networks import STAGES, fill, networks_of_model, predict_layout_twice
from facefill_jax.models.texture_net import LATENT


@dataclass(frozen=True)
class Filled:
  """An answer.

  Attributes:
    whole: uint8 (h, w, 3): the photo, byte for byte, where it was known; painted in the hole.
    layout: uint8 (h, w), class ids of the layout that guided the painting; void outside the frame.
    frame: the square of the photo that the networks saw.
    resolution: its side as they saw it; a larger frame was painted small and enlarged.
  """

  whole: np.ndarray
  layout: np.ndarray
  frame: Frame
  resolution: int


class FaceFillPipeline:
  """Fills holes in photos with one model. Compiles at the first photo, for that resolution.

  Args:
    config: as in a model's config.json; "size" and "resolution" are used.
    params: {"layout": tree, "texture": tree}.
  """

  def __init__(self, config: Mapping, params: Mapping[str, Mapping]):
    self.config = dict(config)
    self.resolution = int(config["resolution"])
    self._params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), dict(params))
    networks = networks_of_model(config)

    def answer(params, photo, mask, wish, obey, z):
      return _answer(networks, params, photo, mask, wish, obey, z)

    self._answer = jax.jit(answer)

  @classmethod
  def from_directory(cls, directory: str | os.PathLike) -> "FaceFillPipeline":
    """Reads and checks a model directory.

    Raises:
      weights.ModelError: it cannot be used; the message says which file and why.
    """
    return cls(*model_files.load_model(directory, needed=STAGES))

  def __call__(
    self,
    photo: np.ndarray,
    mask: np.ndarray,
    *,
    seed: int = 0,
    layout: np.ndarray | None = None,
    square: Frame | None = None,
  ) -> Filled:
    """Fills the hole. The same photo, mask and seed give the same bytes.

    Args:
      photo: uint8 (h, w, 3); what is under the mask has no influence.
      mask: bool (h, w), True = hole.
      seed: another seed is another answer.
      layout: uint8 (h, w), class ids that the hole must follow; void where the model may choose.
        Outside the hole it is not looked at.
      square: where the face is; None takes `square_frame`'s choice.

    Raises:
      ValueError: wrong shapes or types, no hole, a label outside 0..19, a hole outside the square.
    """
    _check(photo, mask, layout)
    frame = square_frame(*mask.shape, mask) if square is None else square
    if not frame.contains(mask):
      raise ValueError(f"{frame} does not contain the whole hole")
    cells, hole = frame.crop(photo, mask, self.resolution)
    obey = layout is not None
    wish = frame.crop_labels(layout if obey else np.full(mask.shape, VOID, np.uint8), len(cells))
    z = jax.random.normal(jax.random.key(seed), (1, LATENT))
    filled, ids = self._answer(
      self._params, cells[None], hole[None, ..., None], wish[None], np.array([obey]), z
    )
    whole = frame.paste(photo, mask, np.asarray(filled[0]))
    ids = frame.paste_labels(np.asarray(ids[0]), mask.shape)
    return Filled(whole, ids, frame, self.resolution)


def _answer(networks, params, photo, mask, wish, obey, z):
  """Both stages.

  Args:
    networks: static.
    params: {"layout": tree, "texture": tree}.
    photo: uint8 (b, h, w, 3).
    mask: bool (b, h, w, 1), True = hole.
    wish: uint8 (b, h, w), class ids a person asks for; void = none.
    obey: bool (b,), whether there are wishes: then F_enc is withheld, as a way around them.
    z: float32 (b, 64).

  Returns:
    The whole picture, uint8 (b, h, w, 3), and the layout that guided it, uint8 (b, h, w).
  """
  photo = images.to_float(photo)
  layout, features = predict_layout_twice(networks.layout, params["layout"], photo, mask)
  asked = jnp.logical_and(mask, (wish != VOID)[..., None])  # b h w 1
  layout = jnp.where(asked, jax.nn.one_hot(wish, NUM_CLASSES), layout)
  whole = fill(
    networks.texture, params["texture"], photo, mask, layout, features, z, jnp.logical_not(obey)
  )
  return images.to_uint8(whole), jnp.argmax(layout, axis=-1).astype(jnp.uint8)


def _check(photo: np.ndarray, mask: np.ndarray, layout: np.ndarray | None) -> None:
  if photo.ndim != 3 or photo.shape[-1] != 3 or photo.dtype != np.uint8:
    raise ValueError(f"photo must be uint8 (h, w, 3), got {photo.dtype} {photo.shape}")
  if mask.shape != photo.shape[:2] or mask.dtype != np.bool_:
    raise ValueError(f"mask must be bool {photo.shape[:2]}, got {mask.dtype} {mask.shape}")
  if not mask.any():
    raise ValueError("nothing to fill: the mask has no hole (True = hole)")
  if layout is not None:
    if layout.shape != photo.shape[:2] or layout.dtype != np.uint8:
      raise ValueError(f"layout must be uint8 {photo.shape[:2]}, got {layout.dtype} {layout.shape}")
    check_labels(layout, "layout")
