"""What makes the fills that are scored: a model, pictures from elsewhere, or a classical method.

Each is a `scoring.FillFn`: a batch in, {"whole": uint8 (b, h, w, 3), "layout": ids or None} out.
"""

import hashlib
import io
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from facefill_jax import images, sharding
from facefill_jax.data.decoding import DAMAGED, ENDINGS, read_photo, reason
from facefill_jax.data.file_tree import Files
from facefill_jax.data.pairing import pair
from facefill_jax.filling import classical, model_files
from facefill_jax.filling.frame import Frame
from facefill_jax.models import networks as networks_lib
from facefill_jax.models.networks import STAGES, Networks, networks_of_model
from facefill_jax.models.texture_net import LATENT

_log = logging.getLogger(__name__)
METHODS = {"telea": "telea", "ns": "navier_stokes", "mean_colour": "mean_colour"}
IDENTITY = "identity"
"""The photo as it is, its hidden pixels, too: what a perfect fill scores."""
METHOD_NAMES = (*METHODS, IDENTITY)


def make_filler(networks: Networks):
  """A jitted (params, photo uint8, mask, seed) -> {"whole": uint8, "layout": uint8 class ids}.

  With `soft=True` the layout is its probabilities, float32 (b, h, w, 20). `params` is {"layout":
  tree, "texture": tree}; new weights and seeds do not compile it again. Each photo gets the same
  latent z, drawn from `seed`: its result must not depend on its place.
  """

  def fill(params, photo, mask, seed=0, soft=False):
    photo = images.to_float(photo)
    probabilities, features = networks_lib.predict_layout_twice(
      networks.layout, params["layout"], photo, mask
    )
    whole = networks_lib.fill(
      networks.texture, params["texture"], photo, mask, probabilities, features,
      latent(seed, len(photo)), jnp.ones(len(photo), bool),
    )  # fmt: skip
    layout = probabilities if soft else read(probabilities)
    return {"whole": images.to_uint8(whole), "layout": layout}

  return jax.jit(fill, static_argnames="soft")


def latent(seed: int, number: int) -> jax.Array:
  """float32 (number, LATENT), one row for all."""
  z = jax.random.normal(jax.random.key(seed), (1, LATENT))
  return jnp.broadcast_to(z, (number, LATENT))


def read(probabilities: jax.Array) -> jax.Array:
  """The most probable classes: uint8 (b, h, w)."""
  return probabilities.argmax(axis=-1).astype(jnp.uint8)


class Model:
  """A model from disk, as a fill at any size.

  At another size than its own resolution the square is resized with the hole left out of every
  mean, filled there, resized back and joined to the photo (`Frame.paste`), whose known pixels stay
  its own; its layout is that of `Frame.paste_layout`.

  Attributes:
    config, sha256: as in its directory; the latter of SHA256SUMS, and so of all of its files.
    networks, params, resolution: of the model; params on the devices of the mesh.
  """

  def __init__(self, directory: str | os.PathLike, mesh, seed: int = 0):
    """Raises weights.ModelError: it cannot be used; the message says which file and why."""
    self.config, params = model_files.load_model(directory, needed=STAGES)
    self.sha256 = hashlib.sha256((Path(directory) / "SHA256SUMS").read_bytes()).hexdigest()
    params = jax.tree.map(lambda x: np.asarray(x, np.float32), params)
    self.params = jax.device_put(params, sharding.replicated(mesh))
    self.networks = networks_of_model(self.config)
    self.resolution, self.seed = int(self.config["resolution"]), seed
    self._filler, self._put = make_filler(self.networks), partial(sharding.put_batch, mesh=mesh)

  def __call__(self, batch: Mapping, seed: int | None = None) -> dict:
    """See FillFn; another seed is another answer."""
    photo, mask = batch["photo"], batch["mask"]
    size, seed = photo.shape[1], self.seed if seed is None else seed
    if size == self.resolution:
      return self._fill(photo, mask, seed)
    cells, holes = self.shrink(photo, mask)
    found = self._fill(cells, holes, seed, soft=True)
    frame = Frame(0, 0, size)
    pairs = zip(photo, mask[..., 0], found["whole"], strict=True)
    whole = np.stack([frame.paste(p, m, filled) for p, m, filled in pairs])
    layout = np.stack([frame.paste_layout(x, (size, size))[0] for x in found["layout"]])
    return {"whole": whole, "layout": layout}

  def shrink(self, photo: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A batch at the model's resolution: photos, black in the hole, and masks; see `Frame.crop`."""
    frame = Frame(0, 0, photo.shape[1])
    crops = [frame.crop(p, m, self.resolution) for p, m in zip(photo, mask[..., 0], strict=True)]
    cells, holes = (np.stack(x) for x in zip(*crops, strict=True))
    return cells, holes[..., None]

  def _fill(self, photo: np.ndarray, mask: np.ndarray, seed: int, soft: bool = False) -> dict:
    put = self._put({"photo": photo, "mask": mask})
    found = self._filler(self.params, put["photo"], put["mask"], np.uint32(seed), soft=soft)
    return jax.device_get(found)


class Outputs:
  """Anybody's pictures, matched to the fills by name; see `pairs` for the names."""

  def __init__(self, path: str, names: Sequence[str], size: int):
    """Finds all pictures, and looks at their headers.

    Args:
      path: a directory or a .zip.
      names: of the fills, without endings.
      size: that they must have.

    Raises:
      ValueError: some are missing, two have one name, or one has another size; one line.
    """
    self._files, self._size = Files(path, ENDINGS, "outputs"), size
    found = pair(names, self._files.names, "outputs", with_ending=False)
    self._file_of = found.file_of
    if found.alone:
      raise ValueError(
        f"outputs: {len(found.alone)} of {len(names)} are missing in {path}, for example "
        f"{found.alone[0]} (with an ending of {', '.join(ENDINGS)}); found {self._files.names[0]} "
        "and the like"
      )
    if found.spare:
      _log.warning("outputs: %s", found.remark("picture", self._files.path, ""))
    for name in names:
      self._read(name, decode=False)

  def __call__(self, batch: Mapping) -> dict:
    """See FillFn; the pictures as they are."""
    return {"whole": np.stack([self._read(p.id) for p in batch["pair"]]), "layout": None}

  def _read(self, name: str, decode: bool = True) -> np.ndarray | None:
    file = self._file_of[name]
    where = self._files.where(file)
    try:
      data = self._files.read(file)
      with Image.open(io.BytesIO(data)) as picture:
        width, height = picture.size
      pixels = read_photo(data)[0] if decode else None
    except DAMAGED as error:
      raise ValueError(f"outputs: {where} cannot be read: {reason(error)}") from error
    if (width, height) != (self._size, self._size):
      raise ValueError(
        f"outputs: {where} is {width} x {height}, scored are {self._size} x {self._size}: give "
        "--size, or resize it"
      )
    return pixels


def method(name: str) -> Callable[[Mapping], dict]:
  """A method that learns nothing, by its name; ValueError naming all of them if there is none."""
  if name == IDENTITY:
    return lambda batch: {"whole": batch["photo"], "layout": None}
  if name not in METHODS:
    raise ValueError(f"method {name!r} is unknown; valid: {', '.join(METHOD_NAMES)}")
  fill = classical.batched(METHODS[name])
  return lambda batch: fill(batch["photo"], batch["mask"])
