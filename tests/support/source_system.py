"""A source system for tests: what it sends, and what Upwell then holds."""

from __future__ import annotations

import itertools
from collections import Counter

from target_command import record, run_target, schema, state

BULK, SEARCH, PUT = "POST bulk-customers", "POST customers/search", "PUT customers"
FATES = ("created", "updated", "unchanged", "skipped", "rejected")
_numbers = itertools.count(1)


class Source:
    """A source system of one test: what it sends, and what Upwell then holds."""

    def __init__(self, account):
        self.account = account
        self.name = f"UPSERT-{next(_numbers)}"

    def run(self, *records, **settings):
        """Load records, and remember only the requests of this run."""
        self.account.reset()
        names = dict.fromkeys(name for sent in records for name in sent)
        # A stream has these, even if none of these records does.
        messages = [schema(**{name: {} for name in (*names, "id", "name")})]
        messages += [record(**sent) for sent in records]
        return run_target(
            self.account,
            [*messages, state({"n": 1})],
            source_system=self.name,
            **{"max_retries": 1, **settings},
        )

    def send(self, *lines, **settings):
        """Load records from lines as they are."""
        self.account.reset()
        messages = [schema(**{name: {} for name in ("id", "name", "metadata")}), *lines]
        return run_target(self.account, messages, source_system=self.name, **settings)

    def load(self, *records, **settings):
        """Load records, which must succeed."""
        result = self.run(*records, **settings)
        assert result.code == 0, result.stderr
        assert result.states == [{"n": 1}]
        return result

    def __getitem__(self, source_id):
        return self.account.customer(self.name, str(source_id))

    @property
    def done(self):
        """The requests of the last run that succeeded, by what they were."""
        return Counter(_kind(r) for r in self.requests() if r["status"] == 200)

    @property
    def refused(self):
        """The requests of the last run that did not."""
        return Counter(_kind(r) for r in self.requests() if r["status"] != 200)

    def requests(self, kind=None):
        """The requests of the last run, or those of one kind."""
        every = self.account.requests()
        return [r for r in every if kind in (None, _kind(r))]

    @property
    def changes(self):
        """What the last run changed: for each customer touched, old and new values."""
        return [change["properties"] for change in self.account.changes()]


def _kind(request):
    return f"{request['method']} {request['path'].removeprefix('/api/rest/')}"


def assert_fates(result, **expected):
    counts = result.summary.split(": ", 1)[1].split(";")[0].split(" (")[0]
    found = {word: int(n) for n, word in (p.split() for p in counts.split(", "))}
    assert found == {**dict.fromkeys(FATES, 0), **expected}
