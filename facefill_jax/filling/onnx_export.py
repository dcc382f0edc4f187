"""A model's filling as ONNX, by the package jax2onnx: for runtimes that are not JAX.

For a batch of one size. The loops of the program are written out, as jax2onnx knows only some of
them, and the noise that the texture network draws with (`Grain`) is an input: ONNX has no random
numbers that are JAX's. jax2onnx takes two minutes for the model of the package.

jax2onnx is large and no dependency. Version 0.17.1 with jax 0.10.2, and onnxruntime 1.31.1, were
seen to work.
"""

import importlib.util
import inspect
import os
from collections.abc import Callable, Mapping

import flax.linen as nn
import jax
import numpy as np

from facefill_jax import __version__
from facefill_jax.filling.export import inputs_of
from facefill_jax.filling.export_folder import (
  CARD,
  ONNX_FILE,
  ExportError,
  inputs_and_outputs,
  terms,
  write,
)
from facefill_jax.filling.filler import filling_program
from facefill_jax.filling.model_files import load_model
from facefill_jax.filling.unrolled import unrolled
from facefill_jax.labels import VOID
from facefill_jax.models import networks as networks_lib
from facefill_jax.models.networks import STAGES
from facefill_jax.models.texture_net import HEAD, LATENT, Grain

_NEEDED = "jax2onnx"
INPUTS = ("photo", "mask", "edit", "z", "noise")
OUTPUTS = ("whole", "layout")


def check_export() -> None:
  """Raises ExportError unless jax2onnx is installed."""
  if importlib.util.find_spec(_NEEDED) is None:
    raise ExportError(f"exporting to ONNX needs {_NEEDED}: pip install {_NEEDED} onnxruntime")


def export_model(
  model: str | os.PathLike, directory: str | os.PathLike, batch_size: int = 1
) -> int:
  """Writes the folder of an export; what else lies there is kept.

  Args:
    model: a model's directory; local or gs://.
    directory: made with its parents; see `export_folder.check_replaceable`.
    batch_size: the one that the file will take.

  Returns:
    The size of the file in bytes.

  Raises:
    ExportError: as `check_export`.
    model_files.ModelError: the model cannot be used, or lacks one of the two networks.
  """
  check_export()
  import jax2onnx

  config, params = load_model(model, needed=STAGES)
  side = config["resolution"]
  function = filling_with_noise(networks_lib.networks_of_model(config), params)
  inputs = (*inputs_of(batch_size, side), noise_of(batch_size, side))
  proto = jax2onnx.to_onnx(
    unrolled(function, *inputs), inputs, model_name="facefill",
    input_names=INPUTS, output_names=OUTPUTS,
  )  # fmt: skip
  content = proto.SerializeToString()
  write(directory, ONNX_FILE, content, describe(batch_size, side) + terms(model), model)
  return len(content)


def noise_of(b: int, side: int) -> jax.ShapeDtypeStruct:
  """Shape and type of the noise of a batch."""
  return jax.ShapeDtypeStruct((b, side, side, HEAD), np.float32)


def filling_with_noise(networks: networks_lib.Networks, params: Mapping[str, Mapping]) -> Callable:
  """`filler.filling_program` with these parameters in it, and the noise given beside z.

  Args:
    networks: float32.
    params: {"layout": tree, "texture": tree} of arrays, which become float32.

  Returns:
    (photo, mask, edit, z, noise float32 (b, h, w, HEAD), standard normal) -> whole, layout.
  """
  # Its jit remembers the program that draws the noise itself.
  program = inspect.unwrap(filling_program(networks))
  params = {
    name: jax.tree.map(lambda x: np.asarray(x, np.float32), params[name]) for name in STAGES
  }

  def fill(photo, mask, edit, z, noise):
    def given(method, arguments, options, context):
      if isinstance(context.module, Grain) and context.method_name == "draw":
        return noise
      return method(*arguments, **options)

    with nn.intercept_methods(given):
      return program(params, photo, mask, edit, z)

  return fill


def describe(b: int, side: int) -> str:
  """The README.md before its `terms`. `b`: photos a batch; `side`: the model's resolution."""
  noise = f"| noise | float32 ({b}, {side}, {side}, {HEAD}) | chance, for fine detail |\n"
  return f"""# A face inpainting model, exported to ONNX

`{ONNX_FILE}` fills holes in photos of faces, {b} at once, {side} x {side} pixels. facefill_jax
{__version__} wrote it with JAX {jax.__version__}.

{inputs_and_outputs(b, side, noise)}
z and noise are standard normal numbers from anywhere.

Cut photos as those that the model learned from (see `{CARD}`), scale them, and paste the hole alone
back. With `pip install onnxruntime`, save this as run.py and call
`python run.py photos.npy masks.npy`:

```python
import sys

import numpy as np
import onnxruntime

photo, mask = (np.load(path) for path in sys.argv[1:3])
chance = np.random.default_rng(0)
inputs = {{
  "photo": photo,
  "mask": mask,
  "edit": np.full(photo.shape[:3], {VOID}, np.uint8),
  "z": chance.standard_normal((len(photo), {LATENT}), np.float32),
  "noise": chance.standard_normal((*photo.shape[:3], {HEAD}), np.float32),
}}
whole, layout = onnxruntime.InferenceSession("{ONNX_FILE}").run(None, inputs)
np.save("whole.npy", whole)
np.save("layout.npy", layout)
```
"""
