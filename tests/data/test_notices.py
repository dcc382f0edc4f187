"""Lines for the person at the terminal, whatever other libraries' logs are set to."""

import logging

from facefill_jax.data import notices


def test_warnings_become_lines_once_and_only_within(capsys, monkeypatch):
  monkeypatch.setattr(logging.root, "level", logging.CRITICAL)
  log = logging.getLogger("facefill_jax.data.sources")
  with notices.printed():
    log.warning("labels: %d of %d", 1, 2)
    logging.getLogger("another.library").warning("noise")
    log.info("detail")
  log.warning("after")
  assert capsys.readouterr().err == "warning: labels: 1 of 2\n"
