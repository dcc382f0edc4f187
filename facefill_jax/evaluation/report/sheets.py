"""The best, median and worst fills of a run, embedded in its page."""

import base64
import dataclasses
import io
import json
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from facefill_jax.evaluation.report import wording
from facefill_jax.evaluation.results import EXAMPLES, Run

SHEETS = {"best": "Best", "median": "Median", "worst": "Worst"}
COLUMNS = ("masked", "layout", "filled", "truth")
INDEX = "examples.json"

_WIDEST = 1024  # pixels of a sheet on the page: a page of three is some megabytes


@dataclasses.dataclass(frozen=True)
class Sheet:
  """A picture with a row a fill: its address is data; rows are (photo, scores)."""

  title: str
  columns: tuple[str, ...]
  address: str
  width: int
  height: int
  rows: list[tuple[str, str]]


def read(run: Run) -> list[Sheet]:
  """The sheets that are there; ValueError names a file that is damaged."""
  files = {name: run.directory / EXAMPLES / f"{name}.png" for name in SHEETS}
  files = {name: path for name, path in files.items() if path.exists()}
  rows = _index(run.directory / EXAMPLES / INDEX) if files else {}
  return [_sheet(run, SHEETS[name], path, rows.get(name, [])) for name, path in files.items()]


def _sheet(run: Run, title: str, path: Path, rows: list[Mapping]) -> Sheet:
  try:
    with Image.open(path, formats=["PNG"]) as picture:
      picture = _shrunk(picture.convert("RGB"))
  except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
    raise ValueError(f"{path}: cannot be read as a PNG: {error}") from error
  told = [(str(row.get("id", "")), _scores(run, row)) for row in rows]
  columns = _columns(picture, len(rows))
  return Sheet(title, columns, _embedded(picture), picture.width, picture.height, told)


def _scores(run: Run, row: Mapping) -> str:
  words = [f"hole {wording.bin_title(str(row['bin']))}"] if row.get("bin") else []
  for key, value in row.items():
    if key in run.metrics and isinstance(value, int | float):
      entry = run.metrics[key]
      places = wording.places(entry)
      words.append(f"{wording.title(key)} {wording.number(value, places)} {entry['unit']}")
  return ", ".join(word.strip() for word in words)


def _columns(picture: Image.Image, rows: int) -> tuple[str, ...]:
  """Names of the columns, from the shape: a method without layouts leaves that column out."""
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
