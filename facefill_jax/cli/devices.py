"""What every verb that computes does first: is the device there, where do compiled programs go."""

import click

from facefill_jax.cli.failures import InputFailure

no_compile_cache = click.option(
  "--no-compile-cache", is_flag=True,
  help="Keep no compiled programs on disk; FACEFILL_COMPILE_CACHE=off does the same.",
)  # fmt: skip


def prepare(no_compile_cache: bool) -> None:
  """Begins to use JAX, with its programs kept on disk unless `no_compile_cache`.

  Raises:
    InputFailure: JAX_PLATFORMS asks for a device that is not here.
  """
  from facefill_jax import compile_cache, sharding  # jax takes seconds

  if no_compile_cache:
    compile_cache.disable()
  else:
    compile_cache.enable(warn=lambda text: click.echo(f"warning: {text}", err=True))
  try:
    sharding.check_devices()
  except ValueError as error:
    raise InputFailure(str(error)) from error
