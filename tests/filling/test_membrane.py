"""The membrane of NumPy is that of jax."""

import numpy as np
import pytest

from facefill_jax import images
from facefill_jax.filling.membrane import membrane

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("size", [(64, 32), (21, 33)])
@pytest.mark.parametrize("share", [0.1, 0.7, 0.98])
def test_it_is_that_of_images(share, size):
  values = RNG.uniform(-1, 1, (*size, 3)).astype(np.float32)
  mask = RNG.random((*size, 1)) < share
  known = 1 - mask.astype(np.float32)
  want = images.membrane(values[None], mask[None])[0]
  np.testing.assert_allclose(membrane(values * known, known[..., 0]), want, atol=1e-5)
