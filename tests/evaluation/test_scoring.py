"""Scores against NumPy, of fills simple enough to know what they must score."""

import jax
import numpy as np
import pytest

from facefill_jax import sharding
from facefill_jax.evaluation import measures, scoring
from facefill_jax.labels import VOID
from facefill_jax.metrics import layout
from facefill_jax.pretrained_nets import squeezenet, weights

SIDE = 32


def batch_of(number, seed=0):
  """Random photos whose i-th hole covers the first 4 (i + 1) of 32 rows."""
  rng = np.random.default_rng(seed)
  mask = np.zeros((number, SIDE, SIDE, 1), bool)
  for i in range(number):
    mask[i, : 4 * (i + 1)] = True
  return {
    "photo": rng.integers(0, 256, (number, SIDE, SIDE, 3), dtype=np.uint8),
    "labels": rng.integers(0, 3, (number, SIDE, SIDE), dtype=np.uint8),
    "mask": mask,
  }


def off_by_ten(batch):
  """Each hidden value wrong by 10; reads class 1 everywhere."""
  photo = batch["photo"]
  wrong = np.where(photo > 127, photo - 10, photo + 10).astype(np.uint8)
  ids = np.ones(photo.shape[:3], np.uint8)
  return {"whole": np.where(batch["mask"], wrong, photo), "layout": ids}


def scorer(judges=None, layouts=True, labels=True, **options):
  return scoring.Scorer(judges or {}, SIDE, layouts=layouts, labels=labels, **options)


def random_squeezenet():
  rng, params = np.random.default_rng(0), {}
  for name, shape in squeezenet.expected_shapes().items():
    x = 0.05 * rng.standard_normal(shape).astype(np.float32)
    params[name] = x.transpose(2, 3, 1, 0) if x.ndim == 4 else x
  return params


def test_values_by_hand():
  batch = batch_of(5)
  score, result = scorer(), off_by_ten(batch)
  found = score(batch, result)
  shares = (np.arange(5) + 1) / 8
  hole = 20 * np.log10(255 / 10)
  np.testing.assert_allclose(found["hole_ratio"], shares, rtol=1e-6)
  np.testing.assert_allclose(found["hole_l1"], 10 / 255, rtol=1e-5)
  np.testing.assert_allclose(found["frame_l1"], 10 / 255 * shares, rtol=1e-5)
  np.testing.assert_allclose(found["hole_psnr"], hole, atol=1e-3)
  np.testing.assert_allclose(found["frame_psnr"], hole - 10 * np.log10(shares), atol=1e-3)
  ids, mask = result["layout"], batch["mask"][..., 0]
  for i in range(5):
    right = (batch["labels"][i][mask[i]] == 1).mean()
    np.testing.assert_allclose(found["layout_accuracy"][i], right, rtol=1e-6)
    counts = layout.confusion(ids[i : i + 1], batch["labels"][i : i + 1], mask[i : i + 1])
    np.testing.assert_array_equal(found["confusion"][i], counts)
  # The edge is one row: the known one below it is right, and the hidden one off by 10.
  rows = batch["photo"][0, 3:5].astype(float), result["whole"][0, 3:5].astype(float)
  steps = [np.abs(x[1] - x[0]) for x in rows]
  np.testing.assert_allclose(
    found["rim_error"][0], np.abs(steps[0] - steps[1]).mean() / 255, rtol=1e-4
  )
  assert set(score.keys) == set(found) & {m.key for m in measures.METRICS if m.by_photo}
  assert score.reasons["frame_ssim_grey_51"].startswith("needs pictures of 51 px")
  assert score.reasons["hole_lpips_alex"] == "weights of lpips_alex are not given"


def means(fill, batches):
  score = scorer()
  return scoring.score_all(fill, list(batches), score).means(score.reasons)


def test_pooled_values_are_sums_before_ratios():
  batch = batch_of(5)
  found = means(off_by_ten, scoring.slices(batch, 2))
  single = scorer()(batch, off_by_ten(batch))
  assert found["photos"] == 5 and found["hole_ratio"] == pytest.approx(0.375)
  assert found["hole_psnr"] == pytest.approx(single["hole_psnr"].mean(), rel=1e-6)
  assert found["laplacian_ratio"] == pytest.approx(
    single["laplacian_ratio/top"].sum() / single["laplacian_ratio/bottom"].sum(), rel=1e-5
  )
  pooled = single["confusion"].sum(0)
  assert found["layout_miou"] == pytest.approx(layout.miou(pooled))
  assert found["layout_accuracy"] == pytest.approx(layout.pixel_accuracy(pooled))
  assert not {"fid", "kid", "hole_squeezenet"} & set(found)


def test_padding_does_not_count():
  batch, shapes = batch_of(5), []

  def fill(batch):
    shapes.append(batch["photo"].shape)
    return off_by_ten(batch)

  whole = means(off_by_ten, [batch])
  split = means(fill, scoring.slices(batch, 2))
  assert shapes == [(2, SIDE, SIDE, 3)] * 3
  assert whole.keys() == split.keys()
  for name, value in whole.items():
    assert split[name] == pytest.approx(value, abs=1e-5), name


def test_a_photo_without_a_hole_has_no_hole_scores():
  batch = batch_of(2)
  batch["mask"][0] = False
  batch["labels"][:] = VOID
  perfect = {"whole": batch["photo"], "layout": np.zeros((2, SIDE, SIDE), np.uint8)}
  found = scorer()(batch, perfect)
  for key in ("hole_psnr", "hole_ssim", "hole_l1", "rim_error", "laplacian_ratio"):
    assert np.isnan(found[key][0]) and not np.isnan(found[key][1]), key
  assert found["hole_psnr"][1] == pytest.approx(100, abs=1e-3)
  assert found["laplacian_ratio"][1] == pytest.approx(1)
  assert np.isnan(found["layout_accuracy"]).all()  # nothing is labelled
  every = means(lambda batch: perfect, [batch])
  assert "layout_miou" not in every and every["frame_psnr"] == pytest.approx(100, abs=1e-3)


def test_squeezenet_over_frame_and_hole():
  batch, params = batch_of(3), random_squeezenet()
  found = scorer({"squeezenet_caffe": params})(batch, off_by_ten(batch))
  assert (found["frame_squeezenet"] > 0).all()
  # A wider hole of the same error is a larger difference of the frame.
  assert found["frame_squeezenet"][0] < found["frame_squeezenet"][2]
  assert (found["hole_squeezenet"] > found["frame_squeezenet"]).all()
  everywhere = {**batch, "mask": np.ones_like(batch["mask"])}
  found = scorer({"squeezenet_caffe": params})(everywhere, off_by_ten(everywhere))
  np.testing.assert_allclose(found["hole_squeezenet"], found["frame_squeezenet"], rtol=0.1)


def test_two_devices_score_as_one():
  batch, params = batch_of(4), random_squeezenet()
  found = []
  for devices in (1, 2):
    mesh = sharding.local_mesh(devices)
    found.append(scorer(
      {"squeezenet_caffe": params}, put=lambda x, mesh=mesh: sharding.put_batch(x, mesh),
      replicate=lambda x, mesh=mesh: jax.device_put(x, sharding.replicated(mesh)),
    )(batch, off_by_ten(batch)))  # fmt: skip
  assert found[0].keys() == found[1].keys()
  for name, values in found[0].items():
    np.testing.assert_allclose(values, found[1][name], rtol=1e-5, atol=1e-5, err_msg=name)


def test_a_tally_on_disk_is_that_in_memory(tmp_path):
  batch = batch_of(4)
  score = scorer()
  tallies = [scoring.Tally(4, score.keys, where) for where in (None, str(tmp_path))]
  for tally in tallies:
    tally.add(score(batch, off_by_ten(batch)), ["a", "a", "b", "b"], list("0123"))
  assert (tmp_path / "confusions.npy").exists()
  for key in ("hole_ssim", "layout_miou", "laplacian_ratio"):
    assert tallies[0].value(key) == tallies[1].value(key)


def test_left_out_names_reasons():
  reasons = measures.left_out(32, (), "no {}".format, layouts=False, labels=True)
  assert reasons["layout_miou"] == "this method predicts no layout"
  assert reasons["fid"] == "no inception_fid" and reasons["identity"] == "no mobileface"
  reasons = measures.left_out(64, ("mobileface",), str, layouts=True, labels=False)
  assert "identity" not in reasons and reasons["layout_accuracy"].startswith("no label maps")
  fid = measures.find("fid")
  assert measures.too_few(fid, 2048, 2048) is None
  assert "got 2047 and 9999" in measures.too_few(fid, 2047, 9999)


def test_each_metric_is_one_whole_entry():
  assert len(set(measures.KEYS)) == len(measures.KEYS)
  for metric in measures.METRICS:
    ways = (metric.value, metric.parts, metric.pooled, metric.of_set)
    assert sum(way is not None for way in ways) == 1, metric.key
    assert metric.better in ("higher", "lower", "one") and metric.implementation and metric.title
    assert metric.family in ("", *measures.FAMILIES), metric.key
  judged = {kind: set(weights.metrics(kind)) for kind in weights.KINDS if weights.metrics(kind)}
  assert judged == {
    kind: {m.key for m in measures.METRICS if m.judge == kind} for kind in judged
  }  # what `facefill weights` says of each network


def test_the_first_of_a_family_leads():
  there = {"hole_psnr", "frame_psnr", "hole_squeezenet", "hole_lpips_vgg", "kid", "hole_l1"}
  assert measures.leading(there.__contains__) == {
    "psnr": "hole_psnr", "perceptual": "hole_lpips_vgg", "set": "kid",
  }  # fmt: skip


def test_a_network_that_took_part_in_training_is_known():
  config = {"perceptual": "squeezenet"}
  flagged = [m.key for m in measures.METRICS if measures.trained_on(m, config)]
  assert flagged == ["hole_squeezenet", "frame_squeezenet"]
  flagged = [m.key for m in measures.METRICS if measures.trained_on(m, {"perceptual": "vgg16"})]
  assert flagged == ["hole_lpips_vgg", "frame_lpips_vgg"]
  assert not any(measures.trained_on(m, c) for m in measures.METRICS
                 for c in (None, {"perceptual": "layout"}))  # fmt: skip


def test_rejections():
  with pytest.raises(ValueError, match="nothing to evaluate"):
    scoring.score_all(off_by_ten, [], scorer())
  with pytest.raises(ValueError, match="3 photos follows one of 2"):
    scoring.score_all(off_by_ten, [batch_of(2), batch_of(3)], scorer())
  batch = batch_of(1)
  with pytest.raises(ValueError, match="must be uint8"):
    scorer()(batch, {"whole": batch["photo"].astype(np.float32)})
  tally = scoring.Tally(1, ())
  scores = {"hole_ratio": np.zeros(2)}
  with pytest.raises(ValueError, match="2 fills, 1 were announced"):
    tally.add(scores, ["", ""], ["", ""])
