"""A dry run says so where an account can't be searched for duplicates."""

from __future__ import annotations

from target_upwell.customers.schema import CUSTOMERS
from target_upwell.delivery.batch import Row, Source
from target_upwell.exceptions import Refusal, Refused
from target_upwell.upsert.diff import merge
from target_upwell.upsert.duplicates import Duplicates


class Refusing:
    """A client of an account that knows no such condition."""

    def find(self, *_):
        raise Refused(Refusal(400, "validation-failed", "field '_ilike' not found"))


def test_a_refused_search_is_told_and_ends_nothing(caplog):
    key = ("S", "1")
    row = Row(Source("customers", {}), {}, "", key, {"name": "A"}, b"x", None)
    duplicates = Duplicates(Refusing(), CUSTOMERS)

    duplicates.look(merge([row]))
    duplicates.report()

    (message,) = caplog.messages
    assert "whether new customers exist under another source key can't be" in message
    assert "field '_ilike' not found" in message
