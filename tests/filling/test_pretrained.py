"""The model that comes with the package: it is there, whole, small, and says what it is."""

import jax
import numpy as np
import pytest

import facefill_jax
from facefill_jax.data.drawn import faces
from facefill_jax.filling import model_files
from facefill_jax.filling.pipeline import FaceFillPipeline


def test_it_is_whole_and_small():
  config, params = model_files.load_model(facefill_jax.PRETRAINED, needed=model_files.NETWORKS)
  assert config["size"] == "small"
  assert {leaf.dtype.name for leaf in jax.tree.leaves(params)} == {"bfloat16"}
  assert sum(path.stat().st_size for path in facefill_jax.PRETRAINED.iterdir()) <= 25e6


def test_its_card_says_what_it_must():
  card = " ".join((facefill_jax.PRETRAINED / "README.md").read_text(encoding="utf-8").split())
  for said in ("Not for commercial purposes", "invented", "does not reveal", "CelebA-HQ", "95 %"):
    assert said in card, said


@pytest.mark.slow
def test_it_fills_and_leaves_the_rest():
  pipeline = FaceFillPipeline.from_pretrained(facefill_jax.PRETRAINED)
  photo = faces.DrawnFaces(256)[7]["photo"]
  mask = np.zeros((256, 256), bool)
  mask[80:200, 60:160] = True
  filled = pipeline(photo, mask).whole
  np.testing.assert_array_equal(filled[~mask], photo[~mask])
  assert np.abs(filled[mask].astype(int) - photo[mask]).mean() < 60
  other = np.where(mask[..., None], 255 - photo, photo)
  np.testing.assert_array_equal(pipeline(other, mask).whole, filled)


@pytest.mark.slow
def test_a_program_for_few_photos_gives_the_same():
  photo = faces.DrawnFaces(256)[3]["photo"]
  mask = np.zeros((256, 256), bool)
  mask[100:220, 40:200] = True
  for_many, for_few = (
    FaceFillPipeline.from_pretrained(facefill_jax.PRETRAINED, few_photos=few)(photo, mask)
    for few in (False, True)
  )
  assert np.abs(for_many.whole.astype(int) - for_few.whole).max() <= 1
  assert (for_many.layout != for_few.layout).mean() < 0.001
