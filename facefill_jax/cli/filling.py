"""What the verbs that fill have in common: their options, the model, what they say."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import click
import numpy as np

from facefill_jax.cli import devices
from facefill_jax.cli.failures import InputFailure
from facefill_jax.cli.models import MODEL, model_failures
from facefill_jax.data.mask_pictures import CONVENTIONS, WHITE_HOLE
from facefill_jax.filling import model_directory
from facefill_jax.filling.align import FaceError
from facefill_jax.filling.frame import FrameError
from facefill_jax.filling.photo_files import PhotoError

SEED = click.IntRange(0, 2**31 - 1)


class _Numbers(click.ParamType):
  """Numbers with commas between them."""

  name = "numbers"

  def __init__(self, count: int):
    self._count = count

  def convert(self, value, param, ctx):
    if isinstance(value, tuple):
      return value
    try:
      numbers = tuple(float(part) for part in value.split(","))
    except ValueError:
      numbers = ()
    if len(numbers) != self._count or not np.isfinite(numbers).all():
      self.fail(f"{value!r}: give {self._count} numbers with commas between them", param, ctx)
    return numbers


def _model_or_default(ctx, param, value):
  return model_directory.default() if value is None else value


_OPTIONS = (
  click.option(
    "--model", type=MODEL, metavar="DIR", callback=_model_or_default,
    help=f"A trained model; without it {model_directory.VARIABLE}'s, or the small one that comes "
         "with the package.",
  ),
  click.option(
    "--align", type=click.Choice(["auto", "none"]), default="auto", show_default=True,
    help="auto: find the faces. none: take the largest square that holds the hole.",
  ),
  click.option(
    "--dilate", type=click.IntRange(0, 1000), default=0, show_default=True, metavar="PIXELS",
    help="Do not look at so many pixels around the hole, for holes cut too close.",
  ),
  devices.no_compile_cache,
  click.option("-v", "--verbose", is_flag=True, help="Show a traceback when it fails."),
)  # fmt: skip

mask_option = click.option(
  "--mask-convention", type=click.Choice([name.replace("_", "-") for name in CONVENTIONS]),
  default=WHITE_HOLE.replace("_", "-"), show_default=True,
  help="What of MASK is the hole: white, black, or what is transparent.",
)  # fmt: skip

_FACE_OPTIONS = (
  click.option(
    "--face-box", type=_Numbers(4), metavar="L,T,R,B",
    help="Where the face is, forehead to chin, in pixels, if it is not found.",
  ),
  click.option(
    "--eyes", type=_Numbers(4), metavar="X,Y,X,Y",
    help="Where both eyes are, in pixels, in any order.",
  ),
)  # fmt: skip


def options(command: Callable) -> Callable:
  """The options of every verb that fills: model, align, dilate ..."""
  for option in reversed(_OPTIONS):
    command = option(command)
  return command


def face_options(command: Callable) -> Callable:
  """face_box and eyes, for verbs that fill one photo."""
  for option in reversed(_FACE_OPTIONS):
    command = option(command)
  return command


def job_options(given: dict) -> dict[str, Any]:
  """Of what was given on the command line, what a `photo_filler.Job` takes.

  Raises:
    UsageError: both face_box and eyes, or one of them where no face is looked for.
  """
  found = {"align": given["align"], "dilate": given["dilate"]}
  context = click.get_current_context()
  if given.get("face_box") and given.get("eyes"):
    raise click.UsageError("give --face-box or --eyes, not both", context)
  if given["align"] == "none" and (given.get("face_box") or given.get("eyes")):
    raise click.UsageError(
      "--align none looks for no face: leave out --face-box or --eyes", context
    )
  if given.get("face_box"):
    found["face_box"] = given["face_box"]
  if given.get("eyes"):
    x, y, other_x, other_y = given["eyes"]
    found["eyes"] = ((x, y), (other_x, other_y))
  return found


def convention(given: dict) -> str:
  """mask_convention as the library has it."""
  return given["mask_convention"].replace("-", "_")


def load(model, *, few_photos: bool):
  """The pipeline of a model. Imported here: jax takes seconds, and bad input should not wait."""
  from facefill_jax.filling.pipeline import FaceFillPipeline

  with model_failures():
    return FaceFillPipeline.from_pretrained(model, few_photos=few_photos)


@contextlib.contextmanager
def photo_failures() -> Iterator[None]:
  """What is wrong with photos, masks and layouts becomes exit code 3."""
  try:
    yield
  except (PhotoError, FrameError, FaceError) as error:
    raise InputFailure(str(error)) from error


def say(text: str) -> None:
  """A line for people: what is written to stdout may be a picture."""
  click.echo(text, err=True)


def warn(text: str) -> None:
  """The same of what one should know."""
  say(f"warning: {text}")
