from __future__ import annotations

import random
import threading
from collections import defaultdict

import pytest
from running_target import RunningTarget
from share import share
from shown import new_seed, show
from target_command import record, schema
from target_command import state as state_of

SCHEMA = schema("id", "name")
CUSTOMERS = 300
VERSIONS = share(full=2500, part=500)


class RandomLatency:
    """Changes the latency of a sandbox all the while: each request has its own."""

    def __init__(self, sandbox, chance):
        self._sandbox = sandbox
        self._chance = chance
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._change)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _change(self):
        while not self._ended.is_set():
            self._sandbox.faults(latency=self._chance.choice([0, 0, 1, 5, 20, 60]))


@pytest.mark.slow
def test_the_last_version_wins_whatever_each_request_takes(account):
    seed = new_seed()
    chance = random.Random(seed)
    last, messages = {}, [SCHEMA]
    for version in range(VERSIONS):
        number = str(chance.randrange(CUSTOMERS))
        last[number] = f"v{version:06}"
        messages.append(record(id=number, name=last[number]))
    settings = {"batch_size_rows": 5, "max_parallel_requests": 8}
    with (
        RunningTarget(account, **settings) as target,
        RandomLatency(account, random.Random(seed)),
    ):
        target.send(*messages, state_of({"at": VERSIONS}))
        target.close_stdin()
        result = target.wait()

    assert result.code == 0, result.stderr
    assert result.states == [{"at": VERSIONS}]
    stored = {key: one["name"] for key, one in account.customers().items()}
    assert stored == last
    counts = account.counts()
    assert 1 < counts["most_in_flight"] <= 8
    assert counts["creates"] == len(last)
    # Not only in the end: at no time did an older version replace a newer one.
    history = defaultdict(list)
    for change in account.changes():
        if "name" in change["properties"]:
            history[change["customer"]].append(change["properties"]["name"][1])
    assert history
    for versions in history.values():
        assert versions == sorted(versions)
    show(f"{counts['most_in_flight']} at once, {counts['requests']} requests")


def test_a_later_version_waits_for_the_request_of_the_earlier_one(account):
    account.hold()
    settings = {"batch_size_rows": 1, "max_parallel_requests": 8}
    with RunningTarget(account, **settings) as target:
        target.send(SCHEMA, record(id="1", name="old"), record(id="1", name="new"))
        target.send(record(id="2", name="other"))
        account.wait_held()

        assert account.held() == 1

        account.release()
        target.close_stdin()
        result = target.wait()
    assert result.code == 0
    assert account.customers()["1"]["name"] == "new"
    assert account.customers().keys() == {"1", "2"}
