"""Loose matching of names: by their letters and digits only."""

from __future__ import annotations


def folded(name: str) -> str:
    """Return a name without case and without what is no letter or digit."""
    return "".join(filter(str.isalnum, name)).casefold()
