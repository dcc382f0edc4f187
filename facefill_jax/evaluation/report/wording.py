"""How metrics and numbers are written for people."""

import math
from collections.abc import Iterable, Mapping, Sequence

from facefill_jax.evaluation import measures
from facefill_jax.evaluation.results import Run

GROUPS = {"hole": "In the hole", "frame": "Whole frame", "": "Overall"}
"""Region of a metric -> what its group is called, in order."""
BETTER = {
  "higher": ("↑", "higher is better"),
  "lower": ("↓", "lower is better"),
  "one": ("→ 1", "1 is natural"),
}
MINUS = "\N{MINUS SIGN}"


def title(key: str) -> str:
  """What people call a metric, without its region: "PSNR" for hole_psnr."""
  metric = measures.find(key)
  return metric.title if metric else key.replace("_", " ")


def full_title(key: str, region: str) -> str:
  """The same, with its region where another metric has the same name: "Hole PSNR"."""
  prefix = f"{region}_"
  return f"{region.capitalize()} {title(key)}" if region and key.startswith(prefix) else title(key)


def by_region(metrics: Mapping[str, Mapping]) -> dict[str, list[str]]:
  """Region -> keys of a run's metrics, in the order of GROUPS and of `metrics`.

  An unknown region counts as none. Metrics that are not computed are left out.
  """
  found = {region: [] for region in GROUPS}
  for key, entry in metrics.items():
    if not entry.get("not_computed"):
      found[entry["region"] if entry["region"] in GROUPS else ""].append(key)
  return {region: keys for region, keys in found.items() if keys}


def by_reason(metrics: Mapping[str, Mapping]) -> dict[str, list[str]]:
  """Why metrics of a run are not computed -> what these are called."""
  found = {}
  for key, entry in metrics.items():
    if entry["not_computed"]:
      found.setdefault(str(entry["not_computed"]), []).append(full_title(key, entry["region"]))
  return found


def decimals(values: Iterable[float | None], unit: str = "") -> int:
  """Places after the point for all values of a metric: three figures of the smallest, 2..5."""
  sizes = [abs(value) for value in values if value]
  if unit == "dB" or not sizes:
    return 2
  return min(max(2 - math.floor(math.log10(min(sizes))), 2), 5)


def places(entry: Mapping) -> int:
  """`decimals` of a metric: of a run's, or of a comparison's entry."""
  scores = entry["runs"].values() if "runs" in entry else (entry["all"], *entry["bins"].values())
  return decimals([score.get("value") for score in scores], entry["unit"])


def number(value: float | None, places: int, signed: bool = False) -> str:
  """A number with a true minus sign; a dash for None."""
  if value is None or math.isnan(value):
    return "–"
  text = f"{abs(value):.{places}f}"
  if float(text) == 0:
    return text
  return (MINUS if value < 0 else "+" if signed else "") + text


def span(low: float | None, high: float | None, places: int, signed: bool = False) -> str:
  """ "18.10–19.30"; "to" in place of the dash next to signs; "" without an interval."""
  if low is None or high is None:
    return ""
  between = " to " if signed or low < 0 else "–"
  return number(low, places, signed) + between + number(high, places, signed)


def duration(seconds: float) -> tuple[str, str]:
  """Number and unit: ("31", "ms"), ("1.24", "s"), ("2.1", "min")."""
  if seconds < 0.9995:
    return f"{1000 * seconds:.3g}", "ms"
  return (f"{seconds:.3g}", "s") if seconds < 100 else (f"{seconds / 60:.1f}", "min")


def count(number: int, thing: str) -> str:
  """ "1 photo", "10,000 photos"."""
  return f"{number:,} {thing}{'' if number == 1 else 's'}"


def bin_title(name: str) -> str:
  """ "10–20 %" for "10-20", "1–10 %" for "01-10"; other names as they are."""
  low, dash, high = name.partition("-")
  if dash and low.isdecimal() and high.isdecimal():
    return f"{int(low)}–{int(high)} %"
  return f"{name} %" if name.rstrip("+").isdecimal() else name


def listed(names: Sequence[str]) -> str:
  """ "A", "A and B", "A, B and C"."""
  return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def digest(run: Run) -> str:
  """The SHA-256 of a run's model, "" if it has none."""
  model = run.about.get("model")
  return str(model.get("sha256") or "") if isinstance(model, Mapping) else ""
