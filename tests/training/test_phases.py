"""Which step is which photo, through phases of different batches."""

import numpy as np
import pytest
import short_run

from facefill_jax.models.networks import build_networks
from facefill_jax.training import from_config
from facefill_jax.training.phases import Phase, Plan

FIRST = Phase(0, 64, 16, 1, (0.1, 0.9), 0.5)


def plan(*changes, total=100, first=FIRST):
  return Plan(first, changes, total)


def test_one_phase():
  p = plan(total=100)
  assert (p.total, p.total_images, p.starts) == (6, 96, [0])  # 100 // 16
  assert [p.images_at(step) for step in (0, 1, 6)] == [0, 16, 96]
  assert p.schedule_segments(0) == ((0, 0, 16, 1.0),)


def test_phases_by_hand():
  """Photos 0..47 by 16, 48..79 by 8 (up to 80 of the 85 before the next), 80..99 by 4."""
  p = plan(
    {"from_images": 50, "resolution": 128, "batch_size": 8},
    {"from_images": 85, "batch_size": 4, "lr": 0.5, "mask_ratio": [0.2, 0.4]},
    total=101,
  )
  assert p.starts == [0, 3, 7] and p.total == 3 + 4 + 5 and p.total_images == 100
  assert [p.images_at(step) for step in (2, 3, 4, 7, 8, 12)] == [32, 48, 56, 80, 84, 100]
  assert [p.number_at(step) for step in (0, 2, 3, 6, 7, 12)] == [0, 0, 1, 1, 2, 2]
  assert [p.at(step).resolution for step in (2, 3, 11)] == [64, 128, 128]
  assert [p.step_at(images) for images in (0, 1, 16, 48, 49, 56, 81, 100)] == [
    0, 1, 1, 3, 4, 4, 8, 12,
  ]  # fmt: skip
  assert p.schedule_segments(0) == ((0, 0, 16, 1.0), (3, 48, 8, 1.0), (7, 80, 4, 0.5))
  assert p.schedule_segments(4) == (
    (0, 0, 8, 1.0),
    (3, 24, 4, 0.5),
  )  # a stage that begins at step 4
  assert p.at(7).mask_ratio == (0.2, 0.4) and p.at(6).mask_ratio == (0.1, 0.9)


def test_a_step_never_lies_before_its_photos():
  p = plan({"from_images": 37, "batch_size": 5}, {"from_images": 61, "batch_size": 3})
  for images in range(101):
    step = p.step_at(images)
    assert p.images_at(step) >= min(images, p.total_images)
    assert step == 0 or p.images_at(step - 1) < images


def test_a_factor_of_the_rate_is_of_the_configured_one():
  p = plan({"from_images": 32, "lr": 0.5}, {"from_images": 64, "resolution": 96})
  assert [phase.lr for phase in p.phases] == [1.0, 0.5, 1.0]
  assert [phase.resolution for phase in p.phases] == [64, 64, 96]


def test_what_a_resumed_run_must_share():
  p = plan({"from_images": 32, "batch_size": 8}, {"from_images": 64, "batch_size": 4})
  assert p.batches(0) == p.batches(2) == [[0, 16]]  # the second begins with step 2
  assert p.batches(3) == [[0, 16], [32, 8]]


@pytest.mark.parametrize(
  ("changes", "said"),
  [
    ([{"from_images": 50, "resolutoin": 128}], r"phases\[0\]: unknown key resolutoin; valid keys"),
    ([{"resolution": 128}], r"phases\[0\]: missing key from_images; valid keys are from_images"),
    ([{"from_images": 10}], r"phases\[0\]\.from_images 10 leaves no step of batch 16 after image"),
    ([{"from_images": 50}, {"from_images": 50}], r"phases\[1\]\.from_images 50 leaves no step"),
    ([{"from_images": 98}], "total_images 100 leaves no step of batch 16 after image 96"),
    ([{"from_images": 50, "resolution": 100}], "from image 50 on: resolution must be a multiple"),
    ([{"from_images": 50, "batch_size": 0}], "batch_size must be 1 or more, got 0"),
    ([{"from_images": 50, "lr": 0.0}], "lr, a factor, must be above 0"),
    ([{"from_images": 5e1}], r"from image 50.0 on: from_images must be a whole number, got 50.0"),
    (
      [{"from_images": 50, "unlabelled_share": 1.5}],
      r"unlabelled_share must be in \[0, 1\), got 1.5",
    ),
  ],
)
def test_what_is_refused(changes, said):
  with pytest.raises(ValueError, match=said):
    plan(*changes)


@pytest.mark.parametrize("stages", ["layout", "texture"])
def test_a_stage_alone_begins_at_once(stages):
  """Whatever `texture_starts_at_images` says: it is for both."""
  c = short_run.config(stages=stages, init_from="somewhere")
  assert c.texture_starts_at_images > 0 and from_config.make_plan(c)[1] == 0


def test_a_critic_has_the_schedule_of_the_time_in_which_it_trains():
  """Of 100 photos of batch 10 it trains from the 40th on; at the 60th the rates are halved."""
  c = short_run.config(stages="layout", batch_size=10, total_images=100)
  c.phases = ({"from_images": 60, "lr": 0.5},)
  c.layout.adversary_starts_at_images = 35
  for key in ("optimiser", "critic_optimiser"):
    c.layout[key].lr, c.layout[key].warmup_images, c.layout[key].decay_images = 1.0, 0, 40
  networks = build_networks("tiny")
  stage = from_config.make_stage("layout", c, networks, from_config.make_plan(c)[0], 0)
  rates = [stage.optimiser.schedule()(step) for step in range(11)]
  critic = [stage.critic_optimiser.schedule()(updates) for updates in range(7)]
  np.testing.assert_allclose(critic, rates[4:], rtol=1e-6)
  assert critic[1] == 1.0 and critic[2] == 0.5 and critic[-1] == pytest.approx(0.5 * 0.05)
