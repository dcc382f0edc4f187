"""The training loop: both stages, one step function, one stream of batches.

    training   Run (mesh, stages, data) -> states born sharded -> restore -> loop:
               evaluate -> save -> next batch -> put_batch -> layout step -> attach_layout
               -> texture step -> report
Evaluation and saving come before the next batch is drawn, so that what is saved of the position in
the data always matches the state.
"""

import contextlib
import sys
import time

import jax
import numpy as np
from ml_collections import ConfigDict

from facefill_jax import files, sharding
from facefill_jax.data.sources import spread
from facefill_jax.evaluation.sample_grid import sample_grid, save_picture
from facefill_jax.models.networks import LAYOUT, TEXTURE
from facefill_jax.stages.stage import Judges
from facefill_jax.training import (
  from_config,
  held_out,
  metric_writer,
  reports,
  restoring,
  workdir,
)
from facefill_jax.training.best import BEST, save_if_best
from facefill_jax.training.checkpoint import Checkpoints
from facefill_jax.training.interruption import Interruption, Stopped
from facefill_jax.training.progress import Progress
from facefill_jax.training.run import JUDGE, Run

_SHOWN_SCORES = (
  "hole_psnr", "hole_ssim", "hole_lpips_vgg", "hole_squeezenet", "laplacian_ratio", "layout_miou",
)  # fmt: skip


def train(
  config: ConfigDict, directory: files.PathLike, interruption: Interruption | None = None
) -> str:
  """Trains as configured and writes everything into the working directory; resumes what is there.

  Args:
    config: see the files of configs/; every key is needed.
    directory: gets checkpoints/, events/, metrics.jsonl, samples/, best/, model/ and the run's
      record; may be in a bucket, gs://bucket/run.
    interruption: whether to stop; without it, signals do what they always do.

  Returns:
    The directory of the trained model.

  Raises:
    ValueError: the configuration, the data or the working directory cannot be used; one line.
    OSError: the disk failed, or is full.
    FloatingPointError: a loss is not finite: the step, and which.
    Stopped: as asked, after a checkpoint.
  """
  directory = files.to_path(from_config.full_path(str(directory)))
  workdir.check(directory)
  run = Run(config, directory)
  with (
    workdir.opened(directory),
    contextlib.closing(run.programs),
    contextlib.closing(run.history),
    Checkpoints(directory, config.checkpoint.keep) as checkpoints,
  ):
    states, step = restoring.restore(run, checkpoints)
    record = run.write_record()
    with (
      metric_writer.MetricWriter(directory, step) as writer,
      run.feed.stream(step) as stream,
      (interruption or Interruption()).deferred() as asked,
    ):
      writer.write_texts(step, record)
      states, step = loop(run, states, step, stream, checkpoints, writer, asked)
      model = run.save_model(
        states, images=run.plan.images_at(step), resolution=run.plan.at(step - 1).resolution
      )
  _say_what_next(run, model, step)
  return model


def loop(run: Run, states, start: int, stream, checkpoints: Checkpoints, writer, interruption):
  """Trains to the end, or until its time is over: (the last states, their step)."""
  c = run.config
  plan = run.plan
  photos = plan.total_images - plan.images_at(start)
  print(f"compiling; then {plan.total - start} steps, {photos} photos", file=sys.stderr)
  progress = Progress(plan.total)
  saved_at, newest = time.monotonic(), {}
  for step in range(start, plan.total + 1):
    begin = time.monotonic()
    over = step > start and not interruption.signal and run.deadline.over()
    last = step == plan.total or over
    stops = bool(interruption.signal) and not last
    minutes = (time.monotonic() - saved_at) / 60
    evaluates = step > start and not stops and (last or step % c.eval.every_steps == 0)
    saves = step % c.checkpoint.every_steps == 0 or minutes >= c.checkpoint.every_minutes
    saves = step > start and (last or stops or saves)
    if evaluates or saves:  # no state with a NaN takes the place of a good one
      _check_finite(run, step, _fetch(newest))
    try:
      if evaluates:
        evaluate(run, states, step, writer)
    finally:  # whatever a report ran into
      if saves:
        checkpoints.save(step, states, restoring.record(run, step))
        saved_at = time.monotonic()
    if evaluates or saves:
      writer.flush()
    if evaluates and run.deadline.is_set:
      checkpoints.finish()
      run.deadline.took(time.monotonic() - begin)
    if stops:
      checkpoints.finish()
      saved = step == start or checkpoints.latest() == step
      raise Stopped(
        f"stopped by {interruption.signal} at step {step} of {plan.total}, "
        f"{'saved' if saved else 'which could not be saved'}; the same command goes on"
      )
    if last:
      break
    checkpoints.poll()
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
  return states, step


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


def evaluate(run: Run, states, step: int, writer: metric_writer.MetricWriter) -> None:
  """Scores the held-out faces, keeps the model if it is the best so far, and draws their grid."""
  faces = run.feed.fixed(run.plan.at(step).resolution)
  total = len(faces["photo"])
  shown = np.array(spread(total, min(run.config.eval.batch_size, total)))
  found = held_out.evaluate(run, states, faces, kept=int(shown[-1]) + 1)
  scores = found.scores()
  best = ""
  with reports.left_out(run.workdir / BEST):
    best = "  best so far" if save_if_best(run, states, step, scores) else ""
  all_scores = {f"eval/{name}": value for name, value in scores.items()}
  writer.write_scalars(step, all_scores | held_out.contrasts(run, states, faces, found, step))
  line = "  ".join(f"{name} {scores[name]:.3f}" for name in _SHOWN_SCORES if name in scores)
  print(f"step {step}  held-out faces: {line}{best}", file=sys.stderr, flush=True)
  photo, mask = faces["photo"][shown], faces["mask"][shown]
  grid = sample_grid(photo, mask, found.layout[shown], found.whole[shown])
  folder = run.workdir / "samples"
  with reports.left_out(folder):
    save_picture(folder / f"{step:07d}.png", grid)
    run.history.write(folder, step)
  writer.write_images(step, {"samples": grid})


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


def _say_what_next(run: Run, directory: str, step: int) -> None:
  workdir = run.workdir
  if step < run.plan.total:
    print(f"time:     stopped after {run.config.stop_after_minutes:g} minutes at step {step} of "
          f"{run.plan.total}; the same command goes on")  # fmt: skip
  print(f"pictures: {workdir}/samples (masked photo | predicted layout | filled | truth)")
  print(f"curves:   tensorboard --logdir {workdir}/events, or {workdir}/metrics.jsonl")
  print(f"model:    {directory} (best held-out score: {workdir}/{BEST})")
  if TEXTURE in run.trained:
    print(f"next:     facefill fill PHOTO MASK --model {directory} -o filled.png")
  else:
    print(f"next:     the same with --config.stages=texture --config.init_from={workdir}")
