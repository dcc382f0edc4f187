"""best/: the averages with the best score of the held-out faces so far."""

import json

from facefill_jax import files
from facefill_jax.evaluation import measures
from facefill_jax.training import reports

BEST = "best"
RANKS = {"hole_lpips_vgg": -1, "hole_squeezenet": -1, "hole_psnr": 1, "layout_miou": 1}
"""By which score a model is the best, the first that there is; -1: the lower the better."""


def ranking_score(scores: dict[str, float], perceptual: str) -> str:
  """The name of the score that ranks, by no network that the model was trained with."""

  def is_fair(name):
    return not measures.trained_on(measures.find(name), {"perceptual": perceptual})

  return next(name for name in RANKS if name in scores and is_fair(name))


def save_if_best(run, states, step: int, scores: dict[str, float]) -> bool:
  """Writes the averages into best/ if they have the best held-out score so far.

  Scores at another resolution, or of other held-out faces or holes, do not count. A best/ that
  cannot be read is moved aside.
  """
  name = ranking_score(scores, run.config.texture.perceptual)
  measured = {"resolution": run.plan.at(step).resolution, "held_out": run.feed.digest}
  score = float(scores[name])
  before = _read(run.workdir / BEST)
  if all(before.get(key) == value for key, value in measured.items()) and name in before["score"]:
    if RANKS[name] * (score - before["score"][name]) <= 0:
      return False
  run.save_model(states, BEST, images=run.plan.images_at(step), score={name: score}, **measured)
  return True


def _read(folder) -> dict:
  """The config.json of best/; {} if there is none."""
  path = folder / "config.json"
  if not path.exists():
    return {}
  try:
    found = json.loads(path.read_bytes())
    return found | {"score": {name: float(value) for name, value in found["score"].items()}}
  except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
    aside = _free(folder)
    folder.rename(aside)
    reports.warn(path, f"is damaged; {BEST}/ is now {aside.name}/ and starts anew: {error}")
    return {}


def _free(folder) -> files.PathLike:
  """A name beside it that nothing has."""
  number = 1
  while (aside := folder.with_name(f"{folder.name}.damaged-{number}")).exists():
    number += 1
  return aside
