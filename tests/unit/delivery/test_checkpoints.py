"""Which STATE may go out, as the small machine that it is."""

from __future__ import annotations

import pytest

from target_upwell.delivery import checkpoints
from target_upwell.delivery.checkpoints import Checkpoints


def test_a_state_before_any_record_is_covered_at_once():
    book = Checkpoints()
    book.note(b"1")
    assert book.take() == b"1"
    assert book.take() is None


def test_a_state_waits_for_every_batch_opened_before_it():
    book = Checkpoints()
    first, second = book.open(), book.open()
    book.note(b"1")
    book.release(second)
    assert book.take() is None
    book.release(first)
    assert book.take() == b"1"


def test_a_state_does_not_wait_for_batches_opened_after_it():
    book = Checkpoints()
    first = book.open()
    book.note(b"1")
    book.open()
    book.note(b"2")
    book.release(first)
    assert book.take() == b"1"
    assert book.take() is None


def test_of_several_covered_states_only_the_newest_goes_out():
    book = Checkpoints()
    batches = []
    for number in range(5):
        batches.append(book.open())
        book.note(b"%d" % number)
    for batch in batches[:4]:
        book.release(batch)
    assert book.take() == b"3"
    assert book.take() is None


def test_a_state_waits_until_each_hold_of_its_batch_is_released():
    book = Checkpoints()
    batch = book.open()
    book.hold(batch)
    book.hold(batch)
    book.note(b"1")
    book.release(batch)
    assert book.take() is None
    book.release(batch)
    assert book.take() is None
    book.release(batch)
    assert book.take() == b"1"


def test_a_batch_that_is_done_can_be_held_no_more():
    book = Checkpoints()
    batch = book.open()
    book.release(batch)
    with pytest.raises(KeyError):
        book.hold(batch)
    with pytest.raises(KeyError):
        book.release(batch)


@pytest.mark.parametrize("number", [1, 8, 9, 10, 17, 39])
def test_thinning_out_never_drops_the_newest_state(monkeypatch, number):
    monkeypatch.setattr(checkpoints, "MOST_WAITING", 8)
    book = Checkpoints()
    opened = []
    for value in range(number):
        opened.append(book.open())
        book.note(b"%d" % value)
    for batch in opened:
        book.release(batch)
    assert book.take() == b"%d" % (number - 1)


def test_of_the_states_at_one_point_the_newest_is_kept():
    book = Checkpoints()
    batch = book.open()
    for number in range(1000):
        book.note(b"%d" % number)
    assert len(book._waiting) == 1
    book.release(batch)
    assert book.take() == b"999"


def test_memory_stays_flat_while_one_batch_holds_up_ever_more_states(monkeypatch):
    monkeypatch.setattr(checkpoints, "MOST_WAITING", 8)
    book = Checkpoints()
    held = book.open()
    waiting = []
    for number in range(1000):
        book.release(book.open())
        book.note(b"%d" % number)
        waiting.append(len(book._waiting))
    assert max(waiting) == 8
    assert min(waiting[8:]) == 5
    assert book.take() is None
    book.release(held)
    assert book.take() == b"999"


def test_thinning_out_never_lets_a_state_out_too_early(monkeypatch):
    monkeypatch.setattr(checkpoints, "MOST_WAITING", 8)
    book = Checkpoints()
    opened = []
    for number in range(100):
        opened.append(book.open())
        book.note(b"%d" % number)
    for number, batch in enumerate(opened):
        book.release(batch)
        state = book.take()
        assert state is None or int(state) <= number
    assert state == b"99"
