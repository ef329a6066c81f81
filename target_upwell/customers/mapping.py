"""From a record to a customer input.

Pure: knows neither Singer messages nor HTTP. Names are resolved once for each set of
names, so that a record costs a look-up and a coercion per property.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from target_upwell.customers import relations, values
from target_upwell.customers.names import folded, listed, nearest
from target_upwell.customers.schema import (
    ADDRESS_MEMBERS,
    BILL_TO,
    PROPERTIES,
    RELATIONS,
    RULE,
    Kind,
    check,
)
from target_upwell.customers.timestamps import timestamp
from target_upwell.customers.values import json_value, kind_of, shown, shown_name, text
from target_upwell.exceptions import Invalid, MappingError

if TYPE_CHECKING:
    from target_upwell.resource import SourceKey

MAX_NAMES = 1000
"""Names that are remembered; a source that makes up names is no leak."""
MAX_SHAPES = 100
"""Sets of names whose resolution is remembered; a stream has few."""
RECENT_IDS = 1000
"""Ids that are remembered to find two that become one; a run may hold millions."""
_SYSTEM, _KEY = "sourceSystem", "sourceSystemId"

SINGERS_OWN = ("_sdc_", "__sdc_")
"""Begin the names of what taps and the SDK add to say how a record came; those of
tap-google-sheets have two underscores."""

_CONVERTERS: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: text,
    Kind.EMAIL: values.email,
    Kind.EMAILS: values.emails,
    Kind.TIMESTAMP: timestamp,
    Kind.JSON: json_value,
    Kind.ADDRESSES: relations.addresses,
    Kind.OBJECTS: relations.items,
    Kind.RULE: relations.rule,
    Kind.SETTINGS: relations.settings,
}

_Rule = tuple[str, Callable[[Any], Any], bool]
"""Target, coercion, and whether a null is kept: a null relation says nothing."""

_RULES: dict[str, _Rule] = {
    name: (name, _CONVERTERS[kind], name not in RELATIONS)
    for name, kind in PROPERTIES.items()
} | {BILL_TO: (BILL_TO, text, True)}
_Shape = tuple[dict[str, _Rule | None], Sequence[str]]
"""The rule of each name that a record has, if any, and the names that hold its id."""

_BY_FOLDED_NAME = {folded(name): name for name in _RULES}
_MEMBERS = {
    name: whole
    for name, whole in [
        *((name, "addresses") for name in ADDRESS_MEMBERS),
        ("dueOption", RULE),
    ]
    if name not in _RULES
}
"""Members that somebody may take for properties, and the property that holds them."""


class CustomerMapping:
    """Maps the records of one stream to customer inputs.

    Args:
        stream: Its name, for messages.
        properties: Names in its SCHEMA after its stream map; none can be told from a
            SCHEMA that lists none.
        key_properties: Its key properties after its stream map.
        source_system: `sourceSystem` of records that bring none.
        unmapped: What becomes of properties that match no customer property.
        needs_name: Customers may have to be created, which takes a name.

    Attributes:
        unmapped_properties: Names seen, in the SCHEMA or in a record, that match no
            customer property; at most `MAX_NAMES` of them.
        merged_ids: Of records that came close together, the source keys that several
            different ids became, with the two first of these, quoted: `10042 ` and
            `10042` are one customer. At most `MAX_NAMES` of them.

    Raises:
        MappingError: Two properties match the same customer property, or no record
            could have a source key or a needed name.
    """

    def __init__(  # noqa: PLR0913 - keywords only, one for each thing that shapes a map
        self,
        *,
        stream: str,
        properties: Iterable[str],
        key_properties: Sequence[str],
        source_system: str,
        unmapped: Literal["ignore", "metadata", "reject"],
        needs_name: bool = True,
    ) -> None:
        declared = tuple(properties)
        self._source_system = source_system.strip()
        self._key_properties = tuple(key_properties)
        self._unmapped = unmapped
        self.unmapped_properties: set[str] = set()
        self.merged_ids: dict[SourceKey, tuple[str, str]] = {}
        self._recent_ids: dict[SourceKey, list[Any]] = {}
        self._shape_of = lru_cache(MAX_SHAPES)(self._resolved)
        self._unused: set[str] = set()
        try:
            rules, _ = self._shape_of(declared)
        except Invalid as invalid:
            raise MappingError(
                f"stream {stream!r}: {invalid} in the stream map, or spell one exactly"
            ) from None
        # Where a record lacks the name that is used these don't stand in for it.
        self._unused = {n for n, rule in rules.items() if not rule and _target_of(n)}
        used = {rule[0] for rule in rules.values() if rule}
        self._has_id = _KEY in used
        if declared and needs_name and "name" not in used:
            raise MappingError(
                f"stream {stream!r} has no property 'name', which Upwell needs to "
                "create a customer; add it to the stream map, for example "
                "`name: company_name`"
            )
        if declared and not self._has_id:
            self._refuse_keyless(stream, declared)

    def __call__(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the customer input of a record.

        Nulls of columns are kept, for the loader to clear or to leave out.

        Raises:
            Invalid: The record can't be loaded.
        """
        if not isinstance(record, (dict, Mapping)):  # the usual type first: it is fast
            raise Invalid(f"{kind_of(record)} is not a record")
        rules, id_names = self._shape_of(tuple(record))
        found, unmapped = _coerced(record, rules)
        if unmapped and self._unmapped != "ignore":
            self._place(unmapped, found)
        if found.get(_SYSTEM) is None:
            found[_SYSTEM] = self._source_system
        if found.get(_KEY) is None:
            found[_KEY] = self._key(record, mapped=_KEY in found)
        if BILL_TO in found:
            _resolve_parent(found)
        reason = check(found)
        if reason is not None:
            raise Invalid(reason)
        given = [record.get(name) for name in id_names]
        self._note_id((found[_SYSTEM], found[_KEY]), given)
        return found

    def source_key(self, record: Mapping[str, Any]) -> SourceKey | None:
        """Return the source key of a record that may be invalid, if it has one."""
        system, name = _name_in(record, _SYSTEM), _name_in(record, _KEY)
        try:
            return (
                (system and text(record[system])) or self._source_system,
                (name and text(record[name])) or self._key(record, mapped=bool(name)),
            )
        except Invalid:
            return None

    def identity(self, record: Mapping[str, Any]) -> str:
        """Name a record that may be invalid by what it has of an id; never raises."""
        name = _name_in(record, _KEY)
        names = self._key_properties if name is None else (name,)
        parts = _joined([_in_words(record.get(name)) for name in names])
        return shown_name(parts) or "(no key)"

    def _note_id(self, key: SourceKey, given: list[Any]) -> None:
        """Note whether another id has become the same source key just now."""
        before = self._recent_ids.setdefault(key, given)
        if before != given and len(self.merged_ids) < MAX_NAMES:
            self.merged_ids.setdefault(key, (_quoted(before), _quoted(given)))
        if len(self._recent_ids) > RECENT_IDS:
            self._recent_ids.clear()

    def _says_more(self, name: str) -> bool:
        """Return whether a property holds what its source says of the customer."""
        return name not in self._key_properties and not name.startswith(SINGERS_OWN)

    def _refuse_keyless(self, stream: str, declared: Sequence[str]) -> None:
        """Say at the SCHEMA message what would fail for every record."""
        remedy = (
            "add `sourceSystemId: <expression>` to the stream map, or name the "
            "properties that identify a record there, for example "
            '`__key_properties__: ["id"]`'
        )
        if not self._key_properties:
            raise MappingError(
                f"stream {stream!r} can yield no source key: it has neither a "
                f"property 'sourceSystemId' nor key properties; {remedy}"
            )
        absent = [name for name in self._key_properties if name not in declared]
        if absent:
            raise MappingError(
                f"stream {stream!r} can yield no source key: its key {listed(absent)} "
                f"is not among its properties; keep it, or {remedy}"
            )

    def _resolved(self, names: tuple[str, ...]) -> _Shape:
        """Return the rules for the names of a record, and those that hold its id.

        Of several names that match one property the exact one is taken.
        """
        rules: dict[str, _Rule | None] = dict.fromkeys(names)
        rivals: dict[str, list[str]] = {}
        for name in rules.keys() - self._unused:
            if target := _target_of(name):
                rivals.setdefault(target, []).append(name)
        for target, used in rivals.items():
            if len(used) > 1 and target not in used:
                raise Invalid(f"{listed(used)} all match it; keep one", target)
            rules[target if target in used else used[0]] = _RULES[target]
        for name, rule in rules.items():
            room = len(self.unmapped_properties) < MAX_NAMES
            if rule is None and room and self._says_more(name):
                self.unmapped_properties.add(name)
        id_names = [name for name, rule in rules.items() if rule and rule[0] == _KEY]
        return rules, id_names or self._key_properties

    def _place(self, unmapped: Mapping[str, Any], found: dict[str, Any]) -> None:
        left = {n: value for n, value in unmapped.items() if self._says_more(n)}
        if not left:
            return
        if self._unmapped == "reject":
            raise Invalid(f"{listed(left)}: no such customer property")
        own = found.get("metadata")
        if own is not None and not isinstance(own, dict):
            raise Invalid(
                f"{kind_of(own)} is not an object, so that the unmapped properties "
                "can't be put under it",
                "metadata",
            )
        try:
            found["metadata"] = {**json_value(left), **(own or {})}
        except Invalid as exc:
            raise exc.under("metadata") from None

    def _key(self, record: Mapping[str, Any], *, mapped: bool) -> str:
        if mapped or self._has_id:
            # Never made up: a customer would have two identities.
            raise Invalid(
                f"{'null or blank' if mapped else 'missing'}; where a stream has this "
                "property the key properties don't stand in for it",
                _KEY,
            )
        if not self._key_properties:
            raise Invalid("missing, and the stream has no key properties", _KEY)
        parts = []
        for name in self._key_properties:
            try:
                part = text(record.get(name))
            except Invalid as exc:
                raise Invalid(f"key property {shown(name)}: {exc}", _KEY) from None
            if part is None:
                state = "null or blank" if name in record else "missing"
                raise Invalid(f"key property {shown(name)} is {state}", _KEY)
            parts.append(part)
        return _joined(parts)


def check_written(
    stream: str, written: Iterable[str], key_properties: Sequence[str]
) -> None:
    """Check the names of properties that the user wrote into a stream map.

    Raises:
        MappingError: One matches no customer property: every record would lose it.
    """
    for name in written:
        is_kept = name in key_properties or name.startswith(SINGERS_OWN)
        if is_kept or _target_of(name):
            continue
        near = [
            f"{shown(one)} in `{_MEMBERS[one]}`" if one in _MEMBERS else shown(one)
            for one in nearest(name, [*_RULES, *_MEMBERS])
        ]
        meant = f"did you mean {' or '.join(near)}?" if near else ""
        raise MappingError(
            f"stream {stream!r}: {shown(name)} in the stream map is not a customer "
            f"property; {meant or 'remove it, or put it under `metadata`'}"
        )


def _coerced(
    record: Mapping[str, Any], rules: Mapping[str, _Rule | None]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what matches a customer property, coerced, and what doesn't."""
    found: dict[str, Any] = {}
    unmapped: dict[str, Any] = {}
    target = ""
    try:
        for name, value in record.items():
            rule = rules[name]
            if rule is None:
                unmapped[name] = value
                continue
            target, convert, keeps_null = rule
            coerced = convert(value)
            if coerced is not None or keeps_null:
                found[target] = coerced
    except Invalid as exc:
        raise exc.under(target) from None
    return found, unmapped


@lru_cache(maxsize=MAX_NAMES)
def _target_of(name: str) -> str | None:
    if not isinstance(name, str):
        raise Invalid(f"{kind_of(name)} is no name of a property")
    return _BY_FOLDED_NAME.get(folded(name))


def _name_in(record: Mapping[str, Any], target: str) -> str | None:
    """Return the name in a record that matches a property, the exact one first."""
    if target in record:
        return target
    names = (name for name in record if isinstance(name, str))
    return next((name for name in names if _target_of(name) == target), None)


def _quoted(parts: Iterable[object]) -> str:
    return ":".join(shown(part) for part in parts)


def _joined(parts: Sequence[str]) -> str:
    """Join the parts of a key so that no two keys join alike; one stays as it is."""
    if len(parts) > 1:
        parts = [part.replace("%", "%25").replace(":", "%3A") for part in parts]
    return ":".join(parts)


def _in_words(part: object) -> str:
    try:
        return text(part) or "null"
    except Invalid:
        return kind_of(part)


def _resolve_parent(found: dict[str, Any]) -> None:
    """Let one of the two ways to name a parent stand; Upwell's own id wins."""
    if found.get("billToCustomerId") is not None:
        del found[BILL_TO]
    elif found[BILL_TO] is not None:
        found.pop("billToCustomerId", None)
