"""A working directory in a bucket: all that a run writes, and resuming it."""

import json
import os
from types import SimpleNamespace

import fake_bucket
import jax.numpy as jnp
import numpy as np
import pytest
import short_run

from facefill_jax import files
from facefill_jax.training import held_out, loop
from facefill_jax.training.run import Run
from facefill_jax.types import TrainState

WORKDIR = "gs://bucket/some/run"


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
  """Where the bucket's run lies; the loop trains no network, and draws and saves all the same."""
  fake_bucket.install(monkeypatch, tmp_path / "buckets")
  monkeypatch.chdir(tmp_path)

  def init(self, rng):
    weights = {"kernel": jnp.ones((2, 3))}
    state = TrainState(
      step=jnp.int32(0), images=jnp.int32(0), params=weights, ema=weights, opt_state=(),
      critic_params={}, critic_opt_state=(), augment=jnp.float32(0),
    )  # fmt: skip
    return {"layout": state, "texture": state, "judge": weights}

  def save_model(self, states, folder="model", **changes):
    with files.replacing_directory(self.workdir / folder) as new:
      (new / "config.json").write_text(json.dumps(changes), "utf-8")
    return str(self.workdir / folder)

  def advance(run, states, batch, step):
    return states, {"layout": {"loss/total": np.float32(step)}}

  def evaluate(run, states, faces, kept=1):
    layout = np.zeros(faces["photo"].shape[:3], np.uint8)
    return SimpleNamespace(scores=lambda: {"hole_psnr": 9.0}, layout=layout, whole=faces["photo"])

  monkeypatch.setattr(Run, "init", init)
  monkeypatch.setattr(Run, "save_model", save_model)
  for name in ("prepare", "prepare_next"):
    monkeypatch.setattr(Run, name, lambda self, step: None)
  monkeypatch.setattr(loop, "advance", advance)
  monkeypatch.setattr(held_out, "evaluate", evaluate)
  monkeypatch.setattr(held_out, "contrasts", lambda *_: {})
  return tmp_path / "buckets" / "bucket" / "some" / "run"


def names(root):
  return sorted(path.relative_to(root).as_posix() for path in root.iterdir())


def test_a_run_in_a_bucket(run_dir, capsys):
  with short_run.with_size():
    model = loop.train(short_run.config(), WORKDIR)
    assert model == f"{WORKDIR}/model"
    assert f"tensorboard --logdir {WORKDIR}/events" in capsys.readouterr().out
    assert names(run_dir) == [
      "best", "checkpoints", "config.json", "data.json", "events", "metrics.jsonl", "model",
      "parameters.txt", "samples", "versions.json",
    ]  # fmt: skip
    assert names(run_dir / "samples") == ["0000003.png", "0000006.png", "history.webp"]
    (events,) = (run_dir / "events").iterdir()
    assert b"hole_psnr" in events.read_bytes()
    steps = [json.loads(x)["step"] for x in (run_dir / "metrics.jsonl").read_bytes().splitlines()]
    assert steps == [2, 3, 4, 5, 6, 6]

    loop.train(short_run.config(total_images=32), WORKDIR)
  assert f"resuming at step 6 of {WORKDIR}" in capsys.readouterr().err
  assert names(run_dir / "samples")[-2] == "0000008.png"
  lines = (run_dir / "metrics.jsonl").read_bytes().splitlines()
  assert [json.loads(line)["step"] for line in lines] == [*steps, 8, 8]
  assert len(list((run_dir / "events").iterdir())) == 2
  assert os.listdir(os.getcwd()) == ["buckets"], "gs:// became a local folder"
