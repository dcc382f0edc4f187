"""What this process and its workers have used: CPU seconds and memory, from Linux's /proc."""

import multiprocessing
import os
import time


def cpu_seconds() -> float:
  """Seconds of CPU time of this process so far, and of those of its children that are alive.

  The difference of two calls is what was used between them if no child came or went.
  """
  ticks = os.sysconf("SC_CLK_TCK")
  # Fields 14 and 15 of proc(5)'s stat; field 2, a name in brackets, may hold blanks.
  spent = (_read(pid, "stat").rpartition(")")[2].split() for pid in _workers())
  return time.process_time() + sum((int(fields[11]) + int(fields[12])) / ticks for fields in spent)


def resident_mib() -> float:
  """MiB of memory that this process and its children hold; what they share counts for each."""
  pages = sum(int(_read(pid, "statm").split()[1]) for pid in (os.getpid(), *_workers()))
  return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _workers() -> list[int]:
  return [child.pid for child in multiprocessing.active_children()]


def _read(pid: int, name: str) -> str:
  with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
    return file.read()
