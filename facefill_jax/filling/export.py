"""A model's filling as one file that JAX runs without this package: StableHLO, by `jax.export`.

    fill.jax_export    photo, mask, layout edit, edited, z -> whole, layout; `exported_filling`
    README.md          inputs, outputs, and a script that runs the file where only JAX is installed
    MODEL_CARD.md      the model's own README.md, whose terms the weights keep

The file is for CPU, CUDA and TPU, for any batch, at the model's own resolution. The weights are in
it, as float32 constants: the size `small` at 256 px is 42 MB so, where the program alone is 0.3 MB
and needs its parameters beside it and in order. Compiled, it takes no longer with constants (6.5 s
and 7.9 s on two CPU cores) and runs no slower.
"""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.export
import numpy as np

from facefill_jax import __version__, files
from facefill_jax.filling.filler import filling_program
from facefill_jax.filling.model_files import load_model
from facefill_jax.labels import CLASSES, VOID
from facefill_jax.models import networks as networks_lib
from facefill_jax.models.networks import STAGES
from facefill_jax.models.texture_net import LATENT

FILE, README, CARD = "fill.jax_export", "README.md", "MODEL_CARD.md"
PLATFORMS = ("cpu", "cuda", "tpu")
_NEEDED = "flatbuffers"


class ExportError(ValueError):
  """Why nothing can be exported, in one line."""


def check_export() -> None:
  """Raises ExportError unless what writes the file is installed."""
  if importlib.util.find_spec(_NEEDED) is None:
    raise ExportError(f"exporting needs {_NEEDED}: pip install 'facefill_jax[export]'")


def check_replaceable(directory: str | os.PathLike, overwrite: bool) -> None:
  """Before any work: a local directory can take an export, and nothing is lost that was not named.

  Raises:
    ExportError: it holds something, and that is not an export, or not `overwrite`.
  """
  target = Path(directory)
  if not target.is_dir() or not any(target.iterdir()):
    return
  if not overwrite:
    raise ExportError(f"{target}: is not empty; give --overwrite to replace an export in it")
  if not (target / FILE).is_file():
    raise ExportError(f"{target}: is a directory that holds no {FILE}; it is not replaced")


def export_model(model: str | os.PathLike, directory: str | os.PathLike) -> int:
  """Writes `FILE`, `README` and `CARD` into a local directory; what else lies there is kept.

  Args:
    model: a model's directory; local or gs://.
    directory: made with its parents; see `check_replaceable`.

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
  root = files.to_path(model)
  with files.replacing_directory(directory, replaced=(FILE, README, CARD)) as new:
    (new / FILE).write_bytes(content)
    readme = describe(config["resolution"], files.sha256(root / "SHA256SUMS"))
    (new / README).write_text(readme, encoding="utf-8")
    (new / CARD).write_bytes((root / "README.md").read_bytes())
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
    nothing is asked for, edited bool (b,), z float32 (b, LATENT)) -> whole uint8 (b, h, w, 3),
    layout uint8 (b, h, w), class ids.
  """
  program = filling_program(networks)
  params = jax.tree.map(lambda x: np.asarray(x, np.float32), dict(params))

  def fill(photo, mask, edit, edited, z):
    return program(params, photo, mask, edit, edited, z)

  (b,) = jax.export.symbolic_shape("b")
  picture = (b, resolution, resolution)
  inputs = (
    jax.ShapeDtypeStruct((*picture, 3), np.uint8),
    jax.ShapeDtypeStruct((*picture, 1), np.bool_),
    jax.ShapeDtypeStruct(picture, np.uint8),
    jax.ShapeDtypeStruct((b,), np.bool_),
    jax.ShapeDtypeStruct((b, LATENT), np.float32),
  )
  return jax.export.export(jax.jit(fill), platforms=PLATFORMS)(*inputs)


def describe(side: int, sha256: str) -> str:
  """The export's README.md.

  Args:
    side: the model's resolution in pixels.
    sha256: of the model's SHA256SUMS, which tells models apart.
  """
  classes = ", ".join(f"{i} {name}" for i, name in enumerate(CLASSES))
  return f"""# A face inpainting model, exported

`{FILE}` fills holes in photos of faces, {side} x {side} pixels, any number at once, on a CPU, a
CUDA GPU or a TPU. It needs JAX and flatbuffers, no other package: `pip install jax flatbuffers`.
facefill_jax {__version__} wrote it with JAX {jax.__version__}: that version reads it and, as JAX
promises, those of the six months after it; later, export again.

| input | | |
| --- | --- | --- |
| photo | uint8 (b, {side}, {side}, 3) | RGB; what is under the mask has no influence |
| mask | bool (b, {side}, {side}, 1) | True = hole |
| edit | uint8 (b, {side}, {side}) | class ids that the hole must follow; {VOID} where it is free |
| edited | bool (b,) | whether `edit` asks for anything |
| z | float32 (b, {LATENT}) | chance: another z is another answer |

| output | | |
| --- | --- | --- |
| whole | uint8 (b, {side}, {side}, 3) | the photo, bit for bit, its hole painted |
| layout | uint8 (b, {side}, {side}) | class ids of the layout that guided the painting |

Classes: {classes};
`l_` is the person's left. z of a seed: `jax.random.normal(jax.random.key(seed), ({LATENT},))`.

Cut photos as those that the model learned from (see `{CARD}`), scale them, and paste the hole alone
back. Save this as run.py and call `python run.py photos.npy masks.npy`:

```python
import sys

import jax
import jax.export
import numpy as np

photo, mask = (np.load(path) for path in sys.argv[1:3])
with open("{FILE}", "rb") as file:
  fill = jax.jit(jax.export.deserialize(bytearray(file.read())).call)
z = np.stack([jax.random.normal(jax.random.key(seed), ({LATENT},)) for seed in range(len(photo))])
free = np.full(photo.shape[:3], {VOID}, np.uint8)
whole, layout = fill(photo, mask, free, np.zeros(len(photo), bool), z)
np.save("whole.npy", whole)
np.save("layout.npy", layout)
```

A batch of another size compiles anew, some seconds on a CPU.

The weights are those of the model whose SHA256SUMS has the SHA-256 {sha256}.
`{CARD}` is that model's card: its terms and its limits hold for this file, too. What is painted is
a guess, not evidence of what was there.
"""
