"""What an account does, found out before the first load and without writing anything.

The documentation of the API leaves things open, and another key may do less. Each
finding is one line: how it is, and what the target does about it.

No request of this could create or change a record, even where a server took each for
one that matches: inserts and updates are empty, or an update holds a value that its
column can't take. The names of columns are checked before their values (SEEN in
Hasura's source), so the refusal tells which names are known.
"""

from __future__ import annotations

import sys
import threading
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from target_upwell import json_codec
from target_upwell.api.client import Client
from target_upwell.api.rate_limiter import RateLimiter
from target_upwell.api.responses import (
    Meaning,
    meaning_of,
    read_refusal,
    remedy_for,
    spellings,
)
from target_upwell.api.transport import Transport
from target_upwell.exceptions import (
    AmbiguousOutcome,
    NoAnswer,
    Refused,
    RunError,
    TooLarge,
)
from target_upwell.printable import one_id, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_upwell.api.replies import Record
    from target_upwell.api.transport import Answer
    from target_upwell.config import Settings
    from target_upwell.resource import Endpoint, RelatedRow, Resource

MOST_ASKED = 50
"""Records to ask for at once: more than the ten that the API gives by default."""

NO_COLUMN = "targetUpwellCheck"
"""A column that no account has: its refusal shows how names are refused."""

_UNFIT: dict[str, Any] = {}
"""A value that no column can take, but for those that take any JSON value."""


MOST_RETRIES = 2
"""Somebody waits for the check."""

_MARKS = ("✘", "✔")
_PLAIN_MARKS = ("NO", "ok")


class Finding(NamedTuple):
    """One line of the check: whether it is as it should be, and the words."""

    good: bool
    words: str


def print_check(settings: Settings, resource: Resource) -> int:
    """Print a line for each finding; return 0 if all is as it should be, else 1."""
    retries = min(settings.max_retries, MOST_RETRIES)
    check = Check(replace(settings, max_retries=retries), resource, threading.Event())
    marks = _MARKS
    try:
        "".join(marks).encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        marks = _PLAIN_MARKS
    code = 0
    for finding in check.findings():
        click.echo(f"{marks[finding.good]} {finding.words}")
        code |= not finding.good
    return code


class Check:
    """The check of one resource of an account."""

    def __init__(
        self, settings: Settings, resource: Resource, stop: threading.Event
    ) -> None:
        """Look at an account.

        Args:
            settings: Where it is, the key, the source system and the field policies.
            resource: What is to be loaded.
            stop: Ends all waits when it is set.
        """
        self._settings = settings
        self._resource = resource
        self._transport = Transport(settings)
        self._secret = spellings(settings.api_key)
        limiter = RateLimiter(1, stop)
        self._client = Client(settings, limiter, stop, lambda *_, **__: None)
        self._of_system = {resource.key[0]: {"_eq": settings.source_system}}
        # Of a record that nobody has.
        self._absent = settings.source_system, f"target-upwell-check-{uuid.uuid4()}"

    def findings(self) -> Iterator[Finding]:
        """Look, and yield what is found, one by one."""
        try:
            yield from self._address()
            yield from self._search()
            yield from self._insert()
            yield from self._update()
            yield from self._policies()
        except RunError as error:
            yield _bad(str(error))
        except (Refused, TooLarge, AmbiguousOutcome) as error:
            yield _bad(f"the check can't go on: {error or 'a request is too large'}")

    def _address(self) -> Iterator[Finding]:
        """Find out who answers, whether it takes the key, and what limits it names."""
        endpoint, url = self._resource.search, self._settings.api_url
        answer = self._ask(endpoint, {"limit": 1, "where": self._of_system})
        if meaning_of(answer.status) is not Meaning.DONE:
            refusal = read_refusal(answer.status, answer.body, self._secret)
            remedy = remedy_for(answer.status) or "try again later"
            raise RunError(f"{url}: {refusal.message} ({answer.status}): {remedy}")
        how = "over TLS" if url.startswith("https") else "on this machine, without TLS"
        yield _good(f"{url} answers {how}, in {answer.seconds:.2f} seconds")
        yield _good("the API key is accepted")
        limits = "; ".join(
            f"{name}: {value}"
            for name, value in answer.headers.items()
            if "ratelimit" in name.lower().replace("-", "")
        )
        shown = one_line(self._secret.sub("***", limits)) or "none"
        yield _good(
            f"rate limits that it names: {shown}; where it says that requests are too "
            "many, the target slows down"
        )

    def _search(self) -> Iterator[Finding]:
        """Find out what searches find, and how many they give."""
        name, system = self._resource.name, one_id(self._settings.source_system)
        found = self._client.find(self._resource, self._of_system, MOST_ASKED)
        ids = [one for record in found if (one := record[self._resource.key[1]])]
        if ids:
            yield from self._search_of(ids)
        else:
            yield _good(
                f"no {name} of source system {system} yet; whether a search gives as "
                "many as it is asked for can be told once there are some"
            )
        source_id, deleted = self._resource.key[1], self._resource.deleted
        yield self._condition(
            self._of_system,
            (source_id,),
            f"a search can be ordered by {source_id}",
            f"missing_{name} has to stay at ignore",
        )
        yield self._condition(
            {**self._of_system, deleted: {"_isNull": True}},
            (),
            f"a search can leave out {name} that have {deleted}",
            f"missing_{name} counts {name} again that are marked as deleted",
        )

    def _search_of(self, ids: Sequence[str]) -> Iterator[Finding]:
        """Find out whether searches find these, and whether there are more."""
        resource, source_id = self._resource, self._resource.key[1]
        by_key = self._client.search(resource, self._settings.source_system, ids)
        if missed := {*ids} - {record[source_id] for record in by_key}:
            yield _bad(
                f"a search by source key misses {len(missed)} of {len(ids)} "
                f"{resource.name} that are there; the target looks for each of them "
                "again, at the price of more requests"
            )
        else:
            yield _good(f"a search by source key finds {resource.name} that are there")
        others = {**self._of_system, source_id: {"_nin": list(ids)}}
        if len(ids) < MOST_ASKED and self._find_one(others):
            yield _bad(
                f"a search that was asked for {MOST_ASKED} {resource.name} gave "
                f"{len(ids)} of more; the target asks for fewer at once, at the price "
                "of more requests"
            )
        else:
            yield _good("a search gives as many as it is asked for")

    def _condition(
        self, where: dict[str, Any], order_by: Sequence[str], is_so: str, if_not: str
    ) -> Finding:
        """Find out whether a search takes a condition or an order."""
        try:
            self._client.find(self._resource, where, 1, order_by)
        except Refused as refused:
            return _bad(f"it is not so that {is_so}: {refused}; {if_not}")
        return _good(is_so)

    def _insert(self) -> Iterator[Finding]:
        """Find out whether the key may create, by creating nothing."""
        name = self._resource.name
        try:
            self._client.create(self._resource, {})
        except Refused as refused:
            yield _bad(
                f"the key may not create {name}: {refused}; ask Upwell for the "
                "permission, or load with load_method update-only"
            )
        else:
            yield _good(f"the key may create {name}")

    def _update(self) -> Iterator[Finding]:
        """Find out what the key may update, by updating what is not there."""
        resource, name = self._resource, self._resource.name
        if self._client.search(resource, self._absent[0], [self._absent[1]]):
            raise RunError(
                f"a search for an id that does not exist found {name}: a load could "
                "change the wrong ones; don't load, and ask Upwell"
            )
        try:
            self._update_nothing({}, {})
        except Refused as refused:
            yield _bad(
                f"the key may not update {name}: {refused}; ask Upwell for the "
                "permission, or load with load_method append-only"
            )
            return
        yield _good(f"the key may update {name}")
        if resource.update.related:
            yield self._update_without(resource.update.related)
        if self._unknown_field({NO_COLUMN: _UNFIT}, {}) == NO_COLUMN:
            yield from self._columns()
            yield from self._related_columns()
        else:
            yield _bad(
                "a column that does not exist is not refused by its name: which ones "
                "can be updated can't be told before the first load, and the target "
                "rejects what is refused"
            )

    def _update_without(self, related: RelatedRow) -> Finding:
        """Find out which reading of the documentation holds."""
        update = self._resource.update
        key = dict(zip(self._resource.key, self._absent, strict=True))
        answer = self._ask(update.endpoint, {**key, update.input: {}})
        taken = meaning_of(answer.status) is Meaning.DONE
        return _good(
            f"an update without {related.input} is "
            f"{'accepted' if taken else 'refused'}; the target always sends it"
        )

    def _columns(self) -> Iterator[Finding]:
        """Find out which columns can be updated."""
        update, known = self._resource.update, list[str]()
        names = [name for name in update.columns if name not in self._resource.key]
        # Those that take any value come last: another makes their request unfit.
        for name in sorted(names, key=update.free_columns.__contains__):
            free = name in update.free_columns
            if free and not known:
                yield _good(f"whether {name} can be updated shows in the first load")
                continue
            columns = {name: _UNFIT, **({known[0]: _UNFIT} if free else {})}
            if self._unknown_field(columns, {}) == name:
                yield _bad(
                    f"{name} can't be updated with this key: the target sets it on new "
                    f"{self._resource.name} only, and lists differences as drift; ask "
                    "Upwell for the permission"
                )
            else:
                known.append(name)
        if known:
            yield _good(f"columns that can be updated: {', '.join(sorted(known))}")

    def _related_columns(self) -> Iterator[Finding]:
        """Find out which columns of the related row can be updated."""
        related = self._resource.update.related
        if related is None:
            return
        for name in related.columns:
            where = f"{name} of {related.input}"
            if self._unknown_field({}, {name: _UNFIT}) == name:
                yield _bad(
                    f"{where} can't be updated with this key: the target lists "
                    "differences as drift; ask Upwell for the permission"
                )
            else:
                yield _good(f"{where} can be updated")

    def _policies(self) -> Iterator[Finding]:
        """Say which field policies are in force."""
        for name, policy in self._settings.field_policy.items():
            yield _good(f"field_policy of {name}: {policy}")

    def _find_one(self, where: dict[str, Any]) -> list[Record]:
        return self._client.find(self._resource, where, 1)

    def _unknown_field(self, columns: dict[str, Any], related: dict[str, Any]) -> str:
        """Return the name that an update is refused for, or nothing."""
        try:
            self._update_nothing(columns, related)
        except Refused as refused:
            return refused.refusal.unknown_field
        return ""

    def _update_nothing(self, columns: dict[str, Any], related: dict[str, Any]) -> None:
        """Send an update of what does not exist.

        Raises:
            Refused: If Upwell turned it down.
            RunError: If it touched something all the same.
        """
        if any(self._client.update(self._resource, self._absent, columns, related)):
            raise RunError(
                "an update of an id that does not exist touched something: a load "
                f"could change the wrong {self._resource.name}; don't load, and ask "
                "Upwell"
            )

    def _ask(self, endpoint: Endpoint, request: dict[str, Any]) -> Answer:
        try:
            return self._transport.send(endpoint, json_codec.encode(request))
        except NoAnswer as failure:
            raise RunError(f"{self._settings.api_url}: {failure}") from None


def _good(words: str) -> Finding:
    return Finding(good=True, words=words)


def _bad(words: str) -> Finding:
    return Finding(good=False, words=words)
