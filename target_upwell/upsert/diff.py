"""What to do about each customer of a batch: the split that makes an upsert.

The API only inserts, and changes columns one customer at a time. So a batch is merged
by source key, compared with what Upwell holds, and split. Pure: plain values in, plain
values out. Promises 2 and 3 live here: re-sending what is right already plans nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from target_upwell.customers.schema import BILL_TO, PROPERTIES, RULE
from target_upwell.delivery.batch import body_of
from target_upwell.delivery.outcomes import Counted, Outcome, Outcomes, Reject

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_upwell.customers.schema import Property
    from target_upwell.delivery.batch import Row
    from target_upwell.resource import SourceKey

Customer = dict[str, Any]
"""A customer as the API words it."""

_NOT_COMPARED = frozenset({"sourceSystem", "sourceSystemId", BILL_TO})
_PARENT = (BILL_TO, "billToCustomerId")


@dataclass(slots=True)
class Entry:
    """One customer of a batch: its rows, overlaid in the order in which they came.

    Attributes:
        key: Its source key.
        input: The customer input to bring about.
        body: The input encoded as a new customer.
        rows: The records that it is made of; they share its fate.
    """

    key: SourceKey
    input: dict[str, Any]
    body: bytes
    rows: list[Row]

    def set(self, name: str, value: str | None) -> None:
        """Set a property that was not in the record as it came."""
        self.input = {**self.input, name: value}
        self.body = body_of(self.input)


class Difference(NamedTuple):
    """A property that differs and that the API can't change."""

    property: str
    held: Any
    wanted: Any


@dataclass(slots=True)
class Change:
    """What an update has to change, and what it can't.

    Attributes:
        columns: Columns of the customer to set.
        rule: Columns of its rule to set.
        drift: Relations that differ and can't be changed.
        unseen: Relations that Upwell never shows, so nobody knows whether they differ.
    """

    columns: dict[str, Any] = field(default_factory=dict)
    rule: dict[str, Any] = field(default_factory=dict)
    drift: list[Difference] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether there is anything to send."""
        return bool(self.columns or self.rule)


def merge(
    rows: Iterable[Row], null_handling: Literal["clear", "keep"] = "clear"
) -> list[Entry]:
    """Make one entry of all rows of one source key; later properties win.

    A null that says nothing leaves what an older row said, as it would if the rows
    came in different batches.
    """
    entries: dict[SourceKey, Entry] = {}
    for row in rows:
        if row.key is None or row.input is None:
            continue
        entry = entries.get(row.key)
        if entry is None:
            entries[row.key] = Entry(row.key, row.input, row.body, [row])
        else:
            entry.rows.append(row)
            news = {
                name: value
                for name, value in row.input.items()
                if value is not None or null_clears(name, null_handling)
            }
            entry.input = _overlay(entry.input, news)
            entry.body = b""
    for entry in entries.values():
        if not entry.body:
            entry.body = body_of(entry.input)
    return list(entries.values())


def _overlay(older: dict[str, Any], newer: dict[str, Any]) -> dict[str, Any]:
    """Lay one input over another; either way to name a parent replaces the other."""
    merged = {**older, **newer}
    for name, other in (_PARENT, _PARENT[::-1]):
        if name in newer and other not in newer:
            merged.pop(other, None)
    return merged


def null_clears(name: str, null_handling: Literal["clear", "keep"]) -> bool:
    """Tell whether a null clears a property; a customer always has a name."""
    return null_handling == "clear" and name != "name"


def key_of(customer: Mapping[str, Any]) -> SourceKey:
    """Give the source key of a customer as the API words it."""
    return customer["sourceSystem"], customer["sourceSystemId"]


def compare(  # noqa: C901 - one branch a kind of property
    wanted: Mapping[str, Any],
    held: Customer,
    null_handling: Literal["clear", "keep"],
) -> Change:
    """Find what has to change for a customer to become what the source says.

    A null that the API never shows back is sent only along with another change: it
    can't be compared, and would otherwise write every customer on every run.

    Args:
        wanted: The customer input.
        held: The customer as Upwell shows it.
        null_handling: Whether a null clears a field or leaves it.
    """
    change = Change()
    unseen_nulls: dict[str, None] = {}
    for name, value in wanted.items():
        if name in _NOT_COMPARED:
            continue
        known, shown = PROPERTIES[name], held.get(name)
        if name == RULE:
            _compare_rule(value, shown, change, null_handling)
        elif not known.updatable:
            _compare_relation(known, value, shown, change)
        elif value is None:
            if not null_clears(name, null_handling):
                continue
            if not known.readable:
                unseen_nulls[name] = None
            elif shown is not None:
                change.columns[name] = None
        elif not known.readable or not same(value, shown):
            change.columns[name] = value
    if change:
        change.columns.update(unseen_nulls)
    if change.rule and not change.columns:
        # Hasura carries out nothing at all for an empty input.
        change.columns["name"] = held.get("name")
    return change


def shows(customer: Customer, wanted: Mapping[str, Any]) -> bool:
    """Tell whether a customer is what an input asks for, as far as Upwell shows it."""
    change = compare(wanted, customer, "keep")
    return not (
        change.rule
        or change.drift
        or any(PROPERTIES[name].readable for name in change.columns)
    )


def _compare_rule(
    value: Any,  # noqa: ANN401 - a relation or None
    held: Any,  # noqa: ANN401 - likewise
    change: Change,
    null_handling: Literal["clear", "keep"],
) -> None:
    """Compare a customer rule; without one in Upwell there is none to change."""
    members = value["data"] if value else {}
    said = {name: member for name, member in members.items() if member is not None}
    if not held:
        if said:
            change.drift.append(Difference(RULE, None, said))
        return
    for name, member in members.items():
        if member is None:
            if held.get(name) is not None and null_clears(name, null_handling):
                change.rule[name] = None
        elif name not in held or not same(member, held[name]):
            change.rule[name] = member


def _compare_relation(known: Property, value: Any, held: Any, change: Change) -> None:  # noqa: ANN401
    """Compare a relation; differences are noted, since nothing can change it."""
    if not value:
        return
    if not known.readable:
        change.unseen.append(known.name)
    elif not _same_members(value["data"], held or []):
        change.drift.append(Difference(known.name, held or [], value["data"]))


def _same_members(wanted: list[Customer], held: list[Customer]) -> bool:
    """Compare lists of objects as sets, on the members that `wanted` gives.

    Upwell shows only some members of an address; the others can't be compared.
    """
    pairs = [
        (i, j)
        for i, one in enumerate(wanted)
        for j, other in enumerate(held)
        if _covers(one, other)
    ]
    return len({i for i, _ in pairs}) == len(wanted) and (
        len({j for _, j in pairs}) == len(held)
    )


def _covers(one: Customer, other: Customer) -> bool:
    for name, value in one.items():  # a loop, since this runs for every customer
        if name in other and not same(value, _trimmed(other[name])):
            return False
    return True


def _trimmed(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return value.strip() if isinstance(value, str) else value


def same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any JSON values
    """Tell whether JSON values are equal; 1, 1.0 and 1.00 are, 1 and true are not."""
    if isinstance(one, str):  # almost all values, on every run
        return one == other  # type: ignore[no-any-return]
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(same(value, other[name]) for name, value in one.items())
        )
    if isinstance(one, (list, tuple)):
        return (
            isinstance(other, (list, tuple))
            and len(one) == len(other)
            and all(map(same, one, other))
        )
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, (int, Decimal)) and isinstance(other, (int, Decimal)):
        return one == other
    return type(one) is type(other) and bool(one == other)


def parent_of(entry: Entry) -> SourceKey | None:
    """Give the source key of the customer that this one bills to, if it names one.

    An Upwell id in the input says the same more directly, and wins.
    """
    parent = entry.input.get(BILL_TO)
    if parent is None or entry.input.get("billToCustomerId"):
        return None
    return entry.key[0], parent


def group_by_depth(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Sort entries so that parents come before their children.

    Returns:
        Groups in the order in which to create them. In the last one are also those
        that bill each other in a circle, where nobody comes first.
    """
    waiting = {entry.key: entry for entry in entries}
    groups: list[list[Entry]] = []
    while waiting:
        ready = [e for e in waiting.values() if parent_of(e) not in waiting]
        groups.append(ready or list(waiting.values()))
        for entry in groups[-1]:
            del waiting[entry.key]
    return groups


def counted(outcome: Outcome, entries: Iterable[Entry]) -> Outcomes:
    """Return customers with their outcome, as a report counts them."""
    return Outcomes(
        counted=[Counted(entry.key, outcome, len(entry.rows)) for entry in entries]
    )


def nameless(rows: Iterable[Row]) -> list[Reject]:
    """Return the rejects of the records of a new customer that has no name."""
    reason = "name: it has none, and a new customer needs one"
    return [Reject.invalid(row, reason) for row in rows]


def in_order(rejects: Iterable[Reject], rows: Iterable[Row]) -> list[Reject]:
    """Return rejects in the order of the stream.

    Args:
        rejects: The rejects of a batch.
        rows: All rows of the batch.
    """
    by_row = {id(reject.row): reject for reject in rejects}
    return [by_row[id(row)] for row in rows if id(row) in by_row]
