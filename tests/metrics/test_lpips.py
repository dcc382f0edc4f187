"""LPIPS: what the package's numbers (tests/parity) do not show: holes, and what is refused."""

import micro_model
import numpy as np
import pytest

from facefill_jax.metrics import lpips
from facefill_jax.pretrained_nets import lpips_nets

SIZE = (2, 40, 33, 3)


@pytest.fixture(scope="module")
def params():
  rng = np.random.default_rng(0)
  stored = {
    name: rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)
    for name, shape in lpips_nets.expected_shapes("alex").items()
  }
  return lpips_nets.arrange({name: abs(x) if "lin" in name else x for name, x in stored.items()})


@pytest.fixture(scope="module")
def scores(params):
  """(a, b, where) -> distance, distance over `where`, map: compiled once."""

  @micro_model.jit
  def run(a, b, where):
    return (
      lpips.lpips(params, "alex", a, b),
      lpips.lpips(params, "alex", a, b, where),
      lpips.lpips_map(params, "alex", a, b),
    )

  return run


def photos(seed=1):
  return np.random.default_rng(seed).uniform(-1, 1, SIZE).astype(np.float32)


def test_torchvisions_names_and_shapes():
  alex, vgg, squeeze = (lpips_nets.expected_shapes(net) for net in ("alex", "vgg", "squeeze"))
  assert alex["features.0.weight"] == (64, 3, 11, 11) and alex["features.10.bias"] == (256,)
  assert vgg["features.28.weight"] == (512, 512, 3, 3) and vgg["lin4.model.1.weight"][1] == 512
  assert squeeze["features.12.expand3x3.weight"] == (256, 64, 3, 3)
  heads = [shape[1] for name, shape in squeeze.items() if name.startswith("lin")]
  assert heads == [64, 128, 256, 384, 384, 512, 512]
  # As torchvision counts the parameters of `features`.
  for shapes, count in ((alex, 2469696), (vgg, 14714688), (squeeze, 722496)):
    parts = [np.prod(shape) for name, shape in shapes.items() if name.startswith("features")]
    assert sum(parts) == count


def test_hole_is_the_mean_of_the_map_over_it(scores):
  where = np.zeros((*SIZE[:3], 1), bool)
  where[0, 5:20, 8:16] = True
  where[1, :, 30:] = True
  whole, hole, spatial = (np.asarray(x) for x in scores(photos(), photos(2), where))
  assert whole.shape == hole.shape == (2,) and spatial.shape == SIZE[:3]
  for i in range(2):
    np.testing.assert_allclose(hole[i], spatial[i][where[i, ..., 0]].mean(), rtol=1e-5)
  assert (abs(hole - whole) > 1e-3).all()


def test_perfect_and_empty(scores):
  nothing = np.zeros((*SIZE[:3], 1), bool)
  for x in scores(photos(), photos(), ~nothing):
    np.testing.assert_array_equal(x, 0.0)
  np.testing.assert_array_equal(scores(photos(), photos(2), nothing)[1], 0.0)


def test_symmetric_and_a_photo_at_a_time(scores):
  a, b, where = photos(), photos(2), np.ones((*SIZE[:3], 1), bool)
  forth, back = scores(a, b, where)[0], scores(b, a, where)[0]
  np.testing.assert_allclose(forth, back, rtol=1e-5)
  turned = scores(a[::-1], b[::-1], where)[0]
  np.testing.assert_allclose(forth, np.asarray(turned)[::-1], rtol=1e-5)


def test_rejects(params):
  a = photos()
  with pytest.raises(ValueError, match="'vgg19'; valid: alex, vgg, squeeze"):
    lpips_nets.expected_shapes("vgg19")
  with pytest.raises(ValueError, match="unknown LPIPS network 'vgg19'"):
    lpips.lpips(params, "vgg19", a, a)
  with pytest.raises(ValueError, match="one shape"):
    lpips.lpips(params, "alex", a[:1], a)
  with pytest.raises(ValueError, match="from 31 px up"):
    lpips.lpips(params, "alex", a[:, :30], a[:, :30])
  with pytest.raises(ValueError, match="mask must be bool"):
    lpips.lpips(params, "alex", a, a, a[..., :1])
