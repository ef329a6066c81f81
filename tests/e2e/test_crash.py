"""The target dies at random moments, again and again; nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import threading

from running_target import DEADLINE_S, RunningTarget
from share import share
from shown import new_seed, show
from target_command import encoded, record, schema
from target_command import state as state_of

KILLS = share(full=32, part=8)
SCHEMA = schema("id", "name", "billToSourceSystemId")


class Tap:
    """An endless stream of customers and their versions, the same for the same seed.

    Parents often come after their children, but soon.
    """

    def __init__(self, seed):
        self._random = random.Random(seed)
        self._messages = []
        self._parents = []  # by customer

    def message(self, position):
        """The message at a position; the state there says where it stands."""
        while len(self._messages) <= position:
            self._messages.append(self._next())
        return self._messages[position]

    def end(self, position):
        """Where to stop, from a position on, so that all parents are there."""
        while True:
            last = self.last(position)
            parents = {one["billToSourceSystemId"] for one in last.values()}
            if parents <= {*last, None}:
                return position
            position += 1

    def records(self, position):
        """The records before a position."""
        self.message(position)
        return [one for one in self._messages[:position] if one["type"] == "RECORD"]

    def last(self, position):
        """The last version of each customer before a position."""
        return {one["record"]["id"]: one["record"] for one in self.records(position)}

    def _next(self):
        position = len(self._messages)
        if position % 9 == 8:
            return state_of({"position": position + 1})
        if not self._parents or self._random.random() < 0.4:
            customer = len(self._parents)
            self._parents.append(None)
        else:
            customer = self._random.randrange(len(self._parents))
        if self._random.random() < 0.3:
            parent = self._random.randrange(len(self._parents) + 4)
            self._parents[customer] = None if parent == customer else str(parent)
        return record(
            id=str(customer),
            name=f"Customer {customer} v{position:06}",
            billToSourceSystemId=self._parents[customer],
        )


class Feeder:
    """Writes the stream to a run, from a position on, in a thread of its own."""

    def __init__(self, target, tap, position, end=None):
        self.position = position
        self._pipe = target.process.stdin
        self._tap = tap
        self._end = end
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._feed, daemon=True)
        self._thread.start()

    def stop(self):
        """Stop, and tell how far it came."""
        self._stopped.set()
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()
        return self.position

    def join(self):
        """Wait until all is written."""
        self._thread.join(DEADLINE_S)

    def _feed(self):
        with contextlib.suppress(BrokenPipeError):
            self._pipe.write(encoded([SCHEMA]))
            while self.position != self._end and not self._stopped.is_set():
                self._pipe.write(encoded([self._tap.message(self.position)]))
                self.position += 1
        with contextlib.suppress(BrokenPipeError):
            self._pipe.close()


def version_of(customer):
    return int(customer["name"].rpartition("v")[2])


def check_death(sandbox, tap, position, fed):
    """All that the last STATE stands for is stored, or something later is."""
    stored = sandbox.customers()
    final = tap.last(fed)
    for one, wanted in tap.last(position).items():
        assert one in stored, f"customer {one} is lost"
        assert version_of(stored[one]) >= version_of(wanted), f"{one} is stale"
        parent = wanted["billToSourceSystemId"]
        if final[one] is wanted and parent:
            # No later version was ever sent, so the link is not replaced either.
            assert stored[one]["billToCustomerId"] == stored[parent]["id"]


def test_killed_at_random_moments_it_goes_on_from_its_last_state(sandbox):
    seed = new_seed()
    chance = random.Random(seed)
    tap = Tap(seed)
    sandbox.faults(latency=15)
    position, furthest, codes, progress = 0, 0, [], 0
    for number in range(KILLS):
        signum = signal.SIGKILL if number % 2 else signal.SIGTERM
        settings = {"batch_size_rows": 10, "max_parallel_requests": 4}
        with RunningTarget(sandbox, **settings) as target:
            feeder = Feeder(target, tap, position)
            target.wait_log("requests at once")
            with contextlib.suppress(subprocess.TimeoutExpired):
                target.process.wait(chance.uniform(0, 0.7))
            target.terminate(signum)
            result = target.wait()
            furthest = max(furthest, feeder.stop())
        codes.append(result.code)
        assert "Traceback" not in result.stderr
        if result.states:
            progress += 1
            position = result.states[-1]["position"]
        check_death(sandbox, tap, position, furthest)
    assert set(codes) <= {-signal.SIGKILL, 128 + signal.SIGTERM}, codes
    assert progress > KILLS / 4, "hardly a run came to a STATE; this shows nothing"

    end = tap.end(furthest)
    with RunningTarget(sandbox, batch_size_rows=100) as target:
        feeder = Feeder(target, tap, position, end)
        result = target.wait()
        feeder.join()

    assert result.code == 0, result.stderr
    wanted = tap.last(end)
    everything = sandbox.control("GET", "/customers")
    assert len(everything) == len(wanted)
    stored = {one["sourceSystemId"]: one for one in everything}
    ids = {number: one["id"] for number, one in stored.items()}
    for number, one in wanted.items():
        assert stored[number]["name"] == one["name"]
        parent = one["billToSourceSystemId"]
        assert stored[number]["billToCustomerId"] == (parent and ids[parent])
    show(
        f"{KILLS} kills, {progress} runs with STATE, {end} messages, "
        f"{len(wanted)} customers, last STATE before the end {json.dumps(position)}"
    )
