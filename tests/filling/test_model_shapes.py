"""The fingerprints by which a model's shapes are known to be right, and what they do not know."""

import pytest

from facefill_jax import PRETRAINED
from facefill_jax.filling import model_files, model_shapes
from facefill_jax.filling.model_directory import ModelError
from facefill_jax.models import networks

SLOW = [pytest.param(size, marks=pytest.mark.slow) for size in ("base", "paper")]
CONFIG = {"size": "tiny"}


@pytest.mark.parametrize("size", ["tiny", "small", *SLOW])
def test_fingerprints_are_those_of_the_networks(size):
  trees = networks.abstract_params(size, layout_resolution=128)  # which changes no shape
  trees["texture+mirror"] = networks.abstract_params(size, symmetry=True)["texture"]
  found = {
    (size, stage): model_shapes.fingerprint(model_shapes.shapes_of(tree))
    for stage, tree in trees.items()
  }
  assert found == {k: v for k, v in model_shapes.FINGERPRINTS.items() if k[0] == size}


def test_the_package_s_model_is_checked_without_tracing(monkeypatch):
  monkeypatch.delattr(networks, "abstract_params")
  model_files.load_model(PRETRAINED, needed=model_files.NETWORKS)


@pytest.mark.parametrize(
  ("options", "said"),
  [
    ({}, "tensors missing"),
    ({"attention_values": "none"}, "tensors missing"),
    ({"attention_values": "some"}, "'some'"),
    ({"layout_resolution": 100}, "layout_resolution"),
  ],
)
def test_what_does_not_match_is_said_in_words(monkeypatch, options, said):
  small = {"layout": {"kernel": (3, 3)}, "texture": {"kernel": (3, 3)}}
  monkeypatch.setattr(model_shapes, "_wanted", lambda size, options: small)
  with pytest.raises(ModelError, match=said):
    model_shapes.check_shapes({}, {**CONFIG, "model": options}, "layout", "a.safetensors")
