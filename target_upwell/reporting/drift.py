"""What an update can't reach: differences that a person has to mend by hand.

The API changes no relations of an existing customer, and knows no parent that was never
loaded. Both are reported once a run, and listed in full in a file of the user's choice.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from target_upwell import json_codec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_upwell.reporting.files import AppendedFile
    from target_upwell.resource import SourceKey
    from target_upwell.upsert.diff import Difference

logger = logging.getLogger("target-upwell.drift")

EXAMPLES = 5

BEGINNINGS = (b'{"sourceSystem":',)
"""How the lines of the drift file begin."""

NO_PARENT = "that one is not in Upwell"


class Orphan(NamedTuple):
    """A link that can't be set.

    Attributes:
        child: The customer.
        parent: The one that it should bill to.
        held: The Upwell id that it bills to instead.
    """

    child: SourceKey
    parent: SourceKey
    held: str | None


class Drift:
    """The differences of a run; threads share it."""

    def __init__(self, file: AppendedFile | None) -> None:
        """Keep account of what could not be carried over.

        Args:
            file: Where it is listed, if anywhere.
        """
        self._file = file
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}
        self._unseen: set[str] = set()
        self._orphan_counts: Counter[str] = Counter()
        self._orphans: dict[str, list[str]] = {}

    def differences(
        self, found: Iterable[tuple[SourceKey, Iterable[Difference]]]
    ) -> None:
        """Take differences of existing customers.

        Raises:
            RunError: If the file can't be written.
        """
        lines = []
        with self._lock:
            for key, differences in found:
                for difference in differences:
                    self._count(difference.property, key[1])
                    lines.append(
                        _line(
                            key, difference.property, difference.held, difference.wanted
                        )
                    )
        if self._file and lines:
            self._file.append(lines)

    def orphans(self, orphans: Iterable[Orphan], why: str = NO_PARENT) -> None:
        """Take links that can't be set.

        Args:
            orphans: The links.
            why: Why not.

        Raises:
            RunError: If the file can't be written.
        """
        lines = []
        with self._lock:
            for child, parent, held in orphans:
                pairs = self._orphans.setdefault(why, [])
                self._orphan_counts[why] += 1
                if len(pairs) < EXAMPLES:
                    pairs.append(f"{child[1]} to {parent[1]}")
                lines.append(_line(child, "billToCustomerId", held, parent[1]))
        if self._file and lines:
            self._file.append(lines)

    def unseen(self, names: Iterable[str]) -> None:
        """Say once that a relation is not compared, since Upwell never shows it."""
        with self._lock:
            news = sorted(set(names) - self._unseen)
            self._unseen.update(news)
        for name in news:
            logger.warning(
                "%s of existing customers can't be compared or changed through this "
                "API; they are only set when a customer is created",
                name,
            )

    def report(self) -> None:
        """Say what differs, once."""
        for line in self._summary():
            logger.warning("%s", line)

    def _summary(self) -> Iterator[str]:
        for name, count in self._counts.items():
            yield (
                f"{name} of {count} existing customers differ from Upwell's, which "
                "this API can't change: "
                f"{', '.join(self._examples[name])}{self._where()}"
            )
        for why, pairs in self._orphans.items():
            yield (
                f"{self._orphan_counts[why]} customers were loaded without the link to "
                f"the customer that they bill to, since {why}: "
                f"{', '.join(pairs)}{self._where()}"
            )

    def _where(self) -> str:
        return f"; all are listed in {self._file.path}" if self._file else ""

    def _count(self, name: str, source_id: str) -> None:
        self._counts[name] += 1
        examples = self._examples.setdefault(name, [])
        if len(examples) < EXAMPLES:
            examples.append(source_id)


def _line(
    key: SourceKey,
    name: str,
    held: Any,  # noqa: ANN401 - any JSON value
    wanted: Any,  # noqa: ANN401 - any JSON value
) -> bytes:
    return json_codec.encode(
        {
            "sourceSystem": key[0],
            "sourceSystemId": key[1],
            "property": name,
            "upwell": held,
            "source": wanted,
        }
    )
