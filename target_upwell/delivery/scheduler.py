"""When a batch is loaded, and when STATE goes out.

One batch is open for the run, whatever the stream. Full ones are loaded by workers
while reading goes on; the reader waits when all of them are busy, so memory stays flat.
Three rules make promises 1 and 2 here:

- Two jobs under way never hold the same source key, so the last version wins.
- STATE goes out when all that was opened before it is released, and not before.
- After a failure or a signal nothing new begins, and nothing unfinished is released.

It knows neither HTTP nor customers: what loading means it is told.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_upwell.delivery.batch import Batch
from target_upwell.delivery.checkpoints import Checkpoints
from target_upwell.delivery.workers import Workers
from target_upwell.exceptions import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from target_upwell.delivery.batch import Row
    from target_upwell.resource import SourceKey

SECONDS_BETWEEN_STATES = 1.0
"""Each STATE line costs Meltano a commit in its database."""

OLDEST_OPEN_BATCH_SECONDS = 30.0
"""A slow stream's batch is loaded as it is after this, so that STATE can follow."""

SECONDS_BETWEEN_LOOKS = 0.2
"""How often a wait looks whether it was interrupted: signal handlers can't notify."""


@dataclass(frozen=True)
class Job:
    """Something to load, and the customers that nobody else may touch meanwhile.

    Attributes:
        run: Does it.
        keys: The source keys that it holds.
        sequence: The batch to release when it is done, if it is one.
    """

    run: Callable[[], None]
    keys: AbstractSet[SourceKey]
    sequence: int | None = None


class Delivery:
    """Takes rows and STATE in the order of the stream, and delivers them."""

    def __init__(  # noqa: PLR0913 - what it is told, each named
        self,
        *,
        batch_size_rows: int,
        batch_size_bytes: int,
        parallel: int,
        emit: Callable[[bytes], None],
        wake: Callable[[], None],
        interrupted: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Deliver.

        Args:
            batch_size_rows: Rows in a batch, at most.
            batch_size_bytes: Bytes in the body of a batch, at most.
            parallel: Jobs under way at once, at most.
            emit: Writes a STATE's value out.
            wake: Ends the reader's wait for input, after a failure.
            interrupted: Tells whether a signal came.
            clock: Tells the time in seconds.
        """
        self.load: Callable[[Batch], None]
        self._batch_size_rows = batch_size_rows
        self._batch_size_bytes = batch_size_bytes
        self._parallel = parallel
        self._emit = emit
        self._wake = wake
        self._interrupted = interrupted
        self._clock = clock
        self._workers = Workers(parallel, "batch")
        self._changed = threading.Condition(threading.RLock())
        self._checkpoints = Checkpoints()
        self._open: Batch | None = None
        self._under_way = 0
        self._held_keys: set[SourceKey] = set()
        self._due: deque[Job] = deque()
        self._failure: Exception | None = None
        self._closed = False
        self._output = threading.Lock()
        self._last_emit = clock() - SECONDS_BETWEEN_STATES

    # What the reader calls

    def check(self) -> None:
        """Go on only if nothing has happened.

        Raises:
            Stopped: If a signal came.
            Exception: The failure of a job, once there was one.
        """
        if self._interrupted():
            raise Stopped
        if self._failure is not None:
            raise self._failure

    def open(self) -> int:
        """Hold back all STATE that comes from now on; give what `release` takes."""
        with self._changed:
            return self._checkpoints.open()

    def add(self, row: Row) -> None:
        """Take a row; wait while all workers are busy.

        Raises:
            Stopped: If a signal came.
            Exception: The failure of a job, once there was one.
        """
        with self._changed:
            self.check()
            batch = self._open
            if batch and batch.size + len(row.body) + 1 > self._batch_size_bytes:
                self._dispatch_open()
                batch = None
            if batch is None:
                batch = Batch(self._checkpoints.open(), self._clock())
                self._open = batch
            batch.add(row)
            if len(batch.rows) >= self._batch_size_rows:
                self._dispatch_open()

    def checkpoint(self, state: bytes) -> None:
        """Take a STATE: it stands for every row taken up to now.

        Raises:
            Stopped: If a signal came.
            Exception: The failure of a job, once there was one.
        """
        with self._changed:
            self.check()
            self._checkpoints.note(state)
        self._emit_covered()

    def finish(self) -> None:
        """Deliver all that was taken, and what becomes due by it.

        Raises:
            Stopped: If a signal came.
            Exception: The failure of a job, once there was one.
        """
        with self._changed:
            self.check()
            if self._open:
                self._dispatch_open()
            while self._under_way or self._due:
                self._wait()
                self.check()

    def run(self, job: Job) -> None:
        """Have a job run when a worker and its keys are free, and wait for its start.

        Raises:
            Stopped: If a signal came.
            Exception: The failure of a job, once there was one.
        """
        with self._changed:
            self._dispatch(job)

    def close(self, grace: float | None = None) -> None:
        """Begin nothing more, let what is under way end, and write the covered STATE.

        Args:
            grace: Seconds to wait for what is under way; none for as long as it takes
                or until a signal comes.
        """
        deadline = None if grace is None else self._clock() + grace
        with self._changed:
            self._closed = True
            while self._under_way:
                if deadline is None and self._interrupted():
                    break
                if deadline is not None and self._clock() >= deadline:
                    break
                self._wait()
        self._emit_covered(at_once=True)

    # What other threads call

    def schedule(self, job: Job) -> None:
        """Have a job run as soon as a worker and its keys are free."""
        with self._changed:
            self._due.append(job)
            self._start_due()

    def hold(self, sequence: int) -> None:
        """Hold a batch back once more, see `Checkpoints.hold`."""
        with self._changed:
            self._checkpoints.hold(sequence)

    def release(self, sequence: int) -> None:
        """Take one hold off a batch, see `Checkpoints.release`."""
        with self._changed:
            self._checkpoints.release(sequence)

    def tick(self) -> None:
        """Do what is due by the clock: send an old open batch, write covered STATE."""
        with self._changed:
            batch = self._open
            if (
                batch
                and self._clock() - batch.opened_at >= OLDEST_OPEN_BATCH_SECONDS
                and self._may_start(batch.keys)
            ):
                # It must not wait here: the reader could open a later one meanwhile
                # and pass it.
                self._dispatch_open()
        self._emit_covered()

    def fail(self, error: Exception) -> None:
        """Note a failure; the first one ends the run."""
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()
        self._wake()

    @property
    def failure(self) -> Exception | None:
        """The failure that ends the run, if there was one."""
        return self._failure

    # Jobs

    def _dispatch_open(self) -> None:
        batch, self._open = self._open, None
        if batch:
            self._dispatch(Job(lambda: self.load(batch), batch.keys, batch.sequence))

    def _dispatch(self, job: Job) -> None:
        """Start a job, after those that are due and those that hold its keys."""
        while not self._may_start(job.keys):
            self._wait()
            self.check()
        self._start(job)

    def _may_start(self, keys: AbstractSet[SourceKey]) -> bool:
        return (
            not self._closed
            and self._failure is None
            and self._under_way < self._parallel
            and self._held_keys.isdisjoint(keys)
        )

    def _start(self, job: Job) -> None:
        self._under_way += 1
        self._held_keys |= job.keys
        self._workers.submit(lambda: self._work(job))

    def _start_due(self) -> None:
        """Start the due jobs that can; the others keep their turn."""
        passed = 0
        while passed < len(self._due) and self._under_way < self._parallel:
            job = self._due.popleft()
            if self._may_start(job.keys):
                self._start(job)
            else:
                self._due.append(job)
                passed += 1
        self._due.rotate(passed)

    def _work(self, job: Job) -> None:
        """Run a job in a worker; what it holds is released only if it succeeds."""
        try:
            job.run()
        except Exception as error:  # noqa: BLE001 - kept for the reader's thread
            self._ended(job, error)
        else:
            self._ended(job, None)
        self._emit_covered()

    def _ended(self, job: Job, error: Exception | None) -> None:
        with self._changed:
            if error is not None:
                self.fail(error)
            elif job.sequence is not None:
                self._checkpoints.release(job.sequence)
            self._under_way -= 1
            self._held_keys -= job.keys
            self._start_due()
            self._changed.notify_all()

    def _wait(self) -> None:
        self._changed.wait(SECONDS_BETWEEN_LOOKS)

    # STATE

    def _emit_covered(self, *, at_once: bool = False) -> None:
        """Write the newest covered STATE, if there is one and it is time."""
        with self._output:
            with self._changed:
                elapsed = self._clock() - self._last_emit
                if elapsed < SECONDS_BETWEEN_STATES and not at_once:
                    return
                state = self._checkpoints.take()
            if state is None:
                return
            try:
                self._emit(state)
            except Exception as error:  # noqa: BLE001 - kept for the reader's thread
                self.fail(error)
            self._last_emit = self._clock()
