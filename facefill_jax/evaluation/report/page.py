"""From a template and what it shows to a page: everything that is shown is escaped.

Pages fetch nothing and run no script: style, plots and pictures lie in the page itself.
"""

from pathlib import Path

import jinja2

from facefill_jax import __version__
from facefill_jax.evaluation.report import wording


def render(template: str, **shown) -> str:
  """A page from a file of templates/; what is not given is an error."""
  environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
  )
  environment.globals |= {"wording": wording, "version": __version__}
  return environment.get_template(template).render(**shown)
