"""Which customers this run has set something of that Upwell never shows.

A null in such a property can't be compared, and is sent only along with another change.
Where this very run has set it before, in an earlier version of the customer, that would
leave the old value for good: the null is sent then. What is kept is one bit for each
hash, so memory stays flat; two customers that share one cost a needless update at most.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from target_upwell.customers.schema import PROPERTIES, READABLE, RELATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_upwell.resource import SourceKey
    from target_upwell.upsert.plan import Entry

BITS = 1 << 23
"""A megabyte of them."""

_HIDDEN = PROPERTIES.keys() - READABLE - RELATIONS


class Unseen:
    """The customers of a run; threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bits = bytearray(BITS // 8)

    def __contains__(self, key: SourceKey) -> bool:
        """Return whether such a column of a customer may have been set."""
        byte, bit = divmod(hash(key) % BITS, 8)
        return bool(self._bits[byte] & 1 << bit)

    def add(self, entries: Iterable[Entry]) -> None:
        """Note the customers of which some version sets such a column."""
        for entry in entries:
            versions = (row.input or {} for row in entry.rows)
            if any(one.get(name) is not None for one in versions for name in _HIDDEN):
                byte, bit = divmod(hash(entry.key) % BITS, 8)
                with self._lock:
                    self._bits[byte] |= 1 << bit
