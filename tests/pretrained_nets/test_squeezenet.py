"""SqueezeNet's features and distance: an independent NumPy network, then the real weights."""

import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from facefill_jax.metrics import squeezenet_distance
from facefill_jax.pretrained_nets import foreign_files, squeezenet

DATA = pathlib.Path(
  os.environ.get("FACEFILL_DATA", pathlib.Path(__file__).parents[2].parent / "shared" / "data")
)
WEIGHTS = DATA / "weights" / "squeezenet_imagenet" / "squeezenet_v1.1_fp16.npz"


def random_weights():
  """name -> array as files store them; He-scaled, so that values neither vanish nor explode."""
  rng = np.random.default_rng(0)
  stored = {}
  for name, shape in squeezenet.expected_shapes().items():
    scale = np.sqrt(2 / np.prod(shape[1:])) if len(shape) == 4 else 0.1
    stored[name] = rng.normal(0, scale, shape).astype(np.float32)
  return stored


def numpy_conv(x, w, b, stride=1, pad=0):
  """x (c, h, w), w (o, c, kh, kw): by its definition, float64."""
  x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
  kh, kw = w.shape[2:]
  views = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(1, 2))[:, ::stride, ::stride]
  return np.maximum(np.einsum("chwij,ocij->ohw", views, w) + b[:, None, None], 0)


def numpy_pool(x):
  """3 x 3 max, stride 2, rounding up: windows are cut at the edge."""
  sizes = [int(np.ceil((n - 3) / 2)) + 1 for n in x.shape[1:]]
  out = np.zeros((x.shape[0], *sizes))
  for i in range(sizes[0]):
    for j in range(sizes[1]):
      out[:, i, j] = x[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max((1, 2))
  return out


def numpy_features(stored, photo):
  """photo (h, w, 3) RGB in [-1, 1] -> the seven taps, (c, h', w') each."""
  pixels = np.round((photo.astype(float) + 1) * 127.5, 6)
  bgr = pixels[..., ::-1] - np.array([104, 117, 123])

  def conv(x, name, **options):
    return numpy_conv(x, stored[f"{name}.w"].astype(float), stored[f"{name}.b"], **options)

  def fire(x, n):
    s = conv(x, f"fire{n}.squeeze1x1")
    wide = conv(s, f"fire{n}.expand3x3", pad=1)
    return np.concatenate([conv(s, f"fire{n}.expand1x1"), wide])

  one = conv(bgr.transpose(2, 0, 1), "conv1", stride=2)
  two = fire(fire(numpy_pool(one), 2), 3)
  three = fire(fire(numpy_pool(two), 4), 5)
  four = fire(numpy_pool(three), 6)
  five = fire(four, 7)
  six = fire(five, 8)
  return [one, two, three, four, five, six, fire(six, 9)]


@pytest.fixture(scope="module")
def network(tmp_path_factory):
  """Random weights, as stored and as loaded from a file."""
  stored = random_weights()
  path = tmp_path_factory.mktemp("weights") / "random.npz"
  np.savez(path, **stored, **{"conv10.b": np.zeros(1000, np.float32)})
  return stored, squeezenet.load_squeezenet(path), path


def test_features_against_numpy(network):
  stored, params, _ = network
  # 26 x 30: pools meet odd and even sizes, and hang over the edge.
  photo = np.random.default_rng(1).uniform(-1, 1, (2, 26, 30, 3)).astype(np.float32)
  got = jax.jit(squeezenet.squeezenet_features)(params, photo)
  assert tuple(tap.shape[-1] for tap in got) == squeezenet.TAP_CHANNELS
  for i in range(2):
    for tap, want in zip(got, numpy_features(stored, photo[i]), strict=True):
      scale = np.abs(want).max()
      np.testing.assert_allclose(tap[i] / scale, want.transpose(1, 2, 0) / scale, atol=2e-6)


def test_distance_against_numpy():
  rng = np.random.default_rng(2)
  a = [rng.uniform(0, 9, (2, 3, 4, c)).astype(np.float32) for c in (5, 7)]
  b = [rng.uniform(0, 9, (2, 3, 4, c)).astype(np.float32) for c in (5, 7)]
  a[0][0, 0, 0] = 0.0  # a feature without a direction

  def unit(x):
    length = np.sqrt((x.astype(float) ** 2).sum(-1, keepdims=True))
    return x / np.maximum(length, 1e-9)

  squares = [np.square(unit(x) - unit(y)) for x, y in zip(a, b, strict=True)]
  want = sum(s.mean((1, 2, 3)) for s in squares)
  got = jax.jit(squeezenet_distance.perceptual_distance)(a, b)
  np.testing.assert_allclose(got, want, rtol=1e-5)
  heads = [np.arange(5, dtype=np.float32), np.ones(7, np.float32)]
  want = sum((s * w).sum(-1).mean((1, 2)) for s, w in zip(squares, heads, strict=True))
  np.testing.assert_allclose(squeezenet_distance.perceptual_distance(a, b, heads), want, rtol=1e-5)


def test_distance_is_differentiable_also_where_features_are_zero():
  a = [jnp.zeros((1, 2, 2, 3)).at[0, 0, 0].set(1.0)]
  b = [jnp.ones((1, 2, 2, 3))]
  gradient = jax.grad(lambda x: squeezenet_distance.perceptual_distance(x, b).sum())(a)
  assert np.isfinite(gradient[0]).all()
  np.testing.assert_array_equal(squeezenet_distance.perceptual_distance(b, b), 0.0)


def test_gradient_reaches_the_photo(network):
  _, params, _ = network
  rng = np.random.default_rng(3)
  photo = rng.uniform(-1, 1, (1, 25, 25, 3)).astype(np.float32)
  other = jax.jit(squeezenet.squeezenet_features)(params, photo[:, ::-1])

  @jax.jit
  def loss(x):
    features = squeezenet.squeezenet_features(params, x)
    return squeezenet_distance.perceptual_distance(features, other)[0]

  gradient = jax.jit(jax.grad(loss))(photo)
  direction = np.asarray(gradient) / np.linalg.norm(gradient)
  step = 1e-3
  slope = (loss(photo + step * direction) - loss(photo - step * direction)) / (2 * step)
  np.testing.assert_allclose(slope, np.linalg.norm(gradient), rtol=0.05)


def test_bfloat16_stays_close(network):
  _, params, _ = network
  photo = np.random.default_rng(4).uniform(-1, 1, (1, 25, 25, 3)).astype(np.float32)
  exact = jax.jit(squeezenet.squeezenet_features)(params, photo)
  rounded = jax.jit(squeezenet.squeezenet_features, static_argnums=2)(params, photo, jnp.bfloat16)
  assert all(tap.dtype == jnp.bfloat16 for tap in rounded)
  assert float(squeezenet_distance.perceptual_distance(exact, rounded)[0]) < 1e-4


def test_safetensors_and_half_precision_files(network, tmp_path):
  stored, params, _ = network
  path = tmp_path / "w.safetensors"
  safetensors.numpy.save_file({k: v.astype(np.float16) for k, v in stored.items()}, path)
  loaded = squeezenet.load_squeezenet(path)
  assert loaded.keys() == params.keys() and "conv10.b" not in loaded
  for name, x in loaded.items():
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, params[name], atol=2e-3)


def test_bad_files_are_named(network, tmp_path):
  stored, _, _ = network

  def refused(path, match):
    with pytest.raises(foreign_files.WeightFileError, match=match) as caught:
      squeezenet.load_squeezenet(path)
    assert str(path) in str(caught.value)

  refused(tmp_path / "absent.npz", "No such file")
  (tmp_path / "w.pth").write_bytes(b"x")
  refused(tmp_path / "w.pth", "valid: '.npz', '.safetensors'")
  for name in ("junk.npz", "junk.safetensors"):
    (tmp_path / name).write_bytes(b"not an archive, just bytes")
    refused(tmp_path / name, "cannot read")
  np.savez(tmp_path / "pickled.npz", **{"conv1.w": np.array([{"a": 1}], dtype=object)})
  refused(tmp_path / "pickled.npz", "cannot read")
  np.savez(tmp_path / "part.npz", **{"conv1.w": stored["conv1.w"]})
  refused(tmp_path / "part.npz", "'conv1.b'")
  np.savez(tmp_path / "shape.npz", **(stored | {"fire3.squeeze1x1.b": np.zeros(7, np.float32)}))
  refused(tmp_path / "shape.npz", r"'fire3.squeeze1x1.b' is float32 \(7,\), want floats \(16,\)")
  poisoned = stored["conv1.b"].copy()
  poisoned[3] = np.nan
  np.savez(tmp_path / "nan.npz", **(stored | {"conv1.b": poisoned}))
  refused(tmp_path / "nan.npz", "not finite")


def test_rejects_photos_and_maps_that_do_not_fit(network):
  _, params, _ = network
  with pytest.raises(ValueError, match="from 25 up"):
    squeezenet.squeezenet_features(params, np.zeros((1, 24, 64, 3), np.float32))
  a = [np.ones((1, 2, 2, 3), np.float32)]
  with pytest.raises(ValueError, match="differ in shape"):
    squeezenet_distance.perceptual_distance(a, [np.ones((2, 2, 2, 3), np.float32)])
  with pytest.raises(ValueError, match="do not fit"):
    squeezenet_distance.perceptual_distance(a, a, [np.ones(4, np.float32)])


@pytest.mark.skipif(not WEIGHTS.exists(), reason="no research data: real weights are not tried")
def test_real_weights_rank_real_faces():
  params = squeezenet.load_squeezenet(WEIGHTS)
  names = sorted((DATA / "celebahq" / "val" / "images").glob("*.jpg"))[:5]
  faces = [Image.open(name).convert("RGB").resize((64, 64), Image.LANCZOS) for name in names]
  photo = np.stack([np.asarray(face) for face in faces]).astype(np.float32) / 127.5 - 1
  noised = photo + np.random.default_rng(0).normal(0, 0.03, photo.shape).astype(np.float32)
  features = jax.jit(squeezenet.squeezenet_features)
  truth = features(params, photo)
  near = squeezenet_distance.perceptual_distance(truth, features(params, noised))
  far = squeezenet_distance.perceptual_distance(truth, features(params, np.roll(photo, 1, axis=0)))
  assert (np.asarray(near) < 0.5 * np.asarray(far)).all()
