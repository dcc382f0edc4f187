"""How a worker process starts."""

import multiprocessing
import os
import signal
import threading

import cv2


def start() -> None:
  """Runs first in a worker: it leaves Ctrl-C to its parent, and does not outlive it."""
  # A signal sent to the whole group is for the parent, which ends its workers in its own time; a
  # killed parent (SIGKILL) cannot.
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  cv2.setNumThreads(1)
  threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
  multiprocessing.parent_process().join()
  os._exit(1)
