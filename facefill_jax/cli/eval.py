"""facefill eval: how good fills are, of a model, a classical method, or anybody's pictures."""

import json
import shlex
import sys
from pathlib import Path

import click

from facefill_jax.cli import devices, eval_compare
from facefill_jax.cli.failures import input_failures
from facefill_jax.cli.models import MODEL, model_failures
from facefill_jax.cli.paths import FilePath, SourceName, check_new_directory

_DIR, _NAME = FilePath(), SourceName()
_METHODS = ("telea", "ns", "mean_colour", "identity")


@click.group("eval", invoke_without_command=True)
@click.option("--model", type=MODEL, metavar="DIR",
              help="Score a trained model; `pretrained`: the package's.")  # fmt: skip
@click.option("--outputs", type=_DIR, metavar="DIR", help="Score these pictures (or a .zip).")
@click.option("--method", type=click.Choice(_METHODS), help="Score a method that learns nothing.")
@click.option("--photos", type=_NAME, metavar="DIR",
              help="True faces: directory, .zip, built set, drawn:50.")  # fmt: skip
@click.option("--masks", type=_DIR, metavar="DIR", help="Masks, white = hole; a folder a bin.")
@click.option("--protocol", type=_NAME, metavar="NAME", help="Masks by name: see `facefill masks`.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True,
              help="Of the protocol's masks, and of the model's answer.")  # fmt: skip
@click.option("--masks-per-photo", type=click.IntRange(1), default=1, show_default=True,
              help="Of each bin.")  # fmt: skip
@click.option("--labels", type=_NAME, default="", metavar="DIR", help="Label maps of the photos.")
@click.option("--size", type=click.IntRange(32, 4096), default=256, show_default=True,
              help="Side of the pictures that are scored.")  # fmt: skip
@click.option("--out", type=_DIR, metavar="DIR", help="Written here.")
@click.option("--weights", type=_DIR, metavar="DIR",
              help="Networks that measure: see `facefill weights`.")  # fmt: skip
@click.option("--name", help="What the run is called; default: from the model or method.")
@click.option("--batch-size", type=click.IntRange(1), default=16, show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace a run that is there.")
@devices.no_compile_cache
@click.option("-v", "--verbose", is_flag=True, help="Show a traceback when it fails.")
@click.pass_context
def evaluate(context, **given) -> None:
  """Score fills against the truth, in the hole and over the frame, with intervals.

  A photo gets the mask of its name (one of each bin). If no mask is named as a photo, photo i gets
  mask i (several with --masks-per-photo), starting over at the end. Photos are cut to their centre
  squares and resized by Lanczos, masks by nearest. Pictures of --outputs are named as their photos:
  a/7.png for a/7.jpg; with several masks a photo a/7_mask000.png, a/7_mask001.png, ...; with bins
  in folders of their names: 10-20/a/7.png.

  --out gets per_image.csv, metrics.json, examples/ and report.html.
  """
  if context.invoked_subcommand is not None:
    return
  context.obj["verbose"] = given["verbose"]
  _check_usage(context, given)
  devices.prepare(given["no_compile_cache"])
  with input_failures():
    content = _run(given)
  from facefill_jax.evaluation import summary

  click.echo(summary.table(content))
  _say(content, given["out"])


evaluate.add_command(eval_compare.compare)


def _check_usage(context, given) -> None:
  """Mistakes that show before any file is opened."""

  def fail(text):
    raise click.UsageError(text, context)

  if sum(given[name] is not None for name in ("model", "outputs", "method")) != 1:
    fail("give one of --model, --outputs and --method")
  if sum(given[name] is not None for name in ("masks", "protocol")) != 1:
    fail("give one of --masks and --protocol")
  for name in ("photos", "out"):
    if given[name] is None:
      fail(f"--{name} is required")
  if given["protocol"] is not None:
    from facefill_jax.data.masks import protocols

    try:
      protocols.check_name(given["protocol"])
    except ValueError as error:
      fail(str(error))
  out = given["out"]
  if not out.absolute().parent.is_dir():
    fail(f"{out}: no such folder {out.parent}")
  check_new_directory(out, replaced=True)
  if out.exists():
    if not out.is_dir() or (any(out.iterdir()) and not _is_run(out)):
      fail(f"{out}: exists and holds no run: it is not replaced")
    if any(out.iterdir()) and not given["overwrite"]:
      fail(f"{out}: exists; give --overwrite to replace it")


def _is_run(out: Path) -> bool:
  """Whether a directory is one that `facefill eval` wrote, whole or not."""
  from facefill_jax.evaluation import results

  try:
    content = json.loads((out / results.METRICS).read_bytes())
  except (OSError, ValueError):
    return False
  return isinstance(content, dict) and {"format", "run", "bins", "metrics"} <= set(content)


def _run(given) -> dict:
  """Evaluates into a directory that takes the place of --out when all is done."""
  from facefill_jax import files, sharding
  from facefill_jax.evaluation import results, runner
  from facefill_jax.pretrained_nets import weights

  mesh = sharding.local_mesh()
  faces = _pairs(given)
  candidate = _candidate(given, faces, mesh)
  measuring = [kind for kind in weights.KINDS if weights.metrics(kind)]
  judged_by = weights.load(given["weights"] or weights.default_directory(), measuring)
  written = (results.METRICS, results.TABLE, results.EXAMPLES, results.REPORT)
  with files.replacing_directory(given["out"], last=results.METRICS, replaced=written) as part:
    content = runner.evaluate(
      candidate, faces, part, judged_by=judged_by, batch_size=given["batch_size"], mesh=mesh,
      about=_about(given, len(faces.source)), tell=_progress(),
    )  # fmt: skip
  from facefill_jax.evaluation.report import run_page  # loads Matplotlib: seconds

  run_page.write_report(given["out"])  # afterwards: hours of work are in their place by now
  return content


def _pairs(given):
  from facefill_jax.evaluation import holes, pairs

  size, labels = given["size"], str(given["labels"])
  source = pairs.open_photos(given["photos"], size, labels)
  ids = pairs.ids_of(source)
  if given["masks"] is not None:
    drawn = given["photos"].startswith(pairs.DRAWN)  # their ids are no names
    chosen = holes.FolderHoles(given["masks"], () if drawn else ids)
  else:
    chosen = holes.ProtocolHoles(given["protocol"], given["seed"], size, labels, ids)
  known = pairs.is_labelled(given["photos"], source, labels)
  return pairs.Pairs(source, chosen, size, given["masks_per_photo"], known)


def _candidate(given, faces, mesh):
  from facefill_jax.evaluation import fills, runner
  from facefill_jax.filling.filler import Filler

  if given["model"] is not None:
    with model_failures():
      model = Filler.from_directory(given["model"], mesh=mesh)
    return runner.Candidate.of_model(model, given["seed"])
  if given["outputs"] is not None:
    names = [pair.id for pair in faces.pairs]
    return runner.Candidate("outputs", fills.Outputs(str(given["outputs"]), names, given["size"]))
  return runner.Candidate(given["method"], fills.method(given["method"]))


def _about(given, photos: int) -> dict:
  """What the command line says of the run, for metrics.json."""
  masks = {name: str(given[name]) for name in ("masks", "protocol") if given[name] is not None}
  path = given["model"] or given["outputs"]
  if path is not None:
    path = path.resolve()
    # A run's model lies in RUN/model.
    path = path.parent if path.name == "model" else path
  return {
    "name": given["name"] or given["method"] or path.name,
    "command": shlex.join(["facefill", *sys.argv[1:]]),
    "photos": given["photos"],
    "photo_count": photos,
    "labels": given["labels"] or None,
    **masks,
    "seed": given["seed"],
    "masks_per_photo": given["masks_per_photo"],
  }


def _progress():
  """Says how far it is, ten times at most."""
  said = 0

  def tell(done: int, total: int) -> None:
    nonlocal said
    if done == total or 10 * done // total > said:
      said = 10 * done // total
      click.echo(f"{done} of {total} fills", err=True)

  return tell


def _say(content: dict, out: Path) -> None:
  """Failed checks, metrics that are not computed or not independent, and where the files are."""
  for name, check in content["checks"].items():
    if check["passed"] is False:
      click.echo(f"CHECK FAILED: {name.replace('_', ' ')}: {check['detail']}", err=True)
  reasons = {}
  for key, entry in content["metrics"].items():
    if entry["not_computed"]:
      reasons.setdefault(entry["not_computed"], []).append(key)
    elif entry["trained_on"]:
      click.echo(
        f"{key}: its network took part in training this model: not an independent judge", err=True
      )
  for reason, keys in reasons.items():
    click.echo(f"not computed: {', '.join(keys)}: {reason}", err=True)
  if any(reason.startswith("no weights") for reason in reasons):
    click.echo("`facefill weights convert` takes such files; see `facefill weights show`", err=True)
  click.echo(f"{out}: per_image.csv, metrics.json, report.html and examples/", err=True)
