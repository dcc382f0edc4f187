"""What a run shows and leaves behind, from one run of six steps; and what it refuses to start."""

import json
import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
import short_run
from etils import epath
from PIL import Image

from facefill_jax import sharding
from facefill_jax.filling import model_files
from facefill_jax.models import networks
from facefill_jax.training import best, loop, metric_writer, restoring
from facefill_jax.training.deadline import Deadline
from facefill_jax.training.interruption import Interruption, Stopped
from facefill_jax.training.phases import Phase, Plan
from facefill_jax.training.progress import Progress
from facefill_jax.training.run import Run

pytestmark = pytest.mark.xdist_group("train")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
  return short_run.finished(tmp_path_factory)


@pytest.fixture
def micro_size():
  with short_run.with_size():
    yield


def lines_of(path):
  return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_progress_line(done):
  lines = [line for line in done.err.splitlines() if re.match(r"step \d+/6 ", line)]
  assert [line.split("/")[0] for line in lines] == ["step 2", "step 4", "step 5", "step 6"]
  for line in lines:
    assert re.search(r"  \d+\.\d photos/s  ETA \d+:\d\d  ", line), line
    assert re.search(r"layout total \d+\.\d{3}", line), line
  assert "texture" not in lines[0]  # it starts after two steps
  assert re.search(r"texture hole_l1 \d\.\d{3}.*texture total \d+\.\d{3}", lines[-1])
  assert re.search(r"^step 6  held-out faces: hole_psnr .* layout_miou ", done.err, re.M)


def test_what_next(done):
  for word in ("samples", "metrics.jsonl", "model", "facefill fill PHOTO MASK --model"):
    assert word in done.out
  assert str(done.workdir) in done.out


def test_metrics(done):
  lines = lines_of(done.workdir / "metrics.jsonl")
  trained = {line["step"]: line for line in lines if "photos_per_second" in line}
  scored = {line["step"]: line for line in lines if "eval/photos" in line}
  assert sorted(trained) == [2, 4, 5, 6] and sorted(scored) == [3, 6]
  c = short_run.config()
  terms = [f"layout/loss/{term}" for term in c.layout.losses]
  terms += [f"texture/loss/{term}" for term, weight in c.texture.losses.items() if weight]
  names = ["layout/critic/loss", "layout/critic/penalty", "texture/gradient_norm"]
  for name in (*terms, *names):
    assert np.isfinite(trained[6][name]), name
  # Asked at each 16th step only, the first in this case, which compiles and so is not reported.
  assert trained[4]["texture/critic/penalty"] > 0 and "texture/critic/penalty" not in trained[6]
  weighed = sum(c.texture.losses[name] * trained[6][f"texture/loss/{name}"]
                for name, weight in c.texture.losses.items() if weight)  # fmt: skip
  assert trained[6]["texture/loss/total"] == pytest.approx(weighed, rel=1e-4)
  for name in ("hole_psnr", "hole_ssim", "layout_miou", "laplacian_ratio"):
    assert np.isfinite(scored[6][f"eval/{name}"]), name
  assert scored[6]["eval/photos"] == 3


def test_what_evaluation_holds_beside_its_scores(done):
  lines = lines_of(done.workdir / "metrics.jsonl")
  (scored,) = (line for line in lines if line["step"] == 6 and "eval/photos" in line)
  assert scored["eval_raw/photos"] == 2 and scored["eval_train/photos"] == 3
  for name in ("hole_psnr", "layout_miou"):
    assert np.isfinite(scored[f"eval_train/{name}"]) and scored[f"eval_raw/{name}"] != 0
    assert scored[f"average_gain/{name}"] != 0, "raw weights and averages cannot be equal"
  for stage in ("layout", "texture"):
    real, fake, trained, share = (
      scored[f"{stage}/critic/{name}"]
      for name in ("held_out_real", "held_out_fake", "train_real", "overfitting")
    )
    assert share == pytest.approx((trained - real) / (trained - fake), rel=1e-2)


def test_what_a_step_tells_of_its_update(done):
  c = short_run.config()
  lines = lines_of(done.workdir / "metrics.jsonl")
  (line,) = (line for line in lines if line["step"] == 6 and "photos_per_second" in line)
  assert line["layout/images"] == 24 and line["texture/images"] == 16
  assert line["texture/ema_half_life_images"] == pytest.approx(0.05 * 16)
  # After 5 updates: two thirds of a cosine from step 3 to 6 that ends at .05.
  decayed = 0.05 + 0.95 * (1 + np.cos(2 / 3 * np.pi)) / 2
  assert line["layout/learning_rate"] == pytest.approx(decayed * c.layout.optimiser.lr, abs=1e-6)
  # After 3 updates of 4 photos: a third of one that begins after 8 photos of warm-up.
  decayed = 0.05 + 0.95 * (1 + np.cos(1 / 3 * np.pi)) / 2
  assert line["texture/learning_rate"] == pytest.approx(decayed * c.texture.optimiser.lr, abs=1e-6)
  assert line["texture/critic/learning_rate"] == pytest.approx(c.texture.critic_optimiser.lr)
  assert line["texture/gradient_norm/encoder"] > 0 and line["layout/gradient_norm/vit"] > 0


def test_event_file(done):
  (events,) = (done.workdir / "events").iterdir()
  assert events.name.startswith("events.out.tfevents.")
  content = events.read_bytes()
  assert b"texture/loss/total" in content and b"samples" in content
  assert b"warmup_images" in content and b"cnn/stem/kernel" in content  # config and parameters


def test_samples(done):
  paths = sorted((done.workdir / "samples").iterdir())
  assert [path.name for path in paths] == ["0000003.png", "0000006.png", "history.webp"]
  for path in paths[:2]:
    with Image.open(path) as image:
      assert image.size == (4 * 64, 2 * 64) and image.mode == "RGB"


def test_the_record(done):
  def read(name):
    return json.loads((done.workdir / name).read_text("utf-8"))

  config, versions = read("config.json"), read("versions.json")
  assert config["batch_size"] == 4 and config["texture"]["losses"]["hole_l1"] == 3.0
  assert set(config) == set(short_run.config())
  assert versions["jax"] == jax.__version__ and versions["backend"] == "cpu"
  table = (done.workdir / "parameters.txt").read_text("utf-8")
  assert "cnn/stem/kernel" in table and "encoder/stem/kernel" in table and "Total" in table


def test_the_model(done, micro_size):
  config, params = model_files.load_model(done.workdir / "model")
  assert config["size"] == "micro" and config["resolution"] == 64
  assert config["framing"] == {"kind": "as given"} and config["data"] == "drawn faces"
  assert sorted(params) == ["layout", "texture"]
  for name in params:
    pairs = zip(jax.tree.leaves(params[name]), jax.tree.leaves(done.states[name].ema), strict=True)
    assert all(np.array_equal(one, two) for one, two in pairs)


def test_the_best_model_so_far_is_kept(done, micro_size):
  scores = [line["eval/hole_psnr"] for line in lines_of(done.workdir / "metrics.jsonl")
            if "eval/hole_psnr" in line]  # fmt: skip
  config, params = model_files.load_model(done.workdir / "best")
  assert len(scores) == 2 and sorted(params) == ["layout", "texture"]
  assert config["score"] == {"hole_psnr": pytest.approx(max(scores), abs=1e-5)}
  assert config["images"] == (12, 24)[int(np.argmax(scores))]
  assert done.err.count("best so far") == 1 + (scores[1] > scores[0])


@pytest.fixture
def ranked(tmp_path):
  """Holds what is saved as the best, and a run of two phases that saves it."""
  kept = []

  def save_model(states, folder, **changes):
    kept.append(states)
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / "config.json").write_text(json.dumps(changes), "utf-8")

  plan = Plan(Phase(0, 64, 4, 1, (0, 1), 0), ({"from_images": 16, "resolution": 96},), 40)
  run = SimpleNamespace(
    plan=plan, workdir=epath.Path(tmp_path), save_model=save_model,
    feed=SimpleNamespace(digest="a"),
    config=SimpleNamespace(texture=SimpleNamespace(perceptual="layout")),
  )  # fmt: skip

  def score(step, distance, psnr):
    scores = {"hole_psnr": psnr, "hole_squeezenet": distance, "layout_miou": 0.5}
    return best.save_if_best(run, step, step, scores)

  return SimpleNamespace(run=run, score=score, kept=kept, config=tmp_path / "best" / "config.json")


def test_what_is_best(ranked):
  """By the first score that there is, its own direction, and at one resolution only."""
  for step, (distance, psnr) in enumerate(
    ((0.3, 20), (0.3, 21), (0.2, 19), (0.25, 22), (0.9, 9)), 1
  ):
    ranked.score(step, distance, psnr)
  assert ranked.kept == [1, 3, 4]  # from the fourth step on faces are of 96 px
  before = json.loads(ranked.config.read_text("utf-8"))
  assert before == {
    "images": 16, "resolution": 96, "held_out": "a", "score": {"hole_squeezenet": 0.25},
  }  # fmt: skip


def test_a_network_that_trained_the_model_does_not_rank_it(ranked):
  ranked.run.config.texture.perceptual = "squeezenet"
  assert ranked.score(1, 0.3, 20)
  assert not ranked.score(2, 0.1, 19) and ranked.score(3, 0.4, 21)
  assert json.loads(ranked.config.read_text("utf-8"))["score"] == {"hole_psnr": 21}


def test_a_network_that_did_not_train_it_ranks():
  scores = {"hole_psnr": 20.0, "hole_squeezenet": 0.3, "hole_lpips_vgg": 0.4}
  ranking = {kind: best.ranking_score(scores, kind) for kind in ("layout", "squeezenet", "vgg16")}
  assert ranking == {
    "layout": "hole_lpips_vgg", "squeezenet": "hole_lpips_vgg", "vgg16": "hole_squeezenet",
  }  # fmt: skip


def test_scores_of_other_held_out_faces_do_not_count(ranked):
  assert ranked.score(1, 0.3, 20) and not ranked.score(2, 0.4, 20)
  ranked.run.feed.digest = "b"
  assert ranked.score(3, 0.9, 9)


@pytest.mark.parametrize("content", ['{"resolution": 64, "sco', "[]", '{"score": {"a": "x"}}', ""])
def test_a_damaged_best_is_moved_aside(ranked, content, capsys):
  ranked.score(1, 0.3, 20)
  ranked.config.write_text(content, "utf-8")
  assert ranked.score(2, 0.9, 9)
  assert f"warning: {ranked.config}: is damaged" in capsys.readouterr().err
  aside = ranked.config.parent.with_name("best.damaged-1")
  assert (aside / "config.json").read_text("utf-8") == content


def test_the_judge_is_the_average_at_its_refreshing():
  """Refreshed every 3 steps from the start of the texture stage: at steps 2 and 5."""
  judges = []

  def train_step(name, step, judge, state, batch):
    if name == "texture":
      judges.append(judge.layout["w"].item())
    return SimpleNamespace(ema={"w": state.ema["w"] + 1}), {}

  run = SimpleNamespace(
    texture_start=2, trained=("layout", "texture"), config=SimpleNamespace(judge_every_steps=3),
    train_step=train_step, attach=lambda params, batch: batch, layout_params=lambda states: None,
    perceptual=None,
  )  # fmt: skip
  states = {name: SimpleNamespace(ema={"w": np.zeros(1)}) for name in ("layout", "texture")}
  states["judge"] = {"w": np.full(1, -1.0)}
  for step in range(8):
    states, _ = loop.advance(run, states, None, step)
  assert judges == [2, 2, 2, 5, 5, 5]  # the average before the step, which adds 1


@pytest.fixture
def hollow(monkeypatch):
  """A loop without a network: six steps, a checkpoint every second, evaluations every third."""
  phase = Phase(0, 64, 4, 1, (0, 1), 0)
  run = SimpleNamespace(
    plan=Plan(phase, (), 24), workdir="runs/x", compiles_at=[], mesh=None,
    make_batch=lambda **_: None, prepare=lambda step: None, prepare_next=lambda step: None,
    deadline=Deadline(0),
    config=SimpleNamespace(
      eval=SimpleNamespace(every_steps=3), log_every_steps=100,
      checkpoint=SimpleNamespace(every_steps=2, every_minutes=60),
    ),
  )  # fmt: skip
  it = SimpleNamespace(run=run, saved=[], evaluated=[], losses={}, interruption=Interruption())

  def advance(run, states, batch, step):
    return states, {"layout": {"loss/total": np.float32(it.losses.get(step, 1.0))}}

  it.checkpoints = SimpleNamespace(
    save=lambda step, *_: it.saved.append(step), poll=lambda: None, finish=lambda: None,
    latest=lambda: it.saved[-1],
  )  # fmt: skip
  monkeypatch.setattr(loop.sharding, "put_batch", lambda batch, mesh: batch)
  monkeypatch.setattr(loop.restoring, "record", lambda run, step: {})
  monkeypatch.setattr(loop, "advance", advance)
  monkeypatch.setattr(loop, "evaluate", lambda run, states, step, _: it.evaluated.append(step))
  writer = SimpleNamespace(flush=lambda: None)

  def train(batches=None):
    batches = iter([{}] * 6) if batches is None else batches
    return loop.loop(run, {}, 0, batches, it.checkpoints, writer, it.interruption)

  it.train = train
  return it


def test_a_state_with_a_nan_does_not_take_the_place_of_a_good_one(hollow):
  """Saved every second step, logged every hundredth; the loss of the fourth step is NaN."""
  hollow.losses[3] = "nan"
  with pytest.raises(FloatingPointError, match=r"step 4: not finite: layout/loss/total nan"):
    hollow.train()
  assert hollow.saved == [2]


def test_what_an_evaluation_ran_into_costs_no_checkpoint(hollow, monkeypatch):
  def fail(*_):
    raise RuntimeError("a bug")

  monkeypatch.setattr(loop, "evaluate", fail)
  hollow.run.config.eval.every_steps = 2
  with pytest.raises(RuntimeError, match="a bug"):
    hollow.train()
  assert hollow.saved == [2]


def test_when_its_time_is_over_it_ends_as_if_it_were_finished(hollow, monkeypatch):
  """In the fourth step of six."""
  monkeypatch.setattr(hollow.run.deadline, "over", lambda: len(hollow.seen) == 4)
  hollow.seen = []

  def batches():
    while True:
      hollow.seen.append(0)
      yield {}

  _, step = hollow.train(batches())
  assert step == 4 and hollow.saved == [2, 4] and hollow.evaluated == [3, 4]


def test_a_signal_comes_before_the_deadline(hollow, monkeypatch):
  monkeypatch.setattr(hollow.run.deadline, "over", lambda: True)

  def batches():
    hollow.interruption.signal = "SIGTERM"
    yield {}

  with pytest.raises(Stopped, match="stopped by SIGTERM at step 1 of 6, saved"):
    hollow.train(batches())
  assert hollow.evaluated == []


def test_asked_to_stop_it_saves_and_stops(hollow):
  """In the middle of the third step, after which an evaluation was due."""

  def batches():
    yield from [{}] * 2
    hollow.interruption.signal = "SIGTERM"
    yield {}

  with pytest.raises(Stopped, match=r"stopped by SIGTERM at step 3 of 6, saved; the same command"):
    hollow.train(batches())
  assert hollow.saved == [2, 3] and hollow.evaluated == []


def test_asked_to_stop_in_its_last_step_it_ends(hollow):
  def batches():
    yield from [{}] * 5
    hollow.interruption.signal = "SIGINT"
    yield {}

  hollow.train(batches())
  assert hollow.saved == [2, 4, 6] and hollow.evaluated == [3, 6]


def test_texture_starts_from_the_averages_of_another_run(done, micro_size, tmp_path):
  c = short_run.config(stages="texture", texture_starts_at_images=0, total_images=16)
  c.init_from = str(done.workdir)
  run = Run(c, str(tmp_path / "run"))
  zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), run.shapes)
  places = sharding.state_shardings(run.shapes, run.mesh)
  states = restoring.start_from(run, restoring.load_start(run), zeros, places)
  assert set(states) == {"texture", "judge"}
  wanted = {name: done.states[name].ema for name in ("layout", "texture")}
  for tree, name in (
    (states["judge"], "layout"),
    (states["texture"].params, "texture"),
    (states["texture"].ema, "texture"),
    (run.layout_params(states), "layout"),
  ):
    jax.tree.map(np.testing.assert_array_equal, tree, wanted[name])
  one, two = (jax.tree.leaves(x)[0] for x in (states["texture"].params, states["texture"].ema))
  assert one is not two  # the step donates both
  jax.tree.map(
    lambda got, was: np.testing.assert_allclose(got, was, rtol=2**-8),  # kept as bfloat16
    states["texture"].critic_params, done.states["texture"].critic_params,
  )  # fmt: skip


def test_a_start_from_the_packed_model_of_the_package(done, micro_size, tmp_path, monkeypatch):
  model_files.pack_model(done.workdir / "model", tmp_path / "pretrained")
  monkeypatch.setattr(restoring, "PRETRAINED", tmp_path / "pretrained")
  c = short_run.config(init_from="pretrained")
  found = restoring.load_start(Run(c, str(tmp_path / "run")))
  assert found.critics == {}
  for name, tree in found.params.items():
    for one, two in zip(jax.tree.leaves(tree), jax.tree.leaves(done.states[name].ema), strict=True):
      assert one.dtype == np.float32  # not as it was packed: training adds little to it
      np.testing.assert_allclose(one, two, rtol=2**-8)


def test_a_critic_of_another_resolution_is_laid_over_a_fresh_one(micro, micro_params):
  """At 64 px it has three levels, at 128 px four."""
  small = micro_params["texture_critic"]
  init = partial(networks.init_params, micro, "texture_critic")
  shapes = jax.eval_shape(partial(init, resolution=128), jax.random.key(0))
  large = jax.tree.map(lambda x: np.full(x.shape, 7.0, np.float32), shapes)
  grown = restoring.laid_over(large, small)
  assert set(large) - set(small) == {"block_3"}
  for name, tree in grown.items():
    want = small[name] if name in small else large[name]
    jax.tree.map(np.testing.assert_array_equal, tree, want)
  assert set(restoring.laid_over(small, large)) == set(small)


def test_a_model_that_learned_without_symmetry_goes_on_with_it(done, micro_size, tmp_path):
  found, params = model_files.load_model(done.workdir / "model")
  del params["texture"]["mirror"]
  stem = params["texture"]["encoder"]["stem"]
  parts = np.split(stem["kernel"], 4, axis=2)  # sub-pixels, with the mirrored photo's channels last
  stem["kernel"] = np.concatenate([part[:, :, :-4] for part in parts], axis=2)
  found["model"] = found["model"] | {"symmetry": False}
  model_files.save_model(tmp_path / "model", params, found)
  c = short_run.config(init_from=str(tmp_path))
  begun = restoring.load_start(Run(c, str(tmp_path / "run"))).params["texture"]
  assert not any(leaf.any() for leaf in jax.tree.leaves(begun["mirror"]["believe"]))
  for part, was in zip(np.split(begun["encoder"]["stem"]["kernel"], 4, 2), parts, strict=True):
    assert not part[:, :, -4:].any()
    np.testing.assert_array_equal(part[:, :, :-4], was[:, :, :-4])


def test_a_deadline_reaches_the_step(micro_size, tmp_path):
  """The program that is made ahead takes what the loop gives it."""
  c = short_run.config(stop_after_minutes=10.0)
  run, given = Run(c, str(tmp_path / "run")), []
  run.programs.get = lambda key: lambda *arguments: given.append(arguments) or (None, {})
  stage, state, batch, _ = run._step_shapes(run.stage_at("layout", 0), 0)
  run.train_step("layout", 0, stage.judges, state, batch)
  ((made, *_),) = given
  assert jax.tree.structure(made) == jax.tree.structure(stage)
  assert made.rate == 1 and made.rate.dtype == stage.rate.dtype and stage.rate.shape == ()


@pytest.mark.slow
def test_a_run_that_meets_its_deadline(tmp_path, monkeypatch):
  seen = []
  monkeypatch.setattr(Deadline, "over", lambda self: seen.append(0) or len(seen) == 3)
  monkeypatch.setattr(Deadline, "rate", lambda self: 0.5)
  c = short_run.config(stop_after_minutes=10.0, phases=({"from_images": 16, "batch_size": 2},))
  done = short_run.train(c, tmp_path / "run")
  assert "time:     stopped after 10 minutes at step 3 of" in done.out
  config = json.loads((tmp_path / "run" / "model" / "config.json").read_text("utf-8"))
  assert config["images"] == 12 and config["resolution"] == 64
  lines = lines_of(tmp_path / "run" / "metrics.jsonl")
  rates = [line["layout/learning_rate"] for line in lines if "layout/learning_rate" in line]
  straight = lines_of(
    short_run.train(short_run.config(), tmp_path / "other").workdir / "metrics.jsonl"
  )
  whole = [line["layout/learning_rate"] for line in straight if "layout/learning_rate" in line]
  np.testing.assert_allclose(rates, 0.5 * np.array(whole[: len(rates)]), rtol=1e-5)


def test_where_a_start_is_looked_for(done, tmp_path):
  find, work = restoring.model_to_start_from, done.workdir
  assert find(str(work)) == find(str(work / "model")) == work / "model"
  assert find(str(work / "best")) == work / "best"
  (tmp_path / "best").mkdir()
  (tmp_path / "best" / "SHA256SUMS").write_text("")
  assert find(str(tmp_path)) == tmp_path / "best"  # a run that was stopped
  assert find("/nowhere") == Path("/nowhere/model")


def test_a_start_with_other_options_of_the_networks(done, micro_size, tmp_path):
  c = short_run.config(init_from=str(done.workdir / "best"))
  c.model.symmetry = False
  with pytest.raises(ValueError, match=r"best holds a texture network with .*'symmetry': True"):
    restoring.load_start(Run(c, str(tmp_path / "run")))


def test_a_start_of_another_size_is_refused(done, micro_size, tmp_path):
  c = short_run.config(size="tiny", stages="texture", texture_starts_at_images=0)
  c.init_from = str(done.workdir)
  with pytest.raises(ValueError, match=r"model is of size 'micro', not 'tiny'"):
    loop.train(c, str(tmp_path / "run"))


def test_texture_alone_says_what_it_needs(tmp_path):
  c = short_run.config(size="tiny", stages="texture", texture_starts_at_images=0)
  with pytest.raises(ValueError, match=r"needs a trained layout network: give --config.init_from="):
    Run(c, str(tmp_path))


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
  run = SimpleNamespace(plan=Plan(Phase(0, 64, 4, 1, (0, 1), 0), (), 40), workdir="runs/x")
  metrics = {"layout": {"loss/dice": np.float32(0.5), "loss/total": np.float32("nan")}}
  progress = Progress(9)
  progress.begin(4)
  with metric_writer.MetricWriter(str(tmp_path)) as writer:
    with pytest.raises(FloatingPointError, match=r"step 5: .*layout/loss/total.*runs/x/metrics"):
      loop._log(run, 5, metrics, SimpleNamespace(skipped=None), progress, writer)
  (line,) = lines_of(tmp_path / "metrics.jsonl")
  assert line["layout/loss/total"] is None and line["layout/loss/dice"] == 0.5


def test_skipped_records_are_a_metric(tmp_path):
  run = SimpleNamespace(plan=Plan(Phase(0, 64, 4, 1, (0, 1), 0), (), 40), workdir="runs/x")
  progress = Progress(9)
  progress.begin(4)
  stream = SimpleNamespace(skipped=SimpleNamespace(count=2))
  with metric_writer.MetricWriter(str(tmp_path)) as writer:
    loop._log(run, 5, {"layout": {"loss/total": np.float32(1)}}, stream, progress, writer)
  (line,) = lines_of(tmp_path / "metrics.jsonl")
  assert line["skipped_records"] == 2


@pytest.mark.slow
def test_layout_then_texture(tmp_path):
  first = short_run.config(stages="layout", texture_starts_at_images=0)
  layout = short_run.train(first, tmp_path / "layout")
  assert f"--config.stages=texture --config.init_from={layout.workdir}" in layout.out
  assert set(layout.states) == {"layout", "judge"}
  assert not (layout.workdir / "model" / "texture.safetensors").exists()
  scored = [
    line for line in lines_of(layout.workdir / "metrics.jsonl") if "eval/layout_miou" in line
  ]
  assert scored and "eval/hole_psnr" not in scored[-1]
  second = short_run.config(
    stages="texture", texture_starts_at_images=0, total_images=16, init_from=str(layout.workdir)
  )
  texture = short_run.train(second, tmp_path / "texture")
  frozen = texture.states["judge"]
  jax.tree.map(np.testing.assert_array_equal, frozen, layout.states["layout"].ema)
  one, two = ((run.workdir / "model" / "layout.safetensors").read_bytes()
              for run in (layout, texture))  # fmt: skip
  assert one == two and (texture.workdir / "model" / "texture.safetensors").exists()


def test_debug_nans_sees_every_module(tmp_path, micro_size):
  """Those that are made again for the gradient run as copies without a name."""
  c = short_run.config(remat=True)
  assert Run(c, str(tmp_path)).networks.layout.remat
  c.debug_nans = True
  assert not Run(c, str(tmp_path)).networks.layout.remat


@pytest.mark.slow
def test_debug_nans_names_a_module_of_a_run_that_blows_up(tmp_path):
  c = short_run.config(debug_nans=True, stages="layout", texture_starts_at_images=0)
  c.layout.optimiser.lr, c.layout.optimiser.warmup_images = 1e16, 0
  with pytest.raises(FloatingPointError, match=r"step 2: layout: layout/\S+ gives \w+ \(forward, "):
    short_run.train(c, tmp_path / "run")
