"""The names and shapes that a model's tensors must have."""

import functools
import hashlib
from collections.abc import Mapping
from types import MappingProxyType

from flax import traverse_util

from facefill_jax.filling.model_directory import ModelError
from facefill_jax.models import networks

Shapes = Mapping[str, tuple[int, ...]]  # by "block/conv/kernel"

FINGERPRINTS: Mapping[tuple[str, str], str] = MappingProxyType(
  {
    ("tiny", "layout"): "b32cbc5e4e32203ebab78979c85b31c1f137e0906c9956ed2bdfef7f1a665c51",
    ("tiny", "texture"): "79d982f48d08747d2f1fb9f67653b30560fb72216919ef6bcb5bd10cb5f397fd",
    ("small", "layout"): "82793d099e8c7d2e9ac59ab21f89d090c931e7f460428bc3875c0f418f42aa96",
    ("small", "texture"): "ce570c21c8adc43081092c52ad005afda3484ddb87fa19009c04ecb2391745c9",
    ("base", "layout"): "c85029900f87ab6ca80460e1899a431dbe951afc8625e9bf3b70cf5ce6be2f12",
    ("base", "texture"): "c2f1f4d1b1ae446ec8607ab37e873e270c1d3173aa4e6186d318e1fbf4943e36",
    ("paper", "layout"): "fb9a5f094c46872f45c84385bcc1e3e2d3ae3d07120d119f2fa4485892129a49",
    ("paper", "texture"): "04b47a3f52d328baf4ddad47f30fd374a33a40ceddaf53e32f7dce0eb19f4067",
    ("tiny", "texture+mirror"): "3778ba138cbf0943aebe2289b5afaf2ee419947da31f45acac14ab78e8b9e7ce",
    ("small", "texture+mirror"): "5f244daa2e012fb747ffe0447a02697df5392e401869d53b4e5b548927ffc941",
    ("base", "texture+mirror"): "dffcdd6f8814b0b2b4b346c9ad75be4367b35eae22ba52f9df0934ba9db0390e",
    ("paper", "texture+mirror"): "69ccadd066b21821e6c39636912cc102ea58ed80d7dfa05d60115531a01fc2d0",
  }
)
"""(size, stage) -> `fingerprint` of the shapes that these networks have with the usual options, the
texture network with its symmetry and without.

What matches needs no tracing, which takes a tenth of the time of a cold process's first fill. What
does not match is compared name by name, with the shapes of networks that are traced. A test holds
these to `networks.abstract_params`."""
_USUAL = {"attention_values": "unpooled", "class_style": True}  # layout_resolution: no shape's


def fingerprint(shapes: Shapes) -> str:
  """A SHA-256 of all names and shapes."""
  lines = (f"{name} {tuple(map(int, shape))}\n" for name, shape in sorted(shapes.items()))
  return hashlib.sha256("".join(lines).encode()).hexdigest()


def check_shapes(found: Shapes, config: Mapping, stage: str, where: str) -> None:
  """Checks one network's tensors.

  Args:
    found: what there is.
    config: a model's: "size" and, if any, "model", the networks' options.
    stage: "layout" or "texture".
    where: what the message begins with.

  Raises:
    ModelError: an option of the networks that is none; names that are missing or unexpected; else
      the first wrong shape.
  """
  try:
    networks.networks_of_model(config)  # refuses options that are none
    if _is_usual(config) and fingerprint(found) == FINGERPRINTS.get(_entry(config, stage)):
      return
    wanted = _wanted(config["size"], tuple(sorted(config.get("model", {}).items())))[stage]
  except (ValueError, TypeError) as error:  # a value that is none of the valid ones, or a list
    raise ModelError(f"config.json: model {config.get('model')!r}: {error}") from error
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


def _entry(config: Mapping, stage: str) -> tuple[str, str]:
  """The key of FINGERPRINTS."""
  mirrored = stage == networks.TEXTURE and config.get("model", {}).get("symmetry")
  return config["size"], f"{stage}+mirror" if mirrored else stage


def _is_usual(config: Mapping) -> bool:
  options = config.get("model", {})
  return all(options.get(name, value) == value for name, value in _USUAL.items())


@functools.cache
def _wanted(size: str, options: tuple) -> dict[str, dict[str, tuple[int, ...]]]:
  """Stage -> shapes, of the networks that a config describes."""
  trees = networks.abstract_params(size, **dict(options))
  return {stage: shapes_of(tree) for stage, tree in trees.items()}


def shapes_of(tree: Mapping) -> dict[str, tuple[int, ...]]:
  """Of a nested dict of arrays."""
  return {name: x.shape for name, x in traverse_util.flatten_dict(dict(tree), sep="/").items()}


def _few(names: list[str]) -> str:
  return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
