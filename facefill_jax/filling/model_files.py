"""Models on disk: a directory of safetensors and JSON that is checked before it is believed.

    config.json           what the networks are: size, resolution, framing, training data
    layout.safetensors    the parameters, one tensor per leaf, named "block/conv/kernel"
    texture.safetensors
    labels.json           the classes and their colours
    README.md             a model card
    SHA256SUMS            of all of the above, in the format of `sha256sum`

Nothing is ever unpickled. Sums, names and shapes are checked before a tensor is allocated, because
neither safetensors nor the file system notices a flipped bit, and because a wrong size should be
a sentence and not an error from inside a convolution.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy
from flax import traverse_util

from facefill_jax import labels
from facefill_jax.models import networks

FORMAT = 1
NETWORKS = ("layout", "texture")
_TENSOR_TYPES = ("F32", "BF16")
_OPTIONS = ("attention_values", "class_style")  # of stages.build_networks
_SUMS = "SHA256SUMS"
_CHECKED = ("config.json", "labels.json", "README.md")
_JSON_BYTES = 1 << 20  # far above any real one: a gigabyte of JSON is not a model's config


class ModelError(ValueError):
  """A model directory that cannot be used, in one line that says which file and why."""


def save_model(
  directory: str | os.PathLike,
  params: Mapping[str, Mapping],
  config: Mapping,
  card: str | None = None,
) -> None:
  """Writes a model directory. A reader sees the old one, or the whole new one, never a part.

  All is written and synced in a hidden sibling first; two renames then put it in place. A
  process killed between the two leaves the old model beside it as `.NAME.old`.

  Args:
    directory: made with its parents; an older model there is replaced.
    params: one tree a trained stage, {"layout": tree, "texture": tree} or one of them: nested
      dicts of float32 or bfloat16 arrays.
    config: JSON-able; "format" (1), "size", "resolution" and "stages_trained" (the keys of
      `params`) are required, and the trees must be those of `networks.abstract_params(size)`.
    card: Markdown, the model's README.md; without it a few lines made from the config.

  Raises:
    ModelError: the config or a tree is not right, or `directory` holds something else.
  """
  target = Path(directory).resolve()
  _check_config(config, "config")
  flat = _flatten_checked(params, config)
  _check_replaceable(target)
  target.parent.mkdir(parents=True, exist_ok=True)
  new, old = (target.with_name(f".{target.name}.{end}") for end in ("new", "old"))
  shutil.rmtree(new, ignore_errors=True)  # of a run that was killed here
  new.mkdir()
  try:
    for name, tensors in flat.items():
      # Not by save_file, which makes files that only their owner may read.
      (new / f"{name}.safetensors").write_bytes(safetensors.numpy.save(tensors))
    _write_json(new / "config.json", dict(config))
    _write_json(new / "labels.json", _labels_json())
    card = _model_card(config, flat) if card is None else card
    (new / "README.md").write_text(card, encoding="utf-8")
    sums = "".join(f"{_sha256(new / name)}  {name}\n" for name in _checked(config))
    (new / _SUMS).write_text(sums, encoding="utf-8")
    for path in [*new.iterdir(), new]:
      _sync(path)
  except BaseException:
    shutil.rmtree(new, ignore_errors=True)
    raise
  if target.exists():
    shutil.rmtree(old, ignore_errors=True)
    target.rename(old)
  new.rename(target)
  _sync(target.parent)
  shutil.rmtree(old, ignore_errors=True)


def load_model(
  directory: str | os.PathLike, needed: Sequence[str] = ()
) -> tuple[dict, dict[str, dict]]:
  """Reads a model directory after checking all of it.

  Args:
    directory: of the model.
    needed: stages ("layout", "texture") without which it is of no use to the caller.

  Returns:
    The config, and one tree for each of its "stages_trained" ("layout", "texture") of numpy
    arrays (float32 or bfloat16).

  Raises:
    ModelError: no such directory; a file missing, changed or of an unknown format; a tensor
      missing, unexpected or of another shape than the config's size asks for; no network of a
      stage that is needed.
  """
  root = Path(directory)
  if not root.is_dir():
    raise ModelError(f"{root}: no such model directory")
  config = _read_json(root / "config.json")
  _check_config(config, str(root / "config.json"))
  for name in needed:
    if name not in config["stages_trained"]:
      raise ModelError(
        f"{root}: holds no {name} network; train one with --config.stages={name}, for texture with "
        "--config.init_from=WORKDIR of the run that trained this one"
      )
  _check_sums(root, config)
  classes = _read_json(root / "labels.json").get("classes")
  if classes != list(labels.CLASSES):
    raise ModelError(f"{root / 'labels.json'}: these are not this version's classes: {classes}")
  wanted = _wanted_shapes(config)
  for name in config["stages_trained"]:  # all headers before any tensor
    path = root / f"{name}.safetensors"
    _check_shapes(read_shapes(path), wanted[name], f"{path} (size {config['size']!r})")
  return config, {
    name: load_safetensors(root / f"{name}.safetensors") for name in config["stages_trained"]
  }


def pack_model(
  directory: str | os.PathLike, target: str | os.PathLike, card: str | None = None
) -> None:
  """Writes a copy in bfloat16, half the size; see `save_model` for the rest.

  Raises:
    ModelError: as `load_model` and `save_model`.
  """
  config, params = load_model(directory)
  half = jax.tree.map(lambda x: x.astype(ml_dtypes.bfloat16), params)
  save_model(target, half, config, card)


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


def _wanted_shapes(config: Mapping) -> dict[str, dict[str, tuple[int, ...]]]:
  """The shapes of both networks that a config describes, by flattened name."""
  trees = networks.abstract_params(config["size"], **config.get("model", {}))
  return {
    name: {key: x.shape for key, x in traverse_util.flatten_dict(trees[name], sep="/").items()}
    for name in NETWORKS
  }


def _check_shapes(found: Mapping, wanted: Mapping, where: str) -> None:
  """Raises ModelError for missing and unexpected names, else for the first wrong shape."""
  missing, extra = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
  if missing or extra:
    said = [f"{word} {_few(names)}" for word, names in (("missing", missing), ("unexpected", extra))
            if names]  # fmt: skip
    raise ModelError(f"{where}: tensors {'; '.join(said)}")
  for name in sorted(wanted):
    if tuple(found[name]) != tuple(wanted[name]):
      raise ModelError(
        f"{where}: tensor {name} has shape {tuple(found[name])}, expected {tuple(wanted[name])}"
      )


def _few(names: list[str]) -> str:
  return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _flatten_checked(
  params: Mapping[str, Mapping], config: Mapping
) -> dict[str, dict[str, np.ndarray]]:
  """The trees as {"a/b/c": array} in C order, which is the only order safetensors keeps."""
  if set(params) != set(config["stages_trained"]):
    raise ModelError(f"params are {sorted(params)}, stages_trained {config['stages_trained']}")
  wanted, flat = _wanted_shapes(config), {}
  for name in params:
    leaves = traverse_util.flatten_dict(dict(params[name]), sep="/")
    _check_shapes({k: np.shape(x) for k, x in leaves.items()}, wanted[name], f"params of {name}")
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
  if not isinstance(side, int) or isinstance(side, bool) or side < 64 or side % 32:
    raise ModelError(f"{where}: resolution {side!r} is not a multiple of 32, from 64 up")


def _check_replaceable(target: Path) -> None:
  """A wrong path must not delete somebody's folder: only a model or nothing is replaced."""
  if target.is_dir():
    if any(target.iterdir()) and not (target / "config.json").is_file():
      raise ModelError(f"{target}: is a directory that holds no model; it is not replaced")
  elif target.exists():
    raise ModelError(f"{target}: is a file, not a model directory")


def _checked(config: Mapping) -> tuple[str, ...]:
  """The files of a model directory that SHA256SUMS speaks of."""
  return (*_CHECKED, *(f"{name}.safetensors" for name in config["stages_trained"]))


def _check_sums(root: Path, config: Mapping) -> None:
  """Raises ModelError naming the first file that is missing or not what SHA256SUMS says."""
  path = root / _SUMS
  if not path.is_file():
    raise ModelError(f"{path}: missing, so that the model cannot be checked")
  sums = {}
  for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
    digest, _, name = line.partition("  ")
    sums[name] = digest
  for name in _checked(config):
    if not (root / name).is_file():
      raise ModelError(f"{root / name}: missing")
    if name not in sums:
      raise ModelError(f"{path}: has no line for {name}")
    if _sha256(root / name) != sums[name]:
      raise ModelError(f"{root / name}: changed or damaged: its SHA-256 is not that in {_SUMS}")


def _sha256(path: Path) -> str:
  with path.open("rb") as file:
    return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
  """Makes a file or directory survive a power cut before the rename that shows it."""
  handle = os.open(path, os.O_RDONLY)
  try:
    os.fsync(handle)
  finally:
    os.close(handle)


def _read_json(path: Path) -> dict:
  if not path.is_file():
    raise ModelError(f"{path}: missing: not a model directory")
  if path.stat().st_size > _JSON_BYTES:
    raise ModelError(f"{path}: larger than {_JSON_BYTES} bytes")
  try:
    value = json.loads(path.read_text(encoding="utf-8"))
  except (ValueError, RecursionError) as error:
    raise ModelError(f"{path}: not valid JSON: {error}") from error
  if not isinstance(value, dict):
    raise ModelError(f"{path}: must hold a JSON object, got {type(value).__name__}")
  return value


def _write_json(path: Path, value: dict) -> None:
  path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _labels_json() -> dict:
  return {"classes": list(labels.CLASSES), "palette": labels.PALETTE.tolist()}


def _model_card(config: Mapping, flat: Mapping[str, Mapping[str, np.ndarray]]) -> str:
  counts = {name: sum(x.size for x in tensors.values()) for name, tensors in flat.items()}
  described = " and ".join(f"{name} ({count:,} parameters)" for name, count in counts.items())
  return f"""# A face inpainting model

Of facefill_jax, size `{config["size"]}`, trained at {config["resolution"]} px: {described}.

- Training data: {config.get("data", "not said")}
- Framing of the training faces: {config.get("framing", {}).get("kind", "not said")}

Fill a photo (white in the mask = hole): `facefill fill PHOTO MASK --model DIR -o OUT`.
What it paints is a guess, and no evidence of what was there. It knows only faces like those of its
training data. The licence of these weights follows from that data, and is not the code's.
Check the files with `sha256sum -c SHA256SUMS`.
"""
