"""Folds text for searches: without case, without accents."""

from __future__ import annotations

import unicodedata


def folded(text: str) -> str:
    """Return the text as it is compared: `São` and `SAO` are the same."""
    if text.isascii():
        return text.lower()
    return "".join(
        letter
        for letter in unicodedata.normalize("NFKD", text).casefold()
        if not unicodedata.combining(letter)
    )
