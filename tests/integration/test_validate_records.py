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


def test_what_a_map_makes_of_a_record_need_not_fit_the_taps_schema(account):
    stream_map = {
        "name": "company",
        "metadata": "{'tags': tags}",
        "addresses": "[{'city': city, 'country': 'US'}]",
    }
    messages = [
        schema("id", "company", "city", tags={"type": "array"}),
        record(id="1", company="Acme", city="Reno", tags=["a"]),
        state(1),
    ]
    result = run_target(
        account, messages, validate_records=True, stream_maps={"customers": stream_map}
    )
    assert (result.code, result.states) == (0, [1])
    assert account.customers()["1"]["metadata"] == {"tags": ["a"]}


def test_what_the_tap_sends_has_to_fit_whatever_the_map_makes_of_it(account):
    messages = [
        schema("id", "name", limit={"type": "integer"}),
        record(id="1", name="A", limit="none"),
        state(1),
    ]
    maps = {"customers": {"limit": None}}
    result = run_target(account, messages, validate_records=True, stream_maps=maps)
    assert (result.code, result.states) == (1, [])
    assert "limit: does not fit the tap's schema: type is integer" in result.errors[0]


def test_a_reference_that_leads_nowhere_ends_the_run_in_one_line(account):
    messages = [
        schema("id", name={"$ref": "#/definitions/none"}),
        record(id="1", name="A"),
        state(1),
    ]
    result = run_target(account, messages, validate_records=True)
    assert result.code == 1
    (line,) = result.errors
    assert "'/definitions/none' does not exist" in line
    assert result.states == []
