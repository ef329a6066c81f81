"""Real deliveries whose loads end when the test says so."""

from __future__ import annotations

import threading

from target_upwell.delivery.batch import Row, Source
from target_upwell.delivery.scheduler import Delivery
from target_upwell.delivery.workers import Workers

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
        self._end = threading.Event()
        self._error = None

    @property
    def keys(self):
        """The ids of the customers in the batch, in order."""
        return [row.key[1] for row in self.batch.rows]

    def succeed(self):
        """Have it end well."""
        self._end.set()

    def fail(self, error):
        """Have it end with an error."""
        self._error = error
        self._end.set()

    def wait(self):
        """Wait for its end, in the worker."""
        if not self._end.wait(DEADLINE_S):
            raise TimeoutError("the test never ended this load")
        if self._error:
            raise self._error


class _Telling(Delivery):
    """A delivery that tells when somebody waits in it."""

    def _wait(self):
        self.when_it_waits()
        super()._wait()


class Rig:
    """A delivery, and what it did."""

    def __init__(self, *, rows=1, size=1_000_000, parallel=2, emit=None):
        self.clock = Clock()
        self.states = []
        self.loads = []
        self.interrupted = False
        self.woken = 0
        self.waits = 0
        self._changed = threading.Condition()
        self.delivery = _Telling(
            batch_size_rows=rows,
            batch_size_bytes=size,
            parallel=parallel,
            emit=emit or self._emit,
            wake=self._wake,
            interrupted=lambda: self.interrupted,
            clock=self.clock,
        )
        self.delivery.load = self._load
        self.delivery.when_it_waits = self._count_wait

    def add(self, *ids):
        """Hand rows over."""
        for one in ids:
            self.delivery.add(row(one))

    def state(self, text):
        """Hand a STATE over."""
        self.delivery.checkpoint(text.encode())

    def load(self, index):
        """The load of the batch that was opened so many after the first.

        As soon as it has begun; threads do so in any order.
        """

        def begun():
            return [one for one in self.loads if one.batch.sequence == index + 1]

        self.until(begun)
        return begun()[0]

    def until(self, wanted):
        """Wait for something that a worker or another thread does."""
        with self._changed:
            if not self._changed.wait_for(wanted, DEADLINE_S):
                raise TimeoutError("it never came")

    def tell(self):
        """Have `until` look again."""
        with self._changed:
            self._changed.notify_all()

    def in_background(self, call, *args):
        """Call something that waits; give what tells how it ended."""
        return Call(self, call, args)

    def _emit(self, state):
        self.states.append(state.decode())
        self.tell()

    def _wake(self):
        self.woken += 1
        self.tell()

    def _count_wait(self):
        self.waits += 1
        self.tell()

    def _load(self, batch):
        load = Load(batch)
        self.loads.append(load)
        self.tell()
        load.wait()


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


class Passing(Workers):
    """Workers that end when they are given nothing; an example has its own."""

    def _work(self):
        for call in iter(self._calls.get, None):
            call()


class Watched(Delivery):
    """A delivery that tells when it waits, and which jobs are under way."""

    def __init__(self, moved, **kwargs):
        super().__init__(**kwargs)
        self._workers = Passing(kwargs["parallel"], "batch")
        self.moved = moved
        self.reader_waits = False
        self.working = 0
        self.problems = []

    def tell(self):
        with self.moved:
            self.moved.notify_all()

    def _start(self, job):
        if self._failure or self._closed:
            self.problems.append("a job began after a failure or the end")
        if self._under_way >= self._parallel:
            self.problems.append("more jobs are under way than may be")
        if not self._held_keys.isdisjoint(job.keys):
            self.problems.append("two jobs of one key are under way")
        self.working += 1
        super()._start(job)

    def _work(self, job):
        super()._work(job)
        with self._changed:
            self.working -= 1
        self.tell()

    def _ended(self, job, error):
        with self._changed:
            super()._ended(job, error)
            self.reader_waits = False

    def _wait(self):
        self.reader_waits = True
        self.tell()
        super()._wait()
