"""CPU seconds and memory of this process and its children."""

import multiprocessing
import time

from facefill_jax.bench.processes import cpu_seconds, resident_mib


def _burn(ready, stop):
  end = time.process_time() + 0.3
  while time.process_time() < end:
    pass
  ready.set()
  stop.wait(30)


def test_children_count():
  context = multiprocessing.get_context("spawn")
  ready, stop = context.Event(), context.Event()
  held, before = resident_mib(), cpu_seconds()
  child = context.Process(target=_burn, args=(ready, stop))
  child.start()
  assert ready.wait(60)
  assert cpu_seconds() - before > 0.25 and resident_mib() > held + 5
  stop.set()
  child.join()
