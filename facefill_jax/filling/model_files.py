"""Models on disk: directories of safetensors and JSON, checked before anything in them is used.

    config.json           what the networks are: size, resolution, framing, training data
    layout.safetensors    the parameters, one tensor per leaf, named "block/conv/kernel"
    texture.safetensors
    labels.json           the classes and their colours
    README.md             a model card
    critic.safetensors    if anything, critics that it was trained against: "texture/stem/kernel"
    SHA256SUMS            of all of the above, in the format of `sha256sum`

Nothing is ever unpickled. Checksums, names and shapes are checked before a tensor is allocated:
neither safetensors nor the file system notices a flipped bit, and a wrong size should be one
sentence, not an error from inside a convolution. Directories may be local or gs://.
"""

import functools
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jax
import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy
from flax import traverse_util

from facefill_jax import files, images, labels
from facefill_jax.filling import model_directory
from facefill_jax.filling.model_directory import FORMAT, SUMS, ModelError
from facefill_jax.filling.model_shapes import check_shapes
from facefill_jax.models import networks

NETWORKS = ("layout", "texture")
_TENSOR_TYPES = ("F32", "BF16")
# Of networks.build_networks:
_OPTIONS = (
  "attention_values", "class_style", "layout_resolution", "layout_sharpening", "symmetry",
)  # fmt: skip
CRITIC = "critic.safetensors"
"""Beside a model's networks, if anything: the critics that they were trained against, with which a
run can go on from the model. Filling never reads it, and `pack_model` leaves it out."""
_CHECKED = ("config.json", "labels.json", "README.md")
_ALL = (SUMS, *_CHECKED, *(f"{name}.safetensors" for name in NETWORKS))


def save_model(
  directory: str | os.PathLike,
  params: Mapping[str, Mapping],
  config: Mapping,
  card: str | None = None,
  critics: Mapping[str, Mapping] | None = None,
) -> int:
  """Writes a model directory; a reader sees the old model or the new one, never a mix.

  An older model in `directory` is replaced: the files that its SHA256SUMS lists. Whatever else lies
  there is kept, and a directory that holds no model is left alone.

  Args:
    directory: local or gs://; made with its parents.
    params: one tree for each trained stage, {"layout": tree, "texture": tree} or one of them:
      nested dicts of float32 or bfloat16 arrays.
    config: JSON-able; "format" (1), "size", "resolution" and "stages_trained" (the keys of
      `params`) are required, and the trees must be those of `networks.abstract_params(size)`.
    card: Markdown, the model's README.md; without it a few lines made from the config.
    critics: a tree for some of the stages, kept as bfloat16; see `CRITIC`.

  Returns:
    Its size in bytes.

  Raises:
    ModelError: the config or a tree is not right, or `directory` holds something else.
    OSError: it could not be written; what was there before is still there.
  """
  target = files.to_path(directory)
  if not files.is_remote(target):
    target = Path(target).resolve()  # a link to a model's directory stays a link
  _check_config(config, "config")
  flat = _flatten_checked(params, config)
  content = {f"{name}.safetensors": safetensors.numpy.save(flat[name]) for name in flat}
  content["config.json"] = _json(dict(config))
  content["labels.json"] = _json({"classes": labels.CLASSES, "palette": labels.PALETTE.tolist()})
  content["README.md"] = (_model_card(config, flat) if card is None else card).encode("utf-8")
  if critics:
    half = jax.tree.map(lambda x: np.array(x, ml_dtypes.bfloat16, order="C"), dict(critics))
    content[CRITIC] = safetensors.numpy.save(traverse_util.flatten_dict(half, sep="/"))
  replaced = model_directory.replaceable_files(target, [*content, SUMS])
  with files.replacing_directory(target, last=SUMS, replaced=replaced) as new:
    for name, data in content.items():
      (new / name).write_bytes(data)
    checked = [name for name in (*_checked(config), CRITIC) if name in content]
    sums = "".join(f"{files.sha256(new / name)}  {name}\n" for name in checked)
    (new / SUMS).write_text(sums, encoding="utf-8")
  return sum(map(len, content.values())) + len(sums)


def load_model(
  directory: str | os.PathLike, needed: Sequence[str] = ()
) -> tuple[dict, dict[str, dict]]:
  """Reads a model directory after checking all of it.

  Args:
    directory: of the model; local or gs://.
    needed: stages ("layout", "texture") without which it is of no use to the caller.

  Returns:
    The config, and one tree for each of its "stages_trained" ("layout", "texture") of numpy
    arrays (float32 or bfloat16).

  Raises:
    ModelError: no such directory; a file missing, changed or of an unknown format; a tensor
      missing, unexpected or of another shape than the config's size asks for; no network of a
      stage that is needed.
  """
  root = files.to_path(directory)
  if files.is_remote(root):
    return _load_copy(root, _ALL, functools.partial(load_model, needed=needed))
  model_directory.check_directory(root)
  config = model_directory.read_json(root / "config.json")
  _check_config(config, str(root / "config.json"))
  for name in needed:
    if name not in config["stages_trained"]:
      raise ModelError(
        f"{root}: holds no {name} network; train one with --config.stages={name}, for texture with "
        "--config.init_from=WORKDIR of the run that trained this one"
      )
  model_directory.check_sums(root, _checked(config))
  classes = model_directory.read_json(root / "labels.json").get("classes")
  if classes != list(labels.CLASSES):
    raise ModelError(f"{root / 'labels.json'}: these are not this version's classes: {classes}")
  for name in config["stages_trained"]:  # all headers before any tensor
    path = root / f"{name}.safetensors"
    check_shapes(read_shapes(path), config, name, f"{path} (size {config['size']!r})")
  return config, {
    name: load_safetensors(root / f"{name}.safetensors") for name in config["stages_trained"]
  }


def load_critics(directory: str | os.PathLike) -> dict[str, dict]:
  """The critics that lie in a model directory, by stage; {} if there are none. bfloat16.

  Raises:
    ModelError: the file is damaged, or is listed and not there.
  """
  root = files.to_path(directory)
  if files.is_remote(root):
    return _load_copy(root, (SUMS, CRITIC), load_critics)
  if CRITIC not in model_directory.listed(root):
    return {}
  model_directory.check_sums(root, (CRITIC,))
  return load_safetensors(root / CRITIC)


def _load_copy(root, names: Sequence[str], load: Callable):
  """load(a copy of these files of a bucket); its errors name the bucket."""
  with tempfile.TemporaryDirectory() as scratch:
    model_directory.download(root, Path(scratch), names)
    try:
      return load(scratch)
    except ModelError as error:
      raise ModelError(str(error).replace(scratch, str(root))) from None


def copy_model(directory: str | os.PathLike, target: str | os.PathLike) -> int:
  """Writes a copy of a model, its card included, without critics; see `save_model` for the rest.

  Raises:
    ModelError: as `load_model` and `save_model`.
  """
  config, params = load_model(directory)
  card = (files.to_path(directory) / "README.md").read_text(encoding="utf-8")
  return save_model(target, params, config, card)


def pack_model(
  directory: str | os.PathLike, target: str | os.PathLike, card: str | None = None
) -> int:
  """Writes a copy in bfloat16, half the size; see `save_model` for the rest.

  Raises:
    ModelError: as `load_model` and `save_model`.
  """
  config, params = load_model(directory)
  half = jax.tree.map(lambda x: x.astype(ml_dtypes.bfloat16), params)
  return save_model(target, half, config, card)


def read_shapes(path: str | os.PathLike) -> dict[str, tuple[int, ...]]:
  """Tensor names and shapes from a safetensors header; no tensor is read.

  Raises:
    ModelError: not a whole safetensors file, or a tensor that is not float32 or bfloat16.
  """
  try:
    with safetensors.safe_open(path, framework="numpy") as file:
      slices = {name: file.get_slice(name) for name in file.keys()}
      for name, tensor in slices.items():
        if tensor.get_dtype() not in _TENSOR_TYPES:
          raise ModelError(
            f"{path}: tensor {name} is {tensor.get_dtype()}; valid are {', '.join(_TENSOR_TYPES)}"
          )
      return {name: tuple(tensor.get_shape()) for name, tensor in slices.items()}
  except (safetensors.SafetensorError, OSError) as error:
    raise ModelError(f"{path}: not a whole safetensors file: {error}") from error


def load_safetensors(path: str | os.PathLike) -> dict:
  """A safetensors file as a nested dict of numpy arrays: "a/b/c" becomes tree["a"]["b"]["c"].

  Raises:
    ModelError: as `read_shapes`.
  """
  read_shapes(path)
  return traverse_util.unflatten_dict(safetensors.numpy.load_file(path), sep="/")


def _flatten_checked(
  params: Mapping[str, Mapping], config: Mapping
) -> dict[str, dict[str, np.ndarray]]:
  """The trees as {"a/b/c": array} in C order, which is the only order safetensors keeps."""
  if set(params) != set(config["stages_trained"]):
    raise ModelError(f"params are {sorted(params)}, stages_trained {config['stages_trained']}")
  flat = {}
  for name in params:
    leaves = traverse_util.flatten_dict(dict(params[name]), sep="/")
    check_shapes({k: np.shape(x) for k, x in leaves.items()}, config, name, f"params of {name}")
    flat[name] = {key: np.array(leaf, order="C") for key, leaf in leaves.items()}
    for key, leaf in flat[name].items():
      if leaf.dtype.name not in ("float32", "bfloat16"):
        raise ModelError(f"params of {name}: {key} is {leaf.dtype}; valid: float32, bfloat16")
  return flat


def _check_config(config: Mapping, where: str) -> None:
  for key in ("format", "size", "resolution", "stages_trained"):
    if key not in config:
      raise ModelError(f"{where}: {key!r} is missing")
  if config["format"] != FORMAT:
    raise ModelError(f"{where}: model format {config['format']!r}; this version reads {FORMAT}")
  if not isinstance(config["size"], str) or config["size"] not in networks.SIZES:
    raise ModelError(
      f"{where}: unknown size {config['size']!r}; valid: {', '.join(networks.SIZES)}"
    )
  trained = config["stages_trained"]
  if (
    not isinstance(trained, list | tuple) or not trained or any(t not in NETWORKS for t in trained)
  ):
    raise ModelError(f"{where}: stages_trained {trained!r}; valid: some of {', '.join(NETWORKS)}")
  model = config.get("model", {})
  if not isinstance(model, dict) or set(model) - set(_OPTIONS):
    raise ModelError(f"{where}: model {model!r}; valid keys: {', '.join(_OPTIONS)}")
  side = config["resolution"]
  if not isinstance(side, int) or isinstance(side, bool) or not images.is_side(side):
    raise ModelError(f"{where}: resolution {side!r} is not a multiple of 32, from 64 up")


def _checked(config: Mapping) -> tuple[str, ...]:
  """The files of a model directory that SHA256SUMS speaks of."""
  return (*_CHECKED, *(f"{name}.safetensors" for name in config["stages_trained"]))


def _json(value: dict) -> bytes:
  return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode("utf-8")


def _model_card(config: Mapping, flat: Mapping[str, Mapping[str, np.ndarray]]) -> str:
  counts = {name: sum(x.size for x in tensors.values()) for name, tensors in flat.items()}
  described = " and ".join(f"{name} ({count:,} parameters)" for name, count in counts.items())
  return f"""# A face inpainting model

Of facefill_jax, size `{config["size"]}`, trained at {config["resolution"]} px: {described}.

- Training data: {config.get("data", "not said")}
- Framing of the training faces: {config.get("framing", {}).get("kind", "not said")}

Fill a photo (white in the mask = hole): `facefill fill PHOTO MASK --model DIR -o OUT`.
What it paints is a guess, not evidence of what was there. It only knows faces like those in its
training data. The licence of these weights follows from that data, not from the code's licence.
Check the files with `sha256sum -c SHA256SUMS`.
"""
