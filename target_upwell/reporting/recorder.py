"""Keeping what became of records: in the counts, the files and the log.

The one place that the scheduler hands outcomes to.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from target_upwell.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_upwell.delivery.outcomes import Outcomes, Reject
    from target_upwell.reporting.drift import Drift
    from target_upwell.reporting.rejects import Rejects
    from target_upwell.reporting.report import Report
    from target_upwell.reporting.sync_log import SyncLog

MOST_REJECTS_ALONE = 20
"""Records that are all rejected, before the run has failed whatever is allowed."""


class Recorder:
    """Hands outcomes on to whom they concern; threads share it."""

    def __init__(
        self,
        report: Report,
        drift: Drift,
        rejects: Rejects,
        sync_log: SyncLog | None = None,
    ) -> None:
        """Record what becomes of records.

        Args:
            report: Counts.
            drift: Takes differences that remain.
            rejects: Takes records that can't be loaded.
            sync_log: Keeps what became of each record, if the user wants it.
        """
        self._report = report
        self._drift = drift
        self._rejects = rejects
        self._sync_log = sync_log
        self._lock = threading.Lock()
        self._loaded = 0
        self._rejected = 0

    def record(self, outcomes: Outcomes) -> None:
        """Take what became of records; once `sync` returns it is on the disk.

        Raises:
            RunError: If a file can't be written.
        """
        with self._lock:
            self._loaded += sum(one.records for one in outcomes.counted)
        self._report.count(outcomes)
        self._drift.never_shown(outcomes.never_shown)
        self._drift.record(outcomes.drift)
        if self._sync_log:
            self._sync_log.record(outcomes.counted)

    def sync(self) -> None:
        """Wait until all that was recorded is on the disk.

        Raises:
            RunError: If a file can't be written.
        """
        if self._sync_log:
            self._sync_log.sync()

    def reject(self, rejects: Sequence[Reject]) -> None:
        """Take the rejects of one batch, in the order of the stream.

        Raises:
            TooManyRejects: If they are more than are allowed.
            RunError: If they can't be written.
        """
        with self._lock:
            self._rejected += len(rejects)
        self._report.count_rejects(rejects)
        self._rejects.record(rejects)

    @property
    def only_rejects(self) -> bool:
        """Whether nothing but rejects has come up to now."""
        return self._rejected > 0 and self._loaded == 0

    def hopeless(self) -> RunError | None:
        """Return why the run has failed, if nothing but rejects has come."""
        if not self.only_rejects or self._rejected < MOST_REJECTS_ALONE:
            return None
        return RunError(
            f"all {self._rejected} records were rejected, so STATE does not pass them; "
            "fix the source or the stream map"
        )
