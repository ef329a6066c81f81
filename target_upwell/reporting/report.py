"""What a person is told: counts, progress, a summary, and the SDK's metrics.

Promise 4, never quiet: every record that came in ends in exactly one of the five
counts, or the summary says that it did not.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING

from singer_sdk import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from target_upwell.reporting.rejects import Reject
    from target_upwell.upsert.diff import Entry

logger = logging.getLogger("target-upwell")

SECONDS_BETWEEN_PROGRESS_LINES = 10
SECONDS_BETWEEN_METRICS = 60


class Outcome(str, Enum):
    """What can become of a record."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    REJECTED = "rejected"


class Report:
    """The counts of a run; threads share it."""

    def __init__(
        self,
        under_way: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Count.

        Args:
            under_way: Tells how many requests are under way.
            clock: Tells the time in seconds.
        """
        self.records_read = 0
        self._under_way = under_way
        self._clock = clock
        self._began = clock()
        self._last_line = self._began
        self._last_metrics = self._began
        self._lock = threading.Lock()
        self._fates: Counter[Outcome] = Counter()
        self._kinds: Counter[str] = Counter()
        self._links = 0
        self._requests = 0
        self._retries = 0
        self._requests_by_tag: Counter[tuple[str, int]] = Counter()
        self._metrics_logger = metrics.get_metrics_logger()

    def count(self, fate: Outcome, entries: Iterable[Entry]) -> None:
        """Count the records of customers whose fate is known."""
        with self._lock:
            for entry in entries:
                self._fates[fate] += len(entry.rows)

    def count_rejects(self, rejects: Sequence[Reject]) -> None:
        """Count rejected records, by who found fault with them."""
        with self._lock:
            self._fates[Outcome.REJECTED] += len(rejects)
            self._kinds.update(reject.kind for reject in rejects)

    def count_links(self, number: int) -> None:
        """Count links that were set after their customer was loaded."""
        with self._lock:
            self._links += number

    def request(
        self, endpoint: str, status: int, seconds: float, *, again: bool
    ) -> None:
        """Count a request.

        Args:
            endpoint: Method and path.
            status: The HTTP status; 0 if no answer came.
            seconds: How long it took.
            again: Whether it was sent before.
        """
        with self._lock:
            self._requests += 1
            self._retries += again
            self._requests_by_tag[endpoint, status] += 1
        metrics.log(
            self._metrics_logger,
            metrics.Point(
                "timer",
                metrics.Metric.HTTP_REQUEST_DURATION,
                round(seconds, 6),
                self._tags(endpoint, status),
            ),
        )

    def tick(self) -> None:
        """Log a progress line, and the metrics, when it is time for them."""
        now = self._clock()
        if now - self._last_line >= SECONDS_BETWEEN_PROGRESS_LINES:
            self._last_line = now
            with self._lock:
                rejected = self._fates[Outcome.REJECTED]
                loaded = self._fates.total() - rejected
            logger.info(
                "%d records read, %d loaded, %d rejected, %d requests under way, "
                "%.0f records a second",
                self.records_read,
                loaded,
                rejected,
                self._under_way(),
                loaded / (now - self._began),
            )
        if now - self._last_metrics >= SECONDS_BETWEEN_METRICS:
            self._last_metrics = now
            self._log_request_counts()

    def summary(self, note: str = "") -> None:
        """Log how the run went.

        Args:
            note: What else there is to know about it.
        """
        self._log_request_counts()
        seconds = self._clock() - self._began
        with self._lock:
            counts = ", ".join(f"{self._fates[fate]} {fate.value}" for fate in Outcome)
            open_records = self.records_read - self._fates.total()
            kinds = ", ".join(f"{n} {kind}" for kind, n in self._kinds.items())
        logger.info(
            "%d records: %s%s%s%s; %d requests, %d retries, %.1f seconds, "
            "%.0f records a second%s",
            self.records_read,
            counts,
            f" ({kinds})" if kinds else "",
            f"; {open_records} not dealt with" if open_records else "",
            f"; {self._links} links set later" if self._links else "",
            self._requests,
            self._retries,
            seconds,
            self.records_read / seconds if seconds else 0,
            note,
        )

    def _log_request_counts(self) -> None:
        with self._lock:
            counts, self._requests_by_tag = self._requests_by_tag, Counter()
        for (endpoint, status), count in counts.items():
            metrics.log(
                self._metrics_logger,
                metrics.Point(
                    "counter",
                    metrics.Metric.HTTP_REQUEST_COUNT,
                    count,
                    self._tags(endpoint, status),
                ),
            )

    def _tags(self, endpoint: str, status: int) -> dict[str, object]:
        return {
            metrics.Tag.ENDPOINT: endpoint,
            metrics.Tag.HTTP_STATUS_CODE: status,
            metrics.Tag.STATUS: (
                metrics.Status.SUCCEEDED
                if 200 <= status < 300  # noqa: PLR2004 - HTTP's success class
                else metrics.Status.FAILED
            ),
            metrics.Tag.PID: os.getpid(),
        }
