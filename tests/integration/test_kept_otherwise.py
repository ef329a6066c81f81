"""What becomes of an update whose answer shows another value than was sent."""

from __future__ import annotations

import json

import pytest
from answering_server import CUSTOMER, Answer, AnsweringServer

from target_upwell.customers.schema import CUSTOMERS
from target_upwell.delivery.outcomes import DriftEntry
from target_upwell.upsert.lookups import Lookups
from target_upwell.upsert.refusals import Refusals
from target_upwell.upsert.updates import KEPT, Updated, Updates

KEY = ("S", "1")


@pytest.fixture
def update():
    with AnsweringServer() as server:

        def run(columns, *returning, touched=1):
            answer = {
                "updateCustomer": {"affectedRows": touched, "returning": returning},
                "updateCustomerRules": {"affectedRows": 1},
            }
            client = server.connect(Answer(body=json.dumps(answer))).client
            lookups = Lookups(client, CUSTOMERS, 10)
            updates = Updates(client, lookups, Refusals(), CUSTOMERS)
            return updates.run(KEY, columns)

        yield run


def drift(name, upwell, source):
    return [DriftEntry(KEY, name, upwell, source, "column", KEPT)]


def test_a_value_that_stays_as_it_was_is_drift_and_no_change(update):
    updated = update({"name": ("ACME", "Acme")}, {**CUSTOMER, "name": "ACME"})
    assert updated == Updated({}, drift("name", "ACME", "Acme"))


def test_a_value_that_changes_to_another_is_logged_as_upwell_keeps_it(update):
    columns = {"name": ("ACME", "Bend"), "emailAddress": (None, "a@b.example")}
    shown = {**CUSTOMER, "name": "BEND", "emailAddress": "a@b.example"}

    updated = update(columns, shown)

    assert updated.left_out == drift("name", "BEND", "Bend")
    assert updated.changes == {
        "name": ("ACME", "BEND"),
        "emailAddress": (None, "a@b.example"),
    }


def test_a_form_that_says_the_same_is_a_change_like_any_other(update):
    columns = {"emailAddress": (None, "A@b.example")}
    updated = update(columns, {**CUSTOMER, "emailAddress": "a@b.example"})
    assert updated == Updated({"emailAddress": (None, "A@b.example")})


@pytest.mark.parametrize(
    "returning",
    [[], [{"id": "cus_1"}], [{**CUSTOMER, "name": 5}], [CUSTOMER, CUSTOMER], ["x"]],
)
def test_an_answer_that_does_not_show_the_customer_says_nothing(update, returning):
    updated = update({"name": ("B", "Bend")}, *returning)
    assert updated == Updated({"name": ("B", "Bend")})


def test_an_update_that_reaches_another_source_key_is_no_success(update):
    shown = {**CUSTOMER, "name": "Bend", "sourceSystem": "s"}
    updated = update({"name": (None, "Bend")}, shown)
    assert (updated.changes, updated.is_reached) == ({}, True)
    assert "it was updated as s 1, which to Upwell is the same" in str(updated.refusal)


def test_a_rule_is_not_judged_by_a_reply_that_may_be_older(update):
    shown = {**CUSTOMER, "name": "Bend", "customerRule": {"dueOption": 30, "id": "r"}}
    columns = {"name": ("B", "Bend"), "customerRule.dueOption": (30, 45)}
    updated = update(columns, shown)
    assert updated.changes["customerRule.dueOption"] == (30, 45)
    assert updated.left_out == []
