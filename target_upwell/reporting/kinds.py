"""Reasons by their kind: what is left of them without the values that vary.

Thousands of records can fail for one reason. A person needs the reason once, how often
it came, and a few examples; and memory and the log stay bounded whatever the reasons
hold.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

MAX_KINDS = 50
"""Kinds that are told apart; any further ones count as one."""

OTHERS = "other reasons"

MAX_EXAMPLES = 5
MAX_VALUES = 100
"""Quoted values of one kind that are counted."""

_QUOTED = re.compile(r"""'[^']*'|"[^"]*'[^"]*\"""")
"""Python quotes a text that holds an apostrophe the other way."""

_VARYING = (
    (re.compile(r"\[\d+\]"), "[]"),
    (_QUOTED, "'...'"),
    # Numbers and ids, but not the HTTP status, which stands behind a bracket.
    (re.compile(r"(?<![\w(+.-])[\w+.-]*\d[\w+.-]*"), "..."),
)


@dataclass
class Kind:
    """One kind of reason.

    Attributes:
        group: What its reasons are about, as their giver tells it apart.
        pattern: What its reasons have in common.
        reason: The first of them; "" once there are different ones.
        count: How many there were.
        examples: The first few things that they were about.
        values: How often each value was quoted, where a reason quotes just one.
    """

    group: tuple[str, ...]
    pattern: str
    reason: str
    count: int = 0
    examples: list[str] = field(default_factory=list)
    values: Counter[str] = field(default_factory=Counter)

    def add(self, reason: str, example: str) -> None:
        """Count one more."""
        self.count += 1
        if reason != self.reason:
            self.reason = ""
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(example)
        quoted = _QUOTED.findall(reason)
        if len(quoted) == 1 and (
            quoted[0] in self.values or len(self.values) < MAX_VALUES
        ):
            self.values[quoted[0]] += 1

    def __str__(self) -> str:
        """Return the reason, or what its reasons have in common and hold most."""
        if self.reason or not self.values:
            return self.reason or self.pattern
        grouped = len(self.values) <= MAX_EXAMPLES
        most = [
            f"{count}x {value}"
            for value, count in self.values.most_common(MAX_EXAMPLES)
            if count > 1 or grouped
        ]
        more = ", ..." if most and len(self.values) > len(most) else ""
        return f"{self.pattern}: {', '.join(most)}{more}" if most else self.pattern

    def names(self) -> str:
        """Return the examples, and how many more there are."""
        more = self.count - len(self.examples)
        return ", ".join(self.examples) + (f" and {more} more" if more else "")


class Kinds:
    """Reasons, counted by kind."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[tuple[str, ...], str], Kind] = {}

    def add(self, reason: str, example: str, *group: str) -> Kind:
        """Count a reason, in one line, with what it is about, and return its kind.

        A group tells it apart from like reasons.
        """
        pattern = reason
        for varying, stand_in in _VARYING:
            pattern = varying.sub(stand_in, pattern)
        if (group, pattern) not in self._kinds and len(self._kinds) >= MAX_KINDS:
            pattern = reason = OTHERS
        kind = self._kinds.setdefault((group, pattern), Kind(group, pattern, reason))
        kind.add(reason, example)
        return kind

    def most_common(self) -> list[Kind]:
        """Return the kinds, those that came most often first."""
        return sorted(self._kinds.values(), key=lambda kind: -kind.count)
