from __future__ import annotations

import pytest
from delivery_rig import Rig, row

from target_upwell.delivery.batch import ENVELOPE_BYTES
from target_upwell.delivery.checkpoints import MOST_WAITING, Checkpoints
from target_upwell.delivery.scheduler import (
    OLDEST_OPEN_BATCH_SECONDS,
    SECONDS_BETWEEN_STATES,
    Job,
)
from target_upwell.delivery.workers import Workers
from target_upwell.exceptions import Stopped

# Batches


def test_a_batch_is_loaded_as_soon_as_it_is_full():
    rig = Rig(rows=3)
    rig.add(1, 2)
    assert rig.loads == []

    rig.add(3)

    assert rig.load(0).keys == ["1", "2", "3"]


def test_no_batch_exceeds_the_bytes_of_a_body_envelope_included():
    limit = 1000
    rig = Rig(rows=10_000, size=limit, parallel=50)
    sizes = [1 + (37 * number) % 400 for number in range(100)]
    for number, size in enumerate(sizes):
        rig.delivery.add(row(number, size))
    finish = rig.in_background(rig.delivery.finish)
    seen, total = 0, 0
    while seen < len(sizes):
        load = rig.load(total)
        bodies = [entry.body for entry in load.batch.rows]
        assert ENVELOPE_BYTES + len(b",".join(bodies)) <= limit
        following = sizes[seen + len(bodies) : seen + len(bodies) + 1]
        for size in following:
            assert ENVELOPE_BYTES + len(b",".join(bodies)) + 1 + size >= limit
        seen += len(bodies)
        total += 1
        load.succeed()
    finish.result()


def test_the_reader_waits_while_all_workers_are_busy():
    rig = Rig(parallel=2)
    rig.add(1, 2)
    rig.load(1)

    third = rig.in_background(rig.add, 3)
    rig.until(lambda: rig.waits)
    assert len(rig.loads) == 2
    rig.load(0).succeed()

    third.result()
    assert rig.load(2).keys == ["3"]


def test_a_batch_waits_for_the_one_that_holds_its_customer():
    rig = Rig(parallel=4)
    rig.add("a")
    rig.load(0)

    second = rig.in_background(rig.add, "a")
    rig.until(lambda: rig.waits)
    assert len(rig.loads) == 1
    rig.load(0).succeed()

    second.result()
    assert rig.load(1).keys == ["a"]


def test_an_aged_batch_is_loaded_without_another_message():
    rig = Rig(rows=100)
    rig.add(1)
    rig.state("1")
    rig.clock.now += OLDEST_OPEN_BATCH_SECONDS - 0.01
    rig.delivery.tick()
    assert rig.loads == []

    rig.clock.now += 0.01
    rig.delivery.tick()

    rig.load(0).succeed()
    rig.until(lambda: rig.states == ["1"])


def test_an_aged_batch_waits_for_a_worker_and_for_its_customers():
    rig = Rig(rows=2, parallel=1)
    rig.add("a", "b", "b")
    rig.load(0)
    rig.clock.now += OLDEST_OPEN_BATCH_SECONDS
    rig.delivery.tick()
    assert len(rig.loads) == 1

    rig.load(0).succeed()
    finish = rig.in_background(rig.delivery.finish)

    rig.load(1).succeed()
    finish.result()


# STATE


def test_a_state_before_any_record_goes_out_at_once():
    rig = Rig()

    rig.state("0")

    assert rig.states == ["0"]


def test_a_state_waits_for_all_that_came_before_it_and_for_nothing_else():
    rig = Rig(parallel=3)
    rig.add(1, 2)
    rig.state("2")
    rig.add(3)
    rig.load(1).succeed()
    rig.delivery.tick()
    assert rig.states == []

    rig.load(0).succeed()

    rig.until(lambda: rig.states == ["2"])


def test_states_go_out_at_most_once_a_second_and_the_newest_only():
    rig = Rig()
    rig.state("0")
    rig.clock.now += SECONDS_BETWEEN_STATES - 0.01
    rig.state("1")
    rig.state("2")
    rig.delivery.tick()
    assert rig.states == ["0"]

    rig.clock.now += 0.01
    rig.delivery.tick()

    assert rig.states == ["0", "2"]


def test_the_last_state_goes_out_at_the_end_whatever_the_clock_says():
    rig = Rig()
    rig.state("0")
    rig.state("1")

    rig.delivery.finish()
    rig.delivery.close()

    assert rig.states == ["0", "1"]


def test_a_state_waits_for_a_link_that_is_still_owed():
    rig = Rig()
    rig.add(1)
    rig.state("1")
    sequence = rig.load(0).batch.sequence
    rig.delivery.hold(sequence)
    rig.load(0).succeed()
    rig.delivery.finish()
    assert rig.states == []

    rig.delivery.release(sequence)
    rig.delivery.tick()

    assert rig.states == ["1"]


def test_a_hold_on_what_may_be_out_already_is_a_defect_and_says_so():
    checkpoints = Checkpoints()
    sequence = checkpoints.open()
    checkpoints.release(sequence)

    with pytest.raises(KeyError):
        checkpoints.hold(sequence)


def test_waiting_states_stay_few_and_the_newest_is_among_them():
    checkpoints = Checkpoints()
    first = checkpoints.open()
    for number in range(10 * MOST_WAITING):
        checkpoints.release(checkpoints.open())
        checkpoints.note(b"%d" % number)
    assert len(checkpoints._waiting) <= MOST_WAITING
    assert checkpoints.take() is None

    checkpoints.release(first)

    assert checkpoints.take() == b"%d" % (10 * MOST_WAITING - 1)


# Failures and signals


def test_after_a_failure_what_is_under_way_ends_and_the_covered_state_goes_out():
    rig = Rig(parallel=3)
    rig.add(1)
    rig.state("1")
    rig.add(2)
    rig.state("2")
    rig.add(3)
    rig.state("3")
    rig.load(2).succeed()
    rig.load(1).fail(ValueError("no"))
    rig.until(lambda: rig.woken)
    with pytest.raises(ValueError, match="no"):
        rig.add(4)

    close = rig.in_background(rig.delivery.close)
    rig.load(0).succeed()

    close.result()
    assert rig.states == ["1"]
    assert len(rig.loads) == 3


def test_nothing_begins_after_a_failure():
    rig = Rig(rows=2, parallel=3)
    ran = []
    rig.add("a", "a", "b", "b", "c")
    rig.load(1)
    rig.delivery.schedule(Job(lambda: ran.append("job"), {("T", "a")}))

    rig.load(0).fail(ValueError("no"))
    rig.until(lambda: rig.woken)
    rig.clock.now += OLDEST_OPEN_BATCH_SECONDS
    rig.delivery.tick()
    close = rig.in_background(rig.delivery.close)
    rig.load(1).succeed()
    close.result()

    assert ran == []
    assert len(rig.loads) == 2


def test_a_failure_wakes_the_reader_that_waits_for_a_worker():
    rig = Rig(parallel=1)
    rig.add(1)
    waiting = rig.in_background(rig.add, 2)
    rig.until(lambda: rig.waits)

    rig.load(0).fail(ValueError("no"))

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
    rig.load(0).succeed()
    rig.until(lambda: rig.states == ["1"])
    rig.interrupted = True

    rig.delivery.close(grace=0)

    assert rig.states == ["1"]
    rig.load(1).fail(Stopped())


def test_nothing_begins_once_it_is_closed():
    rig = Rig(parallel=2)
    rig.add("a")
    rig.load(0)
    ran = []
    rig.delivery.schedule(Job(lambda: ran.append(1), {("T", "a")}))
    close = rig.in_background(rig.delivery.close)
    rig.until(lambda: rig.delivery._closed)

    rig.load(0).succeed()
    close.result()
    rig.delivery.schedule(Job(lambda: ran.append(2), frozenset()))

    assert ran == []


def test_a_state_that_nobody_takes_ends_the_run():
    def broken(_state):
        raise OSError("closed")

    rig = Rig(emit=broken)

    rig.state("1")

    assert rig.woken
    with pytest.raises(OSError, match="closed"):
        rig.delivery.finish()


# Jobs that become due


def test_a_due_job_runs_when_its_customers_are_free_and_before_later_batches():
    rig = Rig(parallel=1)
    order = []
    rig.add("a")
    rig.delivery.schedule(Job(lambda: order.append("job"), {("T", "a")}))
    later = rig.in_background(rig.add, "a")
    rig.until(lambda: rig.waits)
    assert order == []

    rig.load(0).succeed()
    later.result()
    order.append(*rig.load(1).keys)
    rig.load(1).succeed()
    rig.in_background(rig.delivery.finish).result()

    assert order == ["job", "a"]


def test_due_jobs_keep_their_turn():
    rig = Rig(parallel=2)
    order = []
    rig.add("a", "b")
    for name in ("a", "b", "c", "d"):
        keys = {("T", name if name in "ab" else "a")}
        rig.delivery.schedule(Job(lambda name=name: order.append(name), keys))

    rig.load(0).succeed()
    rig.load(1).succeed()
    rig.in_background(rig.delivery.finish).result()

    assert [name for name in order if name != "b"] == ["a", "c", "d"]


# Calls side by side


def test_calls_run_side_by_side_and_all_end_before_it_returns():
    workers = Workers(3, "test")
    done = []

    workers.in_parallel([lambda n=n: done.append(n) for n in range(20)])

    assert sorted(done) == list(range(20))


def test_calls_that_have_not_begun_are_left_out_once_one_has_failed():
    workers = Workers(1, "test")
    begun = []

    def fail(number):
        begun.append(number)
        raise ValueError(str(number))

    with pytest.raises(ValueError, match="0"):
        workers.in_parallel([lambda n=n: fail(n) for n in range(50)])

    assert begun == [0]
