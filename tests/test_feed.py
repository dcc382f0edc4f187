"""What a run is fed, phase by phase."""

import numpy as np
import pytest
import short_run

from facefill_jax import recipe
from facefill_jax.feed import Feed


@pytest.fixture(scope="module")
def feed():
  c = short_run.config(total_images=40)
  c.phases = ({"from_images": 16, "resolution": 96, "batch_size": 6, "mask_ratio": (0.6, 0.7)},)
  c.masks.weights, c.masks.ratio = {"free_form": 1.0}, (0.1, 0.2)
  return Feed(c, recipe.make_plan(c)[0])


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


def test_a_phase_does_not_begin_with_the_photos_of_the_first(feed):
  one, two = (np.stack([b["photo"][:, ::16, ::16] for b in take(feed, 0, 7)[k:k + 1]])
              for k in (0, 4))  # fmt: skip
  means = [x.reshape(-1, *x.shape[2:]).mean((1, 2)).round() for x in (one, two)]
  assert not any((a == b).all() for a in means[0] for b in means[1][:1])


def test_held_out_faces_are_the_same_at_every_resolution(feed):
  small, large = feed.fixed(64), feed.fixed(96)
  assert large["photo"].shape[1] == 96 and feed.fixed(64) is small
  colours = [x["photo"].mean((1, 2)) for x in (small, large)]
  np.testing.assert_allclose(*colours, atol=2)
