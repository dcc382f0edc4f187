"""bench quality without a model: pairing, bins, files and exit codes; and a model's resizing."""

import json

import numpy as np
import pytest
from PIL import Image

from facefill_jax import baselines
from facefill_jax.bench import quality
from facefill_jax.bench.__main__ import main
from facefill_jax.frame import Frame

SIDE = 32


def save(path, array):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(array).save(path)


@pytest.fixture
def data(tmp_path):
  """Three photos of 48 x 64 with labels, and masks in two bins, named so that order matters."""
  rng = np.random.default_rng(0)
  for i in range(3):
    save(tmp_path / "photos" / f"{i}.png", rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    save(tmp_path / "labels" / f"{i}.png", np.full((48, 64), i, np.uint8))
  for name, rows in (("10-20", (4, 5)), ("2-10", (1, 2, 3))):
    for k, height in enumerate(rows):
      mask = np.zeros((SIDE, SIDE), np.uint8)
      mask[10 : 10 + height] = 255
      save(tmp_path / "masks" / name / f"{k}.png", mask)
  return tmp_path


def test_pairs_scores_and_files(data, capsys):
  code = main([
    "quality", "--photos", str(data / "photos"), "--labels", str(data / "labels"),
    "--masks", str(data / "masks"), "--size", str(SIDE), "--masks-per-photo", "2",
    "--batch-size", "4", "--json", str(data / "q.json"), "--out", str(data / "pictures"),
  ])  # fmt: skip
  assert code == 0
  content = json.loads((data / "q.json").read_text())
  assert list(content["methods"]) == ["telea", "navier_stokes"]
  rows = content["methods"]["telea"]["per_image"]
  assert [row["id"] for row in rows] == ["0.png", "1.png", "2.png"] * 4
  assert [row["bin"] for row in rows] == ["2-10"] * 6 + ["10-20"] * 6
  # Masks start over: 1 2 3 1 2 3 rows of 32, then 4 5 4 5 4 5.
  heights = [round(row["hole_ratio"] * SIDE) for row in rows]
  assert heights == [1, 2, 3, 1, 2, 3, 4, 5, 4, 5, 4, 5]

  source = Image.open(data / "photos" / "1.png").crop((8, 0, 56, 48))
  photo = np.asarray(source.resize((SIDE, SIDE), Image.Resampling.LANCZOS))
  mask = np.zeros((SIDE, SIDE), bool)
  mask[10:12] = True
  error = (baselines.telea(photo, mask).astype(float) - photo)[mask]
  assert rows[1]["hole_psnr_db"] == pytest.approx(10 * np.log10(255**2 / (error**2).mean()), 1e-4)

  picture = np.asarray(Image.open(data / "pictures" / "2-10.png"))
  assert picture.shape == (4 * SIDE, 5 * SIDE, 3)  # the first batch: masked, labels, two, truth
  np.testing.assert_array_equal(picture[SIDE : 2 * SIDE, -SIDE:], photo)
  printed = capsys.readouterr().out
  assert "hole 2-10 %: 6 fills, 6.2 % hidden" in printed and "all holes: 12 fills" in printed


def test_masks_without_folders_go_by_hole_share(data, capsys):
  arguments = ["quality", "--photos", str(data / "photos"), "--size", str(SIDE)]
  assert main([*arguments, "--masks", str(data / "masks" / "10-20")]) == 0
  assert "hole 10-20 %: 3 fills" in capsys.readouterr().out  # 4, 5, 4 rows of 32


def test_mistakes_are_one_line_and_a_code(data, capsys):
  arguments = ["quality", "--photos", str(data / "photos"), "--masks", str(data / "masks")]
  (data / "empty").mkdir()
  for extra, code, said in (
    (["--model", str(data / "empty")], 4, "config.json"),
    (["--squeezenet", str(data / "absent.npz")], 4, "absent.npz"),
    (["--labels", str(data / "empty")], 3, "none in"),
    (["--size", "8"], 2, "--size"),
    (["--model", str(data / "nowhere")], 2, "does not exist"),
  ):
    assert main([*arguments, *extra]) == code
    message = capsys.readouterr().err
    assert said in message and "Traceback" not in message


def test_a_model_of_another_resolution_keeps_known_pixels():
  rng = np.random.default_rng(1)
  photo = rng.integers(0, 256, (2, 48, 48, 3), dtype=np.uint8)
  mask = np.zeros((2, 48, 48, 1), bool)
  mask[:, 10:30, 7:25] = True
  model = object.__new__(quality.Model)
  model.resolution = 32

  def fill(cells, holes):
    assert cells.shape == (2, 32, 32, 3) and holes.shape == (2, 32, 32, 1)
    want = [Frame(0, 0, 48).crop(p, m[..., 0], 32)[1] for p, m in zip(photo, mask, strict=True)]
    np.testing.assert_array_equal(holes[..., 0], want)
    return {"whole": np.full_like(cells, 77), "layout": np.full(cells.shape[:3], 5, np.uint8)}

  model._fill = fill
  found = model(photo, mask)
  np.testing.assert_array_equal(found["whole"], np.where(mask, 77, photo))
  np.testing.assert_array_equal(found["layout"], np.full((2, 48, 48), 5))
