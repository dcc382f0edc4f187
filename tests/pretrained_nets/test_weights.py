"""Weights of judges: read from every kind of file, checked at each load, refused in one line."""

import hashlib
import os
import pickle
import struct
import sys

import numpy as np
import pytest
import safetensors.numpy

from facefill_jax.pretrained_nets import (
  foreign_files,
  inception,
  lpips_nets,
  mobileface,
  squeezenet,
  torchvision_nets,
  weights,
)


def random_arrays(shapes):
  rng = np.random.default_rng(0)
  return {name: rng.random(shape, np.float32) + 0.1 for name, shape in shapes.items()}


ALEX = random_arrays(lpips_nets.expected_shapes("alex"))
HEADS = {name: x for name, x in ALEX.items() if name.startswith("lin")}
BACKBONE = {name: x for name, x in ALEX.items() if name not in HEADS}
FACE = random_arrays(mobileface.expected_shapes())


def mxnet_file(arrays):
  """As MXNet 1.x writes a list of float32 arrays."""
  parts = [struct.pack("<QQQ", 0x112, 0, len(arrays))]
  for x in arrays.values():
    parts.append(struct.pack(f"<IiI{x.ndim}q", 0xF993FAC9, 0, x.ndim, *x.shape))
    parts.append(struct.pack("<iii", 1, 0, 0) + x.tobytes())
  parts.append(struct.pack("<Q", len(arrays)))
  for name in arrays:
    parts.append(struct.pack("<Q", len(name) + 4) + b"arg:" + name.encode())
  return b"".join(parts)


@pytest.fixture
def sources(tmp_path):
  """Files of AlexNet, its heads and MobileFace."""
  safetensors.numpy.save_file(
    BACKBONE | {"classifier.6.bias": np.zeros(1000, np.float32)}, tmp_path / "alex.safetensors"
  )
  np.savez(tmp_path / "heads.npz", **{k: x.astype(np.float16) for k, x in HEADS.items()})
  (tmp_path / "face.params").write_bytes(mxnet_file(FACE))
  return tmp_path


@pytest.fixture
def face(sources):
  """A directory with MobileFace's weights."""
  weights.convert("mobileface", [sources / "face.params"], sources / "to")
  return sources / "to"


def refused(call, *words):
  with pytest.raises(weights.JudgeError) as caught:
    call()
  said = str(caught.value)
  assert "\n" not in said
  for word in words:
    assert word in said, said


def test_a_backbone_and_its_heads_become_one_file(sources):
  for order in (["alex.safetensors", "heads.npz"], ["heads.npz", "alex.safetensors"]):
    to = sources / order[0]
    to = to.with_suffix(".to")
    path = weights.convert("lpips_alex", [sources / name for name in order], to)
    assert sorted(p.name for p in to.iterdir()) == ["lpips_alex.safetensors", "lpips_alex.sha256"]
    judge = weights.load(to)["lpips_alex"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (judge.kind, judge.file, judge.sha256) == ("lpips_alex", path, digest)
    assert path.with_suffix(".sha256").read_text() == f"{digest}  lpips_alex.safetensors\n"
    assert judge.params["features.3.weight"].shape == (5, 5, 64, 192)
    kernel = ALEX["features.3.weight"]
    np.testing.assert_array_equal(judge.params["features.3.weight"][1, 2, 3, 4], kernel[4, 3, 1, 2])
    head = judge.params["lin2.model.1.weight"]
    assert head.shape == (384,) and head.dtype == np.float32
    np.testing.assert_allclose(head, HEADS["lin2.model.1.weight"].ravel(), rtol=1e-3)
    assert "classifier.6.bias" not in judge.params


def test_mxnet_files(face):
  judge = weights.load(face, ["mobileface"])["mobileface"]
  want = mobileface.arrange(FACE)
  assert judge.params.keys() == want.keys()
  for name, x in want.items():
    np.testing.assert_array_equal(judge.params[name], x)


def test_torch_files(tmp_path):
  torch = pytest.importorskip("torch")
  torch.save({k: torch.from_numpy(x) for k, x in BACKBONE.items()}, tmp_path / "alex.pth")
  torch.save({k: torch.from_numpy(x).half() for k, x in HEADS.items()}, tmp_path / "heads.pt")
  weights.convert("lpips_alex", [tmp_path / "alex.pth", tmp_path / "heads.pt"], tmp_path)
  found = weights.load(tmp_path)["lpips_alex"].params
  want = lpips_nets.arrange(BACKBONE)
  np.testing.assert_array_equal(found["features.8.weight"], want["features.8.weight"])
  content = (tmp_path / "alex.pth").read_bytes()
  (tmp_path / "cut.pth").write_bytes(content[: len(content) // 2])
  (tmp_path / "code.pth").write_bytes(b"\x80\x02cos\nsystem\nU\x04true\x85R.")
  torch.save([1, 2], tmp_path / "list.pth")
  for name, words in (("cut", "whole"), ("code", "whole"), ("list", "but a list")):
    path = tmp_path / f"{name}.pth"
    refused(lambda p=path: weights.convert("lpips_vgg", [p], tmp_path), str(path), words)


def test_torch_files_without_torch(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "torch", None)
  (tmp_path / "alex.pth").write_bytes(b"x")
  refused(
    lambda: weights.convert("lpips_alex", [tmp_path / "alex.pth"], tmp_path),
    "pip install 'facefill_jax[torch]'",
  )


def test_every_kind_says_what_is_missing(tmp_path):
  assert weights.load(tmp_path) == {} == weights.load(tmp_path / "absent")
  for kind in weights.KINDS:
    said = weights.missing(kind)
    assert said.startswith(f"{kind}: ") and "\n" not in said
    assert f"facefill weights convert {kind} " in said and "." in said.partition("by ")[2]
    assert all(key in said for key in weights.metrics(kind))
    assert said.endswith("for training") is not bool(weights.metrics(kind))
    assert "\n" not in weights.implementation(kind)


def test_default_directory(monkeypatch, tmp_path):
  monkeypatch.setenv("FACEFILL_WEIGHTS", str(tmp_path))
  assert weights.default_directory() == tmp_path
  monkeypatch.delenv("FACEFILL_WEIGHTS")
  monkeypatch.setenv("HOME", str(tmp_path))
  assert weights.default_directory() == tmp_path / ".cache" / "facefill_jax" / "weights"


def test_without_a_home_directory_there_are_none(monkeypatch):
  monkeypatch.delenv("FACEFILL_WEIGHTS", raising=False)
  monkeypatch.setenv("HOME", "")
  assert weights.default_directory() is None and weights.load(None) == {}


def test_unknown_kinds_name_the_valid_ones(tmp_path):
  for call in (
    lambda: weights.missing("vgg"),
    lambda: weights.load(tmp_path, ["vgg"]),
    lambda: weights.convert("vgg", [], tmp_path),
  ):
    with pytest.raises(ValueError, match=f"'vgg'; valid: {', '.join(weights.KINDS)}"):
      call()


def test_what_is_there_is_kept(face, sources):
  before = {p.name: p.read_bytes() for p in face.iterdir()}

  def again(**options):
    return weights.convert("mobileface", [sources / "other.params"], face, **options)

  (sources / "other.params").write_bytes(mxnet_file({k: x + 1 for k, x in FACE.items()}))
  with pytest.raises(weights.ExistsError, match="exists; give --overwrite"):
    again()
  assert {p.name: p.read_bytes() for p in face.iterdir()} == before
  again(overwrite=True)
  params = weights.load(face)["mobileface"].params
  np.testing.assert_array_equal(params["prelu1_gamma"], FACE["prelu1_gamma"] + 1)
  assert sorted(p.name for p in face.iterdir()) == sorted(before)


def test_a_failed_write_leaves_the_old_pair_or_a_refusal(face, sources, monkeypatch):
  replace = os.replace

  def full(source, target):
    if str(target).endswith(".safetensors"):
      raise OSError(28, "No space left on device")
    replace(source, target)

  monkeypatch.setattr(os, "replace", full)
  (sources / "other.params").write_bytes(mxnet_file({k: x + 1 for k, x in FACE.items()}))
  with pytest.raises(OSError, match="No space"):
    weights.convert("mobileface", [sources / "other.params"], face, overwrite=True)
  assert not [p for p in face.iterdir() if p.name.startswith(".")]
  refused(lambda: weights.load(face), "mobileface.safetensors: changed or damaged")


def test_damaged_files_are_noticed(face):
  path = face / "mobileface.safetensors"
  whole = path.read_bytes()
  flipped = bytearray(whole)
  flipped[len(whole) // 2] ^= 1
  for content in (bytes(flipped), whole[: len(whole) // 2], b""):
    path.write_bytes(content)
    refused(lambda: weights.load(face), str(path), "its SHA-256 is not that in mobileface.sha256")
  path.write_bytes(whole)
  path.with_suffix(".sha256").unlink()
  refused(lambda: weights.load(face), "mobileface.sha256: missing")
  assert weights.load(face, ["inception_fid"]) == {}


def test_a_file_under_another_name_is_noticed(face):
  path = face / "inception_fid.safetensors"
  (face / "mobileface.safetensors").rename(path)
  (face / "mobileface.sha256").rename(face / "inception_fid.sha256")
  refused(
    lambda: weights.load(face), str(path), "not pytorch-fid's Inception", "arrays are missing"
  )


def test_bad_sources_are_named(sources):
  def convert(kind, *names):
    return lambda: weights.convert(kind, [sources / name for name in names], sources / "to")

  refused(convert("lpips_alex", "no.pth"), "no.pth: no such file")
  refused(convert("lpips_alex", "alex.safetensors"), "5 of 15 arrays", "'lin0.model.1.weight'")
  refused(convert("lpips_vgg", "alex.safetensors", "heads.npz"), "not torchvision's VGG16")
  whole = (sources / "face.params").read_bytes()
  for name, content in {
    "cut.params": whole[:100000], "names.params": whole[:-3], "junk.params": b"junk" * 20,
    "cut.safetensors": (sources / "alex.safetensors").read_bytes()[:1000],
    "cut.npz": (sources / "heads.npz").read_bytes()[:300], "empty.npz": b"",
  }.items():  # fmt: skip
    (sources / name).write_bytes(content)
    refused(convert("mobileface", name), str(sources / name))
  (sources / "w.onnx").write_bytes(b"x")
  refused(convert("mobileface", "w.onnx"), "'.onnx'; valid: .pth, .pt, .bin, .npz")
  np.savez(sources / "objects.npz", **{"conv1.w": np.array([{}], dtype=object)})
  refused(
    convert("squeezenet_caffe", "objects.npz"), "objects.npz: cannot read weights", "only arrays"
  )
  (sources / "nan.params").write_bytes(
    mxnet_file(FACE | {"prelu1_gamma": np.full(32, np.nan, np.float32)})
  )
  refused(convert("mobileface", "nan.params"), "'prelu1_gamma' has values that are not finite")
  (sources / "thin.params").write_bytes(mxnet_file(FACE | {"prelu1_gamma": np.zeros(31, "f4")}))
  refused(convert("mobileface", "thin.params"), "float32 (31,), want floats (32,)")
  assert not (sources / "to").exists()


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".params", ".pth"])
def test_what_is_no_weights_is_named_and_never_loaded_unsafely(sources, suffix):
  path = sources / f"w{suffix}"
  for content, words in (
    (b"\n<!DOCTYPE html><html>", ("web page", "download")),
    (b"<html>", ("web page",)),
    (b"version https://git-lfs.github.com/spec/v1\n", ("Git LFS pointer",)),
    (pickle.dumps({"conv1.w": [1]}), ("a pickle",) if suffix == ".npz" else ()),
    (b"\x93NUMPY\x01\x00", ("a single array",) if suffix == ".npz" else ()),
  ):
    path.write_bytes(content)
    refused(lambda: weights.convert("squeezenet_caffe", [path], sources / "to"), path.name, *words)


def test_no_message_of_a_library_tells_how_to_load_unsafely():
  torch_says = "Weights only load failed. Set `weights_only=False`. Unsupported global: GLOBAL a.B"
  said = foreign_files._line(ValueError(torch_says))
  assert "(a.B)" in said and "weights_only" not in said
  said = foreign_files._line(ValueError("Object arrays cannot be loaded when allow_pickle=False"))
  assert "only arrays" in said and "allow" not in said


def test_the_caffe_squeezenet_is_a_judge_too(tmp_path):
  stored = random_arrays(squeezenet.expected_shapes())
  np.savez(tmp_path / "squeezenet.npz", **stored)
  weights.convert("squeezenet_caffe", [tmp_path / "squeezenet.npz"], tmp_path)
  found = weights.load(tmp_path)["squeezenet_caffe"].params
  want = squeezenet.load_squeezenet(tmp_path / "squeezenet.npz")
  assert found.keys() == want.keys()
  assert all(np.array_equal(found[name], want[name]) for name in want)


def test_vgg16_for_training(tmp_path):
  stored = random_arrays(torchvision_nets.expected_shapes(torchvision_nets.VGG_TO_4))
  more = {"classifier.6.bias": np.zeros(1000, np.float32), "features.28.bias": np.zeros(512, "f4")}
  safetensors.numpy.save_file(stored | more, tmp_path / "in.safetensors")
  path = weights.convert("vgg16", [tmp_path / "in.safetensors"], tmp_path)
  found = weights.read("vgg16", path)
  assert found.keys() == weights.load(tmp_path)["vgg16"].params.keys() == stored.keys()
  kernel = found["features.21.weight"]
  assert kernel.shape == (3, 3, 512, 512) and kernel.dtype == np.float32
  np.testing.assert_array_equal(kernel[0, 1, 2], stored["features.21.weight"][:, 2, 0, 1])
  unread = weights.read("vgg16", tmp_path / "in.safetensors")  # as it is, not converted
  assert all(np.array_equal(unread[name], found[name]) for name in found)


def test_files_that_are_not_vgg16(sources):
  def read(name):
    return lambda: weights.read("vgg16", sources / name)

  refused(read("none.npz"), "none.npz: cannot read weights")
  refused(
    read("vgg16.pth"), "vgg16.pth: give the .safetensors that `facefill weights convert vgg16`"
  )
  refused(read("alex.safetensors"), "alex.safetensors: not torchvision's VGG16", "16 of 20")
  refused(read("heads.npz"), "heads.npz: not torchvision's VGG16", "20 of 20 arrays are missing")
  with pytest.raises(ValueError, match="'vgg19'; valid: "):
    weights.read("vgg19", sources / "heads.npz")


def test_inception_is_loaded_with_its_norms_folded(tmp_path):
  stored = {k: x for k, x in random_arrays(inception.expected_shapes()).items()}
  safetensors.numpy.save_file(stored, tmp_path / "in.safetensors")
  weights.convert("inception_fid", [tmp_path / "in.safetensors"], tmp_path)
  found = weights.load(tmp_path)["inception_fid"].params
  assert len(found) == 2 * len(inception.CONVOLUTIONS)
  assert found["Conv2d_1a_3x3.weight"].shape == (3, 3, 3, 32)
