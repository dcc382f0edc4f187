"""Scores that say something beside others: raw weights and averages, training faces and held out.

All of it is done at an evaluation, on the same fixed faces and holes each time.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from facefill_jax.data.masks.training import spread
from facefill_jax.evaluation import scoring
from facefill_jax.models.networks import STAGES, TEXTURE
from facefill_jax.stages.step import attach_layout, make_batch
from facefill_jax.types import TrainState


def score(run, states, rows: Sequence[Mapping]) -> dict[str, float]:
  """Scores of the averages' fills, by name; of layouts alone while nothing else trains."""
  scorer = run.scorer(rows[0]["photo"].shape[1])
  scores = scoring.score_all(run.filler(states), rows, scorer)
  if TEXTURE in states:
    return scores
  return {name: value for name, value in scores.items() if name.startswith("layout")}


def contrasts(run, states, rows: Sequence[Mapping], step: int) -> dict[str, float]:
  """What `eval.raw_count` and `eval.train_count` ask for.

  Args:
    run: a `run.Run`.
    states: of this step.
    rows: the held-out faces, in batches of one size but the last.
    step: of the run.

  Returns:
    eval_raw/<score>: of the raw weights' fills, on as many held-out faces as asked for (whole
      batches); average_gain/<score>: by how much the averages' are higher, on the same faces.
    eval_train/<score>: of the averages' fills of training faces.
    <stage>/critic/...: see `critic_scores`.
  """
  found = {}
  count = min(run.config.eval.raw_count, sum(len(batch["photo"]) for batch in rows))
  if count:
    number = -(-count // len(rows[0]["photo"]))
    some = [rows[i] for i in spread(len(rows), number)]
    raw, average = score(run, raw_states(states), some), score(run, states, some)
    found |= {f"eval_raw/{name}": value for name, value in raw.items()}
    found |= {f"average_gain/{name}": average[name] - raw[name] for name in raw.keys() & average}
  if run.config.eval.train_count:
    fixed = run.feed.fixed_train(rows[0]["photo"].shape[1])
    trained = list(scoring.slices(fixed, len(rows[0]["photo"])))
    found |= {f"eval_train/{name}": value for name, value in score(run, states, trained).items()}
    for name in STAGES:
      if name in states and run.stage_at(name, step).objective.asks_critic:
        values = critic_scores(run, states, name, rows, trained)
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
  of = lambda rows: _means(  # noqa: E731
    ask(state.params, state.critic_params, run.layout_params(states), batch, count)
    for batch, count in _padded(rows, len(held_out[0]["photo"]))
  )
  (real, fake), (trained_real, _) = of(held_out), of(trained)
  found = {"held_out_real": real, "held_out_fake": fake, "train_real": trained_real}
  if trained_real != fake:
    found["overfitting"] = (trained_real - real) / (trained_real - fake)
  return found if all(np.isfinite(value) for value in found.values()) else {}


def _padded(rows: Sequence[Mapping], size: int) -> Iterator[tuple[dict, int]]:
  for batch in rows:
    yield scoring.pad_batch(batch, size), len(batch["photo"])


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
  score = lambda x: critic.apply(  # noqa: E731
    {"params": critic_params}, x, pair.condition, pair.changeable
  )[0].score()
  counts = pair.valid & (jnp.arange(len(pair.valid)) < count)
  total = lambda x: jnp.where(counts, x, 0.0).sum()  # noqa: E731
  return total(score(pair.real)), total(score(pair.fake)), total(jnp.ones(len(counts)))
