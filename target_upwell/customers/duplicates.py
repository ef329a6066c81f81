"""Which customers may be the same one: those of one name, or of one e-mail address."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from target_upwell.customers.schema import NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EMAIL = "emailAddress"

_WORDS = {NAME: "name", EMAIL: "e-mail address"}
_WILD = re.compile(r"[\\%_]")


def condition(customers: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the condition of a search for customers that may be one of these.

    It finds those that `in_common` finds something in, and perhaps a few others.
    None if there is nothing to search by.
    """
    texts: dict[tuple[str, str], str] = {}
    for one in customers:
        for name in _WORDS:
            if text := _folded(one.get(name)):
                texts[name, text] = _WILD.sub(r"\\\g<0>", one[name].strip())
    either = [
        {name: {"_ilike": pattern}}
        for (name, _), text in texts.items()
        # Spaces around it, as people leave them, before it or after it alone.
        for pattern in (text, f" %{text}%", f"{text}% ")
    ]
    return {"_or": either} if either else None


def in_common(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Return in words what two customers have in common; "" if that is nothing."""
    return " and ".join(
        words
        for name, words in _WORDS.items()
        if (text := _folded(one.get(name))) and text == _folded(other.get(name))
    )


def _folded(value: Any) -> str:  # noqa: ANN401 - what an API shows
    """Return a text without case and surrounding space; "" if it is no text."""
    return value.strip().casefold() if isinstance(value, str) else ""
