"""The client over real HTTP: what it asks, what ends a run, what surrounds it."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from answering_server import (
    CREATED,
    CUSTOMER,
    FOUND,
    INPUT,
    KEY,
    NEW,
    UPDATED,
    Answer,
    create,
    search,
    update,
)

from target_upwell.api.replies import Update
from target_upwell.customers.schema import CUSTOMERS
from target_upwell.exceptions import Refused, RunError, Stopped, TooLarge

# What is asked


@pytest.mark.parametrize(
    "case",
    [
        (
            search,
            FOUND,
            "/api/rest/customers/search",
            {
                "limit": 1,
                "where": {
                    "sourceSystem": {"_eq": "S"},
                    "sourceSystemId": {"_in": ["1"]},
                },
            },
            [CUSTOMER],
        ),
        (
            create,
            CREATED,
            "/api/rest/bulk-customers",
            {"inputs": [json.loads(INPUT)]},
            NEW,
        ),
        (
            update,
            UPDATED,
            "/api/rest/customers",
            {
                "sourceSystem": "S",
                "sourceSystemId": "1",
                "input": {"name": "A"},
                "customerRulesInput": {},
            },
            Update(1, 0, CUSTOMER),
        ),
    ],
)
def test_each_request_is_what_the_api_wants(server, case):
    ask, answer, path, body, result = case
    connection = server.connect(Answer(body=answer), api_url=f"{server.url}/")
    assert ask(connection.client) == result
    (asked,) = server.asked
    assert (asked.path, json.loads(asked.body)) == (path, body)
    assert asked.headers["Authorization"] == KEY
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.headers["User-Agent"].startswith("target-upwell/")
    assert [(status, again) for _, status, again in connection.observed] == [
        (200, False)
    ]


def test_a_rule_travels_beside_the_columns(server):
    touched = {
        "updateCustomer": {"affectedRows": 0},
        "updateCustomerRules": {"affectedRows": 1},
    }
    client = server.connect(Answer(body=json.dumps(touched))).client
    touched = client.update(CUSTOMERS, ("S", "1"), {}, {"dueOption": 30})
    assert touched == Update(0, 1)
    sent = json.loads(server.asked[0].body)
    assert (sent["input"], sent["customerRulesInput"]) == ({}, {"dueOption": 30})


# What is not


@pytest.mark.parametrize("ask", [search, create, update])
@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, "check api_key"),
        (403, "may not"),
        (451, "not served"),
    ],
)
def test_what_no_request_can_mend_ends_the_run_at_once(server, status, remedy, ask):
    client = server.connect(Answer(status, "<html>")).client
    with pytest.raises(RunError, match=remedy) as caught:
        ask(client)
    assert str(status) in str(caught.value)
    # Nobody else needs to find that out.
    with pytest.raises(RunError, match=remedy):
        update(client)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_key_stays_here(server, status):
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0)
        location = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/"
        client = server.connect(
            Answer(status, headers=(("Location", location),))
        ).client
        with pytest.raises(RunError, match="redirects"):
            search(client)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [400, 409, 422])
def test_a_refusal_is_told_in_upwells_words(server, status):
    answers = [Answer(status, '{"error": "no", "code": "c"}')] * 2
    client = server.connect(*answers).client
    for ask in (create, update):
        with pytest.raises(Refused) as caught:
            ask(client)
        refusal = caught.value.refusal
        assert (refusal.status, refusal.code, refusal.message) == (status, "c", "no")
    assert len(server.asked) == 2


def test_a_403_where_other_requests_were_taken_is_about_this_one(server):
    answers = [Answer(body=CREATED), Answer(403), Answer(body=CREATED), Answer(403)]
    client = server.connect(*answers).client
    create(client)
    with pytest.raises(Refused, match="403"):
        create(client)
    assert create(client) == NEW
    # That creating is allowed says nothing about updating.
    with pytest.raises(RunError, match="may not"):
        update(client)


def test_nothing_new_begins_once_the_run_is_stopped(server):
    connection = server.connect(Answer(body=FOUND))
    connection.stop.set()
    for ask in (search, create, update):
        with pytest.raises(Stopped):
            ask(connection.client)
    assert server.asked == []


def test_a_body_that_is_too_large_is_told_apart(server):
    client = server.connect(Answer(413, "<html>")).client
    with pytest.raises(TooLarge):
        create(client)


# The surroundings


def test_netrc_has_no_say_in_what_is_sent(server, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    client = server.connect(Answer(body=FOUND)).client
    search(client)
    assert server.asked[0].headers["Authorization"] == KEY


def test_no_proxy_stands_between_the_program_and_this_machine(server, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert search(server.connect(Answer(body=FOUND)).client) == [CUSTOMER]
    assert len(server.asked) == 1


def test_the_key_is_in_no_message_and_no_log(server, caplog):
    caplog.set_level("DEBUG")
    answers = [Answer(500, f"{KEY}"), Answer(hangs_up=True), Answer(401)]
    with pytest.raises(RunError) as caught:
        search(server.connect(*answers).client)
    assert KEY not in str(caught.value)
    assert KEY not in caplog.text


def test_a_key_that_the_server_quotes_is_taken_out_of_its_words(server):
    quoted = json.dumps({"error": f"the key {KEY} is not known"})
    answers = [Answer(400, quoted), Answer(500, quoted), Answer(401, quoted)]
    client = server.connect(*answers).client
    with pytest.raises(Refused, match=r"the key \*\*\* is not known"):
        update(client)
    with pytest.raises(RunError, match=r"the key \*\*\* is not known"):
        search(client)


# Connections


def test_a_thread_keeps_its_connection_until_something_is_refused(server):
    client = server.connect(
        Answer(body=FOUND), Answer(400), Answer(body=UPDATED), Answer(body=CREATED)
    ).client

    search(client)
    with pytest.raises(Refused):
        search(client)
    update(client)
    create(client)

    first, refused, second, third = (asked.connection for asked in server.asked)
    # A refusal that came twice would refuse the next request, too.
    assert first == refused != second == third


def test_each_thread_has_a_connection_of_its_own(server):
    client = server.connect(*[Answer(body=FOUND)] * 3).client

    search(client)
    other = threading.Thread(target=search, args=[client])
    other.start()
    other.join()
    search(client)

    mine, others, mine_again = (asked.connection for asked in server.asked)
    assert mine == mine_again != others
