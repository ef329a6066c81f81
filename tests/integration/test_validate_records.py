"""`validate_records` in a whole run, with schemas that taps do send."""

from __future__ import annotations

import pytest
from target_command import record, run_target, schema, state


@pytest.mark.parametrize(
    "limit",
    [
        {"type": ["number", "null"], "multipleOf": 1e-38},
        {"type": ["number", "null"], "multipleOf": float("nan")},
    ],
    ids=["tap-postgres", "nan"],
)
def test_a_number_of_a_database_fits(account, limit):
    messages = [
        schema("id", "name", metadata={}, creditLimit=limit),
        record(id="1", name="A", creditLimit=25000.5),
        state(1),
    ]
    result = run_target(account, messages, validate_records=True)
    assert "defect" not in result.stderr
    if result.code:
        assert "not a valid JSON schema" in result.errors[-1]
    else:
        assert result.states == [1]


def test_a_reference_that_leads_nowhere_ends_the_run_in_one_line(account):
    messages = [
        schema("id", name={"$ref": "#/definitions/none"}),
        record(id="1", name="A"),
        state(1),
    ]
    result = run_target(account, messages, validate_records=True)
    assert result.code == 1
    (line,) = result.errors
    assert "refers to '/definitions/none'" in line
    assert result.states == []
