"""Runs against a server that answers wrongly, are stopped and killed, and lose nothing.

Each attack is a few runs over a growing log of changes, each from the last STATE that
went out, with faults, signals and kills, and a last quiet one. At the moment a STATE
goes out all that was before it is in the account or among the rejects; in the end the
account holds of every customer what its last records say, in the columns that the API
never shows, too.

`make test` runs a share of the attacks, `make test-full` all of them. To see one again:
ATTACK_SEED=... pytest.
"""

from __future__ import annotations

import json
import os
import random
import signal
from datetime import datetime

import pytest
from account_model import AccountModel
from hostile_server import HostileServer
from random_source import BILL_TO, HIDDEN, NAMES, SCHEMA, RandomSource
from running_target import RunningTarget
from share import share
from shown import new_seed, show
from target_command import record, run_target

from target_upwell.singer.state_writer import StateWriter

ATTACKS = share(full=400, part=25)
SEEDS = [int(one) for one in os.environ.get("ATTACK_SEED", "").split()]
SYSTEM = "TMSEZ"
BY_SIGNAL = 128 + signal.SIGTERM


@pytest.fixture(autouse=True)
def _signals_are_survived():
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(autouse=True)
def _retries_come_at_once(monkeypatch):
    monkeypatch.setattr("backoff.full_jitter", lambda seconds: seconds / 500)


class Attack:
    """One attack: a source, an account behind a hostile server, and a rejects file."""

    def __init__(self, seed, folder, monkeypatch):
        self.dice = random.Random(seed)
        most_found = self.dice.choice([1000, 1000, 7, 3])
        self.account = AccountModel(most_found)
        self.source = RandomSource(self.dice, self.dice.choice([8, 30, 120]))
        self.server = HostileServer(self.account, seed)
        self.rejects = folder / f"rejects-{seed}.jsonl"
        self.place = 0
        self.losses = []
        write = StateWriter.write

        def checked(writer, value):
            self.left_over(int(value), "when it was bookmarked")
            write(writer, value)

        monkeypatch.setattr(StateWriter, "write", checked)

    def settings(self):
        return {
            "batch_size_rows": self.dice.choice([1, 3, 10, 50]),
            "max_parallel_requests": self.dice.choice([1, 2, 4, 8]),
            "max_retries": self.dice.choice([1, 3, 8]),
            "request_timeout": 5,
            "max_rejects": -1,
            "rejects_path": str(self.rejects),
            "max_cleared_percent": 100,  # a random source is one that a guard stops
        }

    def run(self, death):
        """Run once from the last STATE, and remember the one that goes out."""
        messages, settings = self.source.messages(self.place), self.settings()
        stop_at = self.server.asked + self.dice.randrange(1, 12)
        if death == "kill":
            states = self._killed_at(stop_at, messages, settings)
        else:
            if death == "signal":
                self.server.on_request = lambda number: (
                    number == stop_at and os.kill(os.getpid(), signal.SIGTERM)
                )
            result = run_target(self.server, messages, **settings)
            self.server.on_request = lambda _number: None
            assert result.code in (0, 1, BY_SIGNAL), result.stderr
            assert "defect of target-upwell" not in result.stderr, result.stderr
            states = result.states
        self.place = max([self.place, *states])
        return states

    def _killed_at(self, number, messages, settings):
        with RunningTarget(self.server, **settings) as target:
            self.server.on_request = lambda n: n == number and target.process.kill()
            target.send(*messages)
            target.close_stdin()
            target.process.wait(60)
            self.server.on_request = lambda _number: None
        states = target.states()
        # It can't be asked in the moment, but nothing was written since.
        self.left_over(max(states, default=0), "when it was killed")
        return states

    def left_over(self, place, when):
        """Note what the account lacks of the records before a place."""
        rejected = self._rejected()
        given_up = {one for one, status in rejected if status == 500}
        with self.account.lock:
            held = {key[1]: self._held(one) for key, one in self._customers()}
        for one, wanted in self.source.versions(place).items():
            if one in given_up:  # Upwell failed on it as often as it may be retried
                continue
            if one.startswith("bad"):
                if (one, 400) not in rejected:
                    self.losses.append(f"{when}, {place}: {one} is not rejected")
                continue
            customer = held.get(one, {})
            self.losses += [
                f"{when}, {place}: {one}.{name} is {customer.get(name)}, not {values}"
                for name, values in wanted.items()
                if not customer
                or _comparable(customer[name])
                not in [_comparable(value) for value in values]
                # Parents may be set later than the child, if they come later.
                if not (name == BILL_TO and place < len(self.source.log))
            ]

    def _customers(self):
        return list(self.account.customers.items())

    def _held(self, customer):
        ids = {one["id"]: key[1] for key, one in self._customers()}
        found = {name: customer[name] for name in NAMES[1:] if name in customer}
        found[BILL_TO] = ids.get(customer["billToCustomerId"])
        for name in ("addresses", "contacts"):
            found[name] = found[name] or None
        return found

    def _rejected(self):
        if not self.rejects.exists():
            return set()
        lines = map(json.loads, self.rejects.read_text().splitlines())
        return {
            (one["record"]["id"], one["reject"]["status"])
            for one in lines
            if one["type"] == "RECORD"
        }


def _comparable(value):
    """A value as the account holds it, whatever way a time is written in."""
    if isinstance(value, str) and value.startswith("2026-01-01T"):
        return datetime.fromisoformat(value.replace("Z", "+00:00"))
    return value


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_is_lost_under_attack(tmp_path, monkeypatch):
    first = new_seed()
    lost, met = {}, 0
    for seed in SEEDS or range(first, first + ATTACKS):
        with monkeypatch.context() as patch:
            attack = Attack(seed, tmp_path, patch)
            with attack.server:
                losses = attacked(attack)
        met += len(attack.server.met)
        if losses:
            lost[seed] = losses
            show(f"ATTACK_SEED={seed}: {losses[:5]}, after {attack.server.met}")
    assert not lost, f"{len(lost)} of {ATTACKS} attacks"
    assert met, "no request met a fault; this shows nothing"


def attacked(attack):
    dice = attack.dice
    for _ in range(dice.randrange(2, 6)):
        attack.source.grow(dice.choice([3, 15, 60]))
        attack.server.percent = dice.choice([0, 5, 20, 50])
        kill = "kill" if dice.random() < 0.03 else "signal"
        attack.run(dice.choice([None, None, kill]))
    attack.server.percent = 0
    states = attack.run(None)
    end = len(attack.source.log) - 1
    if states[-1:] != [end] and attack.place != end:
        attack.losses.append(f"the quiet run came to {states[-1:]}, not {end}")
    attack.left_over(end + 1, "in the end")
    return attack.losses


@pytest.mark.parametrize(
    "fault", ["503 before", "nothing before", "502 after", "cut", "null rows", "utf-16"]
)
def test_a_change_that_nobody_can_see_outlives_an_insert_of_unknown_outcome(fault):
    old = [f"o{number}" for number in range(20)]
    new = [record(id=f"n{number}", name="New") for number in range(20)]
    first = [record(id=one, name="Old", collectorId="x") for one in old]
    changed = [record(id=one, name="Old", collectorId="y") for one in old]
    settings = {"batch_size_rows": 10, "max_parallel_requests": 1}
    account, posts = AccountModel(), []

    def each_second_post(operation, _dice):
        posts.append(operation) if operation == "bulk" else None
        return fault if operation == "bulk" and len(posts) % 2 else None

    with HostileServer(account, 0) as server:
        assert run_target(server, [SCHEMA, *first], **settings).code == 0
        server.fault = each_second_post
        result = run_target(server, [SCHEMA, *new, *changed], **settings)

    assert result.code == 0, result.stderr
    assert {account.customers[SYSTEM, one]["collectorId"] for one in old} == {"y"}


@pytest.mark.parametrize("rows", [1, 10])
def test_a_null_that_nobody_can_see_follows_a_value_of_the_same_run(rows):
    account = AccountModel()
    versions = [
        record(id="1", name="A", collectorId="x"),
        record(id="2", name="B"),
        record(id="1", name="A", collectorId=None),
    ]
    with HostileServer(account, 0) as server:
        settings = {"batch_size_rows": rows, "max_parallel_requests": 1}
        assert run_target(server, [SCHEMA, *versions], **settings).code == 0
        assert account.customers[SYSTEM, "1"].get("collectorId") is None

        # The same again, as after a run that died before its STATE went out.
        assert run_target(server, [SCHEMA, *versions], **settings).code == 0

    assert account.customers[SYSTEM, "1"].get("collectorId") is None


def test_the_source_sends_what_the_api_never_shows():
    source = RandomSource(random.Random(1), 20)
    source.grow(200)
    records = [one for one in source.log if not isinstance(one, int)]
    assert any(set(one) == {"id", "collectorId"} for one in records)
    assert all(any(one.get(name, 0) is None for one in records) for name in HIDDEN)
