from __future__ import annotations

from datetime import datetime

import pytest

BULK = "/api/rest/bulk-customers"


def one(number):
    return {"name": "A", "sourceSystem": "T", "sourceSystemId": str(number)}


def post(sandbox, *numbers):
    """Send a bulk request for each, side by side; their futures."""
    return [
        sandbox.send_in_background("POST", "/bulk-customers", {"inputs": [one(number)]})
        for number in numbers
    ]


def statuses(answers):
    return [answer.result().status_code for answer in answers]


def test_the_log_tells_what_came_in(sandbox):
    sandbox.call("POST", "/bulk-customers", {"inputs": [one(1), one(2)]})
    sandbox.call("POST", "/bulk-customers", {"inputs": [one(2), one(3)]})
    where = {"sourceSystemId": {"_in": ["1", "2", "3"]}}
    sandbox.call("POST", "/customers/search", {"where": where})
    sandbox.call(
        "PUT",
        "/customers",
        {
            "sourceSystem": "T",
            "sourceSystemId": "1",
            "input": {"name": "B"},
            "customerRulesInput": {},
        },
    )

    log = sandbox.requests()

    assert [
        (row["method"], row["path"], row["rows"], row["status"], row["sourceSystemIds"])
        for row in log
    ] == [
        ("POST", BULK, 2, 200, ["1", "2"]),
        ("POST", BULK, 2, 400, ["2", "3"]),
        ("POST", "/api/rest/customers/search", 3, 200, ["1", "2", "3"]),
        ("PUT", "/api/rest/customers", 1, 200, ["1"]),
    ]
    assert [(row["created"], row["updated"]) for row in log] == [
        (2, 0),
        (0, 0),
        (0, 0),
        (0, 1),
    ]
    numbers = [row["number"] for row in log]
    assert numbers == sorted(set(numbers))
    assert datetime.fromisoformat(log[0]["at"]).tzinfo is not None
    assert all(row["milliseconds"] >= 0 and row["in_flight"] == 1 for row in log)


def test_the_counts_sum_up_the_log(sandbox):
    sandbox.call("POST", "/bulk-customers", {"inputs": [one(1), one(2)]})
    sandbox.call("POST", "/bulk-customers", {"inputs": [one(2)]})
    (customer, _) = sandbox.customers().values()
    path = f"/customers/{customer['id']}"
    for name in ("B", "C"):
        sandbox.call("PUT", path, {"input": {"name": name}, "customerRulesInput": {}})

    assert sandbox.counts() == {
        "customers": 2,
        "creates": 2,
        "updates": 2,
        "refusals": 1,
        "requests": 4,
        "requests_by_answer": {
            "POST /api/rest/bulk-customers 200": 1,
            "POST /api/rest/bulk-customers 400": 1,
            "PUT /api/rest/customers/{id} 200": 2,
        },
        "most_in_flight": 1,
    }


def test_a_reset_forgets_the_log_and_keeps_the_customers(sandbox):
    sandbox.call("POST", "/bulk-customers", {"inputs": [one(1)]})

    sandbox.reset()

    assert sandbox.requests() == []
    assert sandbox.changes() == []
    counts = sandbox.counts()
    assert (counts["customers"], counts["creates"], counts["requests"]) == (1, 0, 0)


def test_the_history_tells_what_each_request_changed(sandbox):
    sandbox.call(
        "POST",
        "/bulk-customers",
        {"inputs": [{**one(1), "customerRule": {"data": {"dueOption": 30}}}]},
    )
    key = {"sourceSystem": "T", "sourceSystemId": "1"}
    change = {"name": "B", "emailAddress": None, "metadata": {"x": 1}}
    sandbox.call(
        "PUT",
        "/customers",
        {**key, "input": change, "customerRulesInput": {"dueOption": 45}},
    )
    sandbox.call(
        "PUT", "/customers", {**key, "input": {"name": "B"}, "customerRulesInput": {}}
    )

    created, updated, unchanged = sandbox.changes()

    assert created["kind"] == "created"
    assert created["properties"] == {
        "name": [None, "A"],
        "sourceSystem": [None, "T"],
        "sourceSystemId": [None, "1"],
        "customerRule": [None, [{"dueOption": 30}]],
    }
    assert updated["kind"] == "updated"
    assert updated["properties"] == {
        "name": ["A", "B"],
        "metadata": [None, {"x": 1}],
        "customerRule": [{"dueOption": 30}, {"dueOption": 45}],
    }
    assert unchanged["properties"] == {}
    assert [change["request"] for change in sandbox.changes()] == [
        row["number"] for row in sandbox.requests()
    ]
    assert sandbox.customer("T", "1")["timesUpdated"] == 2


@pytest.mark.parametrize("source_system_id", ["a/b", "a b", "ä?#%"])
def test_a_customer_is_found_by_any_source_key(sandbox, source_system_id):
    sandbox.call("POST", "/bulk-customers", {"inputs": [one(source_system_id)]})

    found = sandbox.customer("T", source_system_id)

    assert found["sourceSystemId"] == source_system_id


def test_an_unknown_customer_is_not_found(sandbox):
    with pytest.raises(AssertionError, match=r"^404 "):
        sandbox.customer("T", "1")


def test_requests_can_be_held_before_they_take_effect(sandbox):
    sandbox.hold(before=True)
    answers = post(sandbox, 1, 2)
    sandbox.wait_held(2)
    assert sandbox.customers() == {}
    assert not any(answer.done() for answer in answers)

    sandbox.release()

    assert statuses(answers) == [200, 200]
    assert sorted(sandbox.customers()) == ["1", "2"]
    assert sandbox.counts()["most_in_flight"] == 2
    assert sandbox.held() == 0


def test_requests_can_be_held_after_they_took_effect(sandbox):
    sandbox.hold(before=False)
    (answer,) = post(sandbox, 1)
    sandbox.wait_held(1)
    assert list(sandbox.customers()) == ["1"]
    assert not answer.done()

    sandbox.release()

    assert statuses([answer]) == [200]


def test_requests_to_other_paths_are_not_held(sandbox):
    sandbox.hold()

    assert sandbox.call("GET", "/customers").status_code == 200
    sandbox.release()


def test_a_hold_that_makes_no_sense_is_refused(sandbox):
    with pytest.raises(AssertionError, match=r"^400 "):
        sandbox.control("PUT", "/hold", {"route": BULK})


def test_requests_side_by_side_share_the_latency(sandbox):
    # Were they handled one after another, eight would never wait together.
    sandbox.faults(latency=1)
    sandbox.hold()
    answers = post(sandbox, *range(8))
    sandbox.wait_held(8)

    sandbox.release()

    assert statuses(answers) == [200] * 8
    assert sandbox.counts()["most_in_flight"] == 8


def test_looking_inside_is_not_logged(sandbox):
    sandbox.counts()
    sandbox.customers()
    with pytest.raises(AssertionError, match=r"^404 "):
        sandbox.control("GET", "/nothing")

    assert sandbox.requests() == []
