"""torchvision's networks as features: ImageNet's scale and VGG16's first layers by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from facefill_jax.pretrained_nets import torchvision_nets
from facefill_jax.pretrained_nets.torchvision_nets import ALEX, SQUEEZE, VGG, VGG_TO_4


def test_torchvisions_vgg16_up_to_relu4_3():
  shapes = torchvision_nets.expected_shapes(VGG_TO_4)
  numbers = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21)
  assert set(shapes) == {f"features.{i}.{x}" for i in numbers for x in ("weight", "bias")}
  assert shapes["features.10.weight"] == (256, 128, 3, 3) and shapes["features.21.bias"] == (512,)
  assert torchvision_nets.tapped_channels(VGG_TO_4) == [64, 128, 256, 512]
  assert torchvision_nets.tapped_channels(VGG) == [64, 128, 256, 512, 512]
  assert torchvision_nets.tapped_channels(ALEX) == [64, 192, 384, 256, 256]
  assert torchvision_nets.tapped_channels(SQUEEZE) == [64, 128, 256, 384, 384, 512, 512]


def test_scale_convolution_and_pool_by_hand():
  """Kernels that pass one channel on: what is left is ImageNet's scale, ReLU and pools."""
  stored = {
    name: np.zeros(shape, np.float32)
    for name, shape in torchvision_nets.expected_shapes(VGG_TO_4).items()
  }
  for x in stored.values():
    if x.ndim == 4:
      x[0, 0, 1, 1] = 1.0
  stored["features.5.bias"][:] = 0.25
  stored["features.7.weight"][1, 0, 1, 2] = 2.0  # reads the pixel to the right, twice
  photo = np.random.default_rng(0).uniform(-1, 1, (2, 8, 16, 3)).astype(np.float32)
  one, two, three, four = jax.jit(torchvision_nets.vgg16_features)(
    torchvision_nets.arrange(stored), photo
  )
  red = np.maximum(((photo[..., 0] + 1) / 2 - 0.485) / 0.229, 0)  # torchvision's own numbers
  np.testing.assert_allclose(one[..., 0], red, rtol=1e-4, atol=1e-5)
  assert not np.asarray(one)[..., 1:].any()
  pooled = red.reshape(2, 4, 2, 8, 2).max((2, 4)) + 0.25
  np.testing.assert_allclose(two[..., 0], pooled, rtol=1e-4, atol=1e-5)
  right = np.pad(pooled[:, :, 1:], ((0, 0), (0, 0), (0, 1)))  # zeros beyond the edge
  np.testing.assert_allclose(two[..., 1], 2 * right, rtol=1e-4, atol=1e-5)
  assert (three.shape, four.shape) == ((2, 2, 4, 256), (2, 1, 2, 512))
  rounded = jax.jit(torchvision_nets.vgg16_features, static_argnums=2)(
    torchvision_nets.arrange(stored), photo, jnp.bfloat16
  )
  assert all(tap.dtype == jnp.bfloat16 for tap in rounded)
  np.testing.assert_allclose(rounded[1].astype(np.float32), two, atol=0.05)


def test_small_pictures_are_refused():
  with pytest.raises(ValueError, match="sides from 8 up"):
    torchvision_nets.vgg16_features({}, np.zeros((1, 7, 8, 3), np.float32))
