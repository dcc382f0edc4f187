"""MobileFace: an independent NumPy network, the crop by hand, then real faces."""

import csv
import os
import pathlib

import micro_model
import numpy as np
import pytest
from PIL import Image

from facefill_jax.pretrained_nets import foreign_files, mobileface

DATA = pathlib.Path(
  os.environ.get("FACEFILL_DATA", pathlib.Path(__file__).parents[2].parent / "shared" / "data")
)
WEIGHTS = DATA / "weights" / "mobileface_id" / "MobileFace_Identification_V3-0000.params"
embed = micro_model.jit(mobileface.embed)


def random_weights():
  rng = np.random.default_rng(0)
  stored = {}
  for name, shape in mobileface.expected_shapes().items():
    scale = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.2
    stored[name] = rng.normal(0, scale, shape).astype(np.float32)
  stored["batchnorm0_moving_var"] = rng.uniform(0.5, 2, 256).astype(np.float32)
  return stored


def numpy_conv(x, w, stride=1):
  """x (c, h, w), w (o, i, kh, kw); i = 1 means each channel by itself. float64."""
  pad = w.shape[2] // 2
  x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
  views = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(1, 2))
  views = views[:, ::stride, ::stride]
  if w.shape[1] == 1 and x.shape[0] > 1:
    return np.einsum("chwij,cij->chw", views, w[:, 0].astype(float))
  return np.einsum("chwij,ocij->ohw", views, w.astype(float), optimize=True)


def numpy_embed(p, x):
  """x (3, 112, 112), RGB in 0..255."""

  def prelu(x, name):
    return np.where(x > 0, x, p[f"{name}_gamma"][:, None, None] * x)

  x = prelu(numpy_conv((x - 127.5) * 0.0078125, p["conv1_weight"], 2), "prelu1")
  for stage in (1, 2, 3, 4):
    unit = f"stage{stage}_unit1"
    x = numpy_conv(x, p[f"{unit}_conv0_0_weight"])
    x = prelu(numpy_conv(x, p[f"{unit}_conv0_1_weight"], 2), f"{unit}_prelu0")
    y = prelu(numpy_conv(x, p[f"{unit}_conv1_weight"]), f"{unit}_prelu1")
    x = x + prelu(numpy_conv(y, p[f"{unit}_conv2_weight"]), f"{unit}_prelu2")
  x = p["fc5_weight"].astype(float) @ x.reshape(-1)
  x = (x - p["batchnorm0_moving_mean"]) / np.sqrt(p["batchnorm0_moving_var"] + 1e-3)
  x = x * p["batchnorm0_gamma"] + p["batchnorm0_beta"]
  return x / np.linalg.norm(x)


def test_embedding_against_numpy():
  stored = random_weights()
  photo = np.random.default_rng(1).uniform(-1, 1, (2, 160, 160, 3)).astype(np.float32)
  found = np.asarray(embed(mobileface.arrange(stored), photo))
  pixels = (np.asarray(mobileface.crop(photo), float) + 1) * 127.5
  want = np.stack([numpy_embed(stored, x.transpose(2, 0, 1)) for x in pixels])
  assert found.shape == (2, 256)
  np.testing.assert_allclose(found, want, atol=2e-5)


def test_crop_by_hand():
  # 400 px: the crop begins at 52 and is 296 wide; a ramp stays a ramp, as sampled.
  ramp = np.linspace(-1, 1, 400, dtype=np.float32)
  photo = np.broadcast_to(ramp[:, None, None], (1, 400, 400, 3))
  found = np.asarray(mobileface.crop(photo))
  rows = 52 + (np.arange(112) + 0.5) * 296 / 112 - 0.5
  np.testing.assert_allclose(found[0, :, 7, 1], rows * 2 / 399 - 1, atol=5e-4)  # .1 pixel


def test_rejects_what_is_not_square():
  with pytest.raises(ValueError, match="square photos"):
    mobileface.embed({}, np.zeros((1, 64, 96, 3), np.float32))


@pytest.mark.skipif(not WEIGHTS.exists(), reason="no research data: real weights are not tried")
def test_real_faces_are_like_themselves():
  params = mobileface.arrange(foreign_files.read(WEIGHTS))
  with open(DATA / "manifest.csv", newline="") as file:
    rows = [row["file"] for row in csv.DictReader(file) if "celebahq/val/images" in row["file"]]
  faces = [Image.open(DATA / row).convert("RGB").resize((256, 256)) for row in rows[:16]]
  photo = np.stack([np.asarray(face) for face in faces]).astype(np.float32) / 127.5 - 1
  moved = np.stack([np.asarray(face.rotate(4, translate=(3, -3))) for face in faces])
  moved = moved.astype(np.float32) / 127.5 - 1
  truth = np.asarray(embed(params, photo))
  others = (truth @ truth.T)[~np.eye(len(truth), dtype=bool)]
  for changed in (photo[:, :, ::-1], moved, np.clip(photo * 0.7 + 0.2, -1, 1)):
    cosine = truth @ np.asarray(embed(params, changed)).T
    assert (cosine.argmax(axis=1) == np.arange(len(truth))).all()
    assert np.diag(cosine).min() > others.max()
