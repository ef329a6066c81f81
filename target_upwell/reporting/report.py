"""What a person is told of a run: counts, progress, a summary, and the SDK's metrics.

Promise 4, never quiet: every record that came in ends in exactly one of the counts, or
the summary says that it did not.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from singer_sdk import metrics

from target_upwell.delivery.outcomes import Outcome
from target_upwell.reporting.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_upwell.api.rate_limiter import RateLimiter
    from target_upwell.delivery.outcomes import Outcomes, Reject
    from target_upwell.resource import Resource

logger = logging.getLogger("target-upwell")

SECONDS_BETWEEN_PROGRESS_LINES = 10
SECONDS_BETWEEN_COUNTS = 60

SHORTEST_PAUSE_SECONDS = 1.0
"""Shorter pauses are not worth a word."""


@dataclass
class _Timer:
    """How long requests took, in seconds, since the last progress line."""

    count: int = 0
    total: float = 0.0
    longest: float = 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)


class Report:
    """The counts of a run; threads share it.

    Attributes:
        records_read: Records that came in; the reader counts them.
        records_filtered: Those of them that the stream map dropped; likewise.
    """

    def __init__(
        self, resource: Resource, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Count.

        Args:
            resource: What the records become.
            clock: Tells the time in seconds.
        """
        self.records_read = 0
        self.records_filtered = 0
        self._resource = resource
        self._clock = clock
        self._began = clock()
        self._last_line = self._began
        self._last_counts = self._began
        self._lock = threading.Lock()
        self._records: Counter[Outcome] = Counter()
        self._by_key: Counter[Outcome] = Counter()
        self._reject_kinds: Counter[str] = Counter()
        self._links = 0
        self._deleted = 0
        self._requests = 0
        self._retries = 0
        self._timer = _Timer()
        self._requests_by_tag: Counter[tuple[str, int]] = Counter()
        self._metrics_logger = metrics.get_metrics_logger()

    def count(self, outcomes: Outcomes) -> None:
        """Count what has been loaded, and the records that it was made of."""
        with self._lock:
            for one in outcomes.counted:
                self._records[one.outcome] += one.records
                self._by_key[one.outcome] += 1
            self._links += outcomes.links
            self._deleted += outcomes.deleted

    def count_rejects(self, rejects: Sequence[Reject]) -> None:
        """Count rejected records, by who found fault with them."""
        with self._lock:
            self._records[Outcome.REJECTED] += len(rejects)
            self._reject_kinds.update(reject.kind for reject in rejects)

    def request(
        self, endpoint: str, status: int, seconds: float, *, again: bool
    ) -> None:
        """Count a request.

        Args:
            endpoint: Method and path.
            status: The HTTP status; 0 if no answer came.
            seconds: How long it took.
            again: Whether it repeats one that failed.
        """
        with self._lock:
            self._requests += 1
            self._retries += again
            self._timer.add(seconds)
            self._requests_by_tag[endpoint, status] += 1
        self._metrics_logger.debug(
            "METRIC: %s",
            metrics.Point(
                "timer",
                metrics.Metric.HTTP_REQUEST_DURATION,
                round(seconds, 6),
                _tags(endpoint, status),
            ),
        )

    def totals(self) -> dict[str, float]:
        """Return the five counts, requests, retries and seconds up to now."""
        with self._lock:
            counts = {outcome.value: self._records[outcome] for outcome in Outcome}
            return {
                **counts,
                "requests": self._requests,
                "retries": self._retries,
                "seconds": round(self._clock() - self._began, 3),
            }

    def tick(self, limiter: RateLimiter) -> None:
        """Log a progress line, and the metrics, when it is time for them.

        Args:
            limiter: Lets the requests pass.
        """
        now = self._clock()
        if now - self._last_line >= SECONDS_BETWEEN_PROGRESS_LINES:
            self._last_line = now
            self._log_progress(now - self._began, limiter)
            self._log_timer()
        if now - self._last_counts >= SECONDS_BETWEEN_COUNTS:
            self._last_counts = now
            self._log_request_counts()

    def summary(self, note: str = "") -> None:
        """Log how the run went.

        Args:
            note: What else there is to know about it.
        """
        self._log_timer()
        self._log_request_counts()
        seconds = self._clock() - self._began
        with self._lock:
            kinds = ", ".join(f"{n} {kind}" for kind, n in self._reject_kinds.items())
            counts = ", ".join(f"{self._records[one]} {one.value}" for one in Outcome)
            if kinds:
                counts = f"{counts} ({kinds})"
            parts = [
                f"{counted(self.records_read, 'record')}: {counts}",
                *self._less_usual(),
                counted(self._requests, "request"),
            ]
            rate = self.records_read / seconds if seconds else 0
            retries = counted(self._retries, "retry", "retries")
        logger.info(
            "%s, %s, %.1f seconds, %.0f records a second%s",
            "; ".join(parts),
            retries,
            seconds,
            rate,
            note,
        )

    def _less_usual(self) -> Iterator[str]:
        """Yield the parts of the summary that are about something, if they are."""
        created, updated = map(self._by_key.get, (Outcome.CREATED, Outcome.UPDATED))
        if created or updated:
            things = counted(created or 0, self._resource.singular, self._resource.name)
            yield f"{things} created, {updated or 0} updated"
        if self.records_filtered:
            were = counted(self.records_filtered, "record was", "records were")
            yield f"{were} filtered out by the stream map"
        open_records = self.records_read - self.records_filtered - self._records.total()
        if open_records:
            yield f"{open_records} not dealt with"
        if self._links:
            yield f"{counted(self._links, 'link')} set later"
        if self._deleted:
            things = counted(
                self._deleted, self._resource.singular, self._resource.name
            )
            yield f"{things} marked as deleted"

    def _log_progress(self, seconds: float, limiter: RateLimiter) -> None:
        with self._lock:
            rejected = self._records[Outcome.REJECTED]
            loaded = self._records.total() - rejected
        pause = limiter.paused_for()
        waiting = (
            f"; waiting {pause:.0f} s: Upwell asked for it"
            if pause >= SHORTEST_PAUSE_SECONDS
            else ""
        )
        logger.info(
            "%s read, %d loaded, %d rejected, %s under way, %.0f records a second%s",
            counted(self.records_read, "record"),
            loaded,
            rejected,
            counted(limiter.in_flight, "request"),
            loaded / seconds,
            waiting,
        )

    def _log_timer(self) -> None:
        """Log the mean of what requests took: a line for each would fill the log."""
        with self._lock:
            timer, self._timer = self._timer, _Timer()
        if timer.count:
            metrics.log(
                self._metrics_logger,
                metrics.Point(
                    "timer",
                    metrics.Metric.HTTP_REQUEST_DURATION,
                    round(timer.total / timer.count, 6),
                    {
                        "requests": timer.count,
                        "longest": round(timer.longest, 6),
                        metrics.Tag.PID: os.getpid(),
                    },
                ),
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
                    _tags(endpoint, status),
                ),
            )


def _tags(endpoint: str, status: int) -> dict[str, object]:
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
