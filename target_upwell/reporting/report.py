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

from singer_sdk import metrics
from singer_sdk.metrics import Metric, Point, Status, Tag

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
        self._began = self._last_line = clock()
        self._lock = threading.Lock()
        self._records: Counter[Outcome] = Counter()
        self._by_key: Counter[Outcome] = Counter()
        self._reject_kinds: Counter[str] = Counter()
        self._links = 0
        self._deleted = 0
        self._requests = 0
        self._retries = 0
        # Seconds of each request since they were logged last.
        self._durations: list[float] = []
        # They log themselves once a minute.
        self._counters: dict[tuple[str, int], metrics.Counter] = {}
        self._metrics_logger = metrics.get_metrics_logger()

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
        """Count a request to a method and path; its status is 0 if no answer came.

        One that is sent `again` repeats one that failed.
        """
        with self._lock:
            self._requests += 1
            self._retries += again
            self._durations.append(seconds)
            if (endpoint, status) not in self._counters:
                self._counters[endpoint, status] = metrics.Counter(
                    Metric.HTTP_REQUEST_COUNT, _tags(endpoint, status)
                )
            self._counters[endpoint, status].increment()
        if self._metrics_logger.isEnabledFor(logging.DEBUG):
            self._log_duration(seconds, _tags(endpoint, status), logging.DEBUG)

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

    def summary(self, note: str = "") -> None:
        """Log how the run went, and what else there is to know about it."""
        self._log_durations()
        seconds = self._clock() - self._began
        with self._lock:
            for counter in self._counters.values():
                counter.exit()
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
            self._log_duration(sum(seconds) / len(seconds), tags, logging.INFO)

    def _log_duration(self, seconds: float, tags: dict[str, Any], level: int) -> None:
        """Log a metric as the SDK does, which has no way to do so at DEBUG."""
        tags = {**tags, Tag.PID: os.getpid()}
        point = Point("timer", Metric.HTTP_REQUEST_DURATION, round(seconds, 6), tags)
        self._metrics_logger.log(level, "METRIC: %s", point)


def _tags(endpoint: str, status: int) -> dict[str, Any]:
    success = 200 <= status < 300  # noqa: PLR2004 - HTTP's success class
    return {
        Tag.ENDPOINT: endpoint,
        Tag.HTTP_STATUS_CODE: status,
        Tag.STATUS: Status.SUCCEEDED if success else Status.FAILED,
    }
