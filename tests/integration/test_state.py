from __future__ import annotations

import pytest
from running_target import RunningTarget
from target_command import record, run_target, schema
from target_command import state as state_of

BULK = "/api/rest/bulk-customers"
SCHEMA = schema("id", "name")


def customer(number):
    return record(id=str(number), name=f"Customer {number}")


def raw_state(value):
    """A STATE message, with its value to the letter."""
    return b'{"type": "STATE", "value": %s}' % value.encode()


def test_state_that_is_covered_late_goes_out_while_the_tap_is_idle(account):
    account.hold(BULK)
    with RunningTarget(account, batch_size_rows=1) as target:
        target.send(SCHEMA, customer(1), state_of({"at": 1}))
        account.wait_held()
        assert target.states() == []

        account.release()

        target.wait_states()
        target.send(customer(2), state_of({"at": 2}))
        assert target.wait_states(2)[-1] == '{"at": 2}\n'


def test_a_state_never_passes_the_record_before_it(account):
    account.hold(BULK)
    settings = {"batch_size_rows": 1, "max_parallel_requests": 4}
    with RunningTarget(account, **settings) as target:
        target.send(SCHEMA)
        for number in range(3):
            target.send(customer(number), state_of({"at": number}))
        account.wait_held(3)

        assert target.states() == []

        account.release()
        target.close_stdin()
        result = target.wait()
    assert result.states[-1] == {"at": 2}
    assert result.code == 0


@pytest.mark.parametrize(
    "value",
    [
        '{"at": 12345678901234567890123.4500, "big": 1e3, "tiny": 1E-7}',
        '{"a":  [1,\t2] , "b":"caf\\u00e9 \\ud83d\\ude00 \\/", "z": 1, "z": "é"}',
        "null",
    ],
)
def test_each_state_goes_out_to_the_letter(account, value):
    result = run_target(account, [SCHEMA, customer(1), raw_state(value)])

    assert result.code == 0
    assert result.stdout == f"{value}\n"


def test_a_state_that_is_no_strict_json_goes_out_as_the_tap_meant_it(account):
    value = '{"at":NaN,"to":-Infinity,"n":1.10,"lone":"\\ud800"}'

    result = run_target(account, [raw_state(value)])

    assert (result.code, result.stdout) == (0, f"{value}\n")


def test_a_state_before_any_record_is_relayed(account):
    result = run_target(account, [state_of({"at": 0}), SCHEMA])

    assert (result.code, result.states) == (0, [{"at": 0}])


def test_a_stream_without_state_gets_none(account):
    result = run_target(account, [SCHEMA, customer(1)])

    assert (result.code, result.stdout) == (0, "")
    assert account.customers().keys() == {"1"}


def test_the_last_state_is_always_the_last_line(account):
    messages = [SCHEMA]
    for number in range(50):
        messages += [customer(number), state_of({"at": number})]

    result = run_target(account, messages, batch_size_rows=3)

    positions = [one["at"] for one in result.states]
    assert positions == sorted(set(positions))
    assert positions[-1] == 49


def test_after_a_failure_what_is_covered_goes_out_and_no_more(account):
    nameless = record(id="bad", name=None)
    messages = [SCHEMA, customer(1), state_of({"at": 1})]
    messages += [nameless, state_of({"at": 2}), customer(3), state_of({"at": 3})]

    result = run_target(account, messages, batch_size_rows=1)

    assert (result.code, result.states) == (1, [{"at": 1}])
    assert "Traceback" not in result.stderr


def test_a_failure_lets_what_is_under_way_end_and_bookmarks_it(account):
    account.hold(BULK)
    settings = {"batch_size_rows": 1, "max_parallel_requests": 4}
    with RunningTarget(account, **settings) as target:
        target.send(SCHEMA, customer(1), state_of({"at": 1}))
        account.wait_held()
        target.send(b"this is no message")
        target.close_stdin()
        # The reader has failed once it is known to be past the line.
        account.release()

        result = target.wait()
    assert (result.code, result.states) == (1, [{"at": 1}])
    (error,) = result.errors
    assert error.startswith("line 4 of the input is not valid JSON")


def test_a_failure_ends_a_run_that_waits_for_input(account):
    with RunningTarget(account, batch_size_rows=1) as target:
        target.send(SCHEMA, record(id="bad", name=None), state_of({"at": 1}))

        result = target.wait()
    assert (result.code, result.stdout) == (1, "")
