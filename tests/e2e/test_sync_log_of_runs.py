"""The sync log over whole runs: each customer is in it, with the right id."""

from __future__ import annotations

import json
import random
import signal

import pytest
from running_target import RunningTarget
from share import share
from shown import new_seed, show
from target_command import record, run_target, schema
from target_command import state as state_of

STREAM = schema("id", "name", "emailAddress")
KILLS = share(full=24, part=3)


def customer(number, version=1, **properties):
    return record(id=str(number), name=f"{number} v{version}", **properties)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sync-log.jsonl"


def load(sandbox, path, *messages, **settings):
    sent = [STREAM, *messages, state_of("end")]
    result = run_target(sandbox, sent, sync_log_path=str(path), **settings)
    assert result.code == 0, result.stderr
    assert result.states == ["end"]
    return result


def runs(path):
    """The lines of the file, run by run."""
    found = {}
    for line in path.read_text().splitlines():
        one = json.loads(line)
        found.setdefault(one["run"], []).append(one)
    return list(found.values())


def outcomes(lines):
    """What became of each customer of a run."""
    return {one["sourceSystemId"]: one["outcome"] for one in customers_of(lines)}


def customers_of(lines):
    return [one for one in lines if "sourceSystemId" in one]


def assert_ids_are_right(sandbox, lines):
    stored = sandbox.customers()
    for one in customers_of(lines):
        assert one["id"] == stored[one["sourceSystemId"]]["id"]


def test_runs_one_after_the_other_tell_the_story_of_each_customer(sandbox, path):
    first = [customer(n, emailAddress=f"a{n}@old.example") for n in range(450)]
    load(sandbox, path, *first)
    changed = [customer(n, emailAddress=f"a{n}@new.example") for n in range(0, 450, 9)]
    load(sandbox, path, *changed)
    load(sandbox, path, *changed, customer(450))

    one, two, three = runs(path)
    assert outcomes(one) == {str(n): "created" for n in range(450)}
    assert outcomes(two) == {str(n): "updated" for n in range(0, 450, 9)}
    again = {str(n): "unchanged" for n in range(0, 450, 9)}
    assert outcomes(three) == {**again, "450": "created"}
    assert_ids_are_right(sandbox, [*one, *two, *three])
    for line in customers_of(two):
        number = line["sourceSystemId"]
        assert line["changes"] == {
            "emailAddress": {
                "before": f"a{number}@old.example",
                "after": f"a{number}@new.example",
            }
        }
    for lines, created, updated in ((one, 450, 0), (two, 0, 50), (three, 1, 0)):
        assert (lines[0]["outcome"], lines[-1]["outcome"]) == ("started", "finished")
        counts = lines[-1]["created"], lines[-1]["updated"], lines[-1]["rejected"]
        assert counts == (created, updated, 0)
        # Each customer once, and nothing but customers in between.
        assert len(customers_of(lines)) == len(outcomes(lines)) == len(lines) - 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_reply_leaves_one_line_a_customer_with_the_right_id(sandbox, path, when):
    bulk = {"path": "/api/rest/bulk-customers"}
    fault = "reset" if when == "before" else "lost-reply"
    sandbox.faults(next=[{**bulk, "fault": fault}] * 2)

    load(sandbox, path, *map(customer, range(300)), max_parallel_requests=2)

    (lines,) = runs(path)
    assert outcomes(lines) == {str(n): "created" for n in range(300)}
    assert len(customers_of(lines)) == 300
    assert_ids_are_right(sandbox, lines)


def test_a_link_that_is_set_later_is_a_line_of_its_own(sandbox, path):
    stream = schema("id", "name", "billToSourceSystemId")
    child = record(id="child", name="Child", billToSourceSystemId="parent")
    settings = {"sync_log_path": str(path), "batch_size_rows": 1}
    with RunningTarget(sandbox, **settings) as target:
        target.send(stream, child)
        target.wait_log("STATE waits for their links")
        target.send(record(id="parent", name="Parent"), state_of("end"))
        target.close_stdin()
        result = target.wait()

    assert (result.code, result.states) == (0, ["end"]), result.stderr
    stored = sandbox.customers()
    (lines,) = runs(path)
    assert_ids_are_right(sandbox, lines)
    assert [one["outcome"] for one in customers_of(lines)].count("created") == 2
    (link,) = (one for one in customers_of(lines) if one["outcome"] == "updated")
    assert link["sourceSystemId"] == "child"
    assert link["changes"] == {
        "billToCustomerId": {"before": None, "after": stored["parent"]["id"]}
    }


def test_no_customer_of_a_covered_state_is_missing_however_the_run_dies(sandbox, path):
    chance = random.Random(new_seed())
    sandbox.faults(latency=5)
    at, number, codes = 0, 0, []
    for kill in range(KILLS):
        settings = {"batch_size_rows": 10, "sync_log_path": str(path)}
        signum = signal.SIGTERM if kill % 3 == 2 else signal.SIGKILL
        with RunningTarget(sandbox, **settings) as target:
            number = at
            target.send(STREAM)
            wanted = chance.randrange(1, 3)
            while len(target.states()) < wanted:
                for _ in range(30):
                    target.send(customer(number))
                    number += 1
                target.send(state_of(number))
            target.terminate(signum)
            result = target.wait()
        codes.append(result.code)
        at = result.states[-1]
        logged = {
            one["sourceSystemId"]: one
            for lines in runs(whole_lines(path))
            for one in customers_of(lines)
        }
        missing = {str(n) for n in range(at)} - logged.keys()
        assert not missing, f"STATE {at} is out, and these have no line: {missing}"
        assert_ids_are_right(sandbox, logged.values())
    assert set(codes) <= {-signal.SIGKILL, 128 + signal.SIGTERM}

    load(sandbox, path, *map(customer, range(at, number)))

    every = runs(path)
    assert_ids_are_right(sandbox, [line for lines in every for line in lines])
    named = {n for lines in every for n in outcomes(lines)}
    assert named == sandbox.customers().keys() == {str(n) for n in range(number)}
    ends = [lines[-1]["outcome"] for lines in every]
    assert (ends[-1], "finished" in ends[:-1]) == ("finished", False)
    show(f"{KILLS} deaths, {number} customers, {sum(map(len, every))} lines")


def whole_lines(path):
    """A copy of the file without the line that a death has cut short."""
    copy = path.with_suffix(".copy")
    content = path.read_bytes()
    copy.write_bytes(content[: content.rfind(b"\n") + 1])
    return copy


def test_a_run_after_the_map_has_changed_warns_once(sandbox, path):
    one, other = ({"customers": {"name": name}} for name in ("name", "name.upper()"))
    assert load(sandbox, path, customer(1), stream_maps=one).warnings == []
    assert load(sandbox, path, customer(1), stream_maps=one).warnings == []

    (warning,) = load(sandbox, path, customer(2), stream_maps=other).warnings

    assert "will not send old customers again" in warning
    assert "meltano run --full-refresh" in warning
    assert load(sandbox, path, customer(2), stream_maps=other).warnings == []
    digests = [lines[0]["digest"] for lines in runs(path)]
    assert digests[0] == digests[1] != digests[2] == digests[3]
