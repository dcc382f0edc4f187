"""Pure steps: a train state and a batch in, a train state and metrics out; and how to fill.

One `train_step` serves both stages. Jit it as `partial(jax.jit(train_step, ...), stage)`: with the
partial inside, the judges' weights would become constants of the compiled program.
"""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float

from facefill_jax import diagnosis, images, losses
from facefill_jax.models.layout_net import LayoutNet
from facefill_jax.models.texture_net import TextureNet
from facefill_jax.objectives import ADVERSARIAL
from facefill_jax.stages import HINGE_R1, Networks, Stage, init_params
from facefill_jax.types import Batch, Features, Layout, Mask, Photo, TrainState


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
    opt_state=stage.optimiser.init(params),
    critic_params=critic_params,
    critic_opt_state=stage.critic_optimiser.init(critic_params),
  )


def make_batch(photo, labels, mask) -> Batch:
  """What the host sent -> a Batch: uint8 photo and labels, bool mask."""
  return Batch(photo=images.to_float(photo), mask=mask, labels=labels.astype(jnp.int32))


def train_step(
  stage: Stage, state: TrainState, batch: Batch, rng: jax.Array
) -> tuple[TrainState, dict[str, Array]]:
  """One step of either stage: the critic first, then the generator through the new critic.

  The generator runs forward once; its losses are functions of what it made, and `pullback` turns
  their gradient into that of the parameters.

  Args:
    stage: what to train, and the judges.
    state: arrays; may be donated.
    batch: for the texture stage, with layout and features attached.
    rng: the run's key; the step is folded in here.

  Returns:
    The new state, and float32 scalars: each term ("loss/<term>"), scores, penalty, images seen, the
    average's half-life, and what `diagnosis.of_update` says of both networks.
  """
  inputs_rng, critic_rng, terms_rng = jax.random.split(jax.random.fold_in(rng, state.step), 3)
  objective = stage.objective
  inputs = objective.inputs(batch, inputs_rng)
  outputs, pullback = jax.vjp(lambda p: objective.generate(stage.net, p, inputs), state.params)

  metrics = {}
  if objective.active & ADVERSARIAL:  # else nobody asks the critic
    state, metrics = _update_critic(stage, state, outputs, inputs, critic_rng)

  def update(state):
    return _update_generator(stage, state, outputs, pullback, inputs, terms_rng)

  def keep(state):
    shapes = jax.eval_shape(update, state)[1]
    return state, jax.tree.map(lambda m: jnp.zeros(m.shape, m.dtype), shapes)

  if stage.generator_every == 1:
    state, generator_metrics = update(state)
  else:
    turn = (state.step + 1) % stage.generator_every == 0
    state, generator_metrics = jax.lax.cond(turn, update, keep, state)
  count = state.images + batch.photo.shape[0]
  state = state.replace(step=state.step + 1, images=count)
  metrics |= {"images": count, "ema_half_life_images": _half_life(stage, count)}
  return state, jax.tree.map(jnp.float32, metrics | generator_metrics)


def _update_critic(stage, state, outputs, inputs, rng):
  pair = jax.lax.stop_gradient(stage.objective.comparison(outputs, inputs))
  changeable = jnp.logical_and(pair.changeable, pair.valid[:, None, None, None])

  def loss_fn(params):
    judge = lambda *seen: stage.critic.apply({"params": params}, *seen)[0]  # noqa: E731
    score = lambda x: judge(x, pair.condition, pair.changeable).score()  # noqa: E731
    twice = lambda x: jnp.concatenate([x, x])  # noqa: E731
    both = judge(
      jnp.concatenate([pair.real, pair.fake]), twice(pair.condition), twice(pair.changeable)
    )
    number = len(pair.real)
    real = jax.tree.map(lambda v: v[:number], both)
    fake = jax.tree.map(lambda v: v[number:], both)
    if stage.adversary == HINGE_R1:
      parts = losses.hinge(real.values, real.weights) + losses.hinge(-fake.values, fake.weights)
      loss = losses.masked_mean(parts, pair.valid)
      penalise = lambda: losses.r1_penalty(score, pair.real, changeable)  # noqa: E731
    else:
      loss = losses.wasserstein(real.score(), fake.score(), pair.valid)
      loss = loss + stage.drift * losses.masked_mean(jnp.square(real.score()), pair.valid)
      penalise = lambda: losses.gradient_penalty(  # noqa: E731
        score, pair.real, pair.fake, changeable, rng
      )
    penalty = _now_and_then(state.step, stage.penalty_every, penalise)
    metrics = {
      "critic/real": losses.masked_mean(real.score(), pair.valid),
      "critic/fake": losses.masked_mean(fake.score(), pair.valid),
      "critic/penalty": penalty,
    }
    return loss + stage.penalty * penalty, metrics

  (loss, metrics), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.critic_params)
  updates, opt_state = stage.critic_optimiser.update(
    grads, state.critic_opt_state, state.critic_params
  )
  params = optax.apply_updates(state.critic_params, updates)
  metrics |= {"critic/loss": loss} | diagnosis.of_update(
    "critic/", stage.critic_numbers, state.critic_params, grads, updates, state.critic_opt_state
  )
  return state.replace(critic_params=params, critic_opt_state=opt_state), metrics


def _now_and_then(step, every, value):
  """`every` times the value at each `every`-th step, else 0: the same on average, at less cost.

  Lazy regularisation, Karras et al. 2020 (arXiv 1912.04958).
  """
  if every == 1:
    return value()
  return jax.lax.cond(step % every == 0, lambda: every * value(), lambda: jnp.zeros(()))


def _update_generator(stage, state, outputs, pullback, inputs, rng):
  weights = dict(stage.weights)
  critic = lambda *seen: stage.critic.apply({"params": state.critic_params}, *seen)  # noqa: E731

  def loss_fn(outputs):
    terms = stage.objective.terms(outputs, inputs, stage.judges, critic, rng)
    return sum(weights[name] * value for name, value in terms.items()), terms

  (loss, terms), cotangent = jax.value_and_grad(loss_fn, has_aux=True)(outputs)
  (grads,) = pullback(cotangent)
  updates, opt_state = stage.optimiser.update(grads, state.opt_state, state.params)
  params = optax.apply_updates(state.params, updates)
  count = (state.images + inputs.photo.shape[0]).astype(jnp.float32)
  ema = _average(stage, state.ema, params, count, inputs.photo.shape[0] * stage.generator_every)
  metrics = {f"loss/{name}": value for name, value in terms.items()}
  metrics |= {"loss/total": loss} | diagnosis.of_update(
    "", stage.numbers, state.params, grads, updates, state.opt_state
  )
  return state.replace(params=params, opt_state=opt_state, ema=ema), metrics


def _average(stage, ema, params, seen, batch_size):
  """Exponential moving average; half-life min(h, .05 * images seen), as StyleGAN's ramp-up."""
  decay = jnp.exp2(-batch_size / jnp.maximum(_half_life(stage, seen), 1e-8))
  return jax.tree.map(lambda e, p: p + decay * (e - p), ema, params)


def _half_life(stage, seen):
  """In images."""
  return jnp.minimum(stage.ema_half_life_images, 0.05 * seen)


def predict_layout(
  net: LayoutNet, params: dict, photo: Photo, mask: Mask
) -> tuple[Layout, Features]:
  """Probabilities of the whole face's layout, float32 (b, h, w, 20), and F_enc."""
  logits, features = net.apply({"params": params}, photo, mask)
  return jax.nn.softmax(logits, axis=-1), features


def attach_layout(net: LayoutNet, params: dict, batch: Batch) -> Batch:
  """The one place where the stages meet: adds the layout and F_enc, gradients stopped.

  `params` are the average (EMA) of the layout stage.
  """
  layout, features = jax.lax.stop_gradient(predict_layout(net, params, batch.photo, batch.mask))
  return batch.replace(layout=layout, features=features)


def fill(
  net: TextureNet,
  params: dict,
  photo: Photo,
  mask: Mask,
  layout: Layout,
  features: Features,
  z: Float[Array, "b l"],
  use_features: Bool[Array, "b"],
) -> Photo:
  """The whole picture, float32 (b, h, w, 3): the photo bit for bit where known, else filled.

  See `TextureNet.__call__` for the arguments.
  """
  filled = net.apply({"params": params}, photo, mask, layout, features, z, use_features)
  return images.composite(photo, filled, mask)
