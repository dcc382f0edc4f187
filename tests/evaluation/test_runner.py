"""A whole evaluation on a few drawn faces: what is written, and that it is what was scored."""

import csv
import json

import jax
import numpy as np
import pytest
import tiny_model
from PIL import Image

from facefill_jax import sharding
from facefill_jax.evaluation import fills, holes, measures, pairs, runner, statistics, summary
from facefill_jax.filling import classical, model_files
from facefill_jax.filling.filler import Filler
from facefill_jax.labels import CLASSES
from facefill_jax.metrics import frechet, skin_tone
from facefill_jax.pretrained_nets import inception

SIDE, PHOTOS = 64, 3


def faces(count=PHOTOS, **options):
  source = pairs.open_photos(f"drawn:{count}", SIDE)
  return pairs.Pairs(source, holes.ProtocolHoles("mat_large", 1, SIDE), SIDE, **options)


def run(filler, directory, shown=None, **options):
  directory.mkdir()
  options = {
    "judged_by": {},
    "batch_size": 4,
    "mesh": sharding.local_mesh(1),
    "about": {},
  } | options
  return runner.evaluate(filler, shown or faces(masks_per_photo=2), directory, **options)


def rows_of(directory):
  with open(directory / "per_image.csv", encoding="utf-8", newline="") as file:
    return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def telea(tmp_path_factory):
  """A run of Telea's method, its directory and what it returned."""
  directory = tmp_path_factory.mktemp("telea") / "run"
  told = []
  filler = runner.Candidate("telea", fills.method("telea"))
  content = run(filler, directory, about={"name": "t"}, tell=lambda *done: told.append(done))
  assert told == [(4, 6), (6, 6)]
  return directory, content


def test_files_and_rows(telea):
  directory, content = telea
  assert sorted(p.name for p in directory.iterdir()) == [
    "examples", "metrics.json", "per_image.csv",
  ]  # fmt: skip
  assert json.loads((directory / "metrics.json").read_text()) == content
  rows, shown = rows_of(directory), faces(masks_per_photo=2)
  assert [row["id"] for row in rows] == [pair.id for pair in shown.pairs]
  assert len({row["photo"] for row in rows}) == PHOTOS
  (batch,) = shown.batches(6)
  for i, row in enumerate(rows):
    photo, mask = batch["photo"][i], batch["mask"][i, ..., 0]
    error = (classical.telea(photo, mask).astype(float) - photo)[mask]
    assert float(row["hole_psnr"]) == pytest.approx(10 * np.log10(255**2 / (error**2).mean()), 1e-4)
    assert float(row["hole_ratio"]) == pytest.approx(mask.mean(), rel=1e-6)
    assert row["bin"] == pairs.bin_of(mask.mean()) and row["mask"] == batch["mask_name"][i]
    assert float(row["seconds"]) > 0
    skin = (batch["labels"][i] == CLASSES.index("skin")) & ~mask
    angle = skin_tone.typology_angle(photo, skin)
    assert row["skin_angle"] == ("" if np.isnan(angle) else f"{angle:.7g}")
  names = ["id", "photo", "mask", "bin", "hole_ratio", "seconds", "skin_angle"]
  assert list(rows[0])[:7] == names


def test_metrics(telea):
  directory, content = telea
  rows = rows_of(directory)
  assert content["format"] == 1 and list(content["metrics"]) == list(measures.KEYS)
  assert content["bins"] == pairs.in_order([row["bin"] for row in rows])
  entry = content["metrics"]["hole_psnr"]
  values = [float(row["hole_psnr"]) for row in rows]
  want = statistics.bootstrap(statistics.mean(values), [row["photo"] for row in rows])
  for key in ("value", "low", "high", "count"):
    assert entry["all"][key] == pytest.approx(getattr(want, key), rel=1e-5)
  assert entry["unit"] == "dB" and entry["better"] == "higher" and entry["region"] == "hole"
  for name in content["bins"]:
    members = [float(row["hole_psnr"]) for row in rows if row["bin"] == name]
    assert entry["bins"][name]["value"] == pytest.approx(np.mean(members), rel=1e-5)
    assert entry["bins"][name]["count"] == len(members)
  by_tone = {}
  for row in rows:
    if name := skin_tone.group(float(row["skin_angle"] or "nan")):
      by_tone.setdefault(name, []).append(float(row["hole_psnr"]))
  assert by_tone and set(entry["skin_tones"]) == set(by_tone)
  for name, members in by_tone.items():
    assert entry["skin_tones"][name]["value"] == pytest.approx(np.mean(members), rel=1e-5)
    assert entry["skin_tones"][name]["count"] == len(members)
  said = summary.table(content).splitlines()
  assert said[-len(by_tone) - 1] == "known skin" and said[-1].split()[0] in " ".join(by_tone)
  fid = content["metrics"]["fid"]
  assert "inception" in fid["not_computed"]
  assert fid["all"] == {"value": None, "low": None, "high": None, "count": 0}
  about = content["run"]
  assert about["name"] == "t" and about["method"] == "telea" and about["model"] is None
  assert about["fills"] == 6 and about["size"] == SIDE and about["seconds_per_photo"] > 0
  assert content["checks"]["known_pixels"]["passed"]
  assert content["checks"]["layout_from_known_only"]["passed"]
  assert content["checks"]["layout_adherence"]["not_computed"]


def test_examples(telea):
  directory, _ = telea
  index = json.loads((directory / "examples" / "examples.json").read_text())
  rows = sorted(rows_of(directory), key=lambda row: -float(row["hole_psnr"]))
  want = {"best": rows[:4], "median": rows[1:5], "worst": rows[2:]}
  (batch,) = faces(masks_per_photo=2).batches(6)
  names = [pair.id for pair in batch["pair"]]
  for name, members in want.items():
    assert [each["id"] for each in index[name]] == [row["id"] for row in members]
    with Image.open(directory / "examples" / f"{name}.png") as file:
      picture = np.asarray(file)
    assert picture.shape == (4 * SIDE, 3 * SIDE, 3)  # masked, filled, truth: there is no layout
    place = names.index(members[1]["id"])
    np.testing.assert_array_equal(picture[SIDE : 2 * SIDE, -SIDE:], batch["photo"][place])
    filled = classical.telea(batch["photo"][place], batch["mask"][place, ..., 0])
    np.testing.assert_array_equal(picture[SIDE : 2 * SIDE, SIDE : 2 * SIDE], filled)


def test_a_peeking_method_fails_its_check(tmp_path):
  content = run(runner.Candidate("identity", fills.method("identity")), tmp_path / "run")
  assert content["checks"]["known_pixels"]["passed"] is True
  assert content["checks"]["layout_from_known_only"]["passed"] is False
  assert content["metrics"]["hole_psnr"]["all"]["value"] == pytest.approx(100, abs=1e-3)
  assert content["metrics"]["rim_error"]["all"]["value"] == 0


def test_without_labels_a_model_says_where_skin_is(tmp_path):
  """Six fills in batches of four: the last is padded."""

  def fill(batch):
    skin = np.full(batch["photo"].shape[:3], CLASSES.index("skin"), np.uint8)
    return {"whole": batch["photo"], "layout": skin}

  directory = tmp_path / "run"
  unlabelled = pairs.Pairs(
    pairs.open_photos(f"drawn:{PHOTOS}", SIDE), holes.ProtocolHoles("mat_large", 1, SIDE), SIDE, 2,
    False,
  )  # fmt: skip
  run(runner.Candidate("outputs", fill), directory, unlabelled)
  (batch,) = unlabelled.batches(6)
  for row, photo, mask in zip(rows_of(directory), batch["photo"], batch["mask"], strict=True):
    assert float(row["skin_angle"]) == pytest.approx(
      skin_tone.typology_angle(photo, ~mask[..., 0]), abs=1e-4
    )


def test_a_model_its_layouts_and_its_checks(tmp_path):
  model_files.save_model(tmp_path / "model", tiny_model.random_params(), tiny_model.CONFIG)
  model = Filler.from_directory(tmp_path / "model", mesh=sharding.local_mesh(2))
  content = run(runner.Candidate.of_model(model), tmp_path / "run",
                mesh=sharding.local_mesh(2))  # fmt: skip
  assert content["metrics"]["layout_miou"]["all"]["count"] == 6
  assert 0 <= content["metrics"]["layout_accuracy"]["all"]["value"] <= 1
  checks = content["checks"]
  assert checks["known_pixels"]["passed"] and checks["layout_from_known_only"]["passed"]
  assert checks["layout_adherence"]["pixels"] > 0 and checks["diversity"]["mean"] > 0
  assert content["run"]["model"] == {"sha256": model.sha256, "config": model.config}
  assert content["run"]["hardware"]["devices"].startswith("2 x")
  with Image.open(tmp_path / "run" / "examples" / "best.png") as picture:
    assert picture.size == (4 * SIDE, 4 * SIDE)


def test_outputs_are_scored_as_they_are(tmp_path, telea):
  shown = faces(masks_per_photo=2)
  (batch,) = shown.batches(6)
  for i, pair in enumerate(batch["pair"]):
    filled = classical.telea(batch["photo"][i], batch["mask"][i, ..., 0])
    if i == 1:
      filled[~batch["mask"][i, ..., 0]] ^= 1
    (tmp_path / "theirs").mkdir(exist_ok=True)
    Image.fromarray(filled).save(tmp_path / "theirs" / f"{pair.id}.png")
  outputs = fills.Outputs(tmp_path / "theirs", [pair.id for pair in shown.pairs], SIDE)
  content = run(runner.Candidate("outputs", outputs), tmp_path / "run", shown)
  ours = telea[1]["metrics"]["hole_psnr"]
  assert content["metrics"]["hole_psnr"] == ours
  known = content["checks"]["known_pixels"]
  assert known["passed"] is False and "changed in 1 of 6 fills" in known["detail"]
  assert content["checks"]["diversity"]["not_computed"]
  assert content["run"]["seconds_per_photo"] is None
  assert rows_of(tmp_path / "run")[0]["seconds"] == ""


class Judge:
  """As `weights.Judge`; its network is the stand-in below."""

  params, sha256 = {"scale": np.float32(1)}, "0" * 64


def few_features(params, photo):
  """In place of Inception's: colour means of four cells, 12 numbers."""
  cells = jax.image.resize(photo, (len(photo), 2, 2, 3), "linear")
  return params["scale"] * cells.reshape(len(photo), 12)


def test_set_metrics_take_each_photo_once_and_fills_with_their_photos(tmp_path, monkeypatch):
  monkeypatch.setattr(inception, "features", few_features)
  monkeypatch.setattr(inception, "WIDTH", 12)
  for metric in ("fid", "kid", "p_ids", "u_ids"):
    place = measures.KEYS.index(metric)
    least = {"fid": 3, "kid": 3, "p_ids": 6, "u_ids": 4}[metric]
    monkeypatch.setattr(
      measures, "METRICS",
      tuple(runner.dataclasses.replace(m, least=least) if i == place else m
            for i, m in enumerate(measures.METRICS)),
    )  # fmt: skip
  seen = []
  monkeypatch.setattr(frechet, "ids", lambda *x: seen.append(x) or (0.1, 0.2))
  filler = runner.Candidate("telea", fills.method("telea"))
  content = run(filler, tmp_path / "run", judged_by={"inception_fid": Judge()})
  assert not list((tmp_path / "run").glob(".arrays*"))
  (batch,) = faces(masks_per_photo=2).batches(6)
  whole = fills.method("telea")(batch)["whole"]
  fake, real = (
    np.asarray(few_features(Judge.params, x / np.float32(127.5) - 1))
    for x in (whole, batch["photo"])
  )
  a, b = (frechet.Moments(inception.WIDTH) for _ in range(2))
  a.add(fake)
  b.add(real[::2])  # each photo once: it has two masks
  metrics = content["metrics"]
  assert metrics["fid"]["all"]["value"] == pytest.approx(frechet.frechet_distance(a, b), rel=1e-3)
  assert metrics["kid"]["all"]["value"] == pytest.approx(frechet.kid(fake, real[::2]), abs=1e-6)
  assert metrics["kid"]["all"]["count"] == 6 and metrics["kid"]["all"]["low"] is None
  assert "3 and 6" in metrics["p_ids"]["not_computed"] and not seen
  assert content["run"]["judges"] == {"inception_fid": "0" * 64}
