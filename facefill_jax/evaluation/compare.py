"""Runs side by side: compare.json, compare.html, and a table as text; see `paired_runs`."""

import json
import os
from collections.abc import Mapping, Sequence

from facefill_jax import files
from facefill_jax.evaluation import statistics
from facefill_jax.evaluation.paired_runs import Comparison, measure
from facefill_jax.evaluation.report import wording

JSON, PAGE = "compare.json", "compare.html"
FORMAT = 1


def compare(
  directories: Sequence[str | os.PathLike], out: str | os.PathLike | None = None, seed: int = 0
) -> str:
  """Compares runs with the first one.

  Args:
    directories: of two runs or more, as `facefill eval` writes them.
    out: gets compare.json and compare.html, which are replaced if they are there; made if it is
      not there. None: nothing is written.
    seed: of the intervals.

  Returns:
    A table as text.

  Raises:
    ValueError: fewer than two runs, a damaged one, no pairs, or runs that cannot be compared; one
      line.
  """
  found = measure(directories, seed)
  if out is not None:
    from facefill_jax.evaluation.report import compare_page  # loads Matplotlib: seconds

    out = files.to_path(out)
    out.mkdir(parents=True, exist_ok=True)
    files.write_text(out / JSON, json.dumps(_content(found, seed), indent=1) + "\n")
    files.write_text(out / PAGE, compare_page.page_of(found))
  return describe(found)


def describe(found: Comparison) -> str:
  """The table as text: a block a metric, a line a run."""
  width = max(map(len, found.names)) + 2
  lines = [
    f"{wording.count(found.pairs, 'fill')} of {wording.count(found.photos, 'photo')} in all runs; "
    f"differences to {found.names[0]}; 95 % intervals over photos; * its interval excludes 0"
  ]
  for key, entry in found.metrics.items():
    sign, _ = wording.BETTER.get(entry["better"], ("", ""))
    note = f"  ({entry['note']})" if entry["note"] else ""
    lines += ["", f"{key} {entry['unit']} {sign}".replace("  ", " ").rstrip() + note]
    lines += [_line(name, entry, width) for name in found.names]
  return "\n".join(lines)


def _line(name: str, entry: Mapping, width: int) -> str:
  score, difference = entry["runs"][name], entry["differences"][name]
  if score["value"] is None:
    return f"  {name:<{width}}not computed"
  places = wording.places(entry)
  text = f"  {name:<{width}}{wording.number(score['value'], places):>9}"
  text += f"  {_bracket(score, places):<20}"
  if difference is not None and difference["value"] is not None:
    text += f"{wording.number(difference['value'], places + 1, signed=True):>10}"
    text += f"  {_bracket(difference, places + 1, signed=True)}"
    text += " *" if difference["excludes_zero"] else ""
  return text.rstrip()


def _bracket(score: Mapping, places: int, signed: bool = False) -> str:
  """ "[17.35–18.51]", or "" without an interval."""
  text = wording.span(score["low"], score["high"], places, signed)
  return f"[{text}]" if text else ""


def _content(found: Comparison, seed: int) -> dict:
  runs = {name: run.about for name, run in zip(found.names, found.runs, strict=True)}
  return {
    "format": FORMAT, "first": found.names[0], "pairs": found.pairs, "photos": found.photos,
    "seed": seed, "draws": statistics.DRAWS, "level": statistics.LEVEL, "runs": runs,
    "metrics": found.metrics,
  }  # fmt: skip
