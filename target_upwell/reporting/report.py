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
from typing import TYPE_CHECKING, Any

from singer_sdk.metrics import Metric, Point, Status, Tag, get_metrics_logger

from target_upwell.delivery.outcomes import Outcome
from target_upwell.printable import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_upwell.api.rate_limiter import RateLimiter
    from target_upwell.delivery.outcomes import Outcomes, Reject
    from target_upwell.reporting.drift import Drift
    from target_upwell.reporting.rejects import Rejects
    from target_upwell.reporting.sync_log import SyncLog
    from target_upwell.resource import Resource

logger = logging.getLogger("target-upwell")

SECONDS_BETWEEN_PROGRESS_LINES = 10
SECONDS_BETWEEN_COUNTS = 60

SHORTEST_PAUSE_SECONDS = 1.0
"""Shorter pauses are not worth a word."""


class Report:
    """The counts of a run, and the one place that outcomes come to; threads share it.

    Attributes:
        records_read: Records that came in; the reader counts them.
        records_filtered: Those of them that the stream map dropped; likewise.
    """

    def __init__(
        self,
        resource: Resource,
        drift: Drift,
        rejects: Rejects,
        sync_log: SyncLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.records_read = 0
        self.records_filtered = 0
        self._resource = resource
        self._drift = drift
        self._rejects = rejects
        self._sync_log = sync_log
        self._clock = clock
        self._began = self._last_line = self._last_counts = clock()
        self._lock = threading.Lock()
        self._records: Counter[Outcome] = Counter()
        self._by_key: Counter[Outcome] = Counter()
        self._reject_kinds: Counter[str] = Counter()
        self._links = 0
        self._deleted = 0
        self._requests = 0
        self._retries = 0
        # Since they were logged last: seconds of each request, and their number.
        self._durations: list[float] = []
        self._requests_by_tag: Counter[tuple[str, int]] = Counter()
        self._metrics_logger = get_metrics_logger()

    def record(self, outcomes: Outcomes) -> None:
        """Take what became of records; once `sync` returns it is on the disk.

        Raises:
            RunError: If a file can't be written.
        """
        with self._lock:
            for one in outcomes.counted:
                self._records[one.outcome] += one.records
                self._by_key[one.outcome] += 1
            self._links += outcomes.links
            self._deleted += outcomes.deleted
        self._drift.never_shown(outcomes.never_shown)
        self._drift.record(outcomes.drift)
        self._sync_log.record(outcomes.counted)

    def reject(self, rejects: Sequence[Reject]) -> None:
        """Take the rejects of one batch; raises what `Rejects.record` does."""
        with self._lock:
            self._records[Outcome.REJECTED] += len(rejects)
            self._reject_kinds.update(reject.kind for reject in rejects)
        self._rejects.record(rejects)

    def sync(self) -> None:
        """Wait until all that was recorded is on the disk."""
        self._sync_log.sync()

    @property
    def only_rejects(self) -> int:
        """How many records were rejected, if nothing else has come up to now."""
        with self._lock:
            rejected = self._records[Outcome.REJECTED]
            return rejected if self._records.total() == rejected else 0

    def request(
        self, endpoint: str, status: int, seconds: float, *, again: bool
    ) -> None:
        """Count a request.

        Args:
            endpoint: Method and path.
            status: Of HTTP; 0 if no answer came.
            seconds: How long it took.
            again: Whether it repeats one that failed.
        """
        with self._lock:
            self._requests += 1
            self._retries += again
            self._durations.append(seconds)
            self._requests_by_tag[endpoint, status] += 1
        if self._metrics_logger.isEnabledFor(logging.DEBUG):
            tags = _tags(endpoint, status)
            self._measured(Metric.HTTP_REQUEST_DURATION, seconds, tags, logging.DEBUG)

    def totals(self) -> dict[str, float]:
        """Return the five counts, requests, retries and seconds up to now."""
        with self._lock:
            return {
                **{outcome.value: self._records[outcome] for outcome in Outcome},
                "requests": self._requests,
                "retries": self._retries,
                "seconds": round(self._clock() - self._began, 3),
            }

    def tick(self, limiter: RateLimiter) -> None:
        """Log a progress line, and the metrics, when it is time for them."""
        now = self._clock()
        if now - self._last_line >= SECONDS_BETWEEN_PROGRESS_LINES:
            self._last_line = now
            self._log_progress(now - self._began, limiter)
            self._log_durations()
        if now - self._last_counts >= SECONDS_BETWEEN_COUNTS:
            self._last_counts = now
            self._log_request_counts()

    def summary(self, note: str = "") -> None:
        """Log how the run went, and what else there is to know about it."""
        self._log_durations()
        self._log_request_counts()
        seconds = self._clock() - self._began
        with self._lock:
            counts = ", ".join(f"{self._records[one]} {one.value}" for one in Outcome)
            if self._reject_kinds:
                kinds = (f"{n} {kind}" for kind, n in self._reject_kinds.items())
                counts += f" ({', '.join(kinds)})"
            parts = [
                f"{counted(self.records_read, 'record')}: {counts}",
                *self._less_usual(),
                counted(self._requests, "request"),
            ]
            retries = counted(self._retries, "retry", "retries")
        logger.info(
            "%s, %s, %.1f seconds, %.0f records a second%s",
            "; ".join(parts),
            retries,
            seconds,
            self.records_read / seconds if seconds else 0,
            note,
        )

    def _less_usual(self) -> Iterator[str]:
        """Yield the parts of the summary that are about something, if they are."""
        one, many = self._resource.singular, self._resource.name
        created, updated = self._by_key[Outcome.CREATED], self._by_key[Outcome.UPDATED]
        if created or updated:
            yield f"{counted(created, one, many)} created, {updated} updated"
        if self.records_filtered:
            were = counted(self.records_filtered, "record was", "records were")
            yield f"{were} filtered out by the stream map"
        open_records = self.records_read - self.records_filtered - self._records.total()
        if open_records:
            yield f"{open_records} not dealt with"
        if self._links:
            yield f"{counted(self._links, 'link')} set later"
        if self._deleted:
            yield f"{counted(self._deleted, one, many)} marked as deleted"

    def _log_progress(self, seconds: float, limiter: RateLimiter) -> None:
        with self._lock:
            rejected = self._records[Outcome.REJECTED]
            loaded = self._records.total() - rejected
        pause = limiter.paused_for()
        waiting = f"; waiting {pause:.0f} s: Upwell asked for it"
        logger.info(
            "%s read, %d loaded, %d rejected, %s under way, %.0f records a second%s",
            counted(self.records_read, "record"),
            loaded,
            rejected,
            counted(limiter.in_flight, "request"),
            loaded / seconds,
            waiting if pause >= SHORTEST_PAUSE_SECONDS else "",
        )

    def _log_durations(self) -> None:
        """Log the mean of what requests took: a line for each would fill the log."""
        with self._lock:
            seconds, self._durations = self._durations, []
        if seconds:
            tags = {"requests": len(seconds), "longest": round(max(seconds), 6)}
            mean = sum(seconds) / len(seconds)
            self._measured(Metric.HTTP_REQUEST_DURATION, mean, tags)

    def _log_request_counts(self) -> None:
        with self._lock:
            counts, self._requests_by_tag = self._requests_by_tag, Counter()
        for (endpoint, status), count in counts.items():
            tags = _tags(endpoint, status)
            self._measured(Metric.HTTP_REQUEST_COUNT, count, tags)

    def _measured(
        self,
        metric: Metric,
        value: float,
        tags: dict[str, Any],
        level: int = logging.INFO,
    ) -> None:
        """Log a metric as the SDK does, which has no way to do so at DEBUG."""
        kind = "counter" if metric is Metric.HTTP_REQUEST_COUNT else "timer"
        point = Point(kind, metric, round(value, 6), {**tags, Tag.PID: os.getpid()})
        self._metrics_logger.log(level, "METRIC: %s", point)


def _tags(endpoint: str, status: int) -> dict[str, Any]:
    success = 200 <= status < 300  # noqa: PLR2004 - HTTP's success class
    return {
        Tag.ENDPOINT: endpoint,
        Tag.HTTP_STATUS_CODE: status,
        Tag.STATUS: Status.SUCCEEDED if success else Status.FAILED,
    }
