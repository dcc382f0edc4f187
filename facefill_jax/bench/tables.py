"""Tables on the screen, and the JSON file beside them."""

import json
from collections.abc import Callable, Sequence

from facefill_jax import files

Columns = Sequence[tuple[str, Callable[[dict], str]]]


def markdown(columns: Columns, rows: Sequence[dict]) -> str:
  """Lines of a Markdown table. columns: heads, and what makes a row's cell."""
  lines = [[head for head, _ in columns]]
  lines += [[cell(row) for _, cell in columns] for row in rows]
  widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
  lines.insert(1, ["-" * width for width in widths])
  return "\n".join(
    "| " + " | ".join(f"{cell:<{w}}" for cell, w in zip(line, widths, strict=True)) + " |"
    for line in lines
  )


def measured(columns: Columns, found: Sequence[dict]) -> str:
  """A table of what `versus.measure` returned: one row, or A's, B's and a line of their ratio."""
  rows, notes = [], []
  for each in found:
    if "a" not in each:
      rows.append({"side": "", **each})
      continue
    rows += [{"side": name.upper(), **each[name]} for name in ("a", "b")]
    said = [f"{_range(each['ratio'])} of A's time a photo"]
    if "cpu_ratio" in each:
      said.append(f"{_range(each['cpu_ratio'])} of its CPU-seconds")
    notes.append(
      f"B takes {', '.join(said)} (median and range of {each['ratio']['rounds']} rounds)"
    )
  if notes:
    columns = (("", lambda row: row["side"]), *columns)
  return "\n".join([markdown(columns, rows), *notes])


def _median(key: str, digits: int) -> Callable[[dict], str]:
  return lambda row: f"{row[key]['median']:.{digits}f}" if key in row else ""


def _share(key: str) -> Callable[[dict], str]:
  return lambda row: f"{row[key]:.0%}" if key in row else ""


TIMES: Columns = (
  ("ms", _median("ms", 1)),
  ("p95", lambda row: f"{row['ms']['p95']:.1f}"),
  ("photos/s", lambda row: f"{row['photos_per_second']:.2f}"),
  ("CPU-s a photo", _median("cpu_s_per_photo", 3)),
  ("GFLOP a photo", lambda row: f"{row['gflop_per_photo']:.2f}"),
  ("GFLOP/s", lambda row: f"{row['gflops']:.0f}" if "gflops" in row else ""),
  ("of peak", _share("share_of_peak")),
  ("of a core's peak", _share("share_of_core_peak")),
)
"""Columns of what `prepared.row` adds."""


def _range(ratio: dict) -> str:
  return f"{ratio['median']:.3f} ({ratio['least']:.3f} to {ratio['most']:.3f})"


def write(path: str | None, command: Sequence[str], found: dict, rows: Sequence[dict]) -> None:
  """Writes {"command": ..., **found, "rows": rows}, if there is a path."""
  if path:
    content = {"command": ["python", "-m", "facefill_jax.bench", *command], **found, "rows": rows}
    files.write_text(path, json.dumps(content, indent=2) + "\n")
