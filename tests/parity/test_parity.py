"""Our numbers and those of the field's packages, from the same seeded weights, photos, features.

`fixtures.json` holds what the packages said; `make_fixtures.py` asks them again.
`pytest -s tests/parity` prints both.
"""

import json
from pathlib import Path

import micro_model
import numpy as np
import pytest
import recipes

from facefill_jax import images
from facefill_jax.metrics import frechet, lpips, ssim
from facefill_jax.pretrained_nets import inception, lpips_nets, torchvision_nets

FIXTURES = json.loads(Path(__file__).with_name("fixtures.json").read_text(encoding="utf-8"))


def tell(name, ours, reference):
  """A line of the parity table, shown by `pytest -s`: first values, largest differences."""
  ours, reference = (np.asarray(x, np.float64).reshape(-1) for x in (ours, reference))
  apart = np.abs(ours - reference)
  relative = (apart / np.maximum(np.abs(reference), 1e-30)).max()
  print(f"{name}: {ours[0]:.9g} {reference[0]:.9g}; absolute {apart.max():.1e} rel {relative:.1e}")


def photos(name, size):
  return np.asarray(images.to_float(recipes.photos(name, *size)))


@pytest.mark.parametrize("net", torchvision_nets.NETS)
def test_lpips_is_the_package(net):
  want = FIXTURES["lpips"][net]
  params = lpips_nets.arrange(recipes.weights(lpips_nets.expected_shapes(net)))
  a, b = (photos(name, recipes.LPIPS_SIZE) for name in ("a", "b"))

  @micro_model.jit
  def both(params):
    return lpips.lpips(params, net, a, b), lpips.lpips_map(params, net, a, b)

  distance, spatial = (np.asarray(x, np.float64) for x in both(params))
  assert spatial.shape == (2, *recipes.LPIPS_SIZE)
  rows, columns = recipes.EVERY_PIXEL
  spatial = spatial[:, ::rows, ::columns]
  np.testing.assert_allclose(distance, want["distance"], rtol=1e-4)
  np.testing.assert_allclose(spatial, want["map"], rtol=1e-4)
  tell(f"{net} distance", distance, want["distance"])
  tell(f"{net} map", spatial, want["map"])


def test_vgg16_as_a_loss_sees_what_lpips_sees():
  params = lpips_nets.arrange(recipes.weights(lpips_nets.expected_shapes("vgg")))
  photo = photos("a", recipes.LPIPS_SIZE)
  found = micro_model.jit(torchvision_nets.vgg16_features)(params, photo)
  full = micro_model.jit(
    lambda p, x: tuple(torchvision_nets.features(p, torchvision_nets.NETS["vgg"], x))
  )
  want = full(params, photo)
  assert len(found) == 4 and len(want) == 5
  for ours, theirs, factor, channels in zip(
    found, want[:4], (1, 2, 4, 8), (64, 128, 256, 512), strict=True
  ):
    assert ours.shape == (2, 64 // factor, 56 // factor, channels) and ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())
    assert (np.asarray(ours) > 0).mean() > 0.1  # not a dead network


def test_inception_is_pytorch_fids():
  want = FIXTURES["inception"]
  params = inception.arrange(recipes.weights(inception.expected_shapes()))
  x = photos("inception", recipes.INCEPTION_SIZE)
  found = np.asarray(micro_model.jit(inception.features)(params, x), np.float64)
  assert found.shape == (2, inception.WIDTH)
  np.testing.assert_allclose(found.max(), want["largest"], rtol=1e-4)
  kept = found[:, :: recipes.EVERY_FEATURE]
  tell("Inception, largest", found.max(), want["largest"])
  tell("Inception", kept / want["largest"], np.array(want["features"]) / want["largest"])
  np.testing.assert_allclose(kept, want["features"], rtol=1e-4, atol=1e-5 * want["largest"])
  assert (np.array(want["features"]) > 0.01 * want["largest"]).mean() > 0.5  # not a dead network


def test_fid_is_pytorch_fids():
  fills, real = recipes.features()
  sides = []
  for features in (fills, real):
    moments = frechet.Moments(features.shape[1])
    for start in range(0, len(features), 64):  # streamed, the last batch smaller
      moments.add(features[start : start + 64])
    sides.append(moments)
  found = frechet.frechet_distance(*sides)
  tell("FID", found, FIXTURES["sets"]["fid"])
  np.testing.assert_allclose(found, FIXTURES["sets"]["fid"], rtol=1e-6)


def test_kid_is_clean_fids():
  fills, real = recipes.features()
  few = frechet.kid(fills, real, subsets=7, subset_size=50, seed=5)
  whole = frechet.kid(fills, real, subsets=3)
  tell("KID, drawn", few, FIXTURES["sets"]["kid_7_of_50_seed_5"])
  tell("KID, all", whole, FIXTURES["sets"]["kid_3_of_all_seed_0"])
  np.testing.assert_allclose(few, FIXTURES["sets"]["kid_7_of_50_seed_5"], rtol=1e-6)
  np.testing.assert_allclose(whole, FIXTURES["sets"]["kid_3_of_all_seed_0"], rtol=1e-6)


def test_ids_are_scikit_learns():
  pytest.importorskip("sklearn")
  real, fake = recipes.pairs()
  want = FIXTURES["sets"]
  assert 0.02 < want["p_ids"] < 0.9 and 0.02 < want["u_ids"] < 0.5
  np.testing.assert_allclose(frechet.ids(real, fake), (want["p_ids"], want["u_ids"]), atol=1e-9)


def test_ssim_is_scikit_images():
  a, b = (photos(name, recipes.LPIPS_SIZE) for name in ("a", "b"))
  found = np.asarray(micro_model.jit(ssim.ssim)(a, b), np.float64)
  tell("SSIM", found, FIXTURES["ssim"])
  np.testing.assert_allclose(found, FIXTURES["ssim"], rtol=1e-4)
