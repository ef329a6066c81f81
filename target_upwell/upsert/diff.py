"""What to do about each customer of a batch: merged by source key, and compared.

Pure: plain values in, plain values out. Promise 2 lives here: re-sending what is right
already plans nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from target_upwell import json_codec
from target_upwell.customers.schema import (
    BILL_TO,
    CUSTOMERS,
    NAME,
    PARENT,
    READABLE,
    RELATIONS,
    RULE,
    as_new,
)
from target_upwell.delivery.outcomes import DriftEntry
from target_upwell.upsert.equality import agree, is_empty, same
from target_upwell.upsert.plan import Change, Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from target_upwell.delivery.batch import Row
    from target_upwell.delivery.outcomes import DriftKind
    from target_upwell.resource import SourceKey

Customer = dict[str, Any]
NullHandling = Literal["clear", "keep"]

_NOT_COMPARED = frozenset({*CUSTOMERS.key, BILL_TO})


def body_of(customer_input: Mapping[str, Any]) -> bytes:
    """Encode an input as a new customer."""
    return json_codec.encode(as_new(customer_input))


def set_parent(entry: Entry, parent_id: str | None) -> None:
    """Set whom a customer bills to, by the parent's Upwell id."""
    entry.input = {**entry.input, PARENT: parent_id}
    entry.body = body_of(entry.input)


def merge(
    rows: Iterable[Row], null_handling: NullHandling = "clear", sequence: int = 0
) -> list[Entry]:
    """Return one entry for all rows of a source key; later properties win.

    A null that leaves a field alone leaves what an older row said, too.
    """
    entries: dict[SourceKey, Entry] = {}
    for row in rows:
        if row.key is None or row.input is None:
            continue
        entry = entries.get(row.key)
        if entry is None:
            entries[row.key] = Entry(row.key, row.input, row.body, [row], sequence)
            continue
        entry.rows.append(row)
        news = {
            name: value
            for name, value in row.input.items()
            if value is not None or null_clears(name, null_handling)
        }
        entry.input = {**entry.input, **news}
        # Either way to name a parent replaces the other.
        for name, other in (BILL_TO, PARENT), (PARENT, BILL_TO):
            if name in news and other not in news:
                entry.input.pop(other, None)
        entry.body = body_of(entry.input)
    return list(entries.values())


def null_clears(name: str, null_handling: NullHandling) -> bool:
    """Return whether a null clears a property; a customer always has a name."""
    return null_handling == "clear" and name != NAME


def diff(
    wanted: Mapping[str, Any],
    held: Customer | None,
    null_handling: NullHandling,
    policies: Mapping[str, str] | None = None,
    *,
    certain: bool = True,
) -> Change:
    """Return what has to change for a customer to become what the source says.

    A null that the API never shows back is sent only along with another change: it
    can't be compared, and would otherwise write every customer on every run.

    Args:
        wanted: The customer input.
        held: The customer as Upwell shows it; None for one that exists unseen.
        null_handling: Whether a null clears a field or leaves it.
        policies: Field policies, by property.
        certain: Whether what Upwell does not show was right before this run. If not,
            as after a lost answer, nulls that it never shows are sent in any case.
    """
    key, change = CUSTOMERS.key_of(wanted), Change()
    hidden_nulls: dict[str, tuple[None, None]] = {}
    for name, value, own, shown in _compared(wanted, held):
        is_left_alone = value is None and not null_clears(name, null_handling)
        if is_left_alone or (shown and agree(CUSTOMERS, name, value, own)):
            continue
        policy = (policies or {}).get(name.partition(".")[0], "overwrite")
        withheld = withholds(policy, own, shown=shown)
        if shown and (withheld or name in RELATIONS):
            kind: DriftKind = "policy" if withheld else "relation"
            change.left.append(DriftEntry(key, name, own, value, kind))
        elif withheld:
            continue
        elif name in RELATIONS:
            change.never_shown.append(name)
        elif value is None and not shown:
            hidden_nulls[name] = None, None
        else:
            change.columns[name] = own, value
    if change and held is not None and certain:
        change.along = frozenset(hidden_nulls)
    if change or held is None or not certain:
        change.columns.update(hidden_nulls)
    return change


def _compared(
    wanted: Mapping[str, Any], held: Customer | None
) -> Iterator[tuple[str, Any, Any, bool]]:
    """Yield columns, those of a rule included, and relations not seen to agree.

    Each with its value, what Upwell holds, and whether it shows that.
    """
    for name, value in wanted.items():
        if name in _NOT_COMPARED:
            continue
        shown = held is not None and name in READABLE and name in held
        own = held[name] if held is not None and shown else None
        if name not in RELATIONS:
            yield name, value, own, shown
        elif value is None:
            continue
        elif name != RULE:
            if not (shown and _same_members(value["data"], own or [])):
                yield name, value["data"], own or [], shown
        elif shown and own is None:
            columns = {n: one for n, one in value["data"].items() if one is not None}
            if columns:
                yield RULE, columns, None, shown
        else:
            rule = own or {}
            for column, one in value["data"].items():
                yield f"{RULE}.{column}", one, rule.get(column), column in rule


def is_seen_whole(wanted: Mapping[str, Any], held: Customer) -> bool:
    """Return whether Upwell shows all that an input says, as the input says it."""
    change = diff(wanted, held, "clear", certain=False)
    return not (change or change.left or change.never_shown)


def withholds(policy: str, own: Any, *, shown: bool = True) -> bool:  # noqa: ANN401
    """Return whether a policy keeps a property of an existing customer as it is."""
    if policy == "fill_if_empty":
        return not shown or not is_empty(own)
    return policy == "create_only"


def _same_members(wanted: list[Customer], held: list[Customer]) -> bool:
    """Compare lists of objects as sets, on the members that both sides show."""
    return all(any(_covers(one, other) for other in held) for one in wanted) and (
        all(any(_covers(one, other) for one in wanted) for other in held)
    )


def _covers(one: Customer, other: Customer) -> bool:
    for name, value in one.items():  # a loop, since this runs for every customer
        own = other.get(name)
        if name in other and not same(
            value, own.strip() if isinstance(own, str) else own
        ):
            return False
    return True


def parent_of(entry: Entry) -> SourceKey | None:
    """Return the source key of the customer that this one bills to, if that counts.

    An Upwell id in the input says the same more directly, and wins.
    """
    parent = entry.input.get(BILL_TO)
    if parent is None or entry.input.get(PARENT):
        return None
    return entry.key[0], parent


def group_by_depth(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Return groups in the order in which to create them: parents before children.

    In the last one are also those that bill each other in a circle.
    """
    waiting = {entry.key: entry for entry in entries}
    groups: list[list[Entry]] = []
    while waiting:
        ready = [e for e in waiting.values() if parent_of(e) not in waiting]
        groups.append(ready or list(waiting.values()))
        for entry in groups[-1]:
            del waiting[entry.key]
    return groups
