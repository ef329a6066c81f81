"""Words for a log line or an error message.

A tap, a record or a server may hold new lines, escape sequences of terminals, or a
megabyte. Whatever of it is logged or raised goes through here.
"""

from __future__ import annotations

MOST_CHARACTERS = 300
"""A person reads it in one line, and a proxy's page would fill the log."""

MOST_ID_CHARACTERS = 100
"""Of an id or a name: a message may hold several."""


def one_line(text: str, most: int = MOST_CHARACTERS) -> str:
    r"""Return text as one printable line of `most` characters, then `...`.

    White space that would break the line becomes a space, and any other character that
    can't be printed becomes its escape, such as `\x1b`.
    """
    part = text[: 4 * most]  # what is never shown need not be looked at
    if not part.isprintable():
        part = _escaped(" ".join(part.split()))
    fits = len(part) <= most and len(text) <= 4 * most
    return part if fits else f"{part[:most]}..."


def one_id(text: str) -> str:
    """Return an id or a name as one line of `MOST_ID_CHARACTERS`, then `...`.

    White space that would break the line is escaped too: it tells ids apart.
    """
    return one_line(_escaped(text[: MOST_ID_CHARACTERS + 1]), MOST_ID_CHARACTERS)


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number of things, such as "1 record" or "2 records"."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
