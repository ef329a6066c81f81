"""The parts of one run, put together bottom up: from batches to requests, and back."""

from __future__ import annotations

import logging
import threading
from importlib.metadata import version
from typing import TYPE_CHECKING

from target_upwell.api.client import Client
from target_upwell.api.rate_limiter import RateLimiter
from target_upwell.customers.schema import CUSTOMERS
from target_upwell.delivery.scheduler import Scheduler
from target_upwell.delivery.tasks import Task
from target_upwell.delivery.workers import Workers
from target_upwell.exceptions import RunError
from target_upwell.printable import counted
from target_upwell.reporting import drift, rejects, sync_log
from target_upwell.reporting.drift import Drift
from target_upwell.reporting.files import AppendedFile
from target_upwell.reporting.rejects import Rejects
from target_upwell.reporting.report import Report
from target_upwell.reporting.sync_log import SyncLog
from target_upwell.upsert.dry_run import DryClient, DryLookups, DryRun
from target_upwell.upsert.duplicates import Duplicates
from target_upwell.upsert.guards import Guards
from target_upwell.upsert.inserts import Inserts
from target_upwell.upsert.links import Links
from target_upwell.upsert.loader import Loader
from target_upwell.upsert.lookups import Lookups
from target_upwell.upsert.missing import Missing
from target_upwell.upsert.refusals import Refusals
from target_upwell.upsert.updates import Updates

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_upwell.config import Settings
    from target_upwell.delivery.tasks import Signals

logger = logging.getLogger("target-upwell")

SECONDS_BETWEEN_TICKS = 0.5


class Run:
    """One run: what batches go through, from the sink to Upwell.

    Attributes:
        scheduler: Takes batches and STATE.
        report: Counts.
        missing: Finds customers that have left the source, if the user wants it.
    """

    def __init__(
        self,
        settings: Settings,
        digest: str,
        signals: Signals,
        write: Callable[[bytes], None],
    ) -> None:
        """Put it together; nothing runs yet, and no file is opened.

        The digest stands for the settings that change values; `write` writes one STATE.
        """
        self._settings = settings
        self._signals = signals
        dry = settings.dry_run
        self._stop = stop = threading.Event()
        self._closed = False
        parallel = settings.max_parallel_requests
        self._limiter = RateLimiter(parallel, stop)
        own_lines = {
            "rejects_path": rejects.BEGINNINGS,
            "drift_path": drift.beginnings(CUSTOMERS),
            "sync_log_path": sync_log.BEGINNINGS,
        }
        files = {
            setting: AppendedFile(getattr(settings, setting), setting, beginnings)
            for setting, beginnings in own_lines.items()
            if getattr(settings, setting)
        }
        self._files = list(files.values())
        if dry:  # it touches no file
            files = {}
        self._rejects = Rejects(
            settings.max_rejects,
            files.get("rejects_path"),
            CUSTOMERS.hints,
            dry_run=dry,
        )
        self._drift = Drift(files.get("drift_path"), CUSTOMERS)
        self._sync_log = SyncLog(files.get("sync_log_path"), digest, CUSTOMERS)
        self.report = Report(CUSTOMERS, self._drift, self._rejects, self._sync_log)

        client = (DryClient if dry else Client)(
            settings, self._limiter, stop, self.report.request
        )
        lookups = (DryLookups if dry else Lookups)(
            client, CUSTOMERS, settings.batch_size_rows
        )
        refusals = Refusals()
        updates = Updates(client, lookups, refusals, CUSTOMERS)
        self._guards = Guards(
            CUSTOMERS,
            settings.max_updated_percent,
            settings.max_cleared_percent,
            dry_run=dry,
        )
        self._writers = Workers(parallel, "request", stop)
        self.missing = (
            None
            if settings.missing_customers == "ignore"
            else Missing(settings, client, updates, self._writers, CUSTOMERS)
        )
        self._links = Links(settings, lookups, updates)
        self._loader = Loader(
            settings,
            lookups,
            Inserts(client, lookups, refusals, CUSTOMERS, settings.batch_size_bytes),
            updates,
            self._links,
            self._guards,
            self._writers,
        )
        self._dry_run = None
        if isinstance(lookups, DryLookups):
            duplicates = Duplicates(client, CUSTOMERS)
            self._dry_run = DryRun(settings, lookups, self._loader, duplicates)
        self.scheduler = Scheduler(
            load=(self._dry_run or self._loader).load,
            recorder=self.report,
            write=write,
            signals=signals,
            stop=stop,
            parallel=parallel,
        )
        self._clock = threading.Thread(target=self._tick, name="clock", daemon=True)

    def start(self) -> None:
        """Check the files, log what is about to happen, and start the clock."""
        for file in self._files:
            file.check()
        settings = self._settings
        logger.info(
            "target-upwell %s: %s to %s%s; batches of %d rows or %d bytes, %d requests "
            "at once, %s rejects allowed",
            version("target-upwell"),
            settings.load_method,
            settings.api_url,
            " (dry run)" if settings.dry_run else "",
            settings.batch_size_rows,
            settings.batch_size_bytes,
            settings.max_parallel_requests,
            "any number of" if settings.max_rejects < 0 else settings.max_rejects,
        )
        if settings.field_policy:
            policies = (f"{n} {policy}" for n, policy in settings.field_policy.items())
            logger.info("field_policy: %s", ", ".join(policies))
        self._sync_log.begin(version("target-upwell"), settings.load_method)
        try:
            self._clock.start()
        except RuntimeError:
            raise RunError(
                "the system allows no more threads; raise its limit"
            ) from None

    def finish(self, incomplete: str = "") -> None:
        """Deliver all that was taken, and look for customers that left the source.

        Args:
            incomplete: Why the source may hold more customers than it sent; "" if it
                sent them all.

        Raises:
            Stopped: If a signal came.
            Exception: What went wrong.
        """
        self.scheduler.drain()
        for part in (self._loader, self._links):
            self.scheduler.run(Task(part.finish))
        self.scheduler.finish()
        excess = None
        if self.missing:
            rejected = int(self.report.totals()["rejected"])
            if rejected and not incomplete:
                were = counted(rejected, "record was", "records were")
                incomplete = f"{were} rejected"
            if incomplete:
                logger.warning("missing_customers does not apply: %s", incomplete)
            else:
                self.scheduler.run(Task(self.missing.find))
            excess = self.missing.excess
        if excess and not self._dry_run:
            self.scheduler.fail(excess)
        self.close(failed=False)
        if self.scheduler.failure:
            raise self.scheduler.failure
        if self._dry_run:
            if self._guards.stop or excess:
                raise RunError(f"a real run would stop: {self._guards.stop or excess}")
            if self._rejects.excess:
                raise self._rejects.excess

    def close(self, *, failed: bool = True) -> None:
        """Begin nothing more, let what is under way end, and tell how it went, once."""
        if self._closed:
            return
        self._closed = True
        # Requests under way may end, but nothing may begin another one.
        self._stop.set()
        if self._signals:
            logger.warning("stopping: a signal came; what is under way may finish")
        self.scheduler.close()
        self._writers.close()
        self._drift.report()
        for line in (*self._rejects.summary(), *self._sync_log.summary()):
            logger.warning("%s", line)
        self._sync_log.end(
            {**self.report.totals(), "drift": self._drift.counts()},
            failed=failed or self.scheduler.failure is not None,
        )
        note = ""
        if self._dry_run:
            self._dry_run.summary(self._guards.stop)
            note = "; a dry run, nothing was written"
        self.report.summary(note)
        for file in self._files:
            file.close()
        if self.missing:
            self.missing.close()

    def _tick(self) -> None:
        while not self._stop.wait(SECONDS_BETWEEN_TICKS):
            self.scheduler.emit()
            self.report.tick(self._limiter)
