"""Reads the sandbox's page as somebody without a browser would."""

from __future__ import annotations

from html.parser import HTMLParser

import requests

_TIMEOUT_S = 20
_INLINE = {"a", "bdi", "code", "span", "time", "q", "wbr"}


class Page(HTMLParser):
    """What is on the page.

    Attributes:
        status: The HTTP status.
        headers: The HTTP headers.
        html: The source.
        tags: All tags, as (name, attributes).
        text: The text, its white space made single.
        tables: The tables, each a list of rows, each a list of the cells' texts.
        headings: The texts of h1 to h3.
        title: The title.
        links: Where links lead, by their texts; the last one of a text.
    """

    def __init__(self, response):
        super().__init__()
        self.status, self.headers = response.status_code, response.headers
        self.html = response.text
        self.tags, self.tables, self.headings, self.links = [], [], [], {}
        self.title, self._words, self._open = "", [], []
        self.feed(self.html)
        self.text = " ".join("".join(self._words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in _INLINE:
            self.handle_data(" ")
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        if tag in {"title", "td", "th", "h1", "h2", "h3", "a"}:
            self._open.append((tag, dict(attrs), []))

    def handle_endtag(self, tag):
        if not self._open or self._open[-1][0] != tag:
            return
        _, attributes, words = self._open.pop()
        text = " ".join("".join(words).split())
        if tag in {"td", "th"}:
            self.tables[-1][-1].append(text)
        elif tag in {"h1", "h2", "h3"}:
            self.headings.append(text)
        elif tag == "a":
            self.links[text] = attributes["href"]
        elif tag == "title":
            self.title = text

    def handle_data(self, data):
        for _, _, words in self._open:
            words.append(data)
        self._words.append(data)


def look(sandbox, address="/", **headers) -> Page:
    """Ask for a page of the sandbox; an underscore in a header's name is a hyphen."""
    response = requests.get(
        f"{sandbox.root}{address}",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        timeout=_TIMEOUT_S,
    )
    return Page(response)
