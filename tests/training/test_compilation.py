"""Programs made in the background."""

import gc
import threading
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from facefill_jax.training.compilation import Programs

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


def test_without_a_background_programs_are_made_where_they_are_asked_for():
  made, programs = [], Programs(at_once=0)

  @jax.jit
  def double(x):
    made.append(threading.current_thread())
    return 2 * x

  programs.prepare("double", double, lambda: (SHAPE,))
  assert not made
  for _ in range(2):
    np.testing.assert_array_equal(programs.get("double")(np.ones(3, np.float32)), 2)
  assert made == [threading.current_thread()]
  programs.close()


def test_what_goes_wrong_is_raised_where_it_is_needed():
  programs = Programs()
  programs.prepare("bad", jax.jit(lambda x: x + jnp.ones(2)), lambda: (SHAPE,))
  with pytest.raises(TypeError, match="incompatible"):
    programs.get("bad")
  programs.close()


@pytest.mark.parametrize("at_once", [0, 2])
def test_a_program_that_is_not_kept_is_forgotten(at_once):
  programs, alive = Programs(at_once), {}
  for key in ("past", "now"):
    programs.prepare(key, jax.jit(lambda x: 2 * x), lambda: (SHAPE,))
    alive[key] = weakref.ref(programs.get(key))
  programs.keep(["now"])
  gc.collect()
  assert alive["past"]() is None and alive["now"]() is programs.get("now")
  with pytest.raises(KeyError):
    programs.get("past")
  programs.close()
