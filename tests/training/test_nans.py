"""The module that first makes a NaN is named, whichever way the NaN goes."""

from functools import partial
from typing import NamedTuple

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import micro_model
import numpy as np
import pytest
from micro_step import make_batch, make_stage, make_state

from facefill_jax import sharding
from facefill_jax.stages.step import train_step
from facefill_jax.training import nans

X = jnp.asarray(np.random.default_rng(0).standard_normal((3, 4)), jnp.float32)


class Root(nn.Module):
  """Where x <= 0, the value is finite, its gradient is not."""

  rule: str = "plain"

  @nn.compact
  def __call__(self, x):
    x = Rooted(self.rule, name="middle")(nn.Dense(4, name="first")(x))
    if self.rule == "between":
      x = x / 0.0
    return nn.Dense(2, name="last")(x)


class Rooted(nn.Module):
  rule: str

  @nn.compact
  def __call__(self, x):
    shift = self.param("shift", nn.initializers.zeros, (4,))
    if self.rule == "sqrt":
      x = x + jnp.sqrt(jnp.maximum(x, 0.0))
    elif self.rule == "sqrt of a parameter":
      x = x + jnp.sqrt(shift)
    return nn.Dense(4, name="inner")(x)


def culprit(rule="plain", x=X, value=1.0, apply=None) -> str:
  """What is said of a loss's value and gradient; `value` is in the inner kernel."""
  net = Root(rule)
  params = net.init(jax.random.key(0), X)["params"]
  kernel = params["middle"]["inner"]["kernel"]
  params["middle"]["inner"]["kernel"] = kernel.at[0].set(value)
  apply = apply or (lambda p, x: net.apply({"params": p}, x).sum())
  probes = nans.Probes({Root: "toy"})
  jax.jit(probes.watch(jax.value_and_grad(apply)))(params, x)
  event = probes.first()
  return event.describe() if event else ""


def test_nothing_is_found_where_all_is_finite():
  assert culprit() == ""


def test_a_value_that_overflows():
  said = culprit(value=3e38, x=1e3 * X)
  assert said.startswith("toy/middle/inner gives inf (forward, 3 of 3 rows; float32[3,4]); its inp")


def test_a_parameter_that_is_not_a_number():
  assert culprit(value=np.nan).startswith("toy/middle/inner gives nan (forward, 3 of 3 rows")


def test_a_row_that_comes_in():
  said = culprit(x=X.at[1].set(jnp.nan))
  assert said == "what enters toy is nan (forward, 1 of 3 rows; float32[3,4]); made outside the networks"  # fmt: skip  # noqa: E501


def test_code_between_modules():
  assert "what enters toy/last is" in (said := culprit("between"))
  assert said.endswith("made in toy between its modules")


def test_a_gradient_alone():
  said = culprit("sqrt", x=jnp.zeros_like(X))
  assert said.startswith("toy/middle hands back a gradient of inf (backward, 3 of 3 rows; ")
  assert said.endswith("the gradient that reached it was finite")


def test_a_gradient_of_a_parameter_alone():
  said = culprit("sqrt of a parameter")
  assert said.startswith(
    "toy/middle gives its parameter shift a gradient of inf (backward; float32[4])"
  )


def test_a_gradient_that_the_loss_makes():
  def loss(p, x):
    return jnp.sqrt(0.0 * Root().apply({"params": p}, x)).sum()

  assert culprit(apply=loss).startswith("the gradient that reaches toy is nan (backward, 3 of 3")


def test_within_a_penalty_a_condition_a_loop_and_a_checkpoint():
  def loss(rule, p, x):
    def apply(p, x):
      return Root(rule).apply({"params": p}, x).sum()

    def penalty():
      return jnp.square(jax.grad(apply, 1)(p, x)).sum()

    again = jax.checkpoint(lambda total, one: (total + apply(p, one[None]), None))
    total, _ = jax.lax.scan(again, 0.0, x)
    return total + jax.lax.cond(x[0, 0] < 5, penalty, lambda: 0.0)

  assert culprit(apply=partial(loss, "plain")) == ""
  said = culprit(apply=partial(loss, "sqrt"), x=jnp.zeros_like(X))
  assert said.startswith("toy/middle hands back a gradient of ") and "(backward, " in said


@pytest.mark.slow
@pytest.mark.parametrize("network", ["layout", "layout_critic"])
def test_a_whole_step(micro, micro_params, network):
  """Two devices or one: the values are the whole batch's."""
  params = jax.tree.map(lambda x: x, micro_params)
  block = {"layout": "up_1", "layout_critic": "block_1"}[network]
  kernel = params[network][block]["Conv_0"]["kernel"]
  params[network][block]["Conv_0"]["kernel"] = np.full_like(kernel, 1e38)
  stage = make_stage("layout", micro, micro_params, adversary="hinge_r1", penalty_every=2)
  batch = make_batch(micro)
  step = nans.checked(micro_model.jit(train_step), train_step, begins=100)
  with pytest.raises(FloatingPointError) as caught:
    step(stage, make_state(stage, params), batch, jax.random.key(0))
  said = str(caught.value)
  assert said.startswith(f"step 101: layout: {network}/{block}/Conv_0 gives "), said
  assert "forward" in said and "its inputs were finite" in said and "loss/total" in said


def test_what_was_given():
  state = {"params": {"stem": np.array([1.0, np.nan], np.float32)}, "step": np.zeros((), int)}
  assert nans.not_finite(state) == ["params/stem"]


class ToyObjective(NamedTuple):
  parser: nn.Module


@flax.struct.dataclass
class ToyStage:
  judges: dict
  name: str = flax.struct.field(pytree_node=False, default="toy")
  net: nn.Module = flax.struct.field(pytree_node=False, default=Root())
  critic: nn.Module = flax.struct.field(pytree_node=False, default=Rooted(""))
  objective: ToyObjective = flax.struct.field(pytree_node=False, default=ToyObjective(nn.Dense(1)))


@flax.struct.dataclass
class ToyState:
  step: jax.Array
  params: dict


def toy_step(stage, state, x, _):
  loss = Root().apply({"params": state.params}, x).sum()
  return state.replace(step=state.step + 1), {"loss/total": loss, "gradient_norm/a": 0 * loss}


def test_a_step_is_checked():
  params = Root().init(jax.random.key(0), X)["params"]
  step = nans.checked(toy_step, toy_step, begins=100)
  state, metrics = step(ToyStage({}), ToyState(jnp.array(6), params), X, None)
  assert state.step == 7 and np.isfinite(metrics["loss/total"])
  with pytest.raises(FloatingPointError) as caught:
    step(ToyStage({"layout": X / 0}), state, X.at[2].set(jnp.inf), None)
  assert str(caught.value) == (
    "step 108: toy: what enters toy is inf (forward, 1 of 3 rows; float32[3,4]); made outside the "
    "networks; given to the step not finite: batch, judges/layout; not finite are loss/total, "
    "gradient_norm/a"
  )
  kernel = jnp.full_like(params["first"]["kernel"], jnp.nan)
  broken = ToyState(state.step, params | {"first": {**params["first"], "kernel": kernel}})
  given = "given to the step not finite: state/params/first/kernel; not finite are loss/total"
  with pytest.raises(FloatingPointError, match=f"108: toy: toy/first gives nan .*; {given}"):
    step(ToyStage({}), broken, X, None)


def test_what_no_module_made():
  def step(stage, state, x, rng):
    return toy_step(stage, state, x, rng)[0], {"update_ratio": x.sum() / 0}

  params = Root().init(jax.random.key(0), X)["params"]
  with pytest.raises(FloatingPointError, match="step 1: toy: no module: its losses or its optim"):
    nans.checked(step, step, 0)(ToyStage({}), ToyState(jnp.array(0), params), X, None)


def test_rows_that_lie_on_two_devices():
  x = np.ones((4, 4), np.float32)
  x[1:] = np.inf
  split = jax.device_put(x, sharding.batch_sharding(sharding.local_mesh(2)))
  assert culprit(x=split).startswith("what enters toy is inf (forward, 3 of 4 rows; float32[4,4])")
