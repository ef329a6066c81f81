from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from running_target import RunningTarget
from target_command import (
    COMMAND,
    DEADLINE_S,
    Result,
    encoded,
    environment,
    record,
    schema,
)
from target_command import state as state_of

from target_upwell.target import GRACE_SECONDS

BULK = "/api/rest/bulk-customers"
SCHEMA = schema("id", "name")


def customer(number):
    return record(id=str(number), name=f"Customer {number}")


def with_grace(seconds):
    """Python that changes the grace of a run."""
    return f"import target_upwell.target as t; t.GRACE_SECONDS = {seconds}"


def lines_without_traceback(result):
    assert "Traceback" not in result.stderr
    return result.errors


def test_sigterm_in_the_middle_of_the_only_post_bookmarks_nothing(sandbox):
    # meltano/sdk#3775: the SDK's handler drains once more, finds nothing to send, and
    # writes STATE for the rows of the request that is still under way.
    sandbox.hold(BULK)
    with RunningTarget(sandbox, patch=with_grace(0.2), batch_size_rows=1) as target:
        target.send(SCHEMA, customer(1), state_of({"at": 1}))
        sandbox.wait_held()

        target.terminate()

        result = target.wait()
    sandbox.release()
    assert result.stdout == ""
    assert result.code == 128 + signal.SIGTERM
    assert lines_without_traceback(result) == []
    assert GRACE_SECONDS == 10


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_post_that_ends_within_the_grace_is_bookmarked(sandbox, signum):
    sandbox.hold(BULK)
    with RunningTarget(sandbox, batch_size_rows=1) as target:
        target.send(SCHEMA, customer(1), state_of({"at": 1}))
        sandbox.wait_held()

        target.terminate(signum)
        target.wait_log("a signal came")
        sandbox.release()

        result = target.wait()
    assert result.states == [{"at": 1}]
    assert result.code == 128 + signum
    assert sandbox.customers().keys() == {"1"}


def test_no_request_begins_after_a_signal(sandbox):
    sandbox.hold(BULK)
    settings = {"batch_size_rows": 1, "max_parallel_requests": 2}
    with RunningTarget(sandbox, **settings) as target:
        target.send(SCHEMA, *map(customer, range(20)), state_of({"at": 20}))
        sandbox.wait_held(2)

        target.terminate()
        target.wait_log("a signal came")
        sandbox.release()

        result = target.wait()
    assert result.states == []
    assert result.code == 128 + signal.SIGTERM
    posts = [one for one in sandbox.requests() if one["path"] == BULK]
    assert len(posts) == 2


def test_a_batch_that_was_only_looked_up_is_not_posted_after_a_signal(sandbox):
    sandbox.hold("/api/rest/customers/search")
    with RunningTarget(sandbox, batch_size_rows=1) as target:
        target.send(SCHEMA, customer(1), state_of({"at": 1}))
        sandbox.wait_held()

        target.terminate()
        target.wait_log("a signal came")
        sandbox.release()

        result = target.wait()
    assert (result.code, result.stdout) == (128 + signal.SIGTERM, "")
    assert [one["path"] for one in sandbox.requests()] == ["/api/rest/customers/search"]


def test_a_signal_ends_a_wait_before_another_attempt(sandbox):
    sandbox.faults(fault_429=100)
    with RunningTarget(sandbox, batch_size_rows=1) as target:
        target.send(SCHEMA, customer(1), state_of({"at": 1}))
        target.wait_log("trying again")

        target.terminate()

        result = target.wait()
    assert (result.code, result.stdout) == (128 + signal.SIGTERM, "")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_that_waits_for_input(sandbox, signum):
    with RunningTarget(sandbox, batch_size_rows=1) as target:
        target.send(SCHEMA, customer(1), state_of({"at": 1}), customer(2))
        target.send(state_of({"at": 2}))
        target.wait_states()
        target.terminate(signum)

        result = target.wait()
    assert result.code == 128 + signum
    assert lines_without_traceback(result) == []
    assert result.states[-1] in ({"at": 1}, {"at": 2})


def test_a_second_signal_ends_the_run_at_once(sandbox):
    sandbox.hold(BULK)
    # A grace that the test could not wait for.
    with RunningTarget(sandbox, patch=with_grace(100_000), batch_size_rows=1) as target:
        target.send(SCHEMA, customer(1), state_of({"at": 1}))
        sandbox.wait_held()

        target.terminate(signal.SIGTERM)
        target.wait_log("a signal came")
        target.terminate(signal.SIGINT)

        result = target.wait()
    sandbox.release()
    assert (result.code, result.stdout) == (128 + signal.SIGINT, "")


def test_many_signals_at_random_leave_no_traceback_behind(sandbox):
    # Daemon threads that log while the interpreter ends must not bring it down.
    for _ in range(5):
        settings = {"batch_size_rows": 1, "max_parallel_requests": 8}
        with RunningTarget(sandbox, **settings) as target:
            target.send(SCHEMA, *map(customer, range(300)), state_of({"at": 1}))
            target.wait_log("requests at once")
            target.terminate()
            result = target.wait()
        assert result.code == 128 + signal.SIGTERM
        assert "Fatal" not in result.stderr
        assert lines_without_traceback(result) == []


# Standard output

LONG = {"at": "x" * 200_000}


def started(sandbox, stdout, patch="", **variables):
    """Start a run that has one STATE to write, longer than a pipe holds."""
    code = f"{patch}\nfrom target_upwell.cli import command; command()"
    run = subprocess.Popen(
        [sys.executable, "-c", code, "--config=ENV"],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=environment(sandbox, batch_size_rows=1) | variables,
    )
    run.stdin.write(encoded([SCHEMA, customer(1), state_of(LONG)]))
    run.stdin.flush()
    return run


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_whose_state_nobody_reads(sandbox, signum):
    reading, writing = os.pipe()
    run = started(sandbox, writing, patch=with_grace(0.2))
    os.close(writing)
    # It has begun to write, and can't get on.
    os.read(reading, 1)

    run.send_signal(signum)

    with run:
        code = run.wait(DEADLINE_S)
        stderr = run.stderr.read().decode()
    os.close(reading)
    assert code == 128 + signum
    assert lines_without_traceback(Result(code, "", stderr)) == []


def test_unbuffered_output_to_a_pipe_that_does_not_block_is_whole(sandbox):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    run = started(sandbox, writing, PYTHONUNBUFFERED="1")
    os.close(writing)
    with run, os.fdopen(reading, "rb") as output:
        run.stdin.close()
        states = output.read().splitlines()
        code = run.wait(DEADLINE_S)
    assert code == 0
    assert [json.loads(line) for line in states] == [LONG]


# Pipes that close


def test_a_reader_that_goes_away_is_an_end_and_one_line(sandbox):
    # A pipe whose reading end is closed; the tap's goes on.
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.Popen(
        [COMMAND, "--config=ENV"],
        stdin=subprocess.PIPE,
        stdout=writing,
        stderr=subprocess.PIPE,
        env=environment(sandbox, batch_size_rows=1),
    )
    os.close(writing)
    run.stdin.write(encoded([SCHEMA, customer(1), state_of({"at": 1})]))
    run.stdin.flush()

    assert run.wait(DEADLINE_S) == 1
    with run.stdin, run.stderr:
        stderr = run.stderr.read().decode()
    assert "Traceback" not in stderr
    (error,) = Result(1, "", stderr).errors
    assert "standard output is closed" in error


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-"])
def test_a_run_that_is_started_with_a_pipe_closed_ends_without_a_traceback(
    sandbox, closed
):
    run = subprocess.run(
        ["sh", "-c", f'exec "$0" --config=ENV {closed}', COMMAND],
        input=encoded([SCHEMA, customer(1), state_of({"at": 1})]),
        capture_output=True,
        env=environment(sandbox),
        timeout=DEADLINE_S,
        check=False,
    )

    stderr = run.stderr.decode()
    assert "Traceback" not in stderr
    assert "unexpected" not in stderr
    assert run.returncode == (0 if "<&-" in closed else 1)
    assert stderr.count("| ERROR ") == run.returncode


def test_a_worker_without_a_main_thread_to_stop_it_is_no_reason_to_stay(sandbox):
    # A failure of one batch while another's request is held: the run ends with it.
    sandbox.hold(BULK)
    settings = {"batch_size_rows": 1, "request_timeout": 1, "max_retries": 0}
    with RunningTarget(sandbox, **settings) as target:
        target.send(SCHEMA, customer(1), state_of({"at": 1}))
        sandbox.wait_held()

        result = target.wait()
    sandbox.release()
    assert (result.code, result.stdout) == (1, "")
    assert len(lines_without_traceback(result)) == 1
