"""`target-upwell --check`: what it finds, and that it can't change a customer."""

from __future__ import annotations

import contextlib

import pytest
from replying_server import ReplyingServer
from target_command import run_target

from target_upwell.api.check import NO_COLUMN
from target_upwell.customers.schema import CUSTOMERS

FREE = {"metadata"}
"""Columns that take any JSON value."""


class Findings:
    """What a check printed."""

    def __init__(self, result):
        self.code = result.code
        lines = [line.partition(" ") for line in result.stdout.splitlines()]
        assert all(mark in {"✔", "✘"} for mark, _, _ in lines), result
        self.good = [words for mark, _, words in lines if mark == "✔"]
        self.bad = [words for mark, _, words in lines if mark == "✘"]


def check(sandbox, *messages, **settings):
    return Findings(run_target(sandbox, messages, "--check", **settings))


def has(lines, *words):
    """Whether one line has all the words."""
    return any(all(word in line for word in words) for line in lines)


def fill(account, number, **properties):
    inputs = [
        {"sourceSystem": "TMSEZ", "sourceSystemId": f"{i}", "name": "N", **properties}
        for i in range(number)
    ]
    assert account.call("POST", "/bulk-customers", {"inputs": inputs}).ok
    account.reset()


def test_an_account_that_does_all_is_found_good(account):
    fill(account, 12)
    found = check(account)
    assert (found.code, found.bad) == (0, [])
    assert has(found.good, account.url, "answers on this machine, without TLS")
    assert has(found.good, "API key is accepted")
    assert has(found.good, "finds customers that are there")
    assert has(found.good, "gives as many as it is asked for")
    assert has(found.good, "shows all of a customer that is compared")
    assert has(found.good, "can be ordered by sourceSystemId")
    assert has(found.good, "leave out customers that have deletedAt")
    assert has(found.good, "may create customers")
    assert has(found.good, "without customerRulesInput is refused")
    assert has(found.good, "columns that can be updated", "emailAddress", "metadata")
    assert has(found.good, "dueOption of customerRulesInput can be updated")


def test_it_reads_no_message_and_needs_three_settings_alone(account):
    found = check(account, b"this is no message")
    assert found.code == 0
    assert has(found.good, "no customers of source system TMSEZ yet")


def test_it_writes_nothing(account):
    fill(account, 3, customerRule={"data": {"dueOption": 30}}, metadata={"a": 1})
    before = account.customers(), account.changes()
    check(account)
    assert (account.customers(), account.changes()) == before
    assert len(account.requests()) < 30


READINGS = {
    "columns": (
        {"not_updatable": ["collectorId", "name"]},
        [["collectorId can't be updated"], ["name can't be updated", "drift"]],
        [["columns that can be updated", "metadata"]],
    ),
    "a column for any JSON value": (
        {"not_updatable": ["metadata"]},
        [["metadata can't be updated"]],
        [["columns that can be updated", "name"]],
    ),
    "columns of the rule": (
        {"rule_not_updatable": ["dueOption"]},
        [["dueOption of customerRulesInput can't be updated"]],
        [],
    ),
    "the documented shape of errors": (
        {"error_shape": "documented", "not_updatable": ["collectorId"]},
        [["collectorId can't be updated"]],
        [],
    ),
    "an update without the rule": (
        {"missing_set_is_empty": True},
        [],
        [["without customerRulesInput is accepted"]],
    ),
    "a search without conditions on deletedAt": (
        {"search_refuses_deleted_at": True},
        [["not so", "leave out customers that have deletedAt", "missing_customers"]],
        [],
    ),
    "a column that the key presets": ({"empty_set_counts": True}, [], []),
}


@pytest.mark.parametrize("name", READINGS)
def test_it_tells_which_reading_holds(account, name):
    readings, bad, good = READINGS[name]
    account.readings(**readings)
    fill(account, 1)
    found = check(account)
    assert found.code == bool(bad)
    assert len(found.bad) == len(bad)
    for words in bad:
        assert has(found.bad, *words)
    for words in good:
        assert has(found.good, *words)


def test_a_capped_search_is_found_out(account):
    fill(account, 12)
    account.faults(search_cap=5)
    found = check(account)
    assert found.code == 1
    assert has(found.bad, "asked for 50 customers gave 5 of more")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"api_key": "wrong"}, "check api_key"),
        ({"api_url": "http://127.0.0.1:9/"}, "the connection was refused"),
    ],
)
def test_an_account_that_is_not_reached_ends_it_at_once(account, settings, words):
    found = check(account, **settings)
    assert (found.code, found.good, len(found.bad)) == (1, [], 1)
    assert words in found.bad[0]


def test_an_address_of_something_else_ends_it_at_once(account):
    found = check(account, api_url=f"{account.root}/nothing")
    assert has(found.bad, "404", "check api_url")


def test_field_policies_are_told(account):
    found = check(account, field_policy={"emailAddress": "fill_if_empty"})
    assert has(found.good, "field_policy of emailAddress: fill_if_empty")


# Servers that would carry out whatever they are sent


@contextlib.contextmanager
def matching(answer):
    """Run a server that takes every request as if it matched a customer.

    Gives it, and a list of what it was sent.
    """
    sent = []

    def reply(method, path, request):
        sent.append((f"{method} {path}", request))
        given = answer(path, request)
        return 400 if "error" in given else 200, given

    with ReplyingServer(reply) as server:
        yield server, sent


CUSTOMER = {"id": "cus_1", "sourceSystem": "TMSEZ", "sourceSystemId": "1", "name": "A"}


def could_write(endpoint, request):
    """Whether a request could create or change a customer that it matches."""
    if endpoint.startswith("POST /customers/search"):
        return False
    if endpoint.startswith("POST"):
        return request != {"inputs": []}
    sets = [request.get("input", {}), request.get("customerRulesInput", {})]
    values = {name: value for one in sets for name, value in one.items()}
    fits = [name for name, value in values.items() if name in FREE or value != {}]
    return bool(values) and len(fits) == len(values)


def replies(*, found=True, rows=1, related=1):
    """Answers of a server that matches whatever it is asked about."""

    def answer(path, request):
        if path == "/customers/search":
            wanted = request["where"].get("sourceSystemId", {}).get("_in", ["1"])
            return {"customers": [CUSTOMER] if found or "1" in wanted else []}
        if path == "/bulk-customers":
            return {"createCustomers": {"returning": []}}
        return {
            "updateCustomer": {"affectedRows": rows, "returning": []},
            "updateCustomerRules": {"affectedRows": related},
        }

    return answer


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (replies(), "a search for an id that does not exist found customers"),
        (replies(found=False), "an update of an id that does not exist touched"),
        (replies(found=False, rows=0), "an update of an id that does not exist"),
        (replies(found=False, rows=0, related=0), "not refused by its name"),
    ],
)
def test_a_server_that_takes_all_as_a_match_is_sent_nothing_to_write(answers, words):
    with matching(answers) as (server, sent):
        found = check(server)
    assert found.code == 1
    assert has(found.bad, words)
    assert sent
    assert not [one for one in sent if could_write(*one)]


def test_what_replies_do_not_show_is_told():
    with matching(replies(rows=0, related=0)) as (server, _):
        found = check(server)
    assert has(found.bad, "does not show addresses, billToCustomerId,", "metadata:")


def refusing_names(path, request):
    """Answer as Hasura does: names are looked at first, then values."""
    for given in (request.get("input", {}), request.get("customerRulesInput", {})):
        for name in given:
            if name in {NO_COLUMN, "collectorId", "name"}:
                return {"error": f"field '{name}' not found in type: 'X'", "code": "c"}
        if set(given) - FREE:
            return {"error": "expected a string for type 'String'", "code": "c"}
    return replies(found=False, rows=0, related=0)(path, request)


def test_what_is_sent_about_columns_could_not_be_carried_out():
    with matching(refusing_names) as (server, sent):
        found = check(server)
    assert has(found.bad, "collectorId can't be updated")
    assert has(found.good, "columns that can be updated", "metadata")
    names = {name for _, request in sent for name in request.get("input", {})}
    assert names == {NO_COLUMN, *CUSTOMERS.update.columns}.difference(CUSTOMERS.key)
    assert not [one for one in sent if could_write(*one)]
