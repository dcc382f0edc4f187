"""The training loop: both stages, one step function, one stream of batches.

    training   Run (mesh, stages, data) -> states born sharded -> restore -> loop:
               evaluate -> save -> next batch -> put_batch -> layout step -> attach_layout
               -> texture step -> hooks
Evaluation and saving come before the next batch is drawn, so that what is saved of the position in
the data always matches the state.
"""

import contextlib
import json
import os
import sys
import time

import jax
import numpy as np
from ml_collections import ConfigDict

from facefill_jax import sharding
from facefill_jax.data.masks.training import spread
from facefill_jax.evaluation.sample_grid import sample_grid, save_picture
from facefill_jax.models.networks import LAYOUT, TEXTURE
from facefill_jax.stages.stage import Judges
from facefill_jax.training import held_out, metric_writer
from facefill_jax.training.checkpoint import Checkpoints
from facefill_jax.training.progress import Progress
from facefill_jax.training.run import JUDGE, Run

BEST = "best"
RANKS = {"hole_squeezenet": -1, "hole_psnr": 1, "layout_miou": 1}
"""By which score a model is the best, the first that there is; -1: the lower the better."""
_SHOWN_SCORES = (
  "hole_psnr", "hole_ssim", "hole_squeezenet", "laplacian_ratio", "layout_miou",
)  # fmt: skip


def train(config: ConfigDict, workdir: str) -> str:
  """Trains as configured and writes everything under `workdir`; resumes what is there.

  Args:
    config: see the files of configs/; every key is needed.
    workdir: gets checkpoints/, events/, metrics.jsonl, samples/, model/ and the run's record.

  Returns:
    The directory of the trained model.

  Raises:
    ValueError: the configuration, the data or the working directory cannot be used; one line.
    FloatingPointError: a loss is not finite: the step, and which.
  """
  run = Run(config, workdir)
  with (
    contextlib.closing(run.programs),
    contextlib.closing(run.history),
    Checkpoints(workdir, config.checkpoint.keep) as checkpoints,
  ):
    states, step = run.restore(checkpoints)
    record = run.write_record()
    with metric_writer.MetricWriter(workdir, step) as writer, run.feed.stream(step) as stream:
      writer.write_texts(step, record)
      states = loop(run, states, step, stream, checkpoints, writer)
  directory = run.save_model(states)
  _say_what_next(run, directory)
  return directory


def loop(run: Run, states, start: int, stream, checkpoints: Checkpoints, writer):
  """Trains to the end; returns the last states."""
  c = run.config
  plan = run.plan
  photos = plan.total_images - plan.images_at(start)
  print(f"compiling; then {plan.total - start} steps, {photos} photos", file=sys.stderr)
  progress = Progress(plan.total)
  saved_at, newest = time.monotonic(), {}
  for step in range(start, plan.total + 1):
    last = step == plan.total
    minutes = (time.monotonic() - saved_at) / 60
    shows = step > start and (last or step % c.eval.every_steps == 0)
    saves = step % c.checkpoint.every_steps == 0 or minutes >= c.checkpoint.every_minutes
    saves = step > start and (last or saves)
    if shows or saves:  # no state with a NaN takes the place of a good one
      _check_finite(run, step, _fetch(newest))
    if shows:
      look(run, states, step, writer)
    if saves:
      checkpoints.save(step, states, run.record(step))
      saved_at = time.monotonic()
    if last:
      break
    compiles = step == start or step in run.compiles_at
    if compiles:
      run.prepare(step)
    batch = run.make_batch(**sharding.put_batch(next(stream), run.mesh))
    states, metrics = advance(run, states, batch, step)
    newest = {name: newest.get(name, {}) | found for name, found in metrics.items()}
    if compiles:
      jax.block_until_ready(metrics)
      run.prepare_next(step)
      progress.begin(step + 1)  # compiling is over: it must not spoil the estimate
    elif (step + 1) % c.log_every_steps == 0:
      _log(run, step + 1, newest, stream, progress, writer)
      newest = {}
  return states


def advance(run: Run, states, batch, step: int):
  """One step of each stage that trains: (states, metrics by stage, still on the device)."""
  states, metrics = dict(states), {}
  since = step - run.texture_start
  if LAYOUT in run.trained:
    if since >= 0 and since % run.config.judge_every_steps == 0:
      states[JUDGE] = jax.tree.map(lambda x: x.copy(), states[LAYOUT].ema)
    states[LAYOUT], metrics[LAYOUT] = run.train_step(LAYOUT, step, Judges(), states[LAYOUT], batch)
  if TEXTURE in run.trained and since >= 0:
    batch = run.attach(run.layout_params(states), batch)
    judges = Judges(layout=states[JUDGE], perceptual=run.perceptual)
    states[TEXTURE], metrics[TEXTURE] = run.train_step(
      TEXTURE, step, judges, states[TEXTURE], batch
    )
  return states, metrics


def look(run: Run, states, step: int, writer: metric_writer.MetricWriter) -> None:
  """Scores the held-out faces, keeps the model if its score is the best yet, draws their grid."""
  faces = run.feed.fixed(run.plan.at(step).resolution)
  total = len(faces["photo"])
  shown = np.array(spread(total, min(run.config.eval.batch_size, total)))
  found = held_out.evaluate(run, states, faces, kept=int(shown[-1]) + 1)
  scores = found.scores()
  best = "  best so far" if save_if_best(run, states, step, scores) else ""
  all_scores = {f"eval/{name}": value for name, value in scores.items()}
  writer.write_scalars(step, all_scores | held_out.contrasts(run, states, faces, found, step))
  line = "  ".join(f"{name} {scores[name]:.3f}" for name in _SHOWN_SCORES if name in scores)
  print(f"step {step}  held-out faces: {line}{best}", file=sys.stderr, flush=True)
  photo, mask = faces["photo"][shown], faces["mask"][shown]
  grid = sample_grid(photo, mask, found.layout[shown], found.whole[shown])
  folder = os.path.join(run.workdir, "samples")
  save_picture(os.path.join(folder, f"{step:07d}.png"), grid)
  run.history.write(folder, step)
  writer.write_images(step, {"samples": grid})


def save_if_best(run: Run, states, step: int, scores: dict[str, float]) -> bool:
  """Writes the averages into best/ if they have the best score of held-out faces so far.

  Scores of another resolution do not count: they are of other pictures.
  """
  name = next(name for name in RANKS if name in scores)
  resolution, score = run.plan.at(step).resolution, float(scores[name])
  try:
    with open(os.path.join(run.workdir, BEST, "config.json"), encoding="utf-8") as file:
      before = json.load(file)
  except FileNotFoundError:
    before = {"resolution": None}
  if before["resolution"] == resolution and name in before["score"]:
    if RANKS[name] * (score - before["score"][name]) <= 0:
      return False
  seen = run.plan.images_at(step)
  run.save_model(states, BEST, images=seen, resolution=resolution, score={name: score})
  return True


def _log(run: Run, step: int, metrics, stream, progress: Progress, writer) -> None:
  """Fetches and writes the metrics; stops the run if one is not finite."""
  values = _fetch(metrics)
  shown = {k.replace("/loss/", " "): v for k, v in values.items() if "/loss/" in k}
  values["photos_per_second"] = progress.report(step, run.plan.at(step - 1).batch_size, shown)
  if stream.skipped is not None:
    values["skipped_records"] = stream.skipped.count
  writer.write_scalars(step, values | metric_writer.memory())
  _check_finite(run, step, values)


def _fetch(metrics) -> dict[str, float]:
  """Of all stages, under "stage/metric", off the device."""
  return {
    f"{stage}/{name}": float(value)
    for stage, found in jax.device_get(metrics).items()
    for name, value in found.items()
  }


def _check_finite(run: Run, step: int, values: dict[str, float]) -> None:
  wrong = [f"{name} {value}" for name, value in values.items() if not np.isfinite(value)]
  if wrong:
    raise FloatingPointError(
      f"step {step}: not finite: {', '.join(wrong)}; see {run.workdir}/metrics.jsonl, and with "
      "--config.debug_nans=True which module it was"
    )


def _say_what_next(run: Run, directory: str) -> None:
  workdir = run.workdir
  print(f"pictures: {workdir}/samples (masked photo | predicted layout | filled | truth)")
  print(f"curves:   tensorboard --logdir {workdir}/events, or {workdir}/metrics.jsonl")
  print(f"model:    {directory} (as held-out faces liked it best: {workdir}/{BEST})")
  if TEXTURE in run.trained:
    print(f"next:     facefill fill PHOTO MASK --model {directory} -o filled.png")
  else:
    print(f"next:     the same with --config.stages=texture --config.init_from={workdir}")
