from __future__ import annotations

from datetime import datetime

import pytest
from sandbox_server import Sandbox
from shown import show
from target_command import record, run_target, schema
from target_command import state as state_of

SCHEMA = schema("id", "name")


def customers(count):
    return [
        record(id=str(number), name=f"Customer {number}") for number in range(count)
    ]


@pytest.mark.slow
def test_a_limit_of_50_requests_a_second_is_used_with_few_refusals():
    messages = [SCHEMA, *customers(200), state_of({"at": 1})]
    settings = {"batch_size_rows": 1, "max_parallel_requests": 8}
    with Sandbox("--rate-limit", "50") as sandbox:
        result = run_target(sandbox, messages, **settings)
        counts, requests = sandbox.counts(), sandbox.requests()

    assert (result.code, result.states) == (0, [{"at": 1}]), result.stderr
    assert counts["customers"] == 200
    assert counts["most_in_flight"] <= 8
    assert counts["refusals"] < counts["requests"] / 10
    times = [datetime.fromisoformat(one["at"]) for one in requests]
    taken = counts["requests"] - counts["refusals"]
    used = taken / (max(times) - min(times)).total_seconds() / 50
    show(f"{used:.0%} of the limit, {counts['refusals']} of {taken} refused")
    # The simulation holds it to 85%; a busy machine may take its share.
    assert used >= 0.6


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_each_form_of_retry_after_is_obeyed(account, form):
    fault = {"fault": "429", "path": "/api/rest/bulk-customers"}
    account.faults(next=[fault], retry_after=form)
    result = run_target(account, [SCHEMA, *customers(1)])
    refused, again = [
        one for one in account.requests() if one["path"].endswith("bulk-customers")
    ]

    assert (result.code, refused["status"], again["status"]) == (0, 429, 200)
    assert "trying again (1 of 8)" in result.stderr
