"""Keeping what became of records: in the counts, the files and the log.

The one place that the scheduler hands outcomes to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_upwell.delivery.outcomes import Outcomes, Reject
    from target_upwell.reporting.drift import Drift
    from target_upwell.reporting.rejects import Rejects
    from target_upwell.reporting.report import Report
    from target_upwell.reporting.sync_log import SyncLog


@dataclass(frozen=True)
class Recorder:
    """Hands outcomes on to whom they concern; threads share it.

    It raises `RunError` where a file can't be written.
    """

    report: Report
    drift: Drift
    rejects: Rejects
    sync_log: SyncLog

    def record(self, outcomes: Outcomes) -> None:
        """Take what became of records; once `sync` returns it is on the disk."""
        self.report.count(outcomes)
        self.drift.never_shown(outcomes.never_shown)
        self.drift.record(outcomes.drift)
        self.sync_log.record(outcomes.counted)

    def reject(self, rejects: Sequence[Reject]) -> None:
        """Take the rejects of one batch, or raise `TooManyRejects`."""
        self.report.count_rejects(rejects)
        self.rejects.record(rejects)

    def sync(self) -> None:
        """Wait until all that was recorded is on the disk."""
        self.sync_log.sync()

    @property
    def only_rejects(self) -> int:
        """How many records were rejected, if nothing else has come up to now."""
        return self.report.only_rejects()
