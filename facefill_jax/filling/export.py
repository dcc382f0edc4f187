"""A model's filling as one file that JAX runs without this package: StableHLO, by `jax.export`.

The file is for CPU, CUDA and TPU, for any batch, at the model's own resolution. The weights are in
it, as float32 constants: the size `small` at 256 px is 42 MB so, where the program alone is 0.3 MB
and needs its parameters beside it and in order. Compiled, it takes no longer with constants (6.5 s
and 7.9 s on two CPU cores) and runs no slower.
"""

import importlib.util
import os
from collections.abc import Mapping

import jax
import jax.export
import numpy as np

from facefill_jax import __version__
from facefill_jax.filling.export_folder import (
  CARD,
  JAX_FILE,
  ExportError,
  inputs_and_outputs,
  terms,
  write,
)
from facefill_jax.filling.filler import filling_program
from facefill_jax.filling.model_files import load_model
from facefill_jax.labels import VOID
from facefill_jax.models import networks as networks_lib
from facefill_jax.models.networks import STAGES
from facefill_jax.models.texture_net import LATENT

PLATFORMS = ("cpu", "cuda", "tpu")
_NEEDED = "flatbuffers"


def check_export() -> None:
  """Raises ExportError unless what writes the file is installed."""
  if importlib.util.find_spec(_NEEDED) is None:
    raise ExportError(f"exporting needs {_NEEDED}: pip install 'facefill_jax[export]'")


def export_model(model: str | os.PathLike, directory: str | os.PathLike) -> int:
  """Writes the folder of an export; what else lies there is kept.

  Args:
    model: a model's directory; local or gs://.
    directory: made with its parents; see `export_folder.check_replaceable`.

  Returns:
    The size of the file in bytes.

  Raises:
    ExportError: as `check_export`.
    model_files.ModelError: the model cannot be used, or lacks one of the two networks.
  """
  check_export()
  config, params = load_model(model, needed=STAGES)
  exported = exported_filling(
    networks_lib.networks_of_model(config), {name: params[name] for name in STAGES},
    config["resolution"],
  )  # fmt: skip
  content = bytes(exported.serialize())
  write(directory, JAX_FILE, content, describe(config["resolution"]) + terms(model), model)
  return len(content)


def exported_filling(
  networks: networks_lib.Networks, params: Mapping[str, Mapping], resolution: int
) -> jax.export.Exported:
  """`filler.filling_program` with these parameters in it, for every batch and all of `PLATFORMS`.

  Args:
    networks: float32.
    params: {"layout": tree, "texture": tree} of arrays, which become float32.
    resolution: side in pixels of what the networks see.

  Returns:
    (photo uint8 (b, h, w, 3), mask bool (b, h, w, 1), True = hole, edit uint8 (b, h, w), void where
    nothing is asked for, z float32 (b, LATENT)) -> whole uint8 (b, h, w, 3),
    layout uint8 (b, h, w), class ids.
  """
  program = filling_program(networks)
  params = jax.tree.map(lambda x: np.asarray(x, np.float32), dict(params))

  def fill(photo, mask, edit, z):
    return program(params, photo, mask, edit, z)

  (b,) = jax.export.symbolic_shape("b")
  inputs = inputs_of(b, resolution)
  return jax.export.export(jax.jit(fill), platforms=PLATFORMS)(*inputs)


def inputs_of(b, side: int) -> tuple[jax.ShapeDtypeStruct, ...]:
  """Shapes and types of photo, mask, edit and z; `b`: the batch, an integer or a symbol."""
  return (
    jax.ShapeDtypeStruct((b, side, side, 3), np.uint8),
    jax.ShapeDtypeStruct((b, side, side, 1), np.bool_),
    jax.ShapeDtypeStruct((b, side, side), np.uint8),
    jax.ShapeDtypeStruct((b, LATENT), np.float32),
  )


def describe(side: int) -> str:
  """The README.md before its `terms`. `side`: the model's resolution in pixels."""
  return f"""# A face inpainting model, exported

`{JAX_FILE}` fills holes in photos of faces, {side} x {side} pixels, any number at once, on a CPU, a
CUDA GPU or a TPU. It needs JAX and flatbuffers, no other package: `pip install jax flatbuffers`.
facefill_jax {__version__} wrote it with JAX {jax.__version__}: that version reads it and, as JAX
promises, those of the six months after it; later, export again.

{inputs_and_outputs("b", side)}

Cut photos as those that the model learned from (see `{CARD}`), scale them, and paste the hole alone
back. Save this as run.py and call `python run.py photos.npy masks.npy`:

```python
import sys

import jax
import jax.export
import numpy as np

photo, mask = (np.load(path) for path in sys.argv[1:3])
with open("{JAX_FILE}", "rb") as file:
  fill = jax.jit(jax.export.deserialize(bytearray(file.read())).call)
z = np.stack([jax.random.normal(jax.random.key(seed), ({LATENT},)) for seed in range(len(photo))])
free = np.full(photo.shape[:3], {VOID}, np.uint8)
whole, layout = fill(photo, mask, free, z)
np.save("whole.npy", whole)
np.save("layout.npy", layout)
```

A batch of another size compiles anew, some seconds on a CPU.
"""
