"""A model beside the real delivery: any interleaving, and what must hold in each.

The machine decides when each load begins to end and how; before each step it waits
until no thread can go on by itself. So a failing example repeats, step by step.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from bisect import insort
from collections import Counter

from delivery_rig import DEADLINE_S, Clock, Filler, Load, Recorder, Watched, row
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from share import share

from target_upwell.delivery import scheduler as module
from target_upwell.delivery.tasks import Task
from target_upwell.exceptions import Stopped

KEYS = st.sampled_from("abcde")


class Machine(RuleBasedStateMachine):
    """What is done to a delivery, and the model of what may come of it."""

    def __init__(self):
        super().__init__()
        self.moved = threading.Condition(threading.RLock())
        self.clock = Clock()
        self.interrupted = False
        self.remaining = math.inf
        self.woken = False
        self.gates = []  # loads and jobs under way that wait for the machine
        self.stream = []  # what was handed over: rows, and STATE by number
        self.versions = {}
        self.loaded_versions = {}
        self.undealt = set()  # ids of rows that hold STATE back
        self.kept = []  # all rows, so that no id comes twice
        self.links = []  # batches, once for each link that is not yet due
        self.pending = Counter()  # links that hold loaded batches
        self.ids = {}  # of the rows of such batches
        self.emitted = []
        self.numbers = 0
        self.tasks = 0
        self.calls = queue.SimpleQueue()
        self.reader_busy = False
        self.reader_error = None
        self.ended = False  # close was called
        self.broken = False  # something is wrong, so nothing need come to its end
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    @initialize(
        rows=st.integers(1, 3), parallel=st.integers(1, 3), calm=st.integers(0, 35)
    )
    def begin(self, rows, parallel, calm):
        self.calm = calm  # steps before the first failure or signal
        self.recorder = Recorder()
        self.delivery = Watched(
            self.moved,
            self.take_turn,
            load=self.load,
            recorder=self.recorder,
            write=self.write,
            signals=self,
            stop=threading.Event(),
            parallel=parallel,
            clock=self.clock,
        )
        self.filler = Filler(self.delivery, rows)

    # The reader

    def _read(self):
        for call in iter(self.calls.get, None):
            try:
                call()
            except Exception as error:  # noqa: BLE001 - judged by the machine
                self.reader_error = error
            with self.moved:
                self.reader_busy = False
                self.moved.notify_all()

    def have_reader(self, call):
        self.reader_busy = True
        self.delivery.reader_waits = False
        self.calls.put(call)
        self.settle()

    def reader_is_free(self):
        return not (self.reader_busy or self.reader_error or self.ended)

    def settle(self):
        """Wait until no thread can go on by itself."""
        self.wait_until(
            lambda: (
                self.delivery.working
                == len(self.gates) + self.delivery.waiting_for_turn()
                and (not self.reader_busy or self.delivery.reader_waits)
            )
        )

    def wait_until(self, wanted):
        deadline = time.monotonic() + DEADLINE_S
        while True:
            with self.delivery._changed:
                if wanted():
                    return
            # Not under that lock, so a call of `tell` may be missed: look again.
            with self.moved:
                self.moved.wait(0.001)
            self.must_be(time.monotonic() < deadline, "it got stuck")

    # What the scheduler calls

    def __bool__(self):
        return self.interrupted

    def wake(self):
        self.woken = True

    def load(self, batch):
        load = Load(batch)
        for one in batch.rows:
            if one.key is None:
                continue
            version = one.record["version"]
            if version <= self.loaded_versions.get(one.key, 0):
                self.delivery.problems.append("an older version came later")
            self.loaded_versions[one.key] = version
        self._gate(load, batch.sequence)
        return load.wait()

    def take_turn(self, sequence):
        """Wait before the rejects of a batch are recorded."""
        turn = Load(None)
        turn.sequence = sequence
        self._gate(turn, sequence)
        error = turn.wait().failure
        if error:
            raise error

    def _gate(self, load, order):
        # Threads come in any order, and what is drawn must not depend on it.
        load.order = order
        with self.moved:
            insort(self.gates, load, key=lambda one: one.order)
            self.moved.notify_all()

    def write(self, state):
        number = int(state)
        if self.emitted and number <= self.emitted[-1]:
            self.delivery.problems.append("an older STATE came later")
        if number > self.newest_covered():
            self.delivery.problems.append(f"STATE {number} is ahead of its data")
        self.emitted.append(number)

    def newest_covered(self):
        newest = 0
        for kind, item in self.stream:
            if kind == "held" and item in self.undealt:
                break
            if kind == "state":
                newest = item
        return newest

    # The stream

    @precondition(lambda self: self.reader_is_free())
    @rule(key=st.none() | KEYS)
    def record(self, key):
        one = row(key)
        if key is None:
            one.key, one.invalid = None, "it is not right"
        else:
            version = self.versions[key] = self.versions.get(key, 0) + 1
            one.record = {"version": version}
        self.stream.append(("held", id(one)))
        self.undealt.add(id(one))
        self.kept.append(one)
        self.have_reader(lambda: self.filler.add(one))

    @precondition(lambda self: self.reader_is_free())
    @rule()
    def state(self):
        self.numbers += 1
        number = self.numbers
        if not self.delivery.failure:  # after one it is not taken
            self.stream.append(("state", number))
        self.have_reader(lambda: self.delivery.checkpoint(b"%d" % number))

    @precondition(lambda self: self.reader_is_free())
    @rule()
    def finish(self):
        def finish():
            self.filler.flush()
            self.delivery.finish()
            if self.delivery._under_way or self.delivery._due:
                self.delivery.problems.append("it finished before all was done")

        self.have_reader(finish)

    # What becomes of it

    @precondition(lambda self: self.gates)
    @rule(
        data=st.data(),
        pending=st.sampled_from([0, 0, 1, 2]),
        due=st.lists(st.sets(KEYS, min_size=1, max_size=2), max_size=2),
    )
    def succeed(self, data, pending, due):
        load = data.draw(st.sampled_from(self.gates))
        prompt = not self.ended and self.clock.now - self.delivery._last_emit >= 1
        brings = load.sequence is None  # and does not only take its turn
        tasks = [self._task(None, keys) for keys in due if brings]
        if brings and self.links and data.draw(st.booleans()):
            link = data.draw(st.sampled_from(self.links))
            self.links.remove(link)
            tasks.append(self._task(link, data.draw(st.sets(KEYS, min_size=1))))
        self._let_succeed(load, pending if load.batch else 0, tasks)
        if prompt and not load.rejects:
            assert self._is_all_covered_out()

    def _let_succeed(self, load, pending=0, due=()):
        if load.batch:
            sequence = load.batch.sequence
            self.ids[sequence] = {id(one) for one in load.batch.rows}
            self.pending[sequence] = pending
            if not load.rejects:
                self._is_recorded(sequence)
        elif load.sequence is not None:
            self._is_recorded(load.sequence)
        elif load.link is not None:
            self.pending[load.link] -= 1
            self._deal_with(load.link)
        self.gates.remove(load)
        load.succeed(*due, pending=pending)
        self.settle()
        self._rejects_are_in_order()

    def _rejects_are_in_order(self):
        order = {id(one): number for number, one in enumerate(self.kept)}
        written = [order[id(reject.row)] for reject in self.recorder.rejects]
        self.must_be(written == sorted(written), "rejects are out of order")

    def _is_recorded(self, sequence):
        self.links += [sequence] * self.pending[sequence]
        self._deal_with(sequence)

    def _deal_with(self, sequence):
        if not self.pending[sequence]:
            self.undealt -= self.ids[sequence]

    @precondition(lambda self: self.gates and not self.calm)
    @rule(data=st.data())
    def fail(self, data):
        load = data.draw(st.sampled_from(self.gates))
        self.gates.remove(load)
        load.fail(ValueError("a load failed"))
        self.settle()
        assert self.woken

    def _task(self, sequence, keys):
        load = Load(None)
        load.link = sequence
        self.tasks += 1
        order = 1_000_000 + self.tasks

        def run():
            self._gate(load, order)
            loaded = load.wait()
            if sequence is not None:
                loaded.holds[sequence] = -1
            return loaded

        return Task(run, {("customers", "T", key) for key in keys})

    # Time

    @rule(seconds=st.sampled_from([0.25, 1.0, 30.0]))
    def tick(self, seconds):
        self.clock.now += seconds
        self.delivery.emit()
        self.settle()
        if not self.ended and seconds >= 1:
            assert self._is_all_covered_out()

    def _is_all_covered_out(self):
        return self._last_out() == self.newest_covered()

    def _last_out(self):
        return self.emitted[-1] if self.emitted else 0

    # The end

    @precondition(lambda self: not (self.ended or self.calm))
    @rule()
    def signal(self):
        self.interrupted = True
        # Nobody tells a waiting reader of the flag; it looks by itself.
        self.wait_until(lambda: not self.reader_busy)
        assert not self.reader_error or isinstance(
            self.reader_error, Stopped | ValueError
        )
        self.remaining = 0
        self.close()

    @precondition(lambda self: self.reader_error and not self.ended)
    @rule()
    def end_after_failure(self):
        self.close()

    def close(self):
        def close():
            self.delivery.close()
            if not self._is_all_covered_out():
                self.delivery.problems.append("it ended without the last STATE")

        self.ended = True
        self.reader_error = None
        self.have_reader(close)

    @invariant()
    def nothing_is_wrong(self):
        if hasattr(self, "delivery"):
            self.calm = max(0, self.calm - 1)
            self.must_be(not self.delivery.problems, self.delivery.problems)

    @invariant()
    def somebody_can_always_go_on(self):
        if not hasattr(self, "delivery") or self.delivery.failure or self.ended:
            return
        if not self.gates:
            self.must_be(not self.reader_busy, "the reader waits for nobody")
            self.must_be(not self.delivery._due, "a job waits for nobody")

    def must_be(self, condition, words):
        self.broken = self.broken or not condition
        assert condition, words

    def teardown(self):
        if not hasattr(self, "delivery"):
            self.calls.put(None)
            return
        try:
            if not self.broken:
                self._bring_to_its_end()
                self.nothing_is_wrong()
        finally:
            self._end_threads()

    def _end_threads(self):
        # Or a reader that is stuck would wait for ever.
        self.interrupted, self.remaining = True, 0
        self.delivery._workers.close()
        self.calls.put(None)

    def _bring_to_its_end(self):
        """Whatever happened: all that is under way ends, and so does the reader."""
        self._let_all_succeed()
        if not (self.ended or self.reader_error or self.delivery.failure):
            for sequence in self.links:
                self.pending[sequence] -= 1
                self._deal_with(sequence)
                with self.delivery._changed:
                    self.delivery._checkpoints.release(sequence)
            self.finish()
            self._let_all_succeed()
            assert not self.reader_error
        if not self.ended:
            self.close()
        self._let_all_succeed()
        assert not self.reader_busy
        if not (self.delivery.failure or self.interrupted):
            assert self._last_out() == self.numbers

    def _let_all_succeed(self):
        while self.gates:
            self._let_succeed(self.gates[0])


def test_no_interleaving_breaks_a_promise(monkeypatch):
    # The one wait that nobody ends: a reader that looks for a signal.
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LOOKS", 0.005)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=share(full=150, part=30),
            stateful_step_count=40,
            deadline=None,
            # One that is stuck takes DEADLINE_S whenever it is tried again, and to try
            # it with fewer steps would take longer than a test may.
            phases=set(Phase) - {Phase.shrink},
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
