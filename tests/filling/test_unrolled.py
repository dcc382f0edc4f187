"""A program without loops gives the numbers of the one with them."""

import jax
import jax.numpy as jnp
import micro_model
import numpy as np
from jax import lax

from facefill_jax import images
from facefill_jax.filling.unrolled import unrolled


def primitives(function, *inputs) -> set[str]:
  return {equation.primitive.name for equation in jax.make_jaxpr(function)(*inputs).jaxpr.eqns}


def test_loops_forward_and_backward():
  def run(x):
    def step(carry, row):
      total, place = carry
      return (total + row * x, place + 1), (total, place)

    forward = lax.scan(step, (jnp.zeros(3), 0), jnp.arange(4.0))
    backward = lax.scan(step, (jnp.zeros(3), 0), np.arange(4, dtype=np.float32), reverse=True)
    counted = lax.fori_loop(0, 3, lambda i, y: jax.jit(jnp.sin)(y) + i, x)
    return *jax.tree.leaves((forward, backward)), counted

  x = jnp.arange(3.0)
  straight = unrolled(run, x)
  for expected, found in zip(run(x), jax.jit(straight)(x), strict=True):
    np.testing.assert_allclose(found, expected, rtol=1e-6)
  assert "scan" in primitives(run, x) and not {"scan", "while", "jit"} & primitives(straight, x)


def test_the_membrane():
  batch = micro_model.random_batch(2)
  photo, mask = images.to_float(batch["photo"]), batch["mask"]

  def run(photo, mask):
    return (images.membrane(photo, mask),)

  straight = unrolled(run, photo, mask)
  (found,) = micro_model.jit(straight)(photo, mask)
  np.testing.assert_allclose(found, images.membrane(photo, mask), atol=1e-5)
  assert not {"scan", "while", "jit"} & primitives(straight, photo, mask)
