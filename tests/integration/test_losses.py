"""What could be lost, rejected or left waiting although Upwell would have taken it.

Each test runs the whole command against a model of an account behind a server that
fails where the test says so.
"""

from __future__ import annotations

import json
import threading

import pytest
from account_model import AccountModel, Refusal
from hostile_server import HostileServer
from target_command import record, run_target, schema, state

from target_upwell.delivery.scheduler import Scheduler

SYSTEM = "TMSEZ"
SCHEMA = schema(
    "id", "name", "emailAddress", "collectorId", "deletedAt", "billToSourceSystemId"
)
DEADLINE_S = 20


@pytest.fixture(autouse=True)
def _retries_come_at_once(monkeypatch):
    monkeypatch.setattr("backoff.full_jitter", lambda seconds: seconds / 500)


class Account(AccountModel):
    """An account that remembers what it was asked, and refuses what a test says."""

    def __init__(self, most_found=1000, **refuse):
        super().__init__(most_found)
        self.asked = []
        self._refuse = refuse

    def bulk(self, body):
        return self._do("bulk", body, body["inputs"])

    def update(self, body):
        return self._do("update", body, [body])

    def search(self, body):
        return self._do("search", body, [])

    def _do(self, operation, body, customers):
        self.asked.append((operation, body))
        refusal = self._refuse.get(operation, lambda _customers: None)(customers)
        if refusal:
            raise refusal
        return getattr(super(), operation)(body)

    def ids(self):
        return {key[1] for key in self.customers}

    def updates(self):
        return [body for operation, body in self.asked if operation == "update"]

    def __getitem__(self, source_id):
        return self.customers[SYSTEM, source_id]


def load(account, *messages, fault=None, **settings):
    with HostileServer(account, 0) as server:
        server.fault = fault or server.fault
        return run_target(server, [SCHEMA, *messages, state(1)], **settings)


def loaded(account, *messages, **settings):
    result = load(account, *messages, **settings)
    assert result.code == 0, result.stderr
    assert result.states == [1]
    return result


def records(ids, **properties):
    return [record(id=one, **{"name": f"N{one}", **properties}) for one in ids]


def naming(names, refusal):
    """Refuse what holds one of these customers."""
    return lambda customers: (
        refusal if names & {one["sourceSystemId"] for one in customers} else None
    )


def behind_others(account, refuse):
    """Refuse once the account has taken others, and until then have it sent again."""

    def refusal(customers):
        found = refuse(customers)
        taken = any("collectorId" in one for one in list(account.customers.values()))
        return found if taken or not found else TOO_EARLY

    return refusal


TOO_EARLY = Refusal("too early", status=425)


def kept(path):
    lines = map(json.loads, path.read_text().splitlines())
    return [one for one in lines if one["type"] == "RECORD"]


# 1. Updates behind an insert of unknown outcome

OLD = [f"o{number}" for number in range(10)]
NEW = [f"n{number}" for number in range(10)]


@pytest.mark.parametrize("how", ["without a lookup", "after a capped lookup"])
def test_one_503_loses_no_update_that_nobody_can_see(how):
    capped = how == "after a capped lookup"
    account, posts = Account(3 if capped else 1000), []
    hidden = {"collectorId": "x", "deletedAt": "2026-01-01T00:00:00Z"}
    loaded(account, *records(OLD, emailAddress="a@b.example", **hidden))

    def fault(operation, _dice):
        posts.append(operation) if operation == "bulk" else None
        last = 1 if capped else 2
        return "503 before" if operation == "bulk" and len(posts) == last else None

    changed = records(OLD, emailAddress=None, collectorId="y", deletedAt=None)
    loaded(
        account,
        *([] if capped else records(NEW)),
        *changed,
        fault=fault,
        batch_size_rows=10,
        max_parallel_requests=1,
        max_cleared_percent=100,
    )

    assert posts
    found = [
        {name: account[one][name] for name in ("emailAddress", *hidden)} for one in OLD
    ]
    assert found == [{"emailAddress": None, "collectorId": "y", "deletedAt": None}] * 10


# 2. The order of the rejects file


def test_rejects_of_a_map_are_kept_in_the_order_of_the_stream(tmp_path):
    path = tmp_path / "rejects.jsonl"
    later = threading.Event()

    def first_waits(customers):
        ids = {one["sourceSystemId"] for one in customers}
        if "good0" in ids:
            assert later.wait(DEADLINE_S)
        elif "good2" in ids:
            later.set()

    account = Account(bulk=first_waits)
    messages = []
    for number in range(9):
        messages.append(record(id="1", name=None, emailAddress=f"v{number}@b.example"))
        messages.append(record(id=f"good{number}", name="a"))
    settings = {
        "batch_size_rows": 2,
        "max_parallel_requests": 3,
        "max_rejects": -1,
        "rejects_path": str(path),
    }
    maps = {"customers": {"name": "name.upper()"}}

    loaded(account, *messages, stream_maps=maps, **settings)

    versions = [one["record"]["emailAddress"] for one in kept(path)]
    assert versions == [f"v{number}@b.example" for number in range(9)]
    assert len(account.ids()) == 9


# 6. Updates that Upwell takes where it refuses the insert

NO_INSERT = Refusal("Check constraint violation. insert", "permission-error")


@pytest.mark.parametrize("most_found", [1000, 3])
@pytest.mark.parametrize("number", [1, 30])
def test_an_update_is_no_reject_because_the_insert_was_refused(number, most_found):
    old = [f"o{one}" for one in range(number)]
    account = Account(most_found)
    loaded(account, *records(old))
    account._refuse["bulk"] = naming(set(old), NO_INSERT)

    result = loaded(
        account,
        *records(NEW),
        *records(old, collectorId="y"),
        batch_size_rows=10,
        max_parallel_requests=1,
    )

    assert {account[one]["collectorId"] for one in old} == {"y"}
    assert f"10 created, {number} updated" in result.summary


def test_where_all_inserts_are_refused_those_that_exist_are_still_updated():
    old = [f"o{one}" for one in range(40)]
    account = Account(3)
    loaded(account, *records(old))
    account._refuse["bulk"] = lambda _customers: NO_INSERT

    result = loaded(account, *records(old, name="B"), batch_size_rows=40)

    assert "0 created, 40 updated" in result.summary


# 7. Another unique constraint than the source key

NAMED = Refusal(
    "Uniqueness violation. duplicate key value violates unique constraint "
    '"customers_email_address_key"'
)
UNNAMED = Refusal("E-mail already in use", "RESOURCE_ALREADY_EXISTS", status=409)


@pytest.mark.parametrize("refusal", [NAMED, UNNAMED])
@pytest.mark.parametrize("method", ["upsert", "append-only"])
def test_another_constraint_is_reported_in_upwells_words(tmp_path, refusal, method):
    path = tmp_path / "rejects.jsonl"
    account = Account(bulk=naming({"n3"}, refusal))

    result = loaded(
        account,
        *records(NEW),
        load_method=method,
        max_rejects=1,
        rejects_path=str(path),
    )

    assert account.ids() == {*NEW} - {"n3"}
    assert "9 created, 0 updated, 0 unchanged, 0 skipped, 1 rejected" in result.summary
    (one,) = kept(path)
    words = str(refusal)
    assert words in one["reject"]["reason"]
    assert "can't see it" not in one["reject"]["reason"].partition(words)[0]


def test_a_customer_that_no_update_may_touch_is_not_called_unchanged(tmp_path):
    # Nothing was sent, so nobody knows whether it is there.
    account = Account(bulk=naming({"n3"}, NAMED))

    result = loaded(
        account,
        *records(NEW),
        field_policy={"name": "create_only"},
        max_rejects=1,
        rejects_path=str(tmp_path / "rejects.jsonl"),
    )

    assert "9 created, 0 updated, 0 unchanged, 0 skipped, 1 rejected" in result.summary


# 9. No more threads


@pytest.mark.parametrize("allowed", [1, 2])
def test_with_few_threads_the_run_goes_on_slowly(monkeypatch, allowed):
    start, started = threading.Thread.start, []

    def limited(thread):
        if thread.name.startswith(("batch", "request")):
            if len(started) >= allowed:
                raise RuntimeError("can't start new thread")
            started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    account = Account()
    ids = [str(number) for number in range(60)]

    loaded(account, *records(ids), batch_size_rows=5, max_parallel_requests=4)

    assert account.ids() == {*ids}


@pytest.mark.parametrize("kind", ["batch", "clock"])
def test_without_a_thread_the_run_ends_in_words(monkeypatch, kind):
    start = threading.Thread.start

    def limited(thread):
        if thread.name.startswith(kind):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)

    result = load(Account(), *records(NEW))

    assert (result.code, result.states) == (1, [])
    (error,) = result.errors
    assert "the system allows no more threads" in error


# 13. One row or one status for the whole run

CHOKED = Refusal("database query error", "unexpected", status=500)
FORBIDDEN = Refusal("Forbidden", "", status=403)


@pytest.mark.parametrize("refusal", [CHOKED, FORBIDDEN])
@pytest.mark.parametrize("operation", ["bulk", "update"])
def test_a_row_that_upwell_fails_on_costs_one_record(tmp_path, operation, refusal):
    path = tmp_path / "rejects.jsonl"
    account = Account()
    if operation == "update":
        loaded(account, *records(NEW))
    # A 403 is about the row where the endpoint has taken something before.
    account._refuse[operation] = behind_others(account, naming({"n7"}, refusal))

    result = loaded(
        account,
        *records(NEW, collectorId="y"),
        batch_size_rows=5 if operation == "bulk" else 1,
        max_parallel_requests=1,
        max_rejects=1,
        rejects_path=str(path),
    )

    assert "1 rejected" in result.summary
    (one,) = kept(path)
    assert (one["record"]["id"], one["reject"]["status"]) == ("n7", refusal.status)
    others = {*NEW} - {"n7"}
    assert {account[one]["collectorId"] for one in others} == {"y"}


@pytest.mark.parametrize("status", [401, 451])
@pytest.mark.parametrize("operation", ["bulk", "update"])
def test_a_status_that_is_about_no_row_ends_the_run(tmp_path, status, operation):
    path = tmp_path / "rejects.jsonl"
    account = Account()
    loaded(account, *records(OLD))
    account._refuse[operation] = lambda _customers: Refusal("no", status=status)

    result = load(
        account,
        *records(OLD, name="B"),
        *records(NEW),
        max_rejects=-1,
        rejects_path=str(path),
    )

    assert (result.code, result.states) == (1, [])
    (error,) = result.errors
    assert f"({status})" in error
    assert not path.exists()


@pytest.mark.parametrize("operation", ["bulk", "update"])
def test_a_key_that_loses_its_permission_rejects_no_thousands(tmp_path, operation):
    account, ids = Account(), [str(number) for number in range(100)]
    if operation == "update":
        loaded(account, *records(ids))
    first = naming({"0"}, refusal=True)
    account._refuse[operation] = behind_others(
        account, lambda customers: None if first(customers) else FORBIDDEN
    )

    result = load(
        account,
        *records(ids, collectorId="y"),
        batch_size_rows=10,
        max_parallel_requests=1,
        max_rejects=-1,
        rejects_path=str(tmp_path / "rejects.jsonl"),
    )

    assert (result.code, result.states) == (1, [])
    assert "the last 20 records were all refused alike" in result.errors[-1]


# 14. A change of the rule alone


def test_a_change_of_the_rule_alone_sends_nothing_else_and_undoes_no_rename():
    rule = schema("id", "name", customerRule={"type": "object"})
    account = Account()
    first = record(id="1", name="A", customerRule={"dueOption": 30})
    loaded(account, rule, first)

    def renamed_meanwhile(_customers):
        account["1"]["name"] = "Renamed by a person"

    account._refuse["update"] = renamed_meanwhile
    changed = record(id="1", name="A", customerRule={"dueOption": 45})
    result = loaded(account, rule, changed)

    (sent,) = account.updates()
    assert (sent["input"], sent["customerRulesInput"]) == ({}, {"dueOption": 45})
    assert account["1"]["name"] == "Renamed by a person"
    assert account["1"]["customerRule"]["dueOption"] == 45
    assert "1 updated" in result.summary


# 15. After a failure


def test_after_a_failure_nothing_new_begins():
    account, ids = Account(), [str(number) for number in range(600)]
    loaded(account, *records(ids))
    account.asked.clear()
    account._refuse["update"] = naming({"5"}, Refusal("busy", status=503))

    result = load(
        account,
        *records(ids, name="B"),
        batch_size_rows=100,
        max_parallel_requests=4,
        max_retries=0,
    )

    assert (result.code, result.states) == (1, [])
    (error,) = result.errors
    assert error.startswith("PUT /customers failed once")
    # Of 600; some were under way, or done before it.
    assert len(account.updates()) < 100


def test_after_a_line_that_is_no_message_nothing_new_begins():
    account, ids = Account(), [str(number) for number in range(600)]
    loaded(account, *records(ids))
    account.asked.clear()
    messages = records(ids, name="B")

    result = load(account, *messages, b"no message", batch_size_rows=500)

    assert (result.code, result.states) == (1, [])
    assert len(account.updates()) < 300


def test_what_was_done_of_a_batch_that_failed_is_told(tmp_path):
    log = tmp_path / "sync.jsonl"

    def second_half_fails(customers):
        if len(customers) == len(NEW):
            return Refusal("one of them is bad")
        last = NEW[-1] in {one["sourceSystemId"] for one in customers}
        return Refusal("busy", status=503) if last else None

    account = Account(bulk=second_half_fails)

    result = load(account, *records(NEW), max_retries=0, sync_log_path=str(log))

    assert (result.code, result.states) == (1, [])
    assert len(account.customers) == 5
    assert "5 created" in result.summary
    lines = map(json.loads, log.read_text().splitlines())
    ids = {one["sourceSystemId"] for one in lines if one["outcome"] == "created"}
    assert ids == account.ids()


# 16. Rejects that fill memory


@pytest.mark.parametrize("how", ["too large", "map fails", "invalid"])
def test_rejected_records_count_with_their_bytes(monkeypatch, tmp_path, how):
    batches, submit = [], Scheduler.submit

    def submitted(scheduler, batch):
        batches.append(batch)
        submit(scheduler, batch)

    monkeypatch.setattr(Scheduler, "submit", submitted)
    large = "x" * 60_000
    given = {
        "too large": {"name": "N", "collectorId": large * 2},
        "map fails": {"name": None, "collectorId": large},
        "invalid": {"name": "N", "emailAddress": large},
    }[how]

    loaded(
        Account(),
        record(id="0", name="N"),
        *(record(id=str(number), **given) for number in range(1, 40)),
        batch_size_bytes=100_000,
        max_rejects=-1,
        rejects_path=str(tmp_path / "rejects.jsonl"),
        **(
            {"stream_maps": {"customers": {"name": "name.upper()"}}}
            if "map" in how
            else {}
        ),
    )

    held = [sum(len(str(row.record)) for row in one.rows) for one in batches]
    assert len(batches) >= 39
    assert max(held) <= 2 * 60_000 + 200


# Updates that wait for a guard


def test_no_state_passes_an_update_that_a_newer_version_took_over():
    account = Account()
    loaded(account, *records(["1", "2"], emailAddress="a@b.example"))
    account._refuse["bulk"] = lambda _customers: Refusal("busy", status=503)

    result = load(
        account,
        # Too early to judge whether a run that empties e-mail addresses does harm.
        record(id="1", emailAddress=None),
        state("first"),
        record(id="1", collectorId="y"),
        state("second"),
        record(id="new", name="N"),
        batch_size_rows=1,
        max_parallel_requests=1,
        max_retries=0,
    )

    assert (result.code, result.states) == (1, [])
    assert account["1"]["emailAddress"] == "a@b.example"

    account._refuse.clear()
    loaded(account, record(id="1", emailAddress=None), record(id="1", collectorId="y"))
    assert account["1"]["emailAddress"] is None
    assert account["1"]["collectorId"] == "y"


# Links


@pytest.mark.parametrize("parent", ["nobody", None, "missing"])
def test_a_refused_version_leaves_the_link_of_the_one_before(tmp_path, parent):
    account = Account()
    named = {"billToSourceSystemId": parent} if parent != "missing" else {}
    loaded(
        account,
        record(id="child", name="A", billToSourceSystemId="parent"),
        record(id="child", name="refused", **named),
        record(id="parent", name="P"),
        batch_size_rows=1,
        max_parallel_requests=1,
        max_rejects=1,
        rejects_path=str(tmp_path / "rejects.jsonl"),
    )

    assert account["child"]["name"] == "A"
    assert account["child"]["billToCustomerId"] == account["parent"]["id"]


@pytest.mark.parametrize("version", [0, 1])
def test_a_refused_version_that_waited_for_a_guard_asks_for_no_link(tmp_path, version):
    account = Account(update=lambda _customers: Refusal("not this one"))
    parent = [{}, {}]
    parent[version] = {"billToSourceSystemId": "nobody"}
    drift = tmp_path / "drift.jsonl"

    loaded(
        account,
        record(id="child", name="A", emailAddress="a@b.example", **parent[0]),
        record(id="child", emailAddress=None, **parent[1]),
        batch_size_rows=1,
        max_rejects=1,
        rejects_path=str(tmp_path / "rejects.jsonl"),
        drift_path=str(drift),
    )

    # What the version before it asks for is still not there.
    assert drift.exists() is (version == 0)
