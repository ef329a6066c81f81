"""Customers that left the source are reported, or marked as deleted, and no others."""

from __future__ import annotations

import json
import time

import pytest
from running_target import RunningTarget
from target_command import record, run_target, schema, state

STREAM = schema("id", "name", "sourceSystem")
CAP = 30


def now():
    return int(time.time() * 1000)


def full_table(ids, stream="customers", version=None, **properties):
    """A stream that sends all that it has, by the Singer specification."""
    version = version or now()
    return [
        {**STREAM, "stream": stream},
        *rows(ids, stream, version, **properties),
        {"type": "ACTIVATE_VERSION", "stream": stream, "version": version},
    ]


def rows(ids, stream="customers", version=None, **properties):
    sent = (record(stream, id=str(n), name=f"N {n}", **properties) for n in ids)
    return [{**one, "version": version} for one in sent]


def load(account, ids, **settings):
    """Load customers by a stream that says nothing of what it leaves out."""
    result = run_target(account, [STREAM, *rows(ids)], **settings)
    assert result.code == 0, result.stderr
    account.reset()


def run(account, messages, mode="report", most=100, **settings):
    return run_target(
        account, messages, missing_customers=mode, max_deletes=most, **settings
    )


def deleted(account):
    stored = account.control("GET", "/customers")
    return {one["sourceSystemId"] for one in stored if one["deletedAt"]}


def updates(account):
    return [r for r in account.requests() if r["method"] == "PUT"]


def listed(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_customers_that_left_the_source_are_reported_and_left_as_they_are(
    account, tmp_path
):
    load(account, range(8))
    path = tmp_path / "drift.jsonl"

    result = run(account, [*full_table([0, 7]), state("end")], drift_path=str(path))

    assert (result.code, result.states) == (0, ["end"])
    assert result.warnings == [
        (
            "6 customers are in Upwell and no longer in the source: 1, 2, 3, 4, 5; "
            f"all are listed in {str(path)!r}"
        )
    ]
    found = listed(path)
    assert [one["sourceSystemId"] for one in found] == ["1", "2", "3", "4", "5", "6"]
    assert {one["kind"] for one in found} == {"missing"}
    assert (deleted(account), updates(account)) == (set(), [])


def test_customers_that_left_the_source_are_marked_as_deleted_once(account, tmp_path):
    load(account, range(8))
    log, drift = tmp_path / "sync-log.jsonl", tmp_path / "drift.jsonl"
    paths = {"sync_log_path": str(log), "drift_path": str(drift)}

    result = run(account, [*full_table([0, 7]), state("end")], "delete", 6, **paths)

    assert (result.code, result.states) == (0, ["end"])
    assert deleted(account) == {"1", "2", "3", "4", "5", "6"}
    assert "; 6 customers marked as deleted; " in result.summary
    assert "(now marked as deleted)" in result.warnings[0]
    stored = account.customers()
    marked = [one for one in listed(log) if one.get("outcome") == "updated"]
    assert {one["sourceSystemId"] for one in marked} == deleted(account)
    for one in marked:
        assert one["id"] == stored[one["sourceSystemId"]]["id"]
        assert one["changes"]["deletedAt"]["before"] is None
    assert [one["upwell"] for one in listed(drift)] == [
        one["changes"]["deletedAt"]["after"] for one in marked
    ]
    account.reset()
    again = run(account, full_table([0, 7]), "delete", 0)
    assert (again.code, again.warnings, updates(account)) == (0, [], [])


def test_more_than_are_allowed_stop_the_run_before_the_first(account, tmp_path):
    load(account, range(8))
    path = tmp_path / "drift.jsonl"

    result = run(account, full_table([0]), "delete", 6, drift_path=str(path))

    assert result.code == 1
    assert result.errors == [
        (
            "7 customers of this source system are in Upwell and no longer in the "
            "source, and max_deletes allows 6, so none was marked as deleted; check "
            "the source, or raise max_deletes"
        )
    ]
    assert (deleted(account), updates(account)) == (set(), [])
    assert len(listed(path)) == 7


def test_a_source_that_is_empty_deletes_nothing_beyond_the_limit(account):
    load(account, range(3))

    result = run(account, [*full_table([]), state("end")], "delete", 2)

    assert result.code == 1
    assert "3 customers of this source system are in Upwell" in result.errors[0]
    assert deleted(account) == set()


@pytest.mark.parametrize("mode", ["report", "delete"])
def test_a_dry_run_shows_what_would_be_deleted(account, mode):
    load(account, range(4))

    result = run(account, full_table([0, 1]), mode, dry_run=True)

    assert result.code == 0
    would = " (a real run would mark it as deleted)" if mode == "delete" else ""
    words = f"2 customers are in Upwell and no longer in the source{would}: 2, 3"
    assert result.warnings == [words]
    assert (deleted(account), updates(account)) == (set(), [])


def test_a_dry_run_says_that_a_real_one_would_stop(account):
    load(account, range(4))

    result = run(account, full_table([0]), "delete", 2, dry_run=True)

    assert result.code == 1
    assert result.errors[0].startswith("a real run would stop: 3 customers")
    assert result.warnings[0].endswith(": 1, 2, 3")


def test_a_customer_of_another_source_system_is_never_touched(account):
    load(account, range(4), source_system="OTHER")
    load(account, range(4, 6))
    # One record speaks for another system, whose customers are nobody's here.
    messages = full_table([4])
    messages[1:1] = rows([0], version=messages[1]["version"], sourceSystem="OTHER")

    result = run(account, messages, "delete")

    assert result.code == 0, result.stderr
    assert deleted(account) == {"5"}
    assert [r["sourceSystemIds"] for r in updates(account)] == [["5"]]
    others = (account.customer("OTHER", str(n)) for n in range(4))
    assert not any(one["deletedAt"] for one in others)


def test_a_capped_search_hides_no_missing_customer(account):
    load(account, range(100))
    account.faults(search_cap=CAP)

    result = run(account, full_table(range(0, 100, 2)), "delete")

    assert result.code == 0, result.stderr
    assert deleted(account) == {str(n) for n in range(1, 100, 2)}


def test_where_the_column_cant_be_updated_they_are_reported(account):
    load(account, range(4))
    account.readings(not_updatable=["deletedAt"])

    result = run(account, full_table([0]), "delete", max_parallel_requests=1)

    assert result.code == 0
    assert deleted(account) == set()
    # Two were under way at once when the first was refused.
    assert len(updates(account)) <= 2
    assert result.warnings[-1] == (
        "3 customers are in Upwell and no longer in the source (deletedAt can't be "
        "updated by this API key): 1, 2, 3"
    )


@pytest.mark.parametrize("hides", [True, False])
def test_customers_that_are_marked_already_are_not_counted(account, hides):
    load(account, range(4))
    run(account, full_table([0, 1]), "delete")
    account.readings(search_hides_deleted=hides)
    account.reset()

    result = run(account, full_table([0]), "delete", 1)

    assert result.code == 0, result.stderr
    assert deleted(account) == {"1", "2", "3"}
    assert len(updates(account)) == 1


def test_where_marked_ones_cant_be_left_out_they_are_counted_again(account):
    load(account, range(4))
    run(account, full_table([0, 1]), "delete")
    account.readings(search_refuses_deleted_at=True)

    result = run(account, full_table([0]))

    assert result.code == 0, result.stderr
    assert "marked as deleted already are counted again" in result.warnings[0]
    assert result.warnings[1].endswith("no longer in the source: 1, 2, 3")


def incomplete_streams():
    version = now()
    activate = {"type": "ACTIVATE_VERSION", "stream": "customers", "version": version}
    sent = rows([0], version=version)
    return {
        "incremental": [STREAM, *rows([0]), state("end")],
        "cut short": [STREAM, activate, *sent],
        "cut short after a STATE": [STREAM, activate, *sent, state("end")],
        "not all versioned": [STREAM, *sent, *rows([0]), activate],
        "of an earlier run": full_table([0], version=version - 3_600_000),
        "records after the end": [STREAM, *sent, activate, *sent],
    }


@pytest.mark.parametrize("case", incomplete_streams())
def test_a_stream_that_is_not_complete_deletes_nothing_and_says_so_once(account, case):
    load(account, range(4))

    result = run(account, incomplete_streams()[case], "delete")

    assert result.code == 0, result.stderr
    assert deleted(account) == set()
    assert not [r for r in account.requests() if r["method"] == "PUT"]
    (warning,) = result.warnings
    assert warning.startswith("missing_customers does not apply: ")


def test_an_incremental_stream_without_news_is_no_empty_table(account):
    # Its next run has the same version, and comes before long.
    load(account, range(2))
    stream, *rest = full_table([])
    incremental = {**stream, "bookmark_properties": ["updated_at"]}

    result = run(account, [incremental, *rest, state("end")], "delete")

    assert (result.code, deleted(account)) == (0, set())
    (line,) = result.warnings
    assert "does not apply: stream 'customers' is incremental" in line


def test_a_stream_of_an_sdk_tap_is_complete_by_its_last_state(account):
    load(account, range(4))
    version = int(time.time())
    activate = {"type": "ACTIVATE_VERSION", "stream": "customers", "version": version}
    sent = [STREAM, activate, *rows([0, 1], version=version)]

    cut_short = run(account, sent, "delete")
    assert (cut_short.code, deleted(account)) == (0, set())

    whole = run(account, [*sent, state("end")], "delete")
    assert (whole.code, deleted(account)) == (0, {"2", "3"})


def test_two_streams_that_lead_to_customers_must_both_be_complete(account):
    load(account, range(6))
    maps = {"west": {"__alias__": "customers"}, "east": {"__alias__": "customers"}}
    settings = {"mode": "delete", "stream_maps": maps}
    west, east = full_table([0], "west"), full_table([1], "east")

    for messages in ([*west, *east[:-1]], [*west[:-1], *east], west):
        result = run(account, messages, **settings)
        assert result.code == 0, result.stderr
        assert deleted(account) == set()
        assert "does not apply: stream" in result.warnings[0]

    result = run(account, [*west, *east], **settings)
    assert (result.code, deleted(account)) == (0, {"2", "3", "4", "5"})


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_run_with_rejects_deletes_nothing(account, tmp_path, dry_run):
    load(account, range(4))
    messages = full_table([0])
    broken = record(id="1", name=["not", "a", "name"])
    messages.insert(2, {**broken, "version": messages[1]["version"]})

    result = run(
        account,
        messages,
        "delete",
        max_rejects=5,
        rejects_path=str(tmp_path / "rejects.jsonl"),
        dry_run=dry_run,
    )

    assert result.code == 0, result.stderr
    assert deleted(account) == set()
    assert "missing_customers does not apply: 1 record was rejected" in result.warnings


def test_a_run_that_fails_deletes_nothing(account):
    load(account, range(4))
    messages = full_table([0])
    messages.insert(2, {**record(id="1"), "version": messages[1]["version"]})
    messages.append(b"not a message")

    result = run(account, messages, "delete")

    assert result.code == 1
    assert deleted(account) == set()


def test_a_record_that_a_filter_drops_is_not_in_the_source(account):
    load(account, range(4))
    maps = {"customers": {"__filter__": "id != '3'"}}

    result = run(account, full_table(range(4)), "delete", stream_maps=maps)

    assert result.code == 0, result.stderr
    assert deleted(account) == {"3"}


def test_ids_that_sort_in_other_ways_here_and_there_are_all_walked(account):
    ids = ["10", "9", "a", "B", "é", "\U0001f69a", "a b", "Z:1", "%"]
    load(account, ids)
    account.faults(search_cap=2)

    result = run(account, full_table([*ids[:3], "x"]), "delete")

    assert result.code == 0, result.stderr
    assert deleted(account) == set(ids[3:])


def test_a_signal_ends_the_deleting_and_the_next_run_resumes_it(sandbox):
    load(sandbox, range(40))
    messages = full_table([0])
    settings = {"missing_customers": "delete", "max_deletes": 100}
    sandbox.hold("/api/rest/customers", before=False)
    with RunningTarget(sandbox, **settings) as target:
        target.send(*messages, state("end"))
        target.close_stdin()
        sandbox.wait_held(4)
        assert target.wait_states() == ['"end"\n']
        target.terminate()
        target.wait_log("stopping")
        sandbox.release()
        assert target.wait().code == 128 + 15
    assert len(deleted(sandbox)) == 4

    result = run(sandbox, full_table([0]), "delete", 35)

    assert result.code == 0, result.stderr
    assert deleted(sandbox) == {str(n) for n in range(1, 40)}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"load_method": "append-only"}, "leaves existing customers as they are"),
        (
            {"field_policy": {"deletedAt": "create_only"}},
            "where missing_customers is delete",
        ),
    ],
)
def test_settings_that_keep_what_would_be_deleted_are_refused(account, settings, words):
    result = run(account, full_table([0]), "delete", **settings)

    assert result.code == 1
    assert words in result.errors[0]
