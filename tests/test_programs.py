"""Programs made in the background."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from facefill_jax.programs import Programs

SHAPE = jax.ShapeDtypeStruct((3,), jnp.float32)


def test_a_program_is_made_once_and_elsewhere():
  made, programs = [], Programs()

  @jax.jit
  def double(x):
    made.append(threading.current_thread().name)  # while it is traced
    return 2 * x

  for _ in range(2):
    programs.prepare("double", double, lambda: (SHAPE,))
  np.testing.assert_array_equal(programs.get("double")(np.ones(3, np.float32)), 2)
  assert len(made) == 1 and made[0].startswith("compile")
  programs.close()


def test_a_program_takes_only_what_it_was_made_for():
  programs = Programs()
  programs.prepare("double", jax.jit(lambda x: 2 * x), lambda: (SHAPE,))
  with pytest.raises(TypeError, match="compiled"):
    programs.get("double")(np.ones(4, np.float32))
  programs.close()


def test_exclusive_programs_wait_for_each_other():
  programs, begun, go_on = Programs(exclusive=True), threading.Event(), threading.Event()

  def slow():
    begun.set()
    go_on.wait(10)
    return (SHAPE,)

  programs.prepare("double", jax.jit(lambda x: 2 * x), lambda: (SHAPE,))
  programs.prepare("slow", jax.jit(lambda x: 3 * x), slow)
  begun.wait(10)
  threading.Timer(0.2, go_on.set).start()
  programs.get("double")
  assert go_on.is_set()
  programs.close()


def test_what_goes_wrong_is_raised_where_it_is_needed():
  programs = Programs()
  programs.prepare("bad", jax.jit(lambda x: x + jnp.ones(2)), lambda: (SHAPE,))
  with pytest.raises(TypeError, match="incompatible"):
    programs.get("bad")
  programs.close()
