"""Signals: noted or raised, and the second one kills."""

import os
import signal
import subprocess
import sys

import pytest

from facefill_jax.training.interruption import Interruption, Stopped


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_is_noted_where_there_is_something_to_save(name, capfd):
  interruption, number = Interruption(), getattr(signal, name)
  before = signal.getsignal(number)
  with interruption.handled(), interruption.deferred() as asked:
    assert asked.signal == ""
    os.kill(os.getpid(), number)
    assert asked.signal == name and signal.getsignal(number) is signal.SIG_DFL
  assert signal.getsignal(number) is before
  assert capfd.readouterr().err == f"{name}: saving after this step; once more to stop at once\n"


def test_elsewhere_it_is_raised():
  interruption = Interruption()
  with pytest.raises(Stopped, match="stopped by SIGTERM before it trained"), interruption.handled():
    os.kill(os.getpid(), signal.SIGTERM)


def test_the_second_kills():
  program = (
    "import os, signal; from facefill_jax.training.interruption import Interruption\n"
    "it = Interruption()\n"
    "with it.handled(), it.deferred():\n"
    "  for _ in range(2): os.kill(os.getpid(), signal.SIGTERM)\n"
  )
  done = subprocess.run(
    [sys.executable, "-c", program], check=False, capture_output=True, text=True
  )
  assert done.returncode == -signal.SIGTERM and "once more" in done.stderr
