"""Evaluations during training: held-out faces, and what their scores are compared with.

Raw weights beside averages, training faces beside held-out ones, what the critic says of each;
always on the same fixed faces and holes.
"""

import dataclasses
from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from facefill_jax import sharding
from facefill_jax.data.sources import spread
from facefill_jax.evaluation import fills, scoring
from facefill_jax.models.networks import STAGES, TEXTURE
from facefill_jax.stages.step import attach_layout, make_batch
from facefill_jax.types import TrainState


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """Fixed faces, filled and scored once.

  Attributes:
    tally: the scores of each fill; reasons: metrics that are not computed.
    filled: whether there is a texture network; else the photos came back as they are.
    whole: uint8 (n, h, w, 3) and layout: uint8 (n, h, w) of the first faces, as many as asked for.
  """

  tally: scoring.Tally
  reasons: Mapping[str, str]
  filled: bool
  whole: np.ndarray
  layout: np.ndarray

  def scores(self, rows: np.ndarray | None = None) -> dict[str, float]:
    """Means over the fills in `rows`, or all; of layouts alone without a texture network."""
    found = self.tally.means(self.reasons, rows)
    if self.filled:
      return found
    return {name: value for name, value in found.items() if name.startswith("layout")}


def evaluate(run, states, faces: Mapping, kept: int = 1) -> Evaluation:
  """Fills faces with the averages and scores them, each batch split over the mesh.

  Args:
    run: a `run.Run`.
    states: of this step.
    faces: as of `pipeline.fixed_batch`.
    kept: how many of the fills the result keeps.
  """
  resolution, size, made = faces["photo"].shape[1], batch_size(run, faces), []
  filler, scorer = run.filler(states, resolution), run.scorer(resolution)

  def fill(batch):
    found = fills.fill_batch(filler, batch)
    if len(made) * size < kept:
      made.append(found)
    return found

  tally = scoring.score_all(fill, list(scoring.slices(faces, size)), scorer, size)
  whole, layout = (np.concatenate([x[name] for x in made])[:kept] for name in ("whole", "layout"))
  return Evaluation(tally, scorer.reasons, TEXTURE in states, whole, layout)


def batch_size(run, faces: Mapping) -> int:
  """Faces that are filled at once: a multiple of the devices."""
  devices = sharding.device_count(run.mesh)
  return -(-min(run.config.eval.batch_size, len(faces["photo"])) // devices) * devices


def contrasts(run, states, faces: Mapping, averages: Evaluation, step: int) -> dict[str, float]:
  """What `eval.raw_count` and `eval.train_count` ask for.

  Args:
    run: a `run.Run`.
    states: of this step.
    faces: the held-out ones.
    averages: their evaluation.
    step: of the run.

  Returns:
    eval_raw/<score>: of the raw weights' fills, on as many held-out faces as asked for;
      average_gain/<score>: by how much the averages' are higher, on the same faces.
    eval_train/<score>: of the averages' fills of training faces.
    <stage>/critic/...: see `critic_scores`.
  """
  found, total = {}, len(faces["photo"])
  count = min(run.config.eval.raw_count, total)
  if count:
    some = np.array(spread(total, count))
    chosen = {name: x[some] for name, x in faces.items()}
    raw, average = evaluate(run, raw_states(states), chosen).scores(), averages.scores(some)
    found |= {f"eval_raw/{name}": value for name, value in raw.items()}
    found |= {f"average_gain/{name}": average[name] - raw[name] for name in raw.keys() & average}
  if run.config.eval.train_count:
    trained = run.feed.fixed_train(faces["photo"].shape[1])
    scores = evaluate(run, states, trained).scores()
    found |= {f"eval_train/{name}": value for name, value in scores.items()}
    size = batch_size(run, faces)
    rows, trained_rows = (list(scoring.slices(x, size)) for x in (faces, trained))
    for name in STAGES:
      if name in states and run.stage_at(name, step).objective.asks_critic:
        values = critic_scores(run, states, name, rows, trained_rows)
        found |= {f"{name}/critic/{key}": value for key, value in values.items()}
  return found


def raw_states(states) -> dict:
  """`states` whose averages are the raw weights."""
  return {
    name: state.replace(ema=state.params) if isinstance(state, TrainState) else state
    for name, state in states.items()
  }


def critic_scores(run, states, name: str, held_out, trained) -> dict[str, float]:
  """What the critic thinks of photos that it trained on and of others, on the same masks' kind.

  Returns:
    held_out_real, held_out_fake, train_real: mean scores; overfitting: r_v = (train_real -
    held_out_real) / (train_real - held_out_fake) of Karras et al. 2020 (ADA, arXiv 2006.06676,
    eq. 1): 0 for a critic that knows nothing by heart, 1 for one to which photos that it has not
    seen are fakes. {} if no photo has a valid answer (a layout critic without labels).
  """
  state, stage = states[name], run.stages[name]
  objective = dataclasses.replace(stage.objective, active=frozenset())  # one fill is enough
  if name == TEXTURE:  # every photo has a fair answer
    objective = dataclasses.replace(objective, swapped_layout_share=0.0)
  ask = partial(_ask, objective, stage.net, stage.critic, run.networks.layout, name == TEXTURE)
  size = batch_size(run, held_out[0])
  params = state.params, state.critic_params, run.layout_params(states)

  def mean_scores(rows):
    padded = (scoring.pad_batch(batch, size) for batch in rows)
    batches = (sharding.put_batch(batch, run.mesh) for batch in padded)
    counts = (len(batch["photo"]) for batch in rows)
    return _means(ask(*params, *pair) for pair in zip(batches, counts, strict=True))

  (real, fake), (trained_real, _) = mean_scores(held_out), mean_scores(trained)
  found = {"held_out_real": real, "held_out_fake": fake, "train_real": trained_real}
  if trained_real != fake:
    found["overfitting"] = (trained_real - real) / (trained_real - fake)
  return found if all(np.isfinite(value) for value in found.values()) else {}


def _means(sums) -> tuple[float, float]:
  """Sums of (real, fake, number) by batch -> mean scores; NaN if there are none."""
  real, fake, number = np.sum(jax.device_get(list(sums)), axis=0, dtype=np.float64)
  return (real / number, fake / number) if number else (np.nan, np.nan)


@partial(jax.jit, static_argnums=(0, 1, 2, 3, 4))
def _ask(
  objective, net, critic, parser, attach, params, critic_params, layout_params, batch, count
):
  """Sums over the first `count` photos of a batch: scores of real, of fake, and how many count."""
  batch = make_batch(**batch)
  if attach:
    batch = attach_layout(parser, layout_params, batch)
  inputs = objective.inputs(batch, jax.random.key(0))
  pair = objective.comparison(objective.generate(net, params, inputs), inputs)
  counts = pair.valid & (jnp.arange(len(pair.valid)) < count)

  def total_score(candidate):
    verdict, _ = critic.apply({"params": critic_params}, candidate, pair.condition, pair.changeable)
    return jnp.where(counts, verdict.score(), 0.0).sum()

  return total_score(pair.real), total_score(pair.fake), counts.sum()
