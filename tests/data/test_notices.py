"""Lines for the person at the terminal, whatever other libraries' logs are set to."""

import logging

import pytest

from facefill_jax.data import notices


@pytest.fixture
def silent_root():
  """As absl's flags leave it. By `setLevel`: loggers remember what they are enabled for."""
  before = logging.root.level
  logging.root.setLevel(logging.CRITICAL)
  yield
  logging.root.setLevel(before)


def test_warnings_become_lines_once_and_only_within(capsys, silent_root):
  log = logging.getLogger("facefill_jax.data.sources")
  with notices.printed():
    log.warning("labels: %d of %d", 1, 2)
    logging.getLogger("another.library").warning("noise")
    log.info("detail")
  log.warning("after")
  assert capsys.readouterr().err == "warning: labels: 1 of 2\n"
