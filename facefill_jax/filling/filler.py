"""From photos to photos: crop, both networks, paste. The one way to fill, for one photo or many.

    request -> Frame.crop -> layouts, by both looks -> a person's edit -> texture, joined to the rim
            -> uint8 -> Frame.paste, inside the hole only

The pipeline, evaluation, labelling and the evaluations of a training run all go through here.
"""

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from facefill_jax import compile_cache, files, images, sharding
from facefill_jax.filling import model_files
from facefill_jax.filling.frame import Frame, square_frame
from facefill_jax.filling.latents import latent
from facefill_jax.labels import NUM_CLASSES, VOID
from facefill_jax.models import networks as networks_lib
from facefill_jax.models.networks import LAYOUT, SIZES, STAGES, TEXTURE, Networks

_UNOPTIMISED_UP_TO = SIZES["small"].stem * 256**2  # channels times pixels


@dataclass(frozen=True)
class Request:
  """One hole to fill.

  Attributes:
    photo: uint8 (h, w, 3); what is under the mask has no influence.
    mask: bool (h, w), True = hole.
    layout_edit: uint8 (h, w), class ids that the hole must follow, void where the model may choose;
      not looked at outside the hole. None: the model chooses everywhere.
    seed: another seed is another answer.
    frame: where the face is; None: the choice of `square_frame`.
    paint: bool (h, w), the part of the hole that is painted, inside the frame; None: all of it.
  """

  photo: np.ndarray
  mask: np.ndarray
  layout_edit: np.ndarray | None = None
  seed: int = 0
  frame: Frame | None = None
  paint: np.ndarray | None = None


@dataclass(frozen=True)
class Filled:
  """The answer to a request.

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


class Filler:
  """A model's networks, from photos to photos. Compiles once for a batch's shape.

  Attributes:
    networks, params, resolution: of the model; params on the devices.
    config, sha256: of the model's directory (the latter of its SHA256SUMS, and so of all of its
      files); {} and "" if it was not read from one.
  """

  def __init__(
    self,
    networks: Networks,
    params: Mapping[str, Mapping],
    resolution: int,
    *,
    mesh=None,
    few_photos: bool = False,
    config: Mapping | None = None,
    sha256: str = "",
  ):
    """Args:
    networks: of one size; their dtype is that of the computation.
    params: {"layout": tree, "texture": tree}; without "texture" it can only read layouts. NumPy
      arrays are brought to the devices as float32; those of JAX are taken as they lie.
    resolution: side in pixels of what the networks see.
    mesh: the devices that share a batch, see `sharding.local_mesh`; None: the first one.
    few_photos: for a process that fills only a few, on a CPU: a program of a small network is
      compiled in less than half the time, and runs half as fast. A value may round otherwise.
    """
    self.networks, self.resolution, self._mesh = networks, int(resolution), mesh
    self.config, self.sha256 = dict(config or {}), sha256
    small = networks.texture.stem * self.resolution**2 <= _UNOPTIMISED_UP_TO
    self._unoptimised = few_photos and small
    where = None if mesh is None else sharding.replicated(mesh)
    self.params = jax.tree.map(functools.partial(_on_devices, where), dict(params))

  @classmethod
  def from_directory(
    cls,
    directory: str | os.PathLike,
    *,
    mesh=None,
    dtype: str = "float32",
    needed: Sequence[str] = STAGES,
    few_photos: bool = False,
  ) -> "Filler":
    """Reads and checks a model directory.

    Args:
      mesh, few_photos: as above.
      dtype: of the computation: "float32" or "bfloat16".
      needed: stages without which it is of no use to the caller.

    Raises:
      model_files.ModelError: it cannot be used; the message says which file and why.
    """
    config, params = model_files.load_model(directory, needed=needed)
    return cls(
      networks_lib.networks_of_model(config, dtype),
      {name: params[name] for name in needed},
      config["resolution"],
      mesh=mesh,
      few_photos=few_photos,
      config=config,
      sha256=files.sha256(files.to_path(directory) / "SHA256SUMS"),
    )

  def fill_many(
    self, requests: Sequence[Request], *, batch_size: int | None = None, smooth: bool = False
  ) -> list[Filled]:
    """Fills holes, `batch_size` at a time.

    Args:
      requests: photos of any sizes.
      batch_size: photos that go through the networks at once; all if None. The last batch is
        padded, and each is a multiple of the devices: with one batch size there is one program.
      smooth: enlarge layouts as probabilities, so that their edges are smooth: for scores. Else
        cells are enlarged to nearest, so that a layout that is edited and handed back in
        `layout_edit` gives the same cells.

    Raises:
      ValueError: a frame that does not contain its hole.
      frame.FrameError: a hole that no square of a sane size can hold.
    """
    found = []
    for start, size in self._batches(len(requests), batch_size):
      part = requests[start : start + size]
      frames = [_frame_of(request) for request in part]
      whole, layouts = self._fill(part, frames, size, smooth)
      for request, frame, painted, layout in zip(part, frames, whole, layouts, strict=False):
        found.append(self._answer(request, frame, painted, layout, smooth))
    return found

  def read_many(
    self,
    photos: Sequence[np.ndarray],
    frames: Sequence[Frame],
    masks: Sequence[np.ndarray] | None = None,
    *,
    batch_size: int | None = None,
  ) -> list[tuple[np.ndarray, np.ndarray]]:
    """Layouts alone: what the layout network sees in the photos, through their holes if any.

    Args:
      photos: uint8 (h, w, 3) of any sizes.
      frames: the square of each that the network sees.
      masks: bool (h, w), True = hole; None: nothing is hidden.
      batch_size: as in `fill_many`.

    Returns:
      A photo: class ids uint8 (h, w), void outside the frame, and their probabilities, float32
      (h, w), 0 there; see `Frame.paste_layout`.
    """
    if masks is None:
      masks = [np.zeros(photo.shape[:2], bool) for photo in photos]
    found = []
    for start, size in self._batches(len(photos), batch_size):
      rows = slice(start, start + size)
      layouts = self._read(photos[rows], masks[rows], frames[rows], size)
      for photo, frame, layout in zip(photos[rows], frames[rows], layouts, strict=False):
        found.append(frame.paste_layout(layout, photo.shape[:2]))
    return found

  def read(self, photo: np.ndarray, mask: np.ndarray, frame: Frame) -> np.ndarray:
    """The layout in a frame: probabilities, float32 (resolution, resolution, 20).

    Args:
      photo: uint8 (h, w, 3); what is under the mask has no influence.
      mask: bool (h, w), True = hole.
      frame: the square that the network sees.
    """
    [(_, size)] = self._batches(1, None)
    return self._read([photo], [mask], [frame], size)[0]

  def _read(self, photos, masks, frames, size: int) -> np.ndarray:
    """Probabilities (b, r, r, 20) of at least as many layouts as there are photos."""
    rows = {"photo": [], "mask": []}
    for photo, mask, frame in zip(photos, masks, frames, strict=True):
      cells, hole = frame.crop(photo, mask, self.resolution)
      rows["photo"].append(cells)
      rows["mask"].append(hole[..., None])
    program = _reading(self.networks, unoptimised=self._unoptimised)
    return jax.device_get(program(self.params[LAYOUT], **self._put(rows, size)))

  def _batches(self, count: int, batch_size: int | None) -> list[tuple[int, int]]:
    """(first, how many with the padding) of each batch."""
    devices = 1 if self._mesh is None else sharding.device_count(self._mesh)
    size = -(-(batch_size or count) // devices) * devices
    return [(start, size) for start in range(0, count, size)] if count else []

  def _fill(self, requests, frames, size: int, smooth: bool):
    """The painted squares, uint8 (b, r, r, 3); class ids uint8 (b, r, r) or probabilities."""
    side, rows = self.resolution, {name: [] for name in ("photo", "mask", "edit", "z")}
    for request, frame in zip(requests, frames, strict=True):
      cells, hole = frame.crop(request.photo, request.mask, side)
      edit = np.full((side, side), VOID, np.uint8)
      if request.layout_edit is not None:
        edit = frame.crop_labels(request.layout_edit, side)
      row = (cells, hole[..., None], edit, latent(request.seed))
      for name, value in zip(rows, row, strict=True):
        rows[name].append(value)
    program = filling_program(self.networks, unoptimised=self._unoptimised)
    return jax.device_get(program(self.params, **self._put(rows, size), smooth=smooth))

  def _put(self, rows: Mapping[str, list], size: int) -> dict[str, jax.Array]:
    """Rows as arrays on the devices, the last repeated up to `size` of them."""
    padded = {
      name: np.stack([*found, *found[-1:] * (size - len(found))]) for name, found in rows.items()
    }
    return padded if self._mesh is None else sharding.put_batch(padded, self._mesh)

  def _answer(self, request: Request, frame: Frame, painted, layout, smooth: bool) -> Filled:
    cells = layout.argmax(-1).astype(np.uint8) if smooth else layout
    whole = frame.paste(request.photo, request.mask, painted, request.paint, cells)
    shape = request.mask.shape
    ids = frame.paste_layout(layout, shape)[0] if smooth else frame.paste_labels(layout, shape)
    return Filled(whole, ids, frame, self.resolution)


def _on_devices(where, x):
  if isinstance(x, jax.Array):
    return x if where is None else jax.device_put(x, where)
  return jax.device_put(np.asarray(x, np.float32), where)


def _frame_of(request: Request) -> Frame:
  frame = request.frame or square_frame(*request.mask.shape, request.mask)
  if not frame.contains(request.mask if request.paint is None else request.paint):
    raise ValueError(f"{frame}: does not contain the whole hole")
  return frame


@functools.lru_cache(maxsize=8)
def filling_program(networks: Networks, *, looks: int = 2, unoptimised: bool = False):
  """Both stages, jitted: (params, photo, mask, edit, z, *, smooth) -> whole, layout.

  looks: 2, at the photo and at its mirror image, is how this fills; 1 is there to be compared.

  photo uint8 (b, h, w, 3); mask bool (b, h, w, 1), True = hole; edit uint8 (b, h, w), void where
  nothing is asked for; z float32 (b, LATENT). Returns the whole picture,
  uint8 (b, h, w, 3), and the layout that guided it: class ids uint8 (b, h, w) or, `smooth`, its
  probabilities (b, h, w, 20).
  """
  predict = {1: networks_lib.predict_layout, 2: networks_lib.predict_layout_twice}[looks]

  def run(params, photo, mask, edit, z, smooth=False):
    photo = images.to_float(photo)
    layout, features = predict(networks.layout, params[LAYOUT], photo, mask)
    asked = jnp.logical_and(mask, (edit != VOID)[..., None])  # b h w 1
    layout = jnp.where(asked, jax.nn.one_hot(edit, NUM_CLASSES), layout)
    seen = jnp.ones(photo.shape[:1], bool)
    whole = networks_lib.fill(
      networks.texture, params[TEXTURE], photo, mask, layout, features, z, seen
    )
    ids = jnp.argmax(layout, axis=-1).astype(jnp.uint8)
    return images.to_uint8(whole), layout if smooth else ids

  options = compile_cache.unoptimised() if unoptimised else None
  return jax.jit(run, static_argnames="smooth", compiler_options=options)


@functools.lru_cache(maxsize=8)
def _reading(networks: Networks, *, unoptimised: bool = False):
  """The layout stage alone, jitted: (params, photo, mask) -> probabilities (b, h, w, 20).

  As the network has them: a layout that guides may be sharper.
  """
  net = networks.layout.clone(sharpening=1.0)

  def run(params, photo, mask):
    photo = images.to_float(photo)
    return networks_lib.predict_layout_twice(net, params, photo, mask)[0]

  return jax.jit(run, compiler_options=compile_cache.unoptimised() if unoptimised else None)
