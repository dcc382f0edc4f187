"""A page as a browser's parser sees it, for tests: elements, rows of tables, text."""

from html.parser import HTMLParser

_VOID = ("br", "img", "meta")
_HIDDEN = ("style", "title")


class Page(HTMLParser):
  """elements: (name, attributes) in order; rows: lists of cells' texts; text: all that is shown.

  Texts have one space wherever there is white space or a tag. AssertionError if a tag closes what
  is not open.
  """

  def __init__(self, source: str):
    super().__init__()
    self.elements, self.rows, self.text, self.style = [], [], "", ""
    self._open = []
    self.feed(source)
    self.close()
    assert self._open == []
    self.text = " ".join(self.text.split())
    self.rows = [[" ".join(cell.split()) for cell in row] for row in self.rows]

  def handle_starttag(self, tag, attrs):
    self.elements.append((tag, dict(attrs)))
    if tag not in _VOID:
      self._open.append(tag)
    if tag == "tr":
      self.rows.append([])
    if tag in ("td", "th"):
      self.rows[-1].append("")

  def handle_startendtag(self, tag, attrs):
    self.elements.append((tag, dict(attrs)))

  def handle_endtag(self, tag):
    assert self._open.pop() == tag

  def handle_data(self, data):
    if self._open[-1:] == ["style"]:
      self.style += data
    elif not {*_HIDDEN} & {*self._open}:
      self.text += f" {data}"
      if {"td", "th"} & {*self._open}:
        self.rows[-1][-1] += f" {data}"

  def all(self, name: str) -> list[dict]:
    """Attributes of all elements of a name."""
    return [attributes for tag, attributes in self.elements if tag == name]


def check_page(page: Page) -> None:
  """What holds of every page: it fetches and runs nothing, and can be read without seeing it."""
  names = {tag for tag, _ in page.elements}
  assert not names & {"script", "link", "iframe", "object", "embed", "form", "input", "base"}
  for tag, attributes in page.elements:
    for key, value in attributes.items():
      assert not key.startswith("on"), (tag, key)
      if key in ("src", "href", "srcset", "action", "data"):
        assert value.startswith("#" if tag == "a" else "data:image/png;base64,"), (tag, value)
    if tag == "img":
      assert attributes["alt"].strip() and attributes["width"] and attributes["height"]
    if tag == "th":
      assert attributes["scope"] in ("col", "row", "rowgroup")
    if tag == "svg":
      assert attributes["role"] == "img" and attributes["aria-label"].strip()
  assert "url(" not in page.style and "@import" not in page.style
  assert "prefers-color-scheme: dark" in page.style and "@media print" in page.style
  assert any("default-src 'none'" in meta.get("content", "") for meta in page.all("meta"))
  assert page.all("html") == [{"lang": "en"}] and len(page.all("h1")) == 1
  ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
  assert len(set(ids)) == len(ids)
  assert {link["href"].removeprefix("#") for link in page.all("a")} <= {*ids}
