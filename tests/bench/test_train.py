"""bench train: the step of a configuration, its variants, and what their differences are."""

import json
from types import SimpleNamespace

import jax
import pytest
import short_run

from facefill_jax.bench import train, train_case, train_step
from facefill_jax.bench.__main__ import main
from facefill_jax.bench.train_case import Case

CONFIG = str(short_run.ROOT / "configs" / "folder.py")
PHASES = "phases=({'from_images': 100, 'resolution': 96, 'batch_size': 4},)"


@pytest.fixture(scope="module")
def setups():
  with short_run.with_size():
    case = Case(CONFIG, "layout", (f"size={short_run.SIZE}",), 64, 2)
    texture = Case(CONFIG, "texture", case.settings, 64, 2)
    return {"layout": train_step.set_up(case), "texture": train_step.set_up(texture)}


def test_a_configuration_is_changed():
  c = train_case.load(
    Case(f"{CONFIG}:base", "layout", ("texture.losses.style=1", "dtype=bfloat16", PHASES), batch=3)
  )
  assert c.size == "base" and c.texture.losses.style == 1.0 and c.dtype == "bfloat16"
  assert (c.resolution, c.batch_size, c.phases) == (96, 3, ())  # of the last phase
  c = train_case.load(Case(CONFIG, "texture", ("stages=texture",)))
  assert c.stages == "both"


@pytest.mark.parametrize(
  ("setting", "said"),
  [
    ("layout.penlty=1", "valid here: adversary, adversary_starts_at_images"),
    ("batch_size=many", "batch_size is a int, such as 16"),
    ("batch_size", "give KEY=VALUE"),
    ("no.such.key=1", "give KEY=VALUE"),
  ],
)
def test_what_cannot_be_set(setting, said):
  with pytest.raises(ValueError, match=said):
    train_case.load(Case(CONFIG, "layout", (setting,)))


def test_the_other_side():
  case = Case("a.py:small", "layout")
  assert train_case.changed(case, "base").settings == ("size=base",)
  assert train_case.changed(case, "remat=True").settings == ("remat=True",)
  assert train_case.changed(case, "b.py").config == "b.py"
  with pytest.raises(ValueError, match="--vs bse: neither a checkout"):
    train_case.changed(case, "bse")


def test_no_such_configuration(capsys):
  assert main(["train", "--config", "nowhere.py:small"]) == 3
  assert "--config nowhere.py:small: no such file" in capsys.readouterr().err


def test_arguments_for_another_checkout(monkeypatch):
  found = []
  monkeypatch.setattr(
    "facefill_jax.bench.measuring.run", lambda cases, *_, paced, **__: found.extend(cases)
  )
  case = Case(CONFIG, "texture", ("remat=True", "seed=1"), 64, 2, early=True)
  assert main([*case.arguments(), "--paced"]) == 0
  assert found == [case]


def test_the_step_is_the_configurations(setups):
  layout, texture = setups["layout"].stage, setups["texture"].stage
  assert (layout.adversary, layout.penalty_every) == ("wgan_gp", 1)
  assert (texture.adversary, texture.penalty_every) == ("hinge_r1", 16)
  assert layout.objective.asks_critic and texture.objective.asks_critic
  assert setups["texture"].data.features.shape[:3] == (2, 4, 4)
  shapes = {x.shape[0] for x in jax.tree.leaves(setups["texture"].data)}
  assert shapes == {2}


def test_kinds_of_steps(setups):
  layout, texture = setups["layout"].stage, setups["texture"].stage
  assert train.kinds_of_steps(layout) == [(0, 1.0)]
  assert train.kinds_of_steps(texture) == [(0, 1 / 16), (1, 15 / 16)]
  assert train.kinds_of_steps(texture.replace(penalty=0.0)) == [(0, 1.0)]
  seldom = texture.replace(penalty_every=4, generator_every=2)
  assert train.kinds_of_steps(seldom) == [(0, 0.25), (1, 0.5), (2, 0.25)]


def test_variants(setups):
  assert list(train.variants(setups["layout"].stage)) == ["penalty", "critic", "generator"]
  found = train.variants(setups["texture"].stage)
  assert list(found) == ["penalty", "critic", "judges", "generator"]
  assert found["penalty"] is setups["texture"].stage and found["critic"].penalty == 0
  assert "adversarial" not in found["judges"].objective.active
  assert found["generator"].objective.active == {"known_l1", "hole_l1", "coarse_l1"}
  assert set(train_step.JUDGED) < set(setups["texture"].stage.objective.TERMS)


def test_what_is_said_of_the_parts():
  row = {"stage": "layout", "resolution": 64, "batch": 2, "finite": True, "parts_seconds": 1.0}
  parts = {"generator": {"ms": 1.0, "cpu_ms": 30.0}, "critic": {"ms": 1.0, "cpu_ms": 10.0}}
  said = "layout 64 px x 2: generator 30.0 CPU-ms (75%), critic 10.0 CPU-ms (25%)"
  assert train.say_more(row | {"parts": parts}) == said
  assert train.say_more({"a": row | {"parts": parts}, "b": row}) == f"A {said}"
  assert train.say_more(row) == ""
  fed = {"photos_per_second": 45.0, "held_photos_per_second": 50.0, "drawing_share": 0.2}
  said = "45.0 photos/s on the configuration's photos, 90% of the 50.0 on photos that are there"
  assert said in train.say_more(row | {"fed": fed})
  assert "layout: a loss was not finite" in train.say_more(row | {"finite": False})


def test_differences():
  found = {"penalty": 10.0, "critic": 7.0, "generator": 4.0}
  assert train.differences(found) == {"penalty": 3.0, "critic": 3.0, "generator": 4.0}


def test_how_often_the_penalty_counts(setups, monkeypatch):
  """XLA counts the larger branch of a condition: a penalty that is seldom would count each time."""
  found = {(1, 10.0): 9.0, (1, 0.1): 9.0, (16, 0.0): 5.0}

  def lower(_, stage):
    flops = found[stage.penalty_every, stage.penalty] * 2e9  # a batch of two
    return SimpleNamespace(cost_analysis=lambda: {"flops": flops})

  monkeypatch.setattr(train_step, "lower", lower)
  assert train_step.gflop_per_photo(setups["layout"]) == pytest.approx(9)
  assert train_step.gflop_per_photo(setups["texture"]) == pytest.approx(5 + 4 / 16)


@pytest.mark.slow
def test_the_command(tmp_path, capsys):
  out = tmp_path / "t.json"
  arguments = ["--config", CONFIG, "--set", "size=tiny", "--resolution", "64", "--batch", "2"]
  assert (
    main(
      [
        "train",
        *arguments,
        "--seconds",
        "0",
        "--fed",
        "--set",
        "data.kind=drawn",
        "--json",
        str(out),
      ]
    )
    == 0
  )
  layout, texture = json.loads(out.read_text())["rows"]
  assert list(layout["parts"]) == ["generator", "critic", "penalty"]
  assert list(texture["parts"]) == list(train.PARTS)
  for row in (layout, texture):
    assert row["fed"]["photos_per_second"] > 0 and 0 < row["fed"]["drawing_share"] < 1
    assert row["finite"] and row["ms"]["median"] > 0 and row["gflop_per_photo"] > 0.1
  assert "texture 64 px x 2: generator" in capsys.readouterr().out
