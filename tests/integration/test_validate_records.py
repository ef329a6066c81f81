"""`validate_records` in a whole run, with schemas that taps do send."""

from __future__ import annotations

from target_command import record, run_target, schema, state


def test_a_number_of_a_database_fits(account):
    # As tap-postgres describes it.
    limit = {"type": ["number", "null"], "multipleOf": 1e-38}
    messages = [
        schema("id", "name", metadata={}, creditLimit=limit),
        record(id="1", name="A", creditLimit=25000.5),
        state(1),
    ]
    result = run_target(account, messages, validate_records=True)
    assert (result.code, result.states) == (0, [1])


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
