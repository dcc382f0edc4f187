"""z of a seed."""

import jax
import numpy as np
import pytest

from facefill_jax.filling.latents import latent
from facefill_jax.models.texture_net import LATENT


@pytest.mark.parametrize("seeds", [range(64), (2**31 - 1, 12_345_678, -5)])
def test_a_seed_is_what_jax_draws_bit_for_bit(seeds):
  """A seed is a promise: the fill that a user noted by its seed must come again."""
  for seed in seeds:
    want = np.asarray(jax.random.normal(jax.random.key(seed), (LATENT,)))
    assert latent(seed).tobytes() == want.tobytes(), seed
