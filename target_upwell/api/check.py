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
from target_upwell.api.responses import Meaning, meaning_of, remedy_for
from target_upwell.exceptions import AmbiguousOutcome, Refused, RunError, TooLarge
from target_upwell.printable import one_id, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_upwell.api.transport import Answer
    from target_upwell.config import Settings
    from target_upwell.resource import Endpoint, Resource

MOST_ASKED = 50
"""Records to ask for at once: more than the ten that the API gives by default."""

MOST_RETRIES = 2
"""Somebody waits for the check."""

NO_COLUMN = "targetUpwellCheck"
"""A column that no account has: its refusal shows how names are refused."""

_UNFIT: dict[str, Any] = {}
"""A value that no column can take, but for those that take any JSON value."""


class Finding(NamedTuple):
    """One line of the check, and whether it is as it should be."""

    words: str
    good: bool = True


def print_check(settings: Settings, resource: Resource) -> int:
    """Print a line for each finding; return 0 if all is as it should be, else 1."""
    marks = ("✘", "✔")
    try:
        "".join(marks).encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        marks = ("NO", "ok")
    code = 0
    for finding in Check(settings, resource).findings():
        click.echo(f"{marks[finding.good]} {finding.words}")
        code |= not finding.good
    return code


class Check:
    """The check of one resource of an account."""

    def __init__(self, settings: Settings, resource: Resource) -> None:
        retries = min(settings.max_retries, MOST_RETRIES)
        stop = threading.Event()
        self._settings = replace(settings, max_retries=retries)
        self._resource = resource
        self._client = Client(
            self._settings, RateLimiter(1, stop), stop, lambda *_, **__: None
        )
        self._of_system = {resource.key[0]: {"_eq": settings.source_system}}
        # Of a record that nobody has.
        self._absent = settings.source_system, f"target-upwell-check-{uuid.uuid4()}"

    def findings(self) -> Iterator[Finding]:
        """Look, and yield what is found, one by one."""
        try:
            yield from self._address()
            yield from self._search()
            # That creates nothing.
            refused = _refusal(self._client.create, self._resource, {})
            yield self._may("create", refused, if_not="update-only")
            yield from self._update()
        except RunError as error:
            yield Finding(str(error), good=False)
        except (Refused, TooLarge, AmbiguousOutcome) as error:
            why = error or "a request is too large"
            yield Finding(f"the check can't go on: {why}", good=False)
        else:
            for name, policy in self._settings.field_policy.items():
                yield Finding(f"field_policy of {name}: {policy}")

    def _address(self) -> Iterator[Finding]:
        """Find out who answers, whether it takes the key, and what limits it names."""
        url = self._settings.api_url
        try:
            request = {"limit": 1, "where": self._of_system}
            answer = self._ask(self._resource.search, request)
        except AmbiguousOutcome as failure:
            raise RunError(f"{url}: {failure}") from None
        if meaning_of(answer.status) is not Meaning.DONE:
            remedy = remedy_for(answer.status) or "try again later"
            raise RunError(f"{url}: {self._client.summary(answer)}: {remedy}")
        how = "over TLS" if url.startswith("https") else "on this machine, without TLS"
        yield Finding(f"{url} answers {how}, in {answer.seconds:.2f} seconds")
        yield Finding("the API key is accepted")
        limits = "; ".join(
            f"{name}: {value}"
            for name, value in answer.headers.items()
            if "ratelimit" in name.lower().replace("-", "")
        )
        shown = one_line(limits.replace(self._settings.api_key, "***")) or "none"
        yield Finding(
            f"rate limits that it names: {shown}; where it says that requests are too "
            "many, the target slows down"
        )

    def _search(self) -> Iterator[Finding]:
        """Find out what searches find, and how many they give."""
        name, source_id = self._resource.name, self._resource.key[1]
        found = self._client.find(self._resource, self._of_system, MOST_ASKED)
        if ids := [one for record in found if (one := record[source_id])]:
            yield from self._search_of(ids)
            hidden = self._resource.record.__annotations__.keys() - found[0].keys()
            yield _either(
                not hidden,
                f"it shows all of a {self._resource.singular} that is compared",
                f"it does not show {', '.join(sorted(hidden))}: the target sends that "
                f"each time a {self._resource.singular} comes with it",
            )
        else:
            system = one_id(self._settings.source_system)
            yield Finding(
                f"no {name} of source system {system} yet; whether a search gives as "
                "many as it is asked for can be told once there are some"
            )
        deleted = self._resource.deleted
        yield self._condition(
            f"a search can be ordered by {source_id}",
            f"missing_{name} has to stay at ignore",
            self._of_system,
            (source_id,),
        )
        yield self._condition(
            f"a search can leave out {name} that have {deleted}",
            f"missing_{name} counts {name} again that are marked as deleted",
            {**self._of_system, deleted: {"_isNull": True}},
        )

    def _condition(
        self, so: str, otherwise: str, where: dict[str, Any], order: Sequence[str] = ()
    ) -> Finding:
        """Find out whether a search takes a condition or an order."""
        refused = _refusal(self._client.find, self._resource, where, 1, order)
        words = f"it is not so that {so}: {refused}; {otherwise}"
        return _either(not refused, so, words)

    def _search_of(self, ids: Sequence[str]) -> Iterator[Finding]:
        """Find out whether searches find these, and whether there are more."""
        resource, source_id = self._resource, self._resource.key[1]
        by_key = self._client.search(resource, self._settings.source_system, ids)
        missed = {*ids} - {record[source_id] for record in by_key}
        yield _either(
            not missed,
            f"a search by source key finds {resource.name} that are there",
            f"a search by source key misses {len(missed)} of {len(ids)} "
            f"{resource.name} that are there; the target looks for each of them "
            "again, at the price of more requests",
        )
        others = {**self._of_system, source_id: {"_nin": list(ids)}}
        capped = len(ids) < MOST_ASKED and self._client.find(resource, others, 1)
        yield _either(
            not capped,
            "a search gives as many as it is asked for",
            f"a search that was asked for {MOST_ASKED} {resource.name} gave "
            f"{len(ids)} of more; the target asks for fewer at once, at the price "
            "of more requests",
        )

    def _may(self, verb: str, refused: Refused | None, if_not: str) -> Finding:
        what = f"{verb} {self._resource.name}"
        return _either(
            not refused,
            f"the key may {what}",
            f"the key may not {what}: {refused}; ask Upwell for the permission, or "
            f"load with load_method {if_not}",
        )

    def _update(self) -> Iterator[Finding]:
        """Find out what the key may update, by updating what is not there."""
        resource = self._resource
        if self._client.search(resource, self._absent[0], [self._absent[1]]):
            raise RunError(
                f"a search for an id that does not exist found {resource.name}: a load "
                "could change the wrong ones; don't load, and ask Upwell"
            )
        refused = self._update_refused({}, {})
        yield self._may("update", refused, if_not="append-only")
        if refused:
            return
        if related := resource.update.related:
            key = dict(zip(resource.key, self._absent, strict=True))
            answer = self._ask(
                resource.update.endpoint, {**key, resource.update.input: {}}
            )
            taken = meaning_of(answer.status) is Meaning.DONE
            yield Finding(
                f"an update without {related.input} is "
                f"{'accepted' if taken else 'refused'}; the target always sends it"
            )
        if self._unknown_field({NO_COLUMN: _UNFIT}, {}) == NO_COLUMN:
            yield from self._columns()
        else:
            yield Finding(
                "a column that does not exist is not refused by its name: which "
                "ones can be updated can't be told before the first load, and the "
                "target rejects what is refused",
                good=False,
            )

    def _columns(self) -> Iterator[Finding]:
        """Find out which columns can be updated, and which of the related row."""
        update, known = self._resource.update, list[str]()
        names = [name for name in update.columns if name not in self._resource.key]
        # Those that take any value come last: another makes their request unfit.
        for name in sorted(names, key=update.free_columns.__contains__):
            free = name in update.free_columns
            if free and not known:
                yield Finding(f"whether {name} can be updated shows in the first load")
                continue
            columns = {name: _UNFIT, **({known[0]: _UNFIT} if free else {})}
            if self._unknown_field(columns, {}) != name:
                known.append(name)
                continue
            yield Finding(
                f"{name} can't be updated with this key: the target sets it on new "
                f"{self._resource.name} only, and lists differences as drift; ask "
                "Upwell for the permission",
                good=False,
            )
        if known:
            yield Finding(f"columns that can be updated: {', '.join(sorted(known))}")
        if not (related := update.related):
            return
        for name in related.columns:
            where = f"{name} of {related.input}"
            yield _either(
                self._unknown_field({}, {name: _UNFIT}) != name,
                f"{where} can be updated",
                f"{where} can't be updated with this key: the target lists "
                "differences as drift; ask Upwell for the permission",
            )

    def _unknown_field(self, columns: dict[str, Any], related: dict[str, Any]) -> str:
        """Return the name that an update is refused for, or nothing."""
        refused = self._update_refused(columns, related)
        return refused.refusal.unknown_field if refused else ""

    def _update_refused(
        self, columns: dict[str, Any], related: dict[str, Any]
    ) -> Refused | None:
        """Return how Upwell refuses an update of what does not exist, if it does."""
        update, resource = self._client.update, self._resource
        try:
            touched = update(resource, self._absent, columns, related)
        except Refused as refused:
            return refused
        if any(touched):
            raise RunError(
                "an update of an id that does not exist touched something: a load "
                f"could change the wrong {resource.name}; don't load, and ask Upwell"
            )
        return None

    def _ask(self, endpoint: Endpoint, request: dict[str, Any]) -> Answer:
        body = json_codec.encode(request)
        return self._client.exchange(endpoint, body, again=False)


def _refusal(ask: Callable[..., object], *args: object) -> Refused | None:
    """Return how Upwell refused a request, if it did."""
    try:
        ask(*args)
    except Refused as refused:
        return refused
    return None


def _either(good: bool, so: str, otherwise: str) -> Finding:
    return Finding(so if good else otherwise, good)
