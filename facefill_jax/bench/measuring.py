"""What the verbs that time share: their options, and the way from cases to a table and a file."""

import functools
import sys
from collections.abc import Callable, Iterable
from typing import Any

import click

from facefill_jax.bench import hardware, peak, tables, timing, versus
from facefill_jax.bench.prepared import Prepared


def timing_options(command: Callable) -> Callable:
  """--seconds, --rounds, --vs, --json and the hidden --paced; see `run`."""
  options = (
    click.option("--seconds", type=click.FloatRange(0), default=5.0, show_default=True,
                 help="Of steady running, for each row and side."),
    click.option("--rounds", type=click.IntRange(1), default=5, show_default=True,
                 help="With --vs: turns of each side, A B A B."),
    click.option("--json", "out", type=click.Path(dir_okay=False), help="Write the numbers here."),
    click.option("--paced", is_flag=True, hidden=True),  # the other end of versus.Checkout
  )  # fmt: skip
  return functools.reduce(lambda made, option: option(made), reversed(options), command)


def run(
  cases: Iterable[Any],
  prepare: Callable[[Any], Prepared],
  other: Callable[[Any], Callable[[], Prepared | versus.Checkout]] | None,
  columns: tables.Columns,
  *,
  seconds: float,
  rounds: int,
  out: str | None,
  paced: bool,
  more: Callable[[dict], str] | None = None,
) -> None:
  """Measures all cases, shows a table and writes it.

  Args:
    cases: one a row.
    prepare: of a case.
    other: of a case, how its B is prepared; None: there is no B.
    columns: of the table.
    more: what is said of a row below the table.
  """
  if paced:
    (case,) = cases
    versus.serve(prepare(case))
    return
  if other is not None:
    versus.share_device()
  about = hardware.describe()
  machine, peaks, rows = about["machine"], {}, []
  click.echo(
    f"{machine['processor'] or machine['device']}, {machine['cores']} cores; {machine['backend']}: "
    f"{machine['devices']} x {machine['device']}; jax {about['versions']['jax']}"
  )
  pace = versus.Pace(seconds, rounds)
  for case in cases:
    peaks[case.dtype] = peak.matmul(case.dtype)
    b = None if other is None else other(case)
    rows.append(versus.measure(functools.partial(prepare, case), b, pace))
    if b is not None and rows[-1]["b"]["dtype"] not in peaks:
      peaks[rows[-1]["b"]["dtype"]] = peak.matmul(rows[-1]["b"]["dtype"])
    # After each row: all of them may take minutes.
    tables.write(out, sys.argv[1:], about | {"peak": peaks, "warm_up": timing.WARM_UP}, rows)
    click.echo(tables.measured(columns, rows[-1:]).splitlines()[-1], err=True)
  for dtype, best in peaks.items():
    core = f", {best['gflop_per_cpu_s']:.0f} a core" if "gflop_per_cpu_s" in best else ""
    click.echo(f"peak, of a matrix product in {dtype}: {best['gflops']:.0f} GFLOP/s{core}")
  click.echo("")
  click.echo(tables.measured(columns, rows))
  said = [more(found) for found in rows] if more else []
  if any(said):
    click.echo("\n".join(filter(None, said)))
