"""The client over real HTTP: what is asked again, and when."""

from __future__ import annotations

import socket
import threading
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

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
    Waits,
    create,
    search,
    update,
)
from target_command import record, run_target, schema

from target_upwell.api import retry as retry_module
from target_upwell.api.retry import Retry, retry_after
from target_upwell.customers.schema import CUSTOMERS
from target_upwell.exceptions import (
    AmbiguousOutcome,
    RetriesExhausted,
    RunError,
    Stopped,
)

WHY = AmbiguousOutcome("why")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, '{"error": "database query error"}'),
        Answer(502, "<html>"),
        Answer(503),
        Answer(504),
        Answer(408),
        Answer(520),
        Answer(hangs_up=True),
        Answer(200, FOUND[:20], missing=30),
        Answer(200, FOUND[:20]),
        Answer(200, "<html>welcome</html>"),
        Answer(200, b"\xff\xfe"),
        Answer(200, ""),
        Answer(200, "[]"),
        Answer(200, "{}"),
        Answer(200, '{"customers": null, "createCustomers": null}'),
        Answer(200, '{"customers": {}, "createCustomers": {"returning": {}}}'),
        Answer(200, '{"customers": [7], "createCustomers": {"returning": [7]}}'),
        Answer(200, '{"customers": [{}], "createCustomers": {"returning": [{}]}}'),
        Answer(200, '{"updateCustomer": {"affectedRows": "many"}}'),
        Answer(204),
    ],
)
def test_an_answer_that_tells_nothing_is_asked_for_again_but_for_an_insert(
    server, answer
):
    connection = server.connect(
        answer, Answer(body=FOUND), answer, Answer(body=UPDATED)
    )
    assert search(connection.client) == [CUSTOMER]
    assert update(connection.client).rows == 1
    assert len(connection.waits) == 2
    server.answers.append(answer)
    with pytest.raises(AmbiguousOutcome) as caught:
        create(connection.client)
    assert not server.answers
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("status", [425, 429])
def test_an_insert_that_was_not_looked_at_is_sent_again(server, status):
    client = server.connect(Answer(status), Answer(body=CREATED)).client
    assert create(client) == NEW
    assert len(server.asked) == 2


def test_a_refused_connection_is_tried_again_and_then_ends_in_words(server):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        connection = server.connect(api_url=url)
        with pytest.raises(RunError, match=r"failed 3 times.*connection was refused"):
            search(connection.client)
    assert connection.observed == [
        ("POST /customers/search", 0, again) for again in (False, True, True)
    ]
    assert len(connection.waits) == 2


def test_an_answer_that_does_not_come_in_time_is_unknown(server):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        client = server.connect(api_url=url, request_timeout=0.05).client
        with pytest.raises(AmbiguousOutcome, match="no answer in time"):
            create(client)


def test_the_retries_of_all_kinds_are_counted_together(server):
    answers = [Answer(429), Answer(500), Answer(425), Answer(body=FOUND)]
    with pytest.raises(RunError, match="failed 3 times"):
        search(server.connect(*answers).client)
    assert search(server.connect(*answers[:2], answers[3]).client) == [CUSTOMER]


def test_without_retries_there_is_one_attempt(server):
    with pytest.raises(RetriesExhausted) as caught:
        search(server.connect(Answer(503), max_retries=0).client)
    assert caught.value.status == 503
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Answer(500), 500),
        (Answer(429), 429),
        (Answer(425), 425),
        (Answer(200, ""), 200),
    ],
)
def test_the_last_status_is_known_when_the_retries_are_exhausted(
    server, answer, status
):
    with pytest.raises(RetriesExhausted) as caught:
        update(server.connect(*[answer] * 3).client)
    assert caught.value.status == status
    with pytest.raises(RetriesExhausted) as caught:
        update(server.connect(*[Answer(hangs_up=True)] * 3).client)
    assert caught.value.status == 0


def test_a_retry_is_a_request_that_was_sent_again(server):
    connection = server.connect(Answer(429), Answer(503), Answer(body=FOUND))
    search(connection.client)
    assert [again for _, _, again in connection.observed] == [False, True, True]


def test_what_is_tried_has_as_many_retries_as_its_caller_says(server):
    client = server.connect(max_retries=8).client
    retry = client.retry("a part of a batch", 1)
    retry.wait(WHY)
    with pytest.raises(RetriesExhausted, match="a part of a batch failed 2 times"):
        retry.wait(WHY)


def test_an_insert_that_is_sent_again_by_its_caller_is_a_retry(server):
    connection = server.connect(Answer(503), Answer(body=CREATED))
    retry = connection.client.retry("x")
    with pytest.raises(AmbiguousOutcome) as caught:
        connection.client.create(CUSTOMERS, {("S", "1"): INPUT}, retry)
    assert caught.value.status == 503
    retry.wait(WHY)
    connection.client.create(CUSTOMERS, {("S", "1"): INPUT}, retry)
    assert [again for _, _, again in connection.observed] == [False, True]


# Waiting


def test_waits_grow_from_one_second_to_a_minute(monkeypatch):
    monkeypatch.setattr(retry_module.backoff, "full_jitter", lambda seconds: seconds)
    stop = Waits()
    retry = Retry("x", 9, stop)
    for _ in range(9):
        retry.wait(WHY)
    assert stop.noted == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_waits_are_spread_by_full_jitter():
    stop = Waits()
    for _ in range(50):
        Retry("x", 1, stop).wait(WHY)
    assert len(set(stop.noted)) > 40
    assert all(0 <= seconds <= 1 for seconds in stop.noted)


def test_a_wait_ends_when_the_run_is_stopped():
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        Retry("x", 1, stop).wait(WHY)


@pytest.mark.parametrize("status", [425, 429, 503])
def test_the_server_says_how_long_to_wait_at_least(server, status, monkeypatch):
    answers = [
        Answer(status, headers=(("Retry-After", value),))
        for value in ("17", "0", "Fri, 31 Dec 1999 23:59:59 GMT", "3", "3")
    ]
    monkeypatch.setattr(retry_module.backoff, "full_jitter", lambda seconds: seconds)
    connection = server.connect(*answers, Answer(body=FOUND), max_retries=5)
    search(connection.client)
    limited = status == 429
    assert connection.waits == ([17, 1, 3, 7, 15] if limited else [17, 2, 4, 8, 16])
    assert connection.pauses == ([17, 0, 0, 3, 3] if limited else [])


def test_the_first_retry_after_a_rate_limit_is_left_to_the_limiter(server):
    connection = server.connect(*[Answer(429)] * 2, Answer(body=FOUND))
    search(connection.client)
    first, second = connection.waits
    assert (first, connection.pauses) == (0, [None, None])
    assert 0 <= second <= 1


def test_the_server_says_how_long_to_wait_after_an_unknown_insert(server):
    answer = Answer(503, headers=(("Retry-After", "17"),))
    with pytest.raises(AmbiguousOutcome) as caught:
        create(server.connect(answer).client)
    assert caught.value.pause == 17


def in_seconds(number):
    at = datetime.now(timezone.utc) + timedelta(seconds=number)
    return format_datetime(at, usegmt=True)


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("0", 0, 0),
        ("7", 7, 7),
        (" 7 ", 7, 7),
        ("301", 300, 300),
        ("9" * 100, 300, 300),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0, 0),
    ],
)
def test_both_forms_of_retry_after_are_read(value, least, most):
    assert least <= retry_after(value) <= most


@pytest.mark.parametrize(
    ("seconds", "least", "most"),
    [(200, 150, 200), (-100, 0, 0), (100_000, 300, 300)],
)
def test_a_date_in_retry_after_is_counted_from_now(seconds, least, most):
    assert least <= retry_after(in_seconds(seconds)) <= most


@pytest.mark.parametrize(
    "value", [None, "", "soon", "-1", "1.5", "7 seconds", "9" * 5000, "\xff", "Fri, 99"]
)
def test_whatever_else_stands_in_retry_after_is_passed_over(value):
    assert retry_after(value) is None


def test_the_summary_counts_one_retry_where_one_request_was_sent_again():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        dead = Dead(nobody.getsockname()[1])
        messages = [schema("id", "name"), record(id="1", name="A")]
        result = run_target(dead, messages, max_retries=1)
    assert "2 requests, 1 retry," in result.summary


class Dead:
    """An account that nobody is at."""

    def __init__(self, port):
        self._url = f"http://127.0.0.1:{port}/api/rest"

    def env(self, source_system):
        return {
            "TARGET_UPWELL_API_URL": self._url,
            "TARGET_UPWELL_API_KEY": KEY,
            "TARGET_UPWELL_SOURCE_SYSTEM": source_system,
        }
