"""A real scheduler whose loads end when the test says so."""

from __future__ import annotations

import math
import threading
import time

from target_upwell.delivery.batch import Row, Source
from target_upwell.delivery.outcomes import Outcomes, Reject
from target_upwell.delivery.scheduler import Scheduler
from target_upwell.delivery.tasks import Loaded, Task

DEADLINE_S = 20
SOURCE = Source("customers", {"type": "SCHEMA"})


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Load:
    """A load under way, or one that has ended."""

    def __init__(self, batch):
        self.batch = batch
        self.sequence = self.link = None
        self._end = threading.Event()
        self._error = None
        self.due = []
        self.pending = 0

    @property
    def keys(self):
        """The ids of the customers in the batch, in order."""
        return [row.key[1] for row in self.batch.rows]

    @property
    def rejects(self):
        """Those of the batch, if it is one."""
        rows = self.batch.rows if self.batch else []
        return [Reject.invalid(one, one.invalid) for one in rows if one.invalid]

    def succeed(self, *due, pending=0):
        """Have it end well, with tasks that are due by it and links that are not."""
        self.due += due
        self.pending = pending
        self._end.set()

    def fail(self, error):
        """Have it end with an error."""
        self._error = error
        self._end.set()

    def wait(self):
        """Wait for its end, in the worker; what a loader returns."""
        if not self._end.wait(DEADLINE_S):
            raise TimeoutError("the test never ended this load")
        loaded = Loaded(self.batch and self.batch.sequence, failure=self._error)
        loaded.due += self.due
        if self.pending:
            loaded.holds[self.batch.sequence] = self.pending
        loaded.outcomes = Outcomes(rejects=self.rejects)
        return loaded


class Recorder:
    """Takes outcomes, and keeps the rejects in the order in which they come."""

    only_rejects = 0

    def __init__(self):
        self.outcomes = []
        self.rejects = []

    def record(self, outcomes):
        """Take what needs no order."""
        self.outcomes.append(outcomes)

    def sync(self):
        """Nothing waits for a disk."""

    def reject(self, rejects):
        """Take what does."""
        self.rejects += rejects


class _Telling(Scheduler):
    """A scheduler that tells when somebody waits in it."""

    def __init__(self, when_it_waits, **kwargs):
        super().__init__(**kwargs)
        self.when_it_waits = when_it_waits

    def _wait(self):
        self.when_it_waits()
        super()._wait()


class Filler:
    """Fills batches, as a sink does."""

    def __init__(self, scheduler, rows):
        self._scheduler = scheduler
        self._rows = rows
        self.open = None

    def add(self, one):
        """Take a row."""
        self.open = self.open or self._scheduler.open_batch("customers")
        self.open.add(one)
        if len(self.open.rows) >= self._rows:
            self.flush()

    def flush(self):
        """Hand over what is open."""
        batch, self.open = self.open, None
        if batch:
            self._scheduler.submit(batch)


class Rig:
    """A scheduler, and what it did; it plays all of the scheduler's collaborators."""

    def __init__(self, *, rows=1, parallel=2, write=None):
        self.clock = Clock()
        self.states = []
        self.loads = []
        self.interrupted = False
        self.remaining = math.inf
        self.woken = 0
        self.waits = 0
        self._changed = threading.Condition()
        self.recorder = Recorder()
        self.stop = threading.Event()
        self.scheduler = _Telling(
            self._count_wait,
            load=self.load,
            recorder=self.recorder,
            write=write or self._keep,
            signals=self,
            stop=self.stop,
            parallel=parallel,
            clock=self.clock,
        )
        self.filler = Filler(self.scheduler, rows)

    # What the scheduler calls

    def __bool__(self):
        return self.interrupted

    def wake(self):
        """End the reader's wait for input."""
        self.woken += 1
        self.tell()

    def load(self, batch):
        """Load a batch."""
        load = Load(batch)
        self.loads.append(load)
        self.tell()
        return load.wait()

    # What tests call

    def finish(self):
        """End the stream."""
        self.filler.flush()
        self.scheduler.finish()

    def add(self, *ids):
        """Hand rows over."""
        for one in ids:
            self.filler.add(row(one))

    def state(self, text):
        """Hand a STATE over."""
        self.scheduler.checkpoint(text.encode())

    def load_of(self, index):
        """The load of the batch that was opened so many after the first.

        As soon as it has begun; threads do so in any order.
        """

        def begun():
            return [one for one in self.loads if one.batch.sequence == index + 1]

        self.until(begun)
        return begun()[0]

    def until(self, wanted):
        """Wait for something that a worker or another thread does."""
        deadline = time.monotonic() + DEADLINE_S
        with self._changed:
            while not wanted():
                if time.monotonic() > deadline:
                    raise TimeoutError("it never came")
                # Not everything that changes tells.
                self._changed.wait(0.01)

    def tell(self):
        """Have `until` look again."""
        with self._changed:
            self._changed.notify_all()

    def in_background(self, call, *args):
        """Call something that waits; give what tells how it ended."""
        return Call(self, call, args)

    def _keep(self, state):
        self.states.append(state.decode())
        self.tell()

    def _count_wait(self):
        self.waits += 1
        self.tell()


class Call:
    """A call in a thread of its own."""

    def __init__(self, rig, call, args):
        self.ended = False
        self.error = None
        self._rig = rig
        self._thread = threading.Thread(target=self._run, args=(call, args))
        self._thread.daemon = True
        self._thread.start()

    def result(self):
        """Wait for its end, and raise what it raised."""
        self._rig.until(lambda: self.ended)
        if self.error:
            raise self.error

    def _run(self, call, args):
        try:
            call(*args)
        except Exception as error:  # noqa: BLE001 - raised again in the test
            self.error = error
        self.ended = True
        self._rig.tell()


def row(one, size=10):
    """A row of one customer."""
    key = ("T", str(one))
    return Row(SOURCE, {}, f"customers {one}", key, {}, b"x" * size, None)


def task(run, *ids):
    """A task that runs a call while it holds customers."""

    def call():
        run()
        return Loaded()

    return Task(call, {("customers", "T", one) for one in ids})


class Watched(Scheduler):
    """A scheduler that tells when it waits, and which tasks are under way."""

    def __init__(self, moved, gate, **kwargs):
        super().__init__(**kwargs)
        self.moved = moved
        self.gate = gate
        self.reader_waits = False
        self.working = 0
        self.in_line = set()
        self.problems = []

    def tell(self):
        with self.moved:
            self.moved.notify_all()

    def _start(self, task):
        if self.failure or self._closed:
            self.problems.append("a task began after a failure or the end")
        if self._under_way >= self._most:
            self.problems.append("more tasks are under way than may be")
        if not self._held_keys.isdisjoint(task.keys):
            self.problems.append("two tasks of one key are under way")
        self.working += 1
        super()._start(task)

    def _work(self, task):
        super()._work(task)
        with self._changed:
            self.working -= 1
        self.tell()

    def _end(self, task, loaded):
        with self._changed:
            super()._end(task, loaded)
            self.reader_waits = False

    def _wait_for_turn(self, sequence):
        self.in_line.add(sequence)
        self.tell()
        try:
            super()._wait_for_turn(sequence)
        finally:
            self.in_line.remove(sequence)
        self.gate(sequence)

    def waiting_for_turn(self):
        """How many workers can't go on before another one ends."""
        ahead = set() if self.failure else set(self._unrecorded[1:])
        return len(self.in_line & ahead)

    def _wait(self):
        self.reader_waits = True
        self.tell()
        super()._wait()
