"""facefill data agreement: how well label maps agree with true ones."""

import csv
from pathlib import Path

import click

from facefill_jax.cli.failures import input_failures
from facefill_jax.cli.paths import FilePath, SourceName, check_new_directory

_DIR = FilePath(file_okay=False)


@click.command()
@click.argument("labels", type=SourceName())
@click.argument("truth", type=SourceName())
@click.option("--confidence", type=SourceName(), default="", metavar="DIR",
              help="What `data label --confidence` wrote: is it worth what it says?")  # fmt: skip
@click.option("--vocabulary", default="celebamask_hq", show_default=True,
              help="What the ids of TRUTH mean; see configs/README.md.")  # fmt: skip
@click.option("--to", "target", type=_DIR, metavar="DIR",
              help="Gets classes.csv, confusion.csv, confidence.csv.")  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Show a traceback when it fails.")
@click.pass_obj
def agreement(options, labels, truth, confidence, vocabulary, target, verbose) -> None:
  """Compare LABELS with TRUTH, both directories or .zips of 8-bit PNGs of class ids.

  Prints the share of pixels that are right, the intersection over union of each class and the
  commonest mistakes. Only what both hold is compared, and pixels that TRUTH leaves void are not.
  """
  options["verbose"] = verbose
  if target:
    check_new_directory(target)
  with input_failures():
    from facefill_jax.filling import labelling

    found, count = labelling.compare(labels, truth, confidence=confidence, vocabulary=vocabulary)
  _print(found, count, bool(confidence))
  if target:
    with input_failures():
      _write(found, target, bool(confidence))
    click.echo(f"tables are in {target}", err=True)


def _print(found, count: int, sure: bool) -> None:
  from facefill_jax.labels import CLASSES, VOID
  from facefill_jax.metrics import layout

  scores = found.scores()
  click.echo(
    f"{count} photos: {scores['pixel_accuracy']:.2%} of the pixels right, mean IoU "
    f"{scores['miou']:.4f}, {scores['found_void']:.2%} left void"
  )
  total = found.counts[:VOID].sum()
  iou, present = layout.class_iou(found.counts), found.counts[:VOID].sum(1)
  click.echo(f"{'class':<12}{'pixels':>10}{'IoU':>8}{'found':>8}  taken for")
  for k, name in enumerate(CLASSES[:VOID]):
    if not present[k]:
      continue
    row = found.counts[k].copy()
    right, row[k] = row[k], 0
    taken = f"{CLASSES[row.argmax()]} {row.max() / present[k]:.1%}" if row.any() else ""
    click.echo(
      f"{name:<12}{present[k] / total:>10.3%}{iou[k]:>8.4f}{right / present[k]:>8.1%}  {taken}"
    )
  if sure:
    click.echo(f"calibration error {found.calibration_error():.4f}")
    click.echo(f"{'confidence':<12}{'pixels':>10}{'mean':>8}{'right':>8}")
    for row in found.tenths():
      if row["share"]:
        click.echo(
          f"{row['low']:.1f} .. {row['high']:.1f}{row['share']:>12.3%}{row['confidence']:>8.3f}"
          f"{row['accuracy']:>8.3f}"
        )


def _write(found, target: Path, sure: bool) -> None:
  from facefill_jax.labels import CLASSES, VOID
  from facefill_jax.metrics import layout

  target.mkdir(parents=True, exist_ok=True)
  iou = layout.class_iou(found.counts)
  pixels = found.counts[:VOID].sum(1)
  _table(target / "classes.csv", [
    ("class", "pixels", "iou"),
    *((CLASSES[k], pixels[k], f"{iou[k]:.6f}" if pixels[k] else "") for k in range(VOID)),
  ])  # fmt: skip
  _table(target / "confusion.csv", [
    ("true \\ found", *CLASSES),
    *((CLASSES[k], *found.counts[k]) for k in range(VOID)),
  ])  # fmt: skip
  if sure:
    rows = found.tenths()
    _table(target / "confidence.csv", [tuple(rows[0]), *(tuple(row.values()) for row in rows)])


def _table(path: Path, rows: list[tuple]) -> None:
  with open(path, "w", encoding="utf-8", newline="") as file:
    csv.writer(file).writerows(rows)
