"""The best, median and worst fills of a run, embedded in its page."""

import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from facefill_jax.evaluation.report import elements, wording
from facefill_jax.evaluation.report.elements import Markup, Section, el
from facefill_jax.evaluation.results import EXAMPLES, Run

SHEETS = {"best": "The best", "median": "In the middle", "worst": "The worst"}
COLUMNS = ("masked", "layout", "filled", "truth")
INDEX = "examples.json"

_WIDEST = 1024  # pixels of a sheet on the page: a page of three is some megabytes


def present(run: Run) -> bool:
  """Whether the run has any sheets."""
  return any(_file(run, name).exists() for name in SHEETS)


def section(run: Run) -> Section | None:
  """The sheets that are there, or None; ValueError names a file that is damaged."""
  if not present(run):
    return None
  rows = _index(run.directory / EXAMPLES / INDEX)
  found = [_sheet(run, name, rows.get(name, [])) for name in SHEETS if _file(run, name).exists()]
  return elements.section("faces", "Faces", found)


def _sheet(run: Run, name: str, rows: list[Mapping]) -> Markup:
  path = _file(run, name)
  try:
    with Image.open(path, formats=["PNG"]) as picture:
      picture = _shrunk(picture.convert("RGB"))
  except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
    raise ValueError(f"{path}: cannot be read as a PNG: {error}") from error
  columns = _columns(picture, len(rows))
  shown = ", ".join(columns)
  image = el(
    "img", src=_embedded(picture), width=picture.width, height=picture.height, loading="lazy",
    alt=f"{SHEETS[name]} fills, a row each: {shown}. {_said(run, rows)}".strip(),
  )  # fmt: skip
  heads = el("div", [el("span", column) for column in columns], class_="heads")
  labels = el("ol", [_label(run, row) for row in rows]) if rows else None
  return el(
    "figure", el("figcaption", el("h3", SHEETS[name])),
    el("div", heads, image, labels, class_="body"), class_="sheet",
  )  # fmt: skip


def _label(run: Run, row: Mapping) -> Markup:
  """The photo, and what it scored."""
  return el("li", el("b", str(row.get("id", ""))), " ", _scores(run, row))


def _scores(run: Run, row: Mapping) -> str:
  words = [f"hole {wording.bin_title(str(row['bin']))}"] if row.get("bin") else []
  for key, value in row.items():
    if key in run.metrics and isinstance(value, int | float):
      entry = run.metrics[key]
      words.append(
        f"{wording.title(key)} {wording.number(value, wording.places(entry))} {entry['unit']}"
      )
  return ", ".join(word.strip() for word in words)


def _said(run: Run, rows: list[Mapping]) -> str:
  return " ".join(
    f"Row {i}: {row.get('id')}, {_scores(run, row)}." for i, row in enumerate(rows, 1)
  )


def _columns(picture: Image.Image, rows: int) -> tuple[str, ...]:
  """Names of the columns, from the shape: a method without layouts may leave that column out."""
  cells = round(picture.width / (picture.height / rows)) if rows else len(COLUMNS)
  return COLUMNS if cells != 3 else tuple(name for name in COLUMNS if name != "layout")


def _shrunk(picture: Image.Image) -> Image.Image:
  """At most _WIDEST pixels wide."""
  if picture.width <= _WIDEST:
    return picture
  height = round(picture.height * _WIDEST / picture.width)
  return picture.resize((_WIDEST, height), Image.Resampling.LANCZOS)


def _embedded(picture: Image.Image) -> str:
  """A data: address of the picture."""
  data = io.BytesIO()
  picture.save(data, format="PNG", optimize=True)
  return f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"


def _index(path: Path) -> dict[str, list[Mapping]]:
  """Sheet -> its rows from the top; {} without the file."""
  try:
    content = json.loads(path.read_bytes())
  except FileNotFoundError:
    return {}
  except ValueError as error:
    raise ValueError(f"{path}: is no JSON: {error}") from error
  if not isinstance(content, dict):
    raise ValueError(f"{path}: must be a dict of lists, got {type(content).__name__}")
  for name, rows in content.items():
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
      raise ValueError(f"{path}: {name!r} must be a list of dicts")
  return content


def _file(run: Run, name: str) -> Path:
  return run.directory / EXAMPLES / f"{name}.png"
