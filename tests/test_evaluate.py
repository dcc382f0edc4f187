"""Evaluation against NumPy, with networks simple enough to know what they must score."""

import types

import numpy as np
import pytest

from facefill_jax import evaluate
from facefill_jax.labels import VOID
from facefill_jax.models.texture_net import LATENT

SIDE = 32


def batch_of(number, seed=0):
  """Random photos whose i-th hole covers the first 4 (i + 1) of 32 rows: bins 10-20, 20-30, ..."""
  rng = np.random.default_rng(seed)
  mask = np.zeros((number, SIDE, SIDE, 1), bool)
  for i in range(number):
    mask[i, : 4 * (i + 1)] = True
  return {
    "photo": rng.integers(0, 256, (number, SIDE, SIDE, 3), dtype=np.uint8),
    "labels": rng.integers(0, 3, (number, SIDE, SIDE), dtype=np.uint8),
    "mask": mask,
  }


def off_by_ten(photo, mask):
  """Each hidden value wrong by 10; reads class 1 everywhere."""
  wrong = np.where(photo > 127, photo - 10, photo + 10).astype(np.uint8)
  layout = np.ones(photo.shape[:3], np.uint8)
  return {"whole": np.where(mask, wrong, photo), "layout": layout}


def test_values_and_bins_by_hand():
  batch = batch_of(5)
  report = evaluate.evaluate_batches(off_by_ten, [batch])
  bins = ["10-20", "20-30", "30-40", "50-60", "60+"]  # 12.5, 25, 37.5, 50, 62.5 %
  assert [record["bin"] for record in report.per_image] == bins
  assert list(report.summary) == [*bins, "all"]
  hole = 20 * np.log10(255 / 10)
  for i, record in enumerate(report.per_image):
    assert record["hole_ratio"] == pytest.approx((i + 1) / 8)
    assert record["hole_psnr_db"] == pytest.approx(hole, abs=1e-3)
    assert record["frame_psnr_db"] == pytest.approx(hole - 10 * np.log10((i + 1) / 8), abs=1e-3)
  # The first hole is 4 rows deep: it lies within the rim that SSIM does not see.
  assert report.per_image[0]["hole_ssim"] is None and report.per_image[1]["hole_ssim"] < 1

  for i, name in enumerate(bins):
    ones = (batch["labels"][i][batch["mask"][i, ..., 0]] == 1).mean()
    assert report.summary[name]["layout_accuracy"] == pytest.approx(ones)
    assert report.summary[name]["layout_miou"] == pytest.approx(ones / 3)
  everything = report.summary["all"]
  assert everything["photos"] == 5 and everything["hole_ratio"] == pytest.approx(0.375)
  ratios = [r["laplacian_whole"] / r["laplacian_truth"] for r in report.per_image]
  assert everything["laplacian_ratio_median"] == pytest.approx(np.median(ratios))
  sums = [sum(r[k] for r in report.per_image) for k in ("laplacian_whole", "laplacian_truth")]
  assert everything["laplacian_ratio"] == pytest.approx(sums[0] / sums[1])
  assert everything["squeezenet_distance"] is None


def test_batches_are_padded_to_one_shape_and_padding_does_not_count():
  batch, shapes = batch_of(5), []

  def fill_fn(photo, mask):
    shapes.append(photo.shape)
    return off_by_ten(photo, mask)

  whole = evaluate.evaluate_batches(off_by_ten, [batch])
  split = evaluate.evaluate_batches(fill_fn, evaluate.slices(batch, 2))
  assert shapes == [(2, SIDE, SIDE, 3)] * 3
  assert len(split.per_image) == 5
  for a, b in zip(whole.per_image, split.per_image, strict=True):
    assert a.keys() == b.keys()
    assert a["bin"] == b["bin"] and a["frame_ssim"] == pytest.approx(b["frame_ssim"], abs=1e-6)
  assert whole.summary["all"]["layout_miou"] == split.summary["all"]["layout_miou"]


def test_a_perfect_fill_an_empty_hole_and_named_bins():
  batch = batch_of(2) | {"bin": ["b", "a"]}
  batch["mask"][0] = False
  batch["labels"][:] = VOID

  def perfect(photo, mask):
    return {"whole": photo, "layout": np.zeros(photo.shape[:3], np.uint8)}

  report = evaluate.evaluate_batches(perfect, [batch])
  assert list(report.summary) == ["b", "a", "all"]
  assert report.summary["b"]["hole_psnr_db"] is None and report.summary["b"]["hole_ssim"] is None
  assert report.summary["b"]["laplacian_ratio"] is None
  assert report.summary["a"]["hole_psnr_db"] == pytest.approx(100, abs=1e-3)
  assert report.summary["a"]["laplacian_ratio"] == pytest.approx(1)
  assert report.summary["all"]["layout_miou"] is None  # nothing is labelled


def test_bins_take_their_lower_end():
  shares = (0.0, 0.0999, 0.1, 0.35, 0.6, 1.0)
  want = ["0-10", "0-10", "10-20", "30-40", "60+", "60+"]
  assert [evaluate.bin_of(share) for share in shares] == want


def test_rejections():
  with pytest.raises(ValueError, match="nothing to evaluate"):
    evaluate.evaluate_batches(off_by_ten, [])
  with pytest.raises(ValueError, match="3 photos follows one of 2"):
    evaluate.evaluate_batches(off_by_ten, [batch_of(2), batch_of(3)])
  with pytest.raises(ValueError, match="must be uint8"):
    evaluate.evaluate_batches(lambda p, m: {"whole": p.astype(np.float32)}, [batch_of(1)])


class Reader:
  """A layout network: class = red / 10; in the hole, the class of the last pixel, always known."""

  def apply(self, variables, photo, mask):
    red = np.float32(127.5) * (photo[..., 0] + 1)
    seen = (red / 10).round().astype(int)
    classes = mask[..., 0] * seen[:, -1:, -1:] + ~mask[..., 0] * seen
    logits = 50.0 * (classes[..., None] == np.arange(20))
    return logits.astype(np.float32), photo[:, ::16, ::16]


class Painter:
  """A texture network: paints what the layout says in the first `rows` rows, its own below."""

  def __init__(self, rows):
    self.rows = rows

  def apply(self, variables, photo, mask, layout, features, z, use_features):
    assert z.shape == (len(photo), LATENT)
    own = photo[:, -1:, -1:, :1]
    asked = layout.argmax(-1)[..., None] * 10 / 127.5 - 1
    obeys = np.arange(photo.shape[1])[:, None, None] < self.rows
    return (obeys * asked + ~obeys * own).repeat(3, axis=-1).astype(np.float32)


def flat_faces(number):
  """Face i has the colour of class i + 1 everywhere; all holes are rows 0..7."""
  classes = np.arange(1, number + 1, dtype=np.uint8)[:, None, None]
  labels = np.broadcast_to(classes, (number, SIDE, SIDE)).copy()
  mask = np.zeros((number, SIDE, SIDE, 1), bool)
  mask[:, :8] = True
  photo = np.repeat(labels[..., None] * 10, 3, axis=-1)
  return {"photo": photo, "labels": labels, "mask": mask}


@pytest.mark.parametrize(("rows", "given", "ratio"), [(8, 1, np.inf), (6, 0.75, 3), (0, 0, 0)])
def test_guidance_counts_what_is_read(rows, given, ratio):
  networks = types.SimpleNamespace(layout=Reader(), texture=Painter(rows))
  batch = flat_faces(5)
  batch["labels"][0] = 0  # one face of five is labelled as the reader does not read it
  params = {"layout": {}, "texture": {}}
  found = evaluate.guidance(networks, params, evaluate.slices(batch, 3))
  assert found["pixels"] == 5 * 8 * SIDE  # no face of a batch is like the next
  assert found["given_share"] == pytest.approx(given)
  assert found["predicted_share"] == pytest.approx(1 - given)
  assert found["ratio"] == ratio
  assert found["parser_accuracy"] == pytest.approx(0.8)


def test_guidance_of_one_face_has_nothing_to_compare():
  networks = types.SimpleNamespace(layout=Reader(), texture=Painter(8))
  found = evaluate.guidance(networks, {"layout": {}, "texture": {}}, [flat_faces(1)])
  assert found["pixels"] == 0 and np.isnan(found["given_share"]) and np.isnan(found["ratio"])


def test_filler_fills_the_hole_from_the_predicted_layout():
  networks = types.SimpleNamespace(layout=Reader(), texture=Painter(4))
  batch = flat_faces(3)
  hidden = batch["photo"].copy()
  hidden[:, :8] = 255
  result = evaluate.make_filler(networks)({"layout": {}, "texture": {}}, hidden, batch["mask"])
  np.testing.assert_array_equal(result["whole"], batch["photo"])
  np.testing.assert_array_equal(result["layout"], batch["labels"])
