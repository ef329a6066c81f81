"""Who bills to whom, from end to end: parents before, after, beside, and never."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from target_command import (
    COMMAND,
    encoded,
    environment,
    record,
    run_command,
    run_target,
    schema,
    state,
)

STREAM = schema("id", "name", "parent")
MAP = {
    "customers": {
        "sourceSystemId": "id",
        "name": "name",
        "billToSourceSystemId": "parent",
        "__key_properties__": ["sourceSystemId"],
        "__else__": None,
    }
}


def customer(number, parent=None, name=None):
    return record(id=str(number), name=name or f"N {number}", parent=parent)


def run(account, *messages, **settings):
    return run_target(account, [STREAM, *messages], stream_maps=MAP, **settings)


def links(account):
    """Who bills to whom in the account: child to parent, by their ids in the source."""
    customers = account.customers()
    names = {c["id"]: source_id for source_id, c in customers.items()}
    return {
        source_id: names[c["billToCustomerId"]]
        for source_id, c in customers.items()
        if c["billToCustomerId"]
    }


def writes(account):
    counts = account.counts()
    return counts["creates"] + counts["updates"]


EVERY_SHAPE = {
    "after-parent": "hq",
    "before-parent": "late",
    "same-batch-1": "beside",
    "self": "self",
    "ring-1": "ring-2",
    "ring-2": "ring-1",
    "far-ring-1": "far-ring-2",
    "far-ring-2": "far-ring-1",
    "grandchild": "child",
    "child": "grandparent",
    "earlier-child": "earlier",
}
ORDER = [
    "earlier-child",
    *["before-parent", "hq", "far-ring-1", "grandchild", "beside", "same-batch-1"],
    *["ring-1", "ring-2", "self", "child", "after-parent", "far-ring-2"],
    *["late", "grandparent"],
]


@pytest.mark.parametrize("rows", [1, 3, 200])
def test_links_are_set_whatever_the_order(account, rows):
    run(account, customer("earlier"))
    stream = [customer(n, EVERY_SHAPE.get(n)) for n in ORDER]

    result = run(account, *stream, state("end"), batch_size_rows=rows)

    assert (result.code, result.states[-1]) == (0, "end")
    assert links(account) == EVERY_SHAPE
    assert result.warnings == []

    account.reset()
    again = run(account, *stream, batch_size_rows=rows)

    assert links(account) == EVERY_SHAPE
    assert f"{len(ORDER)} unchanged" in again.summary
    assert writes(account) == 0


def test_a_parent_in_another_source_system_is_no_parent(account):
    account_wide = schema("id", "name", "sourceSystem", "billToSourceSystemId")
    result = run_target(
        account,
        [
            account_wide,
            record(id="p", name="P", sourceSystem="OTHER"),
            record(id="c", name="C", billToSourceSystemId="p"),
        ],
    )

    assert links(account) == {}
    assert "c to p" in result.warnings[-1]


def test_a_parent_that_never_comes_is_reported_and_lets_state_pass(account, tmp_path):
    path = tmp_path / "drift.jsonl"
    orphans = [customer(f"c{n}", f"gone{n}") for n in range(7)]

    result = run(
        account,
        *orphans,
        state("end"),
        drift_path=str(path),
    )

    assert (result.code, result.states) == (0, ["end"])
    assert len(account.customers()) == 7
    assert result.warnings == [
        (
            "7 customers were loaded without their parents (not in Upwell): c0 to "
            "gone0, c1 to gone1, c2 to gone2, c3 to gone3, c4 to gone4; all are listed "
            f"in {str(path)!r}"
        )
    ]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 7
    assert lines[0] == {
        "sourceSystem": "TMSEZ",
        "sourceSystemId": "c0",
        "property": "billToCustomerId",
        "kind": "parent",
        "upwell": None,
        "source": "gone0",
        "why": None,
    }
    assert "7 created" in result.summary
    waits = [m for m in result.messages("INFO") if "STATE waits" in m]
    assert len(waits) == 1


def test_an_orphan_that_bills_to_somebody_else_says_to_whom(account, tmp_path):
    path = tmp_path / "drift.jsonl"
    run(account, customer("old"), customer("c", "old"))

    result = run(account, customer("c", "gone"), drift_path=str(path))

    former = account.customers()["old"]["id"]
    assert result.warnings == [
        (
            "1 customer keeps its former parent (the new one is not in Upwell): c to "
            f"gone (still {former}); all are listed in {str(path)!r}"
        )
    ]

    assert links(account) == {"c": "old"}
    (line,) = map(json.loads, path.read_text().splitlines())
    assert line["upwell"] == account.customers()["old"]["id"]
    assert line["source"] == "gone"


def test_a_parent_that_is_rejected_leaves_its_child_loaded_without_the_link(
    account, tmp_path
):
    account.faults(refuse_name="^Refused")

    result = run(
        account,
        customer("p", name="Refused"),
        customer("c", "p"),
        customer("q", name=["no text"]),
        customer("d", "q"),
        state("end"),
        max_rejects=2,
        rejects_path=str(tmp_path / "rejects.jsonl"),
    )

    assert (result.code, result.states) == (0, ["end"])
    assert set(account.customers()) == {"c", "d"}
    assert any("c to p, d to q" in m for m in result.warnings)


def test_a_rejected_child_is_owed_no_link(account, tmp_path):
    account.faults(refuse_name="^Refused")

    result = run(
        account,
        customer("c", "p", name="Refused"),
        customer("nameless", "gone", name=" "),
        customer("p"),
        state("end"),
        batch_size_rows=1,
        max_rejects=2,
        rejects_path=str(tmp_path / "rejects.jsonl"),
    )

    assert (result.code, result.states[-1]) == (0, "end")
    assert "2 rejected" in result.summary
    assert not [m for m in result.warnings if "link" in m]
    assert account.counts()["updates"] == 0
    puts = [r for r in account.requests() if r["method"] == "PUT"]
    assert puts == []


def test_an_invalid_version_leaves_the_link_of_the_one_before(account, tmp_path):
    run(
        account,
        customer("c", "late"),
        customer("c", name=["no text"]),
        customer("late"),
        batch_size_rows=1,
        max_rejects=1,
        rejects_path=str(tmp_path / "rejects.jsonl"),
    )

    assert links(account) == {"c": "late"}


def test_a_link_that_changes_is_changed(account):
    run(account, customer("a"), customer("b"), customer("c", "a"))

    result = run(account, customer("c", "b"))

    assert links(account) == {"c": "b"}
    assert "1 updated" in result.summary


def test_a_null_clears_a_link_unless_nulls_are_to_be_kept(account):
    run(account, customer("a"), customer("c", "a"), customer("d", "a"))

    kept = run(account, customer("c", None), null_handling="keep")
    assert links(account) == {"c": "a", "d": "a"}
    assert "1 unchanged" in kept.summary

    cleared = run(account, customer("c", None))
    assert links(account) == {"d": "a"}
    assert "1 updated" in cleared.summary


def test_a_null_to_be_kept_leaves_a_link_that_is_still_owed(account):
    for rows in (1, 10):
        account.clear()
        stream = [customer("c", "late"), customer("c", None), customer("late")]

        run(account, *stream, null_handling="keep", batch_size_rows=rows)
        assert links(account) == {"c": "late"}

        account.clear()
        run(account, *stream, batch_size_rows=rows)
        assert links(account) == {}


def test_append_only_sets_no_link_of_a_customer_that_exists(account, tmp_path):
    run(account, customer("c"), customer("hq"))

    result = run(
        account,
        customer("c", "late"),
        customer("new", "late"),
        customer("old", "hq"),
        customer("hq", "gone"),
        customer("late"),
        state("end"),
        load_method="append-only",
        batch_size_rows=1,
        drift_path=str(tmp_path / "drift.jsonl"),
    )

    assert (result.code, result.states[-1]) == (0, "end")
    assert links(account) == {"new": "late", "old": "hq"}
    assert result.warnings == []
    assert "3 created, 0 updated, 0 unchanged, 2 skipped" in result.summary


def test_update_only_owes_nothing_to_customers_that_it_leaves_out(account):
    run(account, customer("c"), customer("hq"))

    result = run(
        account,
        customer("c", "hq"),
        customer("absent", "gone"),
        state("end"),
        load_method="update-only",
    )

    assert (result.code, result.states) == (0, ["end"])
    assert links(account) == {"c": "hq"}
    assert result.warnings == []
    assert "1 updated, 0 unchanged, 1 skipped" in result.summary


def test_two_batches_under_way_with_one_parent_rewrite_no_link(account):
    run(account, customer("hq"), *(customer(n, "hq") for n in range(2)))
    account.reset()
    account.hold("/api/rest/customers/search")

    # Both batches look up at once, and only one of them asks for the parent.
    one_each = {"stream_maps": MAP, "batch_size_rows": 1}
    with ThreadPoolExecutor(1) as background:
        run_under_way = background.submit(
            run_command,
            account,
            [STREAM, customer(0, "hq"), customer(1, "hq")],
            **one_each,
        )
        account.wait_held(2)
        account.release()
        result = run_under_way.result()

    assert "2 unchanged" in result.summary
    assert writes(account) == 0


@pytest.mark.parametrize(
    ("there", "searches"),
    [
        # One for each of two batches that are begun at once, and three for 600
        # parents in pages of 200.
        (True, 2 + 3),
        # The same, and at the end of the stream three again, and three that search
        # harder.
        (False, 2 + 3 + 3 + 3),
    ],
    ids=["there", "nowhere"],
)
def test_lookups_of_parents_are_grouped(account, there, searches):
    if there:
        run(account, *(customer(f"p{n}") for n in range(600)))
        account.reset()

    run(
        account,
        *(customer(f"c{n}", f"p{n % 600}") for n in range(2000)),
        max_parallel_requests=1,
    )

    assert len(links(account)) == (2000 if there else 0)
    paths = [r["path"].rpartition("/")[2] for r in account.requests()]
    assert paths.count("search") <= searches
    assert paths.count("bulk-customers") == len(paths) - paths.count("search") == 10


def test_a_run_that_is_killed_while_links_are_owed_loses_none(account):
    messages = [STREAM]
    for number in range(30):
        messages += [customer(f"c{number}", f"p{number % 7}"), state(number)]
    messages += [*(customer(f"p{n}") for n in range(7)), state("end")]
    account.hold("/api/rest/customers")
    settings = {"stream_maps": MAP, "batch_size_rows": 4}
    process = subprocess.Popen(
        [COMMAND, "--config=ENV"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(account, **settings),
    )
    process.stdin.write(encoded(messages))
    process.stdin.close()
    account.wait_held(1)
    process.kill()
    output = process.stdout.read()
    process.stderr.read()
    process.wait()
    process.stdout.close()
    process.stderr.close()
    account.release()

    # Every child is there and none has its link, so no STATE may be out.
    assert output == b""
    result = run_target(account, messages, **settings)

    assert (result.code, result.states[-1]) == (0, "end")
    assert links(account) == {f"c{n}": f"p{n % 7}" for n in range(30)}
    assert account.counts()["creates"] == 37
