"""What the replies of a resource look like, checked once, where they come in.

What does not fit is a reply that can't be read. Nothing behind this guards against
shapes.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypedDict, cast

from msgspec import Meta, Raw, Struct, defstruct

from target_upwell import json_codec
from target_upwell.exceptions import NotJSON

if TYPE_CHECKING:
    from collections.abc import Collection

    from target_upwell.resource import Resource, SourceKey

Record = dict[str, Any]
"""A record as Upwell shows it, with the properties that its resource names."""


class Update(NamedTuple):
    """How many rows an update touched, how many related ones, and what it made of it.

    The record is None where the reply does not show it.
    """

    rows: int
    related: int = 0
    record: Record | None = None


class _Touched(Struct):
    affectedRows: Annotated[int, Meta(ge=0)]  # noqa: N815 - as the API spells it
    returning: Raw = Raw(b"null")


def read_found(resource: Resource, reply: bytes) -> list[Record]:
    """Return the records that a search found.

    Raises:
        NotJSON: If the reply is not what a search replies.
    """
    key = resource.search.reply
    kind = _reply((key, _records(resource)))
    return cast("list[Record]", getattr(json_codec.decode_as(kind, reply), key))


def read_created(
    resource: Resource, keys: Collection[SourceKey], reply: bytes
) -> dict[SourceKey, Record]:
    """Return the records that an insert created: their ids and source keys alone.

    Raises:
        NotJSON: If the reply is not what an insert replies, or does not name each
            source key that was sent once, and no other.
    """
    key = resource.bulk.reply
    kind = _reply((key, _reply(("returning", _identities(resource)))))
    records = getattr(json_codec.decode_as(kind, reply), key).returning
    created = {resource.key_of(record): record for record in records}
    if len(records) != len(keys) or created.keys() != set(keys):
        raise NotJSON("it names other records than were sent")
    return created


def read_update(resource: Resource, key: SourceKey, reply: bytes) -> Update:
    """Return what an update of the record with this key touched.

    Raises:
        NotJSON: If the reply is not what an update replies, or shows another record;
            not if case alone tells their source keys apart.
    """
    update = resource.update
    fields: list[tuple[Any, ...]] = [(update.endpoint.reply, _Touched | None)]
    if update.related:
        fields.append((update.related.reply, _Touched | None, None))
    content = json_codec.decode_as(_reply(*fields), reply)
    touched, *related = (getattr(content, name) for name, *_ in fields)
    record = _returned(resource, touched.returning) if touched else None
    if record and _folded(resource.key_of(record)) != _folded(key):
        raise NotJSON("it shows another record than was sent")
    return Update(
        touched.affectedRows if touched else 0,
        sum(one.affectedRows for one in related if one),
        record,
    )


def _folded(key: SourceKey) -> list[str]:
    return [str(one).casefold() for one in key]


def _returned(resource: Resource, returning: Raw) -> Record | None:
    """Return the one record that an update touched, if the reply shows it."""
    try:
        records = json_codec.decode_as(_records(resource), bytes(returning))
    except NotJSON:
        return None
    return records[0] if len(records) == 1 else None


@cache
def _records(resource: Resource) -> Any:  # noqa: ANN401 - a type
    return list[resource.record]  # type: ignore[name-defined]


@cache
def _identities(resource: Resource) -> Any:  # noqa: ANN401 - a type
    # What an insert replies beside them was sent; decoding it too takes time.
    fields: dict[str, Any] = dict.fromkeys(resource.key, str)
    fields["id"] = Annotated[str, Meta(min_length=1)]
    return list[TypedDict("Identity", fields)]  # type: ignore[misc,operator]


@cache
def _reply(*fields: tuple[Any, ...]) -> Any:  # noqa: ANN401 - a type
    return defstruct("Reply", fields)
