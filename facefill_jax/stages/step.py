"""Pure steps: a train state and a batch in, a train state and metrics out.

One `train_step` serves both stages. Jit it as `partial(jax.jit(train_step, ...), stage)`: with the
partial inside, the judges' weights would become constants of the compiled program.
"""

from functools import partial
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from facefill_jax import images
from facefill_jax.models.layout_net import LayoutNet
from facefill_jax.models.networks import Networks, init_params, predict_layout
from facefill_jax.stages import critic_augmentation, diagnostics, losses
from facefill_jax.stages.stage import HINGE_R1, Stage
from facefill_jax.types import Batch, TrainState


def init_state(stage: Stage, networks: Networks, rng: jax.Array, resolution: int) -> TrainState:
  """A fresh state. Call it under jit: eagerly, the average would alias the parameters."""
  net_rng, critic_rng = jax.random.split(rng)
  params = init_params(networks, stage.name, net_rng, resolution)
  critic_params = init_params(networks, f"{stage.name}_critic", critic_rng, resolution)
  return TrainState(
    step=jnp.zeros((), jnp.int32),
    images=jnp.zeros((), jnp.int32),
    params=params,
    ema=jax.tree.map(jnp.copy, params),
    opt_state=stage.optimiser.make().init(params),
    critic_params=critic_params,
    critic_opt_state=stage.critic_optimiser.make().init(critic_params),
    augment=jnp.full((), stage.augment.strength, jnp.float32),
  )


def make_batch(photo, labels, mask, confidence=None) -> Batch:
  """What the host sent -> a Batch: uint8 photo and labels, bool mask, uint8 confidence or none."""
  sure = None if confidence is None else confidence.astype(jnp.float32) / 255.0
  labels = labels.astype(jnp.int32)
  return Batch(photo=images.to_float(photo), mask=mask, labels=labels, confidence=sure)


def train_step(
  stage: Stage, state: TrainState, batch: Batch, rng: jax.Array
) -> tuple[TrainState, dict[str, Array]]:
  """One step of either stage: the critic first, then the generator through the new critic.

  The generator runs forward once; its losses are functions of what it made, and `pullback` turns
  their gradient into that of the parameters. With `stage.micro_batches` above 1, gradients are
  summed over parts of the batch, and the generator runs forward once more for the critic: less
  memory, more time, the same step.

  Args:
    stage: what to train, and the judges.
    state: arrays; may be donated.
    batch: for the texture stage, with layout and features attached.
    rng: the run's key; the step is folded in here.

  Returns:
    The new state, and float32 scalars: each term ("loss/<term>"), scores, penalty, images seen, the
    average's half-life, and what `diagnostics.of_update` says of both networks.
  """
  keys = jax.random.split(jax.random.fold_in(rng, state.step), 5 if stage.augment.active else 3)
  inputs_rng, critic_rng, terms_rng, *augment_rngs = keys
  objective = stage.objective
  inputs = objective.inputs(batch, inputs_rng)
  number = batch.photo.shape[0]
  mix = jax.random.uniform(critic_rng, (number, 1, 1, 1))
  draws = [
    critic_augmentation.draw(key, number, state.augment, stage.augment.kinds)
    for key in augment_rngs
  ] or [None, None]
  parts = _split(stage, inputs, mix, draws, terms_rng)
  made = None if stage.micro_batches > 1 else _generate(stage, state.params, _first(parts))

  def generate(part):  # of one part the critic and the generator use the same
    return made or _generate(stage, state.params, part)

  metrics = {}
  if objective.asks_critic:
    state, metrics = _update_critic(stage, state, parts, generate)
    if stage.augment.active:
      metrics["critic/augment"] = state.augment
      adapted = stage.augment.adapted(state.augment, metrics.get("critic/sign", 0.0), number)
      state = state.replace(augment=adapted)

  def update(state):
    return _update_generator(stage, state, parts, generate, number, terms_rng)

  def keep(state):
    shapes = jax.eval_shape(update, state)[1]
    return state, jax.tree.map(lambda m: jnp.zeros(m.shape, m.dtype), shapes)

  if stage.generator_every == 1:
    state, generator_metrics = update(state)
  else:
    turn = (state.step + 1) % stage.generator_every == 0
    state, generator_metrics = jax.lax.cond(turn, update, keep, state)
  state = state.replace(step=state.step + 1, images=state.images + number)
  metrics |= {"images": state.images, "ema_half_life_images": _half_life(stage, state.images)}
  return state, jax.tree.map(jnp.float32, metrics | generator_metrics)


def computed(stage: Stage, step: int, metrics: dict[str, Array]) -> dict[str, Array]:
  """The metrics that a stage's step `step` computed: without the zeros that stand for others.

  Those are the penalty between the steps that have one, and the generator's while it rests.
  """
  left_out = set()
  if step % stage.penalty_every:
    left_out.add("critic/penalty")
  if (step + 1) % stage.generator_every:
    left_out |= {name for name in metrics if not name.startswith(("critic/", "images", "ema_"))}
  return {name: value for name, value in metrics.items() if name not in left_out}


@flax.struct.dataclass
class _Part:
  """A micro-batch: all that was drawn was drawn for the whole batch."""

  inputs: Any
  mix: Array  # float32 b 1 1 1, for the gradient penalty
  draws: Any  # what the critic sees changed by in its own step, and in the generator's; or None
  shares: dict  # a term -> how much of its mean over the batch lies here; they sum to 1


def _split(stage, inputs, mix, draws, rng) -> _Part:
  """Parts stacked along a new first axis; part k has the photos k, k + n, k + 2n ...

  In this order each device keeps its photos.
  """
  n = stage.micro_batches

  def split(x):
    return jnp.moveaxis(x.reshape(x.shape[0] // n, n, *x.shape[1:]), 1, 0)

  inputs, mix, draws = jax.tree.map(split, (inputs, mix, tuple(draws)))
  counts = jax.vmap(lambda part: stage.objective.counts(part, rng))(inputs)
  shares = {name: count / jnp.maximum(count.sum(), 1e-6) for name, count in counts.items()}
  return _Part(inputs, mix, draws, shares)


def _first(parts: _Part) -> _Part:
  return jax.tree.map(lambda x: x[0], parts)


def _sum_over(parts: _Part, function):
  """The sum of function(part), a tree; compiled once for all parts."""
  if len(parts.mix) == 1:
    return function(_first(parts))
  shapes = jax.eval_shape(function, _first(parts))
  zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

  def add(total, part):
    return jax.tree.map(jnp.add, total, function(part)), None

  return jax.lax.scan(add, zeros, parts)[0]


def _hold(only, modules, change):
  """The modules of a network, `change` applied to all but `only`; () is all of them."""
  if not only:
    return modules
  return {name: tree if name in only else change(tree) for name, tree in modules.items()}


def _generate(stage, params, part):
  """What the generator makes of a part, and how a gradient of that becomes one of `params`."""

  def made(params):
    # Of what is held, not even the gradient is computed.
    params = _hold(stage.only, params, jax.lax.stop_gradient)
    return stage.objective.generate(stage.net, params, part.inputs)

  return jax.vjp(made, params)


def _update_critic(stage, state, parts, generate):
  def gradient(part):
    outputs, _ = generate(part)
    loss_fn = partial(_critic_loss, stage, state.step, outputs, part)
    (loss, metrics), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.critic_params)
    return grads, metrics | {"critic/loss": loss}

  grads, metrics = _sum_over(parts, gradient)
  params, opt_state, said = _update(
    stage, stage.critic_optimiser, state.critic_params, grads, state.critic_opt_state
  )
  metrics |= {f"critic/{name}": value for name, value in said.items()}
  return state.replace(critic_params=params, critic_opt_state=opt_state), metrics


def _critic_loss(stage, step, outputs, part, params):
  """The critic's loss on a part, as much of it as is the batch's; and metrics, likewise.

  hinge_r1: E[max(0, 1 - D(real)) + max(0, 1 + D(fake))] + penalty * R1, see `losses.r1_penalty`.
  wgan_gp: E[D(fake)] - E[D(real)] + drift * E[D(real)^2] + penalty * `losses.gradient_penalty`.
  """
  pair = jax.lax.stop_gradient(stage.objective.comparison(outputs, part.inputs))
  if part.draws[0] is not None:
    pair = critic_augmentation.apply(part.draws[0], pair)
  changeable = pair.changeable & pair.valid[:, None, None, None]
  still_seen = changeable.any((1, 2, 3))  # bool b: an augmentation may have moved the hole away
  share = part.shares["critic"]
  share_seen = share * still_seen.sum() / jnp.maximum(pair.valid.sum(), 1)

  def mean(values):
    return share * losses.masked_mean(values, pair.valid)

  def score(candidate):
    verdict, _ = stage.critic.apply({"params": params}, candidate, pair.condition, pair.changeable)
    return verdict.score()

  real, fake = _judge(stage.critic, params, pair)
  if stage.adversary == HINGE_R1:
    loss = mean(losses.hinge(real.values, real.weights) + losses.hinge(-fake.values, fake.weights))
    penalise = partial(losses.r1_penalty, score, pair.real, changeable)
  else:
    loss = share * losses.wasserstein(real.score(), fake.score(), pair.valid)
    loss = loss + stage.drift * mean(jnp.square(real.score()))
    penalise = partial(losses.gradient_penalty, score, pair.real, pair.fake, changeable, part.mix)
  penalty = jnp.zeros(())
  if stage.penalty:  # of weight 0 it is not computed
    penalty = share_seen * _lazy_every(step, stage.penalty_every, penalise)
  metrics = {
    "critic/real": mean(real.score()),
    "critic/fake": mean(fake.score()),
    "critic/penalty": penalty,
  }
  if stage.adversary == HINGE_R1:  # of a Wasserstein score the sign means nothing
    sign = (real.weights * jnp.sign(real.values)).sum(-1)  # r_t of ADA, over all verdicts
    metrics["critic/sign"] = share_seen * losses.masked_mean(sign, still_seen)
  return loss + stage.penalty * penalty, metrics


def _judge(critic, params, pair):
  """The critic's verdicts of the real and of the fake ones, from one pass over both."""
  candidates = images.interleave(pair.real, pair.fake)
  both, _ = critic.apply({"params": params}, candidates, pair.condition, pair.changeable)
  return (jax.tree.map(lambda x, first=first: x[first::2], both) for first in (0, 1))


def _lazy_every(step, every, value):
  """`every` times value() at each `every`-th step, else 0: the same on average, at less cost.

  Lazy regularisation, Karras et al. 2020 (arXiv 1912.04958).
  """
  if every == 1:
    return value()
  return jax.lax.cond(step % every == 0, lambda: every * value(), lambda: jnp.zeros(()))


def _update_generator(stage, state, parts, generate, number, rng):
  weights = dict(stage.weights)

  def gradient(part):
    outputs, pullback = generate(part)

    def critic(*seen):
      seen = seen if part.draws[1] is None else critic_augmentation.seen(part.draws[1], *seen)
      return stage.critic.apply({"params": state.critic_params}, *seen)

    def loss_fn(outputs):
      terms = stage.objective.terms(outputs, part.inputs, stage.judges, critic, rng)
      terms = {name: part.shares[name] * value for name, value in terms.items()}
      return sum(weights[name] * value for name, value in terms.items()), terms

    (loss, terms), cotangent = jax.value_and_grad(loss_fn, has_aux=True)(outputs)
    (grads,) = pullback(cotangent)
    return grads, {f"loss/{name}": value for name, value in terms.items()} | {"loss/total": loss}

  grads, metrics = _sum_over(parts, gradient)
  params, opt_state, said = _update(
    stage, stage.optimiser, state.params, grads, state.opt_state, stage.only
  )
  count = (state.images + number).astype(jnp.float32)
  ema = _average(stage, state.ema, params, count, number * stage.generator_every)
  return state.replace(params=params, opt_state=opt_state, ema=ema), metrics | said


def _update(stage, optimiser, params, grads, opt_state, only=()):
  """The parameters and the optimiser's state after an update, and what is said of it."""
  updates, after = optimiser.make().update(grads, opt_state, params)
  # What is held does not decay, either.
  updates = _hold(only, updates, lambda held: jax.tree.map(jnp.zeros_like, held))
  if stage.rate is not None:
    updates = jax.tree.map(lambda u: stage.rate * u, updates)
  said = diagnostics.of_update(optimiser, params, grads, updates, opt_state)
  if stage.rate is not None:
    said["learning_rate"] *= stage.rate
  return optax.apply_updates(params, updates), after, said


def _average(stage, ema, params, seen, batch_size):
  """Exponential moving average; half-life min(h, .05 * images seen), as StyleGAN's ramp-up."""
  decay = jnp.exp2(-batch_size / jnp.maximum(_half_life(stage, seen), 1e-8))
  return jax.tree.map(lambda e, p: p + decay * (e - p), ema, params)


def _half_life(stage, seen):
  """In images."""
  return jnp.minimum(stage.ema_half_life_images, 0.05 * seen)


def attach_layout(net: LayoutNet, params: dict, batch: Batch) -> Batch:
  """The one place where the stages meet: adds the layout and F_enc, gradients stopped.

  `params` are the average (EMA) of the layout stage.
  """
  layout, features = jax.lax.stop_gradient(predict_layout(net, params, batch.photo, batch.mask))
  return batch.replace(layout=layout, features=features)
