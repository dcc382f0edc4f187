"""Inception: its table of convolutions, its norms and pools by hand; tests/parity has the rest."""

import jax.numpy as jnp
import numpy as np
import pytest

from facefill_jax.pretrained_nets import inception


def test_the_network_is_inception_v3():
  shapes = inception.expected_shapes()
  assert len(inception.CONVOLUTIONS) == 94
  # torchvision's inception_v3 without its classifiers, and the running moments of its norms.
  assert sum(np.prod(shape) for shape in shapes.values()) == 21785568 + 2 * 17216
  assert shapes["Mixed_7c.branch3x3dbl_3b.conv.weight"] == (384, 384, 3, 1)
  assert shapes["Mixed_6b.branch7x7_2.bn.running_var"] == (128,)


def test_norms_are_folded_in():
  rng = np.random.default_rng(0)
  stored = {
    name: rng.uniform(0.5, 1.5, shape).astype(np.float32)
    for name, shape in inception.expected_shapes().items()
  }
  params = inception.arrange(stored)
  x = rng.normal(size=(1, 4, 5, 64)).astype(np.float32)
  name = "Conv2d_3b_1x1"
  y = np.einsum("bhwi,oi->bhwo", x, stored[f"{name}.conv.weight"][:, :, 0, 0])
  scale, bias, mean, variance = (
    stored[f"{name}.bn.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
  )
  want = np.maximum((y - mean) / np.sqrt(variance + 1e-3) * scale + bias, 0)
  np.testing.assert_allclose(inception._conv(params, name, x), want, rtol=1e-4, atol=1e-4)


def test_pools_by_hand():
  x = jnp.arange(9.0).reshape(1, 3, 3, 1)
  mean = np.asarray(inception._mean_pool(x))[0, ..., 0]
  np.testing.assert_allclose(mean[0, 0], (0 + 1 + 3 + 4) / 4)  # no padding is counted
  np.testing.assert_allclose(mean[1], [2.5 + 0.5 + 0.5, 4.0, 4.5])
  largest = np.asarray(inception._max_pool_same(x - 10))[0, ..., 0]
  np.testing.assert_allclose(largest, [[-6, -5, -5], [-3, -2, -2], [-3, -2, -2]])


def test_rejects_what_is_no_photo():
  with pytest.raises(ValueError, match=r"\(b, h, w, 3\)"):
    inception.features({}, np.zeros((64, 64, 3), np.float32))
