"""The walk through an account ends, whatever a search gives."""

from __future__ import annotations

from contextlib import closing
from types import SimpleNamespace

import pytest

from target_upwell.customers.schema import CUSTOMERS
from target_upwell.exceptions import Refusal, Refused, RunError, TooLarge
from target_upwell.upsert.missing import Missing

SETTINGS = SimpleNamespace(
    source_system="S",
    batch_size_rows=3,
    missing_customers="report",
    max_deletes=0,
    dry_run=False,
)


class Account:
    """A search over some customers.

    Args:
        keys: Their source keys.
        answer: What it gives instead, by the condition and the customers found.
    """

    def __init__(self, keys, answer=lambda _, found: found):
        self._keys = sorted(keys, key=str)
        self._answer = answer
        self.searches = 0

    def find(self, resource, where, limit, order_by):
        assert (resource, tuple(order_by)) == (CUSTOMERS, ("sourceSystemId",))
        self.searches += 1
        found = [
            {"id": f"u{one}", "sourceSystem": system, "sourceSystemId": one}
            for system, one in self._keys
            if system == where["sourceSystem"]["_eq"]
            and one > where["sourceSystemId"]["_gt"]
        ]
        return self._answer(where, found[:limit])


def reported(account, *seen):
    """The source ids that are reported."""
    with closing(Missing(SETTINGS, account, None, None, CUSTOMERS)) as missing:
        for one in seen:
            missing.see(("S", one))
        loaded, ids = missing.find(), []
        while loaded.due:
            (task,) = loaded.due
            loaded = task.run()
            ids += [entry.key[1] for entry in loaded.outcomes.drift]
    return ids


KEYS = [("S", str(n)) for n in range(1, 8)] + [("T", "1"), ("T", "9")]


def test_only_an_empty_page_is_the_last():
    account = Account(KEYS, lambda _, found: found[:1])

    assert reported(account, "2", "5") == ["1", "3", "4", "6", "7"]
    assert account.searches == 8


def test_a_key_of_another_source_system_is_not_one_of_this():
    missing = Missing(SETTINGS, Account(KEYS), None, None, CUSTOMERS)
    missing.see(("T", "1"))

    (task,) = missing.find().due

    assert task.run().outcomes.drift[0].key == ("S", "1")
    missing.close()


def foreign(_, found):
    """What a search gives that heeds no condition."""
    others = [{"id": "x", "sourceSystem": "T", "sourceSystemId": "0"}]
    unnamed = [{"id": "y", "sourceSystem": None, "sourceSystemId": None}]
    return others + found + unnamed


def test_customers_that_were_not_asked_for_are_left_alone():
    def once(where, found):
        return foreign(where, found) if found else []

    assert reported(Account(KEYS, once)) == [str(n) for n in range(1, 8)]


@pytest.mark.parametrize("answer", [lambda *_: [ONE], foreign])
def test_a_search_that_does_not_go_on_ends_the_run(answer):
    with pytest.raises(RunError, match="the same customers again and again"):
        reported(Account(KEYS, answer))


ONE = {"id": "u1", "sourceSystem": "S", "sourceSystemId": "1"}


def refused(*_):
    raise Refused(Refusal(400, "validation-failed", "no ordering for you"))


def too_large(*_):
    raise TooLarge


@pytest.mark.parametrize(
    ("answer", "words"),
    [(refused, "no ordering for you"), (too_large, "a page is too large")],
)
def test_a_search_that_is_refused_ends_the_run_with_what_to_do(answer, words):
    with pytest.raises(RunError, match=rf"missing_customers: .*{words}.*to ignore"):
        reported(Account(KEYS, answer))


def test_the_condition_on_deleted_ones_is_left_out_where_it_is_refused():
    def picky(where, found):
        return refused() if "deletedAt" in where else found

    account = Account(KEYS, picky)

    assert reported(account) == [str(n) for n in range(1, 8)]
    assert account.searches == 5
