"""What a run is fed, phase by phase."""

import numpy as np
import pytest
import short_run
from PIL import Image

from facefill_jax.data import pipeline
from facefill_jax.training import from_config
from facefill_jax.training.batches import Feed


@pytest.fixture(scope="module")
def feed():
  c = short_run.config(total_images=40)
  c.phases = ({"from_images": 16, "resolution": 96, "batch_size": 6, "mask_ratio": (0.6, 0.7)},)
  c.masks.weights, c.masks.ratio = {"free_form": 1.0}, (0.1, 0.2)
  return Feed(c, from_config.make_plan(c)[0])


def take(feed, step, count):
  with feed.stream(step) as stream:
    return [next(stream) for _ in range(count)]


def test_batches_are_those_of_their_phase(feed):
  batches = take(feed, 0, 7)
  assert [b["photo"].shape for b in batches] == [(4, 64, 64, 3)] * 4 + [(6, 96, 96, 3)] * 3
  holes = [b["mask"].mean((1, 2, 3)) for b in batches]
  assert all((0.05 < h).all() and (h < 0.25).all() for h in holes[:4])
  assert all((0.55 < h).all() and (h < 0.75).all() for h in holes[4:])


@pytest.mark.parametrize("step", [2, 4, 5])
def test_a_stream_goes_on_exactly(feed, step):
  """From before a change of phase, from the change itself, and from after it."""
  for one, two in zip(take(feed, 0, 7)[step:], take(feed, step, 7 - step), strict=True):
    for name in one:
      np.testing.assert_array_equal(one[name], two[name])


def test_a_phase_does_not_begin_with_the_photos_of_the_first(feed, monkeypatch):
  """The order is drawn from the seed: another one in each phase, the same one when it resumes."""
  opened = []
  monkeypatch.setattr(pipeline, "batches", lambda *_, seed, **__: opened.append(seed))
  for number, start in ((0, 0), (1, 0), (1, 2)):
    feed.open_phase(number, start)
  assert opened[0] != opened[1] == opened[2]


def test_a_stream_opens_each_phase_once(feed, monkeypatch):
  """Also when it resumes exactly at the change: opening starts workers."""
  opened, open_phase = [], feed.open_phase
  monkeypatch.setattr(feed, "open_phase", lambda *where: opened.append(where) or open_phase(*where))
  take(feed, 0, 5)
  take(feed, 4, 2)
  assert opened == [(0, 0), (1, 0), (1, 0)]


def test_each_phase_has_its_own_sources(tmp_path):
  for folder, count in (("photos", 6), ("soft", 3), ("sharp", 2)):
    (tmp_path / folder).mkdir()
    for i in range(count):
      photo = np.full((64, 64, 3), 20 * i, np.uint8)
      Image.fromarray(photo).save(tmp_path / folder / f"{i}.png")
  c = short_run.config(total_images=40)
  c.data.kind, c.data.path, c.data.held_out = "folder", str(tmp_path / "photos"), 2
  c.data.unlabelled, c.data.unlabelled_share = (str(tmp_path / "soft"),), 0.5
  c.phases = ({"from_images": 16, "unlabelled": [str(tmp_path / "sharp")]},)
  plan = from_config.make_plan(c)[0]
  feed = Feed(c, plan)
  for phase, counts in zip(plan.phases, ([4, 3], [4, 2]), strict=True):
    assert [len(source) for source, _ in feed._open(phase)[0]] == counts
  c.phases = ({"from_images": 16, "unlabelled": (str(tmp_path / "shrap"),)},)
  with pytest.raises(ValueError, match="shrap does not exist"):  # not when its phase begins
    Feed(c, from_config.make_plan(c)[0])


def test_held_out_faces_are_the_same_at_every_resolution(feed):
  small, large = feed.fixed(64), feed.fixed(96)
  assert large["photo"].shape[1] == 96 and feed.fixed(64) is small
  colours = [x["photo"].mean((1, 2)) for x in (small, large)]
  np.testing.assert_allclose(*colours, atol=2)
