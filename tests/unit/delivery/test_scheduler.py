from __future__ import annotations

import threading
from collections import Counter
from functools import partial

import pytest
from delivery_rig import DEADLINE_S, Rig, row, task

from target_upwell.delivery.outcomes import Outcomes, Reject
from target_upwell.delivery.scheduler import (
    MOST_REJECTS_ALONE,
    SECONDS_BETWEEN_STATES,
    Scheduler,
)
from target_upwell.delivery.tasks import Loaded, Task
from target_upwell.delivery.workers import Workers
from target_upwell.exceptions import RunError, Stopped

# Batches


def test_a_batch_is_loaded_as_soon_as_it_is_full():
    rig = Rig(rows=3)
    rig.add(1, 2)
    assert rig.loads == []

    rig.add(3)

    assert rig.load_of(0).keys == ["1", "2", "3"]


def test_the_reader_waits_while_all_workers_are_busy():
    rig = Rig(parallel=2)
    rig.add(1, 2)
    rig.load_of(1)

    third = rig.in_background(rig.add, 3)
    rig.until(lambda: rig.waits)
    assert len(rig.loads) == 2
    rig.load_of(0).succeed()

    third.result()
    assert rig.load_of(2).keys == ["3"]


def test_once_a_batch_has_ended_twice_as_many_may_be_under_way():
    rig = Rig(parallel=2)
    rig.add(1, 2)
    rig.load_of(0).succeed()
    rig.add(3, 4, 5)
    rig.load_of(4)

    sixth = rig.in_background(rig.add, 6)
    rig.until(lambda: rig.waits)
    assert len(rig.loads) == 5
    rig.load_of(1).succeed()
    sixth.result()


def test_a_batch_waits_for_the_one_that_holds_its_customer():
    rig = Rig(parallel=4)
    rig.add("a")
    rig.load_of(0)

    second = rig.in_background(rig.add, "a")
    rig.until(lambda: rig.waits)
    assert len(rig.loads) == 1
    rig.load_of(0).succeed()

    second.result()
    assert rig.load_of(1).keys == ["a"]


def test_each_batch_under_way_holds_its_customers():
    rig = Rig(parallel=3)
    rig.add("a")
    rig.add("b")
    third = rig.in_background(rig.add, "a")
    rig.until(lambda: rig.waits)
    rig.load_of(1)
    assert len(rig.loads) == 2

    rig.load_of(0).succeed()

    third.result()
    rig.load_of(1).succeed()
    rig.load_of(2).succeed()
    rig.in_background(rig.finish).result()


def test_a_batch_knows_when_it_was_opened():
    rig = Rig()
    rig.clock.now = 1234.5

    assert rig.scheduler.open_batch("customers").opened_at == 1234.5


# STATE


def test_a_state_waits_for_all_that_came_before_it_and_for_nothing_else():
    rig = Rig(parallel=3)
    rig.add(1, 2)
    rig.state("2")
    rig.add(3)
    rig.load_of(1).succeed()
    rig.scheduler.emit()
    assert rig.states == []

    rig.load_of(0).succeed()

    rig.until(lambda: rig.states == ["2"])


def test_states_go_out_at_most_once_a_second_and_the_newest_only():
    rig = Rig()
    rig.state("0")
    rig.clock.now += SECONDS_BETWEEN_STATES - 0.01
    rig.state("1")
    rig.state("2")
    rig.scheduler.emit()
    assert rig.states == ["0"]

    rig.clock.now += 0.01
    rig.scheduler.emit()

    assert rig.states == ["0", "2"]


# Failures and signals


def test_after_a_failure_what_is_under_way_ends_and_the_covered_state_goes_out():
    rig = Rig(parallel=3)
    rig.add(1)
    rig.state("1")
    rig.add(2)
    rig.state("2")
    rig.add(3)
    rig.state("3")
    rig.load_of(2).succeed()
    rig.load_of(1).fail(ValueError("no"))
    rig.until(lambda: rig.woken)
    with pytest.raises(ValueError, match="no"):
        rig.add(4)

    close = rig.in_background(rig.scheduler.close)
    rig.load_of(0).succeed()

    close.result()
    assert rig.states == ["1"]
    assert len(rig.loads) == 3


def test_what_was_stopped_by_a_failure_does_not_hide_it():
    rig = Rig(parallel=2)
    rig.add(1)
    rig.add(2)
    rig.load_of(0).fail(Stopped())
    rig.until(lambda: rig.woken)
    waiting = rig.in_background(rig.scheduler.drain)
    rig.until(lambda: rig.waits)

    rig.load_of(1).fail(ValueError("no"))

    with pytest.raises(ValueError, match="no"):
        waiting.result()


def test_a_failure_wakes_the_reader_that_waits_for_a_worker():
    rig = Rig(parallel=1)
    rig.add(1)
    waiting = rig.in_background(rig.add, 2)
    rig.until(lambda: rig.waits)

    rig.load_of(0).fail(ValueError("no"))

    with pytest.raises(ValueError, match="no"):
        waiting.result()
    assert len(rig.loads) == 1


def test_a_signal_ends_the_wait_for_a_worker():
    rig = Rig(parallel=1)
    rig.add(1)
    waiting = rig.in_background(rig.add, 2)
    rig.until(lambda: rig.waits)

    rig.interrupted = True

    with pytest.raises(Stopped):
        waiting.result()


def test_what_is_under_way_after_the_grace_counts_as_not_loaded():
    rig = Rig(parallel=2)
    rig.add(1)
    rig.state("1")
    rig.add(2)
    rig.state("2")
    rig.load_of(0).succeed()
    rig.until(lambda: rig.states == ["1"])
    rig.interrupted, rig.remaining = True, 0

    rig.scheduler.close()

    assert rig.states == ["1"]
    rig.load_of(1).fail(Stopped())


def test_what_ends_within_the_grace_counts_and_nothing_begins_after_it():
    rig = Rig(parallel=1)
    ran = []
    rig.state("0")
    rig.add(1)
    rig.state("1")
    load = rig.load_of(0)
    rig.interrupted = True
    close = rig.in_background(rig.scheduler.close)
    rig.until(lambda: rig.waits)

    load.succeed(task(lambda: ran.append("task"), "1"))

    close.result()
    assert rig.states == ["0", "1"]
    assert ran == []


def test_the_covered_state_goes_out_when_the_grace_is_over():
    rig = Rig(parallel=1)
    rig.state("0")
    rig.state("1")
    rig.add(1)
    rig.state("2")
    load = rig.load_of(0)
    rig.interrupted = True
    close = rig.in_background(rig.scheduler.close)
    rig.until(lambda: rig.waits)
    assert rig.states == ["0"]

    rig.remaining = 0

    close.result()
    assert rig.states == ["0", "1"]
    load.fail(Stopped())


# The order of the stream


def rejected(one):
    """A row that can't be loaded."""
    found = row(one)
    found.key, found.invalid = None, "it is not right"
    return found


def test_rejects_are_recorded_in_the_order_of_the_stream():
    rig = Rig(parallel=3)
    first, second = rejected(1), rejected(2)
    rig.filler.add(first)
    rig.filler.add(second)
    rig.state("2")
    rig.load_of(1).succeed()
    rig.until(lambda: rig.recorder.outcomes)
    assert rig.recorder.rejects == []

    rig.load_of(0).succeed()

    rig.until(lambda: rig.states == ["2"])
    assert [reject.row for reject in rig.recorder.rejects] == [first, second]
    recorded = [one.rejects[0].row for one in rig.recorder.outcomes]
    assert recorded == [second, first]


def test_rejects_behind_a_batch_that_fails_are_not_recorded():
    rig = Rig(parallel=2)
    rig.add(1)
    rig.filler.add(rejected(2))
    rig.state("2")
    rig.load_of(1).succeed()
    rig.until(lambda: rig.recorder.outcomes)

    rig.load_of(0).fail(ValueError("no"))

    rig.in_background(rig.scheduler.close).result()
    assert rig.recorder.rejects == rig.states == []
    assert str(rig.scheduler.failure) == "no"


def test_state_waits_while_nothing_but_rejects_has_come_until_the_end():
    rig = Rig()
    rig.recorder.only_rejects = MOST_REJECTS_ALONE - 1
    rig.filler.add(rejected(1))
    rig.load_of(0).succeed()
    rig.state("1")
    rig.scheduler.emit()
    assert rig.states == []

    rig.in_background(rig.finish).result()

    assert rig.states == ["1"]


def test_a_run_of_nothing_but_rejects_fails_and_its_state_stays():
    rig = Rig()
    rig.recorder.only_rejects = MOST_REJECTS_ALONE
    rig.filler.add(rejected(1))
    rig.load_of(0).succeed()
    rig.state("1")

    with pytest.raises(RunError) as raised:
        rig.in_background(rig.finish).result()

    assert str(raised.value) == (
        "all 20 records were rejected, so STATE does not pass them; fix the source or "
        "the stream map"
    )

    rig.scheduler.close()
    assert rig.states == []


def test_state_goes_out_once_what_it_covers_is_on_the_disk():
    rig = Rig()
    on_the_disk = []
    rig.recorder.sync = lambda: on_the_disk.append(list(rig.states))
    rig.state("0")
    rig.state("1")

    rig.finish()

    assert rig.states == ["0", "1"]
    assert on_the_disk == [[], ["0"]]


def test_state_stays_where_the_disk_fails():
    def fail():
        raise OSError("no disk")

    rig = Rig()
    rig.recorder.sync = fail
    rig.state("1")

    with pytest.raises(OSError, match="no disk"):
        rig.finish()

    rig.scheduler.close()
    assert rig.states == []


# Failures of what it calls


def test_a_state_that_nobody_takes_ends_the_run():
    def broken(_state):
        raise OSError("closed")

    rig = Rig(write=broken)

    rig.state("1")

    assert rig.woken
    with pytest.raises(OSError, match="closed"):
        rig.finish()


def test_a_reject_that_can_not_be_written_ends_the_run_and_is_not_tried_again():
    calls = []

    def broken(rejects):
        calls.append(rejects)
        raise OSError("full")

    rig = Rig(parallel=2)
    rig.recorder.reject = broken
    rig.filler.add(rejected(1))
    rig.state("1")
    rig.add(2)
    rig.load_of(0).succeed()
    rig.until(lambda: rig.woken)
    rig.load_of(1).succeed()

    rig.in_background(rig.scheduler.close).result()

    assert rig.states == []
    assert len(calls) == 1


def test_what_can_not_be_recorded_ends_the_run():
    def broken(_outcomes):
        raise OSError("full")

    rig = Rig()
    rig.recorder.record = broken
    rig.add(1)
    rig.state("1")

    rig.load_of(0).succeed()

    with pytest.raises(OSError, match="full"):
        rig.in_background(rig.finish).result()
    assert rig.states == []


def test_a_failure_stops_all_requests_at_once():
    rig = Rig()
    rig.add(1)

    rig.load_of(0).fail(ValueError("no"))

    rig.until(lambda: rig.woken)
    assert rig.stop.is_set()


# Tasks that become due


def test_a_due_task_runs_when_its_customers_are_free_and_before_later_batches():
    rig = Rig(parallel=1)
    order = []
    rig.add("a")
    later = rig.in_background(rig.add, "a")
    rig.until(lambda: rig.waits)

    rig.load_of(0).succeed(task(lambda: order.append("task"), "a"))
    later.result()
    order.append(*rig.load_of(1).keys)
    rig.load_of(1).succeed()
    rig.in_background(rig.finish).result()

    assert order == ["task", "a"]


def test_due_tasks_keep_their_turn():
    rig = Rig(parallel=2)
    order = []
    rig.add("a", "b")
    due = [task(partial(order.append, n), n if n in "ab" else "a") for n in "abcd"]

    rig.load_of(0).succeed(*due)
    rig.load_of(1).succeed()
    rig.in_background(rig.finish).result()

    assert [name for name in order if name != "b"] == ["a", "c", "d"]


def test_due_tasks_are_looked_at_once_however_many_there_are(monkeypatch):
    looks, may_start = [], Scheduler._may_start

    def look(self, keys):
        looks.append(keys)
        return may_start(self, keys)

    monkeypatch.setattr(Scheduler, "_may_start", look)
    rig = Rig(parallel=2)
    rig.add("a")
    rig.load_of(0).succeed(*(task(lambda: None, str(n)) for n in range(500)))
    rig.in_background(rig.finish).result()

    assert len(looks) == 501


def test_a_state_waits_for_the_links_that_a_batch_still_waits_for():
    rig = Rig()
    rig.add(1)
    rig.state("1")
    sequence = rig.load_of(0).batch.sequence
    rig.load_of(0).succeed(pending=1)
    rig.in_background(rig.finish).result()
    assert rig.states == []

    released = Task(lambda: Loaded(holds=Counter({sequence: -1})), frozenset())
    rig.in_background(rig.scheduler.run, released).result()
    rig.scheduler.close()

    assert rig.states == ["1"]


def test_a_state_waits_for_the_rest_of_a_batch_and_for_its_rejects():
    rig = Rig(parallel=1)
    first, second = rejected(1), rejected(2)
    rig.filler.add(first)
    rig.state("1")
    load = rig.load_of(0)
    ran = []

    def rest():
        ran.append(list(rig.states))
        rejects = [Reject.invalid(second, "no")]
        taken_off = Counter({load.batch.sequence: -1})
        return Loaded(outcomes=Outcomes(rejects=rejects), holds=taken_off)

    load.succeed(Task(rest, frozenset({("customers", "T", "1")})), pending=1)
    rig.in_background(rig.finish).result()

    assert ran == [[]]
    assert [reject.row for reject in rig.recorder.rejects] == [first, second]
    assert rig.states == ["1"]


def test_nothing_begins_after_a_failure_or_once_it_is_closed():
    rig = Rig(parallel=2)
    ran = []
    rig.add("a", "b")
    due = task(lambda: ran.append("task"), "b")
    rig.load_of(1)

    rig.load_of(0).succeed(due)
    rig.until(lambda: rig.scheduler._due)
    rig.load_of(1).fail(ValueError("no"))
    rig.in_background(rig.scheduler.close).result()

    assert ran == []


# No thread to be had


def test_where_the_system_allows_no_thread_it_says_so_and_nothing_waits(monkeypatch):
    rig = Rig()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)

        with pytest.raises(RunError, match="allows no more threads"):
            rig.add(1)

    rig.scheduler.close()
    assert rig.scheduler._under_way == 0


def test_calls_run_even_where_the_system_allows_no_thread(monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", refuse)
    done = []

    workers = Workers(3, "test", threading.Event())
    workers.in_parallel([lambda n=n: done.append(n) for n in range(5)])

    assert done == [0, 1, 2, 3, 4]


def refuse(_thread):
    raise RuntimeError("can't start new thread")


def test_with_one_thread_all_batches_are_loaded_one_after_the_other(monkeypatch):
    start, started = threading.Thread.start, []

    def start_one(thread):
        if thread.name.startswith("batch") and started:
            refuse(thread)
        started.append(thread)
        start(thread)

    rig = Rig(parallel=3)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start_one)
        rig.add(1, 2, 3)
    for number in range(3):
        rig.load_of(number).succeed()

    rig.finish()

    assert len(rig.loads) == 3
    assert [thread.name for thread in started] == ["batch-1"]


def test_closed_workers_leave_no_thread():
    workers = Workers(3, "passing", threading.Event())
    workers.in_parallel([lambda: None] * 9)

    workers.close()

    for thread in threading.enumerate():
        if thread.name.startswith("passing"):
            thread.join(20)
            assert not thread.is_alive()


# Calls at once


def test_calls_run_side_by_side_and_all_end_before_it_returns():
    workers = Workers(3, "test", threading.Event())
    done = []

    workers.in_parallel([lambda n=n: done.append(n) for n in range(20)])

    assert sorted(done) == list(range(20))


def test_calls_that_have_not_begun_are_left_out_once_one_has_failed():
    workers = Workers(1, "test", threading.Event())
    begun = []

    def fail(number):
        begun.append(number)
        raise ValueError(str(number))

    with pytest.raises(ValueError, match="0"):
        workers.in_parallel([lambda n=n: fail(n) for n in range(50)])

    assert begun == [0]


def test_those_under_way_are_stopped_as_soon_as_one_has_failed():
    stop, both = threading.Event(), threading.Barrier(2)
    workers, stopped = Workers(1, "test", stop), []

    def fail():
        both.wait(DEADLINE_S)
        raise ValueError("no")

    def go_on():
        both.wait(DEADLINE_S)
        stopped.append(stop.wait(DEADLINE_S))

    with pytest.raises(ValueError, match="no"):
        workers.in_parallel([go_on, fail])

    assert stopped == [True]
