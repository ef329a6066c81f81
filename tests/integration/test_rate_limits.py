from __future__ import annotations

from email.utils import formatdate

import pytest
from sandbox_server import Sandbox
from target_command import record, run_target, schema

from target_upwell.api.retry import LONGEST_RETRY_AFTER_SECONDS, retry_after

SCHEMA = schema("id", "name")


def customers(count):
    return [
        record(id=str(number), name=f"Customer {number}") for number in range(count)
    ]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_each_form_of_retry_after_is_obeyed(form):
    fault = {"fault": "429", "path": "/api/rest/bulk-customers"}
    with Sandbox("--retry-after", form) as sandbox:
        sandbox.faults(next=[fault])
        result = run_target(sandbox, [SCHEMA, *customers(1)])
        refused, again = [
            one for one in sandbox.requests() if one["path"].endswith("bulk-customers")
        ]

    assert (result.code, refused["status"], again["status"]) == (0, 429, 200)
    assert "trying again (1 of 8)" in result.stderr


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("86400", LONGEST_RETRY_AFTER_SECONDS),
        ("soon", None),
        ("", None),
        (formatdate(0, usegmt=True), 0),
        ("Wed, 01 Jan 2200 00:00:00 GMT", LONGEST_RETRY_AFTER_SECONDS),
    ],
)
def test_retry_after_is_read_in_all_its_forms_and_bounded(value, seconds):
    assert retry_after(value) == seconds
