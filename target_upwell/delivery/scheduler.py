"""When a batch is loaded, and when STATE goes out.

Full batches are loaded by workers while reading goes on; the reader waits when all of
them are busy, so memory stays flat. Three rules make promises 1 and 2 here:

- Two tasks under way never hold the same key, so the last version wins.
- STATE goes out when all that was opened before it is released, and not before. A batch
  is released when it is loaded and its rejects are written, which waits for all batches
  before it.
- After a failure or a signal nothing new begins, and nothing unfinished is released.

It knows neither HTTP nor customers.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from target_upwell.delivery.batch import Batch
from target_upwell.delivery.checkpoints import Checkpoints
from target_upwell.delivery.tasks import Loaded, Task
from target_upwell.delivery.workers import Workers
from target_upwell.exceptions import RunError, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from collections.abc import Set as AbstractSet

    from target_upwell.delivery.tasks import Recorder, Signals

SECONDS_BETWEEN_STATES = 1.0
"""Each STATE line costs Meltano a commit in its database."""

SECONDS_BETWEEN_LOOKS = 0.2
"""How often a wait looks whether a signal came: signal handlers can't notify."""

TASKS_PER_REQUEST = 2
"""Tasks under way for each request that may be, so that no request waits for the work
between two of them, nor for a task that waits to try again. Until the first has ended
it is one: what it finds may save the others requests."""

MOST_REJECTS_ALONE = 20
"""Records that are all rejected, before the run has failed whatever is allowed."""


class Scheduler:
    """Takes batches and STATE in the order of the stream, and delivers them.

    Its methods for the reader raise `Stopped` if a signal came, and the failure once
    there was one.

    Attributes:
        failure: What ends the run.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, each named
        self,
        *,
        load: Callable[[Batch], Loaded],
        recorder: Recorder,
        write: Callable[[bytes], None],
        signals: Signals,
        stop: threading.Event,
        parallel: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Deliver nothing yet.

        Whatever happens, `load` returns how far a batch came; `write` writes one STATE
        wholly; `stop` is set at the first failure, so that no request begins any more;
        `parallel` requests are under way at once, at most.
        """
        self._load = load
        self._recorder = recorder
        self._write = write
        self._signals = signals
        self._stop = stop
        self._most = parallel
        self._most_later = parallel * TASKS_PER_REQUEST
        self._clock = clock
        self._workers = Workers(self._most_later, "batch", stop)
        self._changed = threading.Condition()
        self._checkpoints = Checkpoints()
        self._under_way = 0
        self._held_keys: set[Hashable] = set()
        self._due: deque[Task] = deque()
        # Batches whose rejects may still come, in the order of the stream.
        self._unrecorded: list[int] = []
        self.failure: Exception | None = None
        self._finished = False
        self._closed = False
        self._output = threading.Lock()
        self._last_emit = clock() - SECONDS_BETWEEN_STATES

    # What the reader calls

    def check(self) -> None:
        """Go on only if nothing has happened."""
        if self._signals:
            raise Stopped
        if self.failure is not None and (
            not self._under_way or not isinstance(self.failure, Stopped)
        ):
            raise self.failure

    def open_batch(self, resource: str) -> Batch:
        """Open a batch: it holds back all STATE that comes until it is loaded."""
        with self._changed:
            return Batch(resource, self._checkpoints.open(), self._clock())

    def submit(self, batch: Batch) -> None:
        """Hand a batch to a worker; wait while all of them are busy."""
        with self._changed:
            self._dispatch(Task(partial(self._load, batch), batch.keys))
            self._unrecorded.append(batch.sequence)

    def checkpoint(self, state: bytes) -> None:
        """Take a STATE: it stands for every batch opened up to now."""
        with self._changed:
            self.check()
            self._checkpoints.note(state)
        self.emit()

    def run(self, task: Task) -> None:
        """Do a task after all that was submitted, and wait for all that comes of it."""
        with self._changed:
            self._dispatch(task)
            self.drain()

    def drain(self) -> None:
        """Wait until all that was submitted is done, and what becomes due by it."""
        with self._changed:
            self.check()
            while self._under_way or self._due:
                self._wait()
                self.check()

    def finish(self) -> None:
        """Write the last STATE of a stream that came to its end.

        It is a failure if nothing but rejects has come.
        """
        self.drain()
        rejected = self._recorder.only_rejects
        if rejected >= MOST_REJECTS_ALONE:
            why = (
                f"all {rejected} records were rejected, so STATE does not pass them; "
                "fix the source or the stream map"
            )
            self.fail(RunError(why))
        self.check()
        self._finished = True
        self.emit(at_once=True)
        self.check()

    def close(self) -> None:
        """Begin nothing more, let what is under way end, and write the covered STATE.

        What is under way may take as long as it does, or the grace that a signal gives.
        """
        with self._changed:
            self._closed = True
            while self._under_way and self._signals.remaining:
                self._wait()
        self.emit(at_once=True)
        self._workers.close()

    # What other threads call

    def emit(self, *, at_once: bool = False) -> None:
        """Write the newest covered STATE, if there is one and it is time."""
        with self._output:
            with self._changed:
                elapsed = self._clock() - self._last_emit
                if elapsed < SECONDS_BETWEEN_STATES and not at_once:
                    return
                if self._recorder.only_rejects and not self._finished:
                    return
                state = self._checkpoints.take()
            if state is None:
                return
            try:
                self._recorder.sync()
                self._write(state)
            except Exception as error:  # noqa: BLE001 - kept for the reader's thread
                self.fail(error)
            self._last_emit = self._clock()

    def fail(self, error: Exception) -> None:
        """Note a failure; the first one ends the run.

        That something was stopped says nothing: what stopped it is the failure, and may
        come later.
        """
        with self._changed:
            if self.failure is None or isinstance(self.failure, Stopped):
                self.failure = error
            self._changed.notify_all()
        self._stop.set()
        self._signals.wake()

    # Tasks

    def _dispatch(self, task: Task) -> None:
        """Start a task, after those that are due and those that hold its keys."""
        self.check()
        while not self._may_start(task.keys):
            self._wait()
            self.check()
        self._start(task)

    def _may_start(self, keys: AbstractSet[Hashable]) -> bool:
        return (
            not self._closed
            and self.failure is None
            and self._under_way < self._most
            and self._held_keys.isdisjoint(keys)
        )

    def _start(self, task: Task) -> None:
        self._workers.submit(partial(self._work, task))
        self._under_way += 1
        self._held_keys |= task.keys

    def _start_due(self) -> None:
        """Start the due tasks that can; the others keep their turn."""
        blocked: list[Task] = []
        # A parent that turns up may bring tens of thousands.
        while self._due and self._under_way < self._most:
            task = self._due.popleft()
            if self._may_start(task.keys):
                self._start(task)
            else:
                blocked.append(task)
        self._due.extendleft(reversed(blocked))

    def _work(self, task: Task) -> None:
        """Do a task in a worker; what it holds is released only if it succeeds."""
        try:
            loaded = task.run()
            self._recorder.record(loaded.outcomes)
            if loaded.failure:
                raise loaded.failure
            if loaded.outcomes.rejects:
                self._wait_for_turn(loaded.sequence)
                self._recorder.reject(loaded.outcomes.rejects)
        except Exception as error:  # noqa: BLE001 - kept for the reader's thread
            self.fail(error)
            loaded = Loaded()
        self._end(task, loaded)
        self.emit()

    def _end(self, task: Task, loaded: Loaded) -> None:
        """Take over what a task has brought, and free what it held."""
        with self._changed:
            for sequence, times in loaded.holds.items():
                self._checkpoints.hold(sequence, times)
            if loaded.sequence is not None:
                self._checkpoints.release(loaded.sequence)
                self._unrecorded.remove(loaded.sequence)
            self._due.extend(loaded.due)
            self._under_way -= 1
            self._most = self._most_later
            self._held_keys -= task.keys
            self._start_due()
            self._changed.notify_all()

    def _wait_for_turn(self, sequence: int | None) -> None:
        """Wait until all batches before one are recorded.

        Of two versions of a record that are rejected in batches under way at once the
        later one has to be the last in the file. What is loaded later than its batch
        waits for none.
        """
        with self._changed:
            while sequence in self._unrecorded[1:]:
                if self.failure is not None:
                    raise Stopped
                self._changed.wait(SECONDS_BETWEEN_LOOKS)

    def _wait(self) -> None:
        self._changed.wait(SECONDS_BETWEEN_LOOKS)
