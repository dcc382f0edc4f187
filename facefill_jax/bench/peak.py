"""How fast this device multiplies matrices: what a share of its peak is a share of."""

import functools

import jax
import jax.numpy as jnp

from facefill_jax.bench import hardware, timing
from facefill_jax.models.networks import DTYPES

_CPU_SIDE, _SIDE = 2048, 8192  # large enough that more does not make it faster
_SECONDS = 1.0
_AT_ONCE = 8  # products in a row on an accelerator, which takes longer to be told than to multiply


@functools.cache
def matmul(dtype: str) -> dict[str, float]:
  """{"gflops": of a large square product, "gflop_per_cpu_s": of it (on a CPU)}: the best of many.

  At JAX's default precision, which is also that of the networks' products and convolutions: on a
  GPU float32 may be TF32, on a TPU it is bfloat16. Where other programs use the same cores, only
  the second number holds: a core's peak.
  """
  side, count = (_CPU_SIDE, 1) if hardware.on_cpu() else (_SIDE, _AT_ONCE)
  x = jnp.full((side, side), 1.0 / side, DTYPES[dtype])

  @jax.jit
  def products(x):
    for _ in range(count):
      x = x @ x
    return x

  def call():
    products(x).block_until_ready()

  call()
  samples = timing.collect(lambda: timing.timed(call), _SECONDS)
  gflop = 2.0 * side**3 * count / 1e9
  found = {"gflops": gflop / min(sample.wall for sample in samples)}
  if hardware.on_cpu():
    found["gflop_per_cpu_s"] = gflop / min(sample.cpu for sample in samples)
  return found
