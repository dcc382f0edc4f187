"""The folder of an export: the file itself, and beside it what a stranger needs to use it.

fill.jax_export, or fill.onnx
README.md          inputs, outputs, and a script that runs the file without this package
MODEL_CARD.md      the model's own README.md, whose terms the weights keep
"""

import os
from pathlib import Path

from facefill_jax import files
from facefill_jax.labels import CLASSES, VOID
from facefill_jax.models.texture_net import LATENT

JAX_FILE, ONNX_FILE, README, CARD = "fill.jax_export", "fill.onnx", "README.md", "MODEL_CARD.md"
FILES = (JAX_FILE, ONNX_FILE)


class ExportError(ValueError):
  """Why nothing can be exported, in one line."""


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
  if not any((target / name).is_file() for name in FILES):
    raise ExportError(
      f"{target}: is a directory that holds no {' or '.join(FILES)}; it is not replaced"
    )


def write(
  directory: str | os.PathLike, name: str, content: bytes, readme: str, model: str | os.PathLike
) -> None:
  """Writes an export, its README.md and its model's card; an older one of any kind goes.

  Raises:
    ExportError: the directory holds something else.
  """
  check_replaceable(directory, overwrite=True)
  with files.replacing_directory(directory, replaced=(*FILES, README, CARD)) as new:
    (new / name).write_bytes(content)
    (new / README).write_text(readme, encoding="utf-8")
    (new / CARD).write_bytes((files.to_path(model) / "README.md").read_bytes())


def terms(model: str | os.PathLike) -> str:
  """What the README.md says last: whose weights they are. `model`: its directory."""
  sha256 = files.sha256(files.to_path(model) / "SHA256SUMS")
  return f"""
The weights are those of the model whose SHA256SUMS has the SHA-256 {sha256}.
`{CARD}` is that model's card: its terms and its limits hold for this file, too. What is painted is
a guess, not evidence of what was there.
"""


def inputs_and_outputs(b: str | int, side: int, more: str = "") -> str:
  """Tables of them in Markdown, for batches of `b`; `more`: lines for more inputs."""
  classes = ", ".join(f"{i} {name}" for i, name in enumerate(CLASSES))
  return f"""| input | | |
| --- | --- | --- |
| photo | uint8 ({b}, {side}, {side}, 3) | RGB; what is under the mask has no influence |
| mask | bool ({b}, {side}, {side}, 1) | True = hole |
| edit | uint8 ({b}, {side}, {side}) | class ids that the hole must follow; {VOID}: it is free |
| z | float32 ({b}, {LATENT}) | chance: another z is another answer |
{more}
| output | | |
| --- | --- | --- |
| whole | uint8 ({b}, {side}, {side}, 3) | the photo, bit for bit, its hole painted |
| layout | uint8 ({b}, {side}, {side}) | class ids of the layout that guided the painting |

Classes: {classes};
`l_` is the person's left. z of a seed: `jax.random.normal(jax.random.key(seed), ({LATENT},))`."""
