"""The parts of a run, put together: from rows to requests, and back to STATE."""

from __future__ import annotations

import logging
import sys
import threading
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from target_upwell.api.client import Client
from target_upwell.api.rate_limiter import RateLimiter
from target_upwell.customers.schema import CUSTOMERS
from target_upwell.delivery.scheduler import Delivery, Job
from target_upwell.delivery.workers import Workers
from target_upwell.reporting import drift, rejects
from target_upwell.reporting.drift import Drift
from target_upwell.reporting.files import AppendedFile
from target_upwell.reporting.rejects import Rejects
from target_upwell.reporting.report import Report
from target_upwell.upsert.dry_run import DryRun
from target_upwell.upsert.links import Linker
from target_upwell.upsert.loader import Loader
from target_upwell.upsert.lookups import Lookups
from target_upwell.upsert.parents import Links

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_upwell.config import Settings
    from target_upwell.singer.signals import Signals
    from target_upwell.upsert.parents import DueLink

logger = logging.getLogger("target-upwell")

SECONDS_BETWEEN_TICKS = 0.5

BATCHES_AT_HAND = 1
"""Batches that are got ready while as many as allowed are on their way, so that no
request has to wait for the work between two of them."""

SECONDS_BETWEEN_THREADS = 0.0005
"""How long the reader's thread may keep others waiting that have got an answer; a tenth
of Python's own, which costs throughput where the CPU is busy while requests wait."""


class Run:
    """One run: what rows go through, from the reader's hand to Upwell."""

    def __init__(
        self, settings: Settings, signals: Signals, emit: Callable[[bytes], None]
    ) -> None:
        """Put it together; nothing runs yet.

        Args:
            settings: How.
            signals: What may come in between.
            emit: Writes a STATE's value out.
        """
        self._settings = settings
        self._stop = threading.Event()
        self._closed = False
        self._limiter = RateLimiter(settings.max_parallel_requests, self._stop)
        self._writers = Workers(settings.max_parallel_requests, "request")
        self.report = Report(CUSTOMERS)
        self.delivery = Delivery(
            batch_size_rows=settings.batch_size_rows,
            batch_size_bytes=settings.batch_size_bytes,
            parallel=settings.max_parallel_requests + BATCHES_AT_HAND,
            emit=emit,
            wake=signals.wake,
            interrupted=lambda: bool(signals),
        )
        rejects_file = _file(settings.rejects_path, "rejects_path", rejects.BEGINNINGS)
        drift_file = _file(
            settings.drift_path, "drift_path", drift.beginnings(CUSTOMERS)
        )
        self._files = [file for file in (rejects_file, drift_file) if file]
        # A dry run touches no file.
        self._rejects = Rejects(
            settings.max_rejects,
            None if settings.dry_run else rejects_file,
            CUSTOMERS.hints,
        )
        self._drift = Drift(None if settings.dry_run else drift_file, CUSTOMERS)
        client = Client(settings, self._limiter, self._stop, self.report.request)
        lookups = Lookups(client, settings.batch_size_rows)
        self._linker = Linker(
            settings=settings,
            client=client,
            lookups=lookups,
            links=Links(self.delivery.hold, self.delivery.release),
            drift=self._drift,
            report=self.report,
            in_parallel=self._writers.in_parallel,
            schedule=self._schedule,
        )
        loader = Loader(
            settings=settings,
            client=client,
            lookups=lookups,
            linker=self._linker,
            rejects=self._rejects,
            drift=self._drift,
            report=self.report,
            in_parallel=self._writers.in_parallel,
        )
        self._rehearsal = DryRun(settings, lookups, self._rejects, self.report)
        self.delivery.load = self._rehearsal.load if settings.dry_run else loader.load

    def start(self) -> None:
        """Say what is about to happen, and start the clock.

        Raises:
            RunError: If a file can't be written.
        """
        for file in self._files:
            file.check()
        sys.setswitchinterval(SECONDS_BETWEEN_THREADS)
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
        threading.Thread(target=self._tick, name="clock", daemon=True).start()

    def finish(self) -> None:
        """Deliver all that was taken.

        Raises:
            Stopped: If a signal came.
            Exception: What went wrong.
        """
        self.delivery.finish()
        if not self._settings.dry_run:
            self.delivery.run(Job(self._linker.settle_all, frozenset()))
            self.delivery.finish()
        self.close(None)
        if self.delivery.failure:
            raise self.delivery.failure

    def close(self, grace: float | None) -> None:
        """Begin nothing more, let what is under way end, and tell how it went.

        Args:
            grace: Seconds for what is under way; none for as long as it takes.
        """
        if self._closed:
            return
        self._closed = True
        if grace is not None:
            # What is under way may end, but nothing of it may begin another request.
            self._stop.set()
            logger.warning("stopping: a signal came; what is under way may finish")
        self.delivery.close(grace)
        self._stop.set()
        self._drift.report()
        for line in self._rejects.summary():
            logger.warning("%s", line)
        if self._settings.dry_run:
            self._rehearsal.summary()
        self.report.summary(
            "; a dry run, nothing was written" if self._settings.dry_run else ""
        )

    def _schedule(self, due: Sequence[DueLink]) -> None:
        """Have due links set, a few at a time: each job waits for all its children."""
        size = self._settings.max_parallel_requests
        for start in range(0, len(due), size):
            links = due[start : start + size]
            self.delivery.schedule(
                Job(
                    partial(self._linker.set, links),
                    {link.child for link in links},
                )
            )

    def _tick(self) -> None:
        while not self._stop.wait(SECONDS_BETWEEN_TICKS):
            self.delivery.tick()
            self.report.tick(self._limiter)


def _file(
    path: str | None, setting: str, beginnings: tuple[bytes, ...]
) -> AppendedFile | None:
    return AppendedFile(path, setting, beginnings) if path else None
