"""Pieces of pages: elements that escape what they hold, a document that fetches nothing.

Text becomes HTML in `el` only, so nothing that comes from a file's name can end up as markup.
"""

import dataclasses
import html
from collections.abc import Iterable

from facefill_jax import __version__
from facefill_jax.evaluation.report.style import STYLE

_EMPTY = ("br", "img", "meta", "path", "line")  # elements that hold nothing
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Markup(str):
  """HTML that is safe as it is: made by `el` or `raw`."""

  __slots__ = ()


def raw(text: str) -> Markup:
  """Our own HTML or CSS. Never for anything that was read from a file."""
  return Markup(text)


def el(name: str, /, *children, **attributes) -> Markup:
  """An element.

  Args:
    name: of the element.
    *children: Markup as it is, other text escaped, None left out, lists and generators one by one.
    **attributes: `class_` is class, `aria_label` aria-label; None and False are left out, True is
      an attribute without a value.
  """
  words = [name]
  for key, value in attributes.items():
    if value is None or value is False:
      continue
    key = key.rstrip("_").replace("_", "-") if key != "viewBox" else key
    words.append(key if value is True else f'{key}="{html.escape(str(value))}"')
  opening = " ".join(words)
  if name in _EMPTY:
    return Markup(f"<{opening}/>")
  return Markup(f"<{opening}>{join(children)}</{name}>")


def join(children: Iterable) -> Markup:
  """Children of `el`, one after the other."""
  found = []
  for child in children:
    if child is None:
      continue
    if isinstance(child, Markup):
      found.append(child)
    elif isinstance(child, str | int | float):
      found.append(html.escape(str(child)))
    else:
      found.append(join(child))
  return Markup("".join(found))


def hidden(text: str) -> Markup:
  """Read out by screen readers, not shown."""
  return el("span", text, class_="hidden")


@dataclasses.dataclass(frozen=True)
class Section:
  """A part of a page with a heading; `document` leads to it."""

  anchor: str
  heading: str
  body: Markup


def section(anchor: str, heading: str, *children) -> Section:
  """A Section of children as `el` takes them."""
  return Section(anchor, heading, join(children))


def scroller(table: Markup, label: str) -> Markup:
  """A table that moves sideways within the page where the page is narrow."""
  return el("div", table, class_="scroller", role="region", aria_label=label, tabindex="0")


def facts(pairs: Iterable[tuple[str, object]]) -> Markup:
  """A list of what is what; pairs whose second is None or "" are left out."""
  rows = (
    el("div", el("dt", key), el("dd", value)) for key, value in pairs if value not in (None, "")
  )
  return el("dl", rows, class_="facts")


def document(title: str, header: Iterable, *parts: Section | Markup | None) -> str:
  """A whole page: UTF-8, nothing fetched, no script, light and dark."""
  parts = [part for part in parts if part is not None]
  links = [
    el("a", part.heading, href=f"#{part.anchor}") for part in parts if isinstance(part, Section)
  ]
  head = el(
    "head",
    el("meta", charset="utf-8"),
    el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
    el("meta", name="viewport", content="width=device-width, initial-scale=1"),
    el("meta", name="color-scheme", content="light dark"),
    el("title", title),
    el("style", raw(STYLE)),
  )
  top = el("header", header, el("nav", links, aria_label="Parts of this page"))
  foot = el("footer", el("p", f"Made by facefill_jax {__version__}. This page fetches nothing."))
  body = el("body", el("main", top, map(_shown, parts)), foot)
  return f"<!doctype html>\n{el('html', head, body, lang='en')}\n"


def _shown(part: Section | Markup) -> Markup:
  if isinstance(part, Markup):
    return part
  heading = f"{part.anchor}-heading"
  return el(
    "section", el("h2", part.heading, id=heading), part.body, id=part.anchor,
    aria_labelledby=heading,
  )  # fmt: skip
