"""Networks of size tiny with random numbers in them: enough for all that needs no training."""

import jax
import numpy as np

from facefill_jax.filling.filler import Filler
from facefill_jax.models import networks

CONFIG = {
  "format": 1,
  "size": "tiny",
  "resolution": 64,
  "stages_trained": ["layout", "texture"],
  "framing": {"kind": "as given"},
  "data": "none: random numbers",
}


def random_params(seed: int = 0) -> dict:
  """{"layout": tree, "texture": tree} of numpy float32. Initialising under jit takes far longer."""
  rng = np.random.default_rng(seed)

  def value(path, leaf):
    x = rng.standard_normal(leaf.shape, np.float32)
    if leaf.ndim > 1:
      return x / np.sqrt(np.prod(leaf.shape[:-1])).astype(np.float32)
    return (path[-1].key == "scale") + np.float32(0.1) * x

  return jax.tree_util.tree_map_with_path(value, networks.abstract_params("tiny"))


def filler(**options) -> Filler:
  """A filler of `random_params` at 64 px."""
  params = random_params()
  return Filler(networks.networks_of_model(CONFIG), params, 64, config=CONFIG, **options)
