"""How a run ends before its time: one line, an exit code, and nothing lost."""

import os
import signal
import subprocess
import sys

import jax
import pytest
import short_run

from facefill_jax import main
from facefill_jax.training import from_config, loop
from facefill_jax.training.checkpoint import Checkpoints
from facefill_jax.training.interruption import Stopped
from facefill_jax.training.run import Run

ENDS = {  # an error -> exit code, words of the line
  "a loss": (FloatingPointError("step 3: not finite:\n {'layout/loss/total': nan}"), 1, "step 3"),
  "stopped": (Stopped("stopped by SIGTERM at step 3 of 6, saved"), 75, "stopped by SIGTERM"),
  "a full disk": (OSError(28, "No space left on device", "/runs/a"), 3, "No space left on device"),
  "memory": (
    jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory\nallocating 9 GiB"),
    3,
    "too little memory: give a smaller --config.batch_size",
  ),
}


@pytest.fixture
def ends(monkeypatch, tmp_path, capsys):
  """Ends the command by an error; returns its exit code and its standard error."""

  def call(error, debug=False):
    def train(*_):
      raise error

    short_run.give_flags(monkeypatch, short_run.config(), tmp_path / "run", debug)
    monkeypatch.setattr(loop, "train", train)
    return main.run(["main"]), capsys.readouterr().err

  return call


@pytest.mark.parametrize("name", ENDS)
def test_one_line_and_an_exit_code(ends, name):
  error, expected, word = ENDS[name]
  code, said = ends(error)
  assert code == expected and said.count("\n") == 1
  assert said.startswith("facefill_jax.main: ") and word in said and "Traceback" not in said


def test_debug_shows_the_traceback(ends):
  with pytest.raises(ValueError, match="x"):
    ends(ValueError("x"), debug=True)


def test_a_signal_while_it_starts(monkeypatch, tmp_path, capsys):
  short_run.give_flags(monkeypatch, short_run.config(), tmp_path / "run")
  monkeypatch.setattr(loop, "train", lambda *_: os.kill(os.getpid(), signal.SIGINT))
  assert main.run(["main"]) == main.PREEMPTED
  assert "stopped by SIGINT before it trained" in capsys.readouterr().err


def test_several_processes_are_refused(monkeypatch, tmp_path):
  monkeypatch.setattr(jax, "process_count", lambda: 4)
  with pytest.raises(ValueError, match="4 processes were started: training runs in one"):
    Run(short_run.config(), tmp_path / "run")


def test_every_path_may_begin_at_home(monkeypatch):
  monkeypatch.setenv("HOME", "/home/ada")
  c = short_run.config(data__unlabelled=("~/u", "v"))
  c.phases = ({"from_images": 4, "unlabelled": ("~/w",)}, {"from_images": 8})
  for name in from_config.PATHS:
    section, _, key = name.rpartition(".")
    (c[section] if section else c)[key] = f"~/{key}"
  full = from_config.with_full_paths(c)
  for name in from_config.PATHS:
    section, _, key = name.rpartition(".")
    assert (full[section] if section else full)[key] == f"/home/ada/{key}"
    assert (c[section] if section else c)[key] == f"~/{key}", "the caller's was changed"
  assert full.data.unlabelled == ("/home/ada/u", "v")
  assert full.phases == (
    {"from_images": 4, "unlabelled": ("/home/ada/w",)}, {"from_images": 8},
  )  # fmt: skip


def test_where_nobody_has_a_home(monkeypatch):
  monkeypatch.setenv("HOME", "")
  with pytest.raises(ValueError, match="~/run: no home directory is known here"):
    from_config.full_path("~/run")
  assert from_config.full_path("~notes") == "~notes"


@pytest.mark.slow
@pytest.mark.xdist_group("train")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_a_run(tmp_path, number):
  """A process of its own, as a scheduler or a person stops it."""
  program = (
    "import sys; sys.path[:0] = ['tests', '.']; import conftest, short_run, jax, pytest;"
    "jax.config.update('jax_compilation_cache_dir', sys.argv[2]);"
    "from absl import flags; flags.FLAGS.mark_as_parsed();"
    "short_run.with_size().__enter__(); from facefill_jax import main;"
    "c = short_run.config(total_images=4000);"
    "short_run.give_flags(pytest.MonkeyPatch(), c, sys.argv[1]); sys.exit(main.run(['main']))"
  )
  process = subprocess.Popen(
    [sys.executable, "-c", program, str(tmp_path / "run"), jax.config.jax_compilation_cache_dir],
    cwd=short_run.ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
  )  # fmt: skip
  said = []
  for line in process.stderr:
    said.append(line)
    if line.startswith("step 5/"):
      process.send_signal(number)
  assert process.wait() == main.PREEMPTED, "".join(said)
  process.stderr.close()
  assert "Traceback" not in "".join(said)
  assert f"stopped by {signal.Signals(number).name} at step " in said[-1] and "saved" in said[-1]
  with Checkpoints(tmp_path / "run") as checkpoints:
    assert f" at step {checkpoints.latest()} of 1000, saved" in said[-1]
