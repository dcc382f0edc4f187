"""`facefill data agreement`: what it prints and writes, and one line for each mistake."""

import csv

import numpy as np
import pytest
from drawn_sets import save

from facefill_jax.cli import main
from facefill_jax.filling import labelling


@pytest.fixture
def places(tmp_path, monkeypatch):
  """Two photos of 10 x 10: half skin, half hair; the second's hair is read as hat, unsurely."""
  truth = np.ones((10, 10), np.uint8)
  truth[5:] = 13
  wrong = np.where(truth == 13, 14, truth).astype(np.uint8)
  unsure = np.where(truth == 13, 51, 255).astype(np.uint8)
  for i, (found, sure) in enumerate([(truth, np.full_like(truth, 255)), (wrong, unsure)]):
    save(tmp_path / "truth" / f"{i}.png", truth)
    save(tmp_path / "labels" / f"{i}.png", found)
    save(tmp_path / "sure" / f"{i}.png", sure)
  save(tmp_path / "truth" / "more.png", truth)
  monkeypatch.chdir(tmp_path)
  return tmp_path


def test_what_it_says(places, capsys):
  command = ["data", "agreement", "labels", "truth", "--confidence", "sure", "--to", "tables"]
  assert main(command) == 0
  captured = capsys.readouterr()
  said = captured.out
  assert "warning: labels: 1 of 3 photos has no label map in labels" in captured.err
  assert "2 photos: 75.00% of the pixels right, mean IoU 0.7500, 0.00% left void" in said
  assert "hair           50.000%  0.5000   50.0%  hat 50.0%" in said
  assert "calibration error 0.0500" in said  # a quarter of the pixels is .2 sure and never right
  with open(places / "tables" / "confusion.csv", newline="") as file:
    rows = {row["true \\ found"]: row for row in csv.DictReader(file)}
  assert (rows["hair"]["hair"], rows["hair"]["hat"], rows["skin"]["skin"]) == ("50", "50", "100")
  with open(places / "tables" / "classes.csv", newline="") as file:
    classes = {row["class"]: row for row in csv.DictReader(file)}
  assert (classes["skin"]["iou"], classes["hair"]["iou"]) == ("1.000000", "0.500000")
  assert classes["nose"] == {"class": "nose", "pixels": "0", "iou": ""}
  with open(places / "tables" / "confidence.csv", newline="") as file:
    tenths = list(csv.DictReader(file))
  assert len(tenths) == 10 and (tenths[2]["share"], tenths[2]["accuracy"]) == ("0.25", "0.0")


def test_another_vocabulary_is_the_truth(places):
  ours = np.where(np.arange(100).reshape(10, 10) < 50, 1, 10).astype(np.uint8)  # skin, hair
  for i in range(2):
    save(places / "lapa" / f"{i}.png", ours)
  found, count = labelling.compare("labels", "lapa", vocabulary="lapa_11")
  assert count == 2 and found.scores()["pixel_accuracy"] == 0.75


def test_mistakes(places, capsys):
  def failed(*arguments, words):
    assert main(["data", "agreement", *arguments]) == 3
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and all(word in said[0] for word in words), said

  (places / "truth" / "more.png").unlink()  # or there is a warning before each mistake
  failed("labels", "nowhere", words=["nowhere does not exist"])
  failed("labels", "truth", "--vocabulary", "x", words=["'x' is not one of celebamask_hq"])
  failed("labels", "truth", "--vocabulary", "lapa_11", words=["0.png", "lapa_11 are 0..10"])
  save(places / "labels" / "1.png", np.zeros((4, 4), np.uint8))
  failed("labels", "truth", words=["1.png", "not of the size"])
  (places / "labels" / "1.png").write_bytes(b"no picture")
  failed("labels", "truth", words=["1.png cannot be read"])
