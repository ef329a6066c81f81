from __future__ import annotations

from collections import Counter
from email.utils import parsedate_to_datetime

import pytest
import requests
from sandbox_server import Sandbox

BULK = "/api/rest/bulk-customers"
ONE = {"inputs": [{"name": "A", "sourceSystem": "T", "sourceSystemId": "1"}]}


def answers(sandbox, count):
    """Ask so many times; the statuses, and `lost` where there was no answer."""
    return [answer(sandbox) for _ in range(count)]


def answer(sandbox):
    try:
        return sandbox.call("GET", "/customers").status_code
    except requests.ConnectionError:
        return "lost"


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_certain_fault_befalls_every_request_without_effect(sandbox, status):
    sandbox.faults(**{f"fault_{status}": 100})

    response = sandbox.call("POST", "/bulk-customers", ONE)

    assert response.status_code == status
    assert sandbox.counts()["customers"] == 0
    assert sandbox.requests()[-1]["fault"] == str(status)


@pytest.mark.parametrize("status", [502, 503])
def test_a_proxy_answers_in_html(sandbox, status):
    sandbox.faults(**{f"fault_{status}": 100})

    response = sandbox.call("GET", "/customers")

    assert response.headers["Content-Type"].startswith("text/html")
    assert f"<h1>{status} " in response.text


def test_an_internal_error_answers_like_the_api(sandbox):
    sandbox.faults(fault_500=100)

    assert sandbox.call("GET", "/customers").json() == {
        "path": "$",
        "error": "database query error",
        "code": "unexpected",
    }


@pytest.mark.parametrize(
    ("fault", "stored"), [("fault_reset", 0), ("fault_lost_reply", 1)]
)
def test_a_cut_connection_leaves_all_or_nothing(sandbox, fault, stored):
    sandbox.faults(**{fault: 100})

    with pytest.raises(requests.ConnectionError):
        sandbox.call("POST", "/bulk-customers", ONE)

    assert sandbox.counts()["customers"] == stored
    assert sandbox.requests()[-1]["status"] is None


def test_the_forms_of_retry_after(sandbox):
    sandbox.faults(fault_429=100)
    assert int(sandbox.call("GET", "/customers").headers["Retry-After"]) >= 1

    sandbox.faults(retry_after="date")
    date = sandbox.call("GET", "/customers").headers["Retry-After"]
    assert parsedate_to_datetime(date).tzinfo is not None

    sandbox.faults(retry_after="none")
    assert "Retry-After" not in sandbox.call("GET", "/customers").headers


def test_requests_over_the_limit_are_refused(sandbox):
    sandbox.faults(rate_limit=1)

    statuses = answers(sandbox, 20)

    assert statuses[0] == 200
    assert 429 in statuses
    assert sandbox.requests()[-1]["fault"] in {"rate-limit", None}


def test_a_search_can_be_capped(sandbox):
    inputs = [{"name": str(number)} for number in range(9)]
    sandbox.call("POST", "/bulk-customers", {"inputs": inputs})

    sandbox.faults(search_cap=4)

    reply = sandbox.call("POST", "/customers/search", {"limit": 100}).json()
    assert len(reply["customers"]) == 4
    listed = sandbox.call("GET", "/customers", params={"limit": 100}).json()
    assert len(listed["customers"]) == 9


def test_a_body_over_the_limit_is_refused_by_the_proxy(sandbox):
    small, large = b'{"inputs":[]}', b'{"inputs":[] }'
    sandbox.faults(max_body=len(small))

    assert sandbox.call("POST", "/bulk-customers", data=small).status_code == 200
    response = sandbox.call("POST", "/bulk-customers", data=large)
    assert response.status_code == 413
    assert "<center>nginx</center>" in response.text


def test_a_refused_name_does_not_say_which_row_it_was(sandbox):
    sandbox.faults(refuse_name="^Bad")
    inputs = [
        {"name": "Good", "addresses": {"data": [{"city": "Tulsa"}]}},
        {"name": "Bad apple"},
    ]

    response = sandbox.call("POST", "/bulk-customers", {"inputs": inputs})

    assert response.status_code == 400
    assert response.json() == {
        "path": "$.selectionSet.insertCustomers.args.objects",
        "error": "check constraint of an insert/update permission has failed",
        "code": "permission-error",
    }
    assert sandbox.counts()["customers"] == 0


def test_a_name_can_be_refused_on_update(sandbox):
    sandbox.call("POST", "/bulk-customers", ONE)
    sandbox.faults(refuse_name="^Bad")
    key = {"sourceSystem": "T", "sourceSystemId": "1"}

    changes = {"input": {"name": "Bad"}, "customerRulesInput": {}}
    response = sandbox.call("PUT", "/customers", {**key, **changes})

    assert response.json()["code"] == "permission-error"
    assert sandbox.customer("T", "1")["name"] == "A"


def test_a_coming_fault_befalls_one_request(sandbox):
    sandbox.faults(
        next=[{"fault": "503", "path": BULK}, {"fault": "429", "method": "GET"}]
    )

    assert answers(sandbox, 2) == [429, 200]
    assert sandbox.call("POST", "/bulk-customers", ONE).status_code == 503
    assert sandbox.call("POST", "/bulk-customers", ONE).status_code == 200


def test_a_late_fault_lets_the_request_take_effect(sandbox):
    sandbox.faults(next=[{"fault": "504", "after": True}])

    assert sandbox.call("POST", "/bulk-customers", ONE).status_code == 504
    assert list(sandbox.customers()) == ["1"]


@pytest.mark.parametrize(
    "settings",
    [
        {"fault_404": 1},
        {"fault_500": 101},
        {"fault_500": 60, "fault_502": 60},
        {"refuse_name": "("},
        {"next": [{"fault": "418"}]},
        {"latency": "long"},
    ],
)
def test_faults_that_make_no_sense_are_refused(sandbox, settings):
    before = sandbox.control("GET", "/faults")

    with pytest.raises(AssertionError, match=r"^400 "):
        sandbox.faults(**settings)

    assert sandbox.control("GET", "/faults") == before


def test_faults_not_named_stay_and_all_can_be_restored(sandbox):
    start = sandbox.control("GET", "/faults")

    sandbox.faults(fault_500=10)
    sandbox.faults(search_cap=5)

    now = sandbox.control("GET", "/faults")
    assert (now["fault_500"], now["search_cap"]) == (10, 5)
    assert sandbox.control("DELETE", "/faults") == start


OPTIONS = (
    *("--fault-429", "15", "--fault-500", "10", "--fault-502", "10"),
    *("--fault-503", "10", "--fault-reset", "10", "--fault-lost-reply", "10"),
)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_faults():
    with (
        Sandbox("--seed", "7", *OPTIONS) as one,
        Sandbox("--seed", "7", *OPTIONS) as same,
        Sandbox("--seed", "8", *OPTIONS) as other,
    ):
        first = answers(one, 60)

        assert answers(same, 60) == first
        assert answers(other, 60) != first
        assert set(Counter(first)) == {200, 429, 500, 502, 503, "lost"}
