"""From a record to a customer input.

Pure: knows neither Singer messages nor HTTP. Names are resolved once for each
distinct property, so that a record costs a look-up and a coercion per property.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from target_upwell.customers import relations, values
from target_upwell.customers.names import folded, listed, nearest
from target_upwell.customers.schema import BILL_TO, PROPERTIES, Kind, check
from target_upwell.customers.timestamps import timestamp
from target_upwell.customers.values import json_value, kind_of, shown, shown_name, text
from target_upwell.exceptions import Invalid, MappingError

if TYPE_CHECKING:
    from target_upwell.resource import SourceKey

__all__ = ["CustomerMapping", "Invalid", "MappingError"]

MAX_NAMES = 1000
"""Names remembered beyond the SCHEMA's; a source that makes up names is no leak."""
RECENT_IDS = 1000
"""Ids that are remembered to find two that become one; a run may hold millions."""
_SYSTEM, _KEY = "sourceSystem", "sourceSystemId"

SINGERS_OWN = "_sdc_"
"""Begins the names of what taps and the SDK add to say how a record came."""

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
    entry.name: (entry.name, _CONVERTERS[entry.kind], entry.updatable)
    for entry in PROPERTIES.values()
} | {BILL_TO: (BILL_TO, text, True)}
_BY_FOLDED_NAME = {folded(name): rule for name, rule in _RULES.items()}


class CustomerMapping:
    """Maps the records of one stream to customer inputs.

    Args:
        stream: The stream's name, for messages.
        properties: Names in the stream's SCHEMA after its stream map.
        key_properties: The stream's key properties after its stream map.
        source_system: `sourceSystem` of records that bring none.
        unmapped: What becomes of properties that match no customer property.
        open_schema: The SCHEMA lists no properties, so nothing can be told from it.
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
        open_schema: bool = False,
        needs_name: bool = True,
    ) -> None:
        declared = list(dict.fromkeys(properties))
        self._source_system = source_system.strip()
        self._key_properties = tuple(key_properties)
        self._unmapped = unmapped
        self.unmapped_properties: set[str] = set()
        self.merged_ids: dict[SourceKey, tuple[str, str]] = {}
        self._recent_ids: dict[SourceKey, list[Any]] = {}
        self._rules: dict[str, _Rule | None] = {}
        self._names: dict[str, list[str]] = {}
        self._rivals: set[str] = set()
        for name in declared:
            self._learn(name)
        self._resolve_declared(stream)
        self._declared_rules = dict(self._rules)
        self._declared_names = {
            target: list(names) for target, names in self._names.items()
        }
        if not open_schema:
            self._refuse_hopeless(stream, declared, needs_name=needs_name)

    def __call__(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the customer input of a record.

        Nulls of columns are kept, for the loader to clear or to leave out.

        Raises:
            Invalid: The record can't be loaded.
        """
        if not isinstance(record, (dict, Mapping)):  # the usual type first: it is fast
            raise Invalid(f"{kind_of(record)} is not a record")
        found, unmapped = self._coerced(record)
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
        self._note_id((found[_SYSTEM], found[_KEY]), record)
        return found

    def source_key(self, record: Mapping[str, Any]) -> tuple[str, str] | None:
        """Return the source key of a record that may be invalid, or None without one.

        Never raises.
        """
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

    def _coerced(
        self, record: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what matches a customer property, coerced, and what doesn't."""
        rules = self._rules_for(record)
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

    def _note_id(self, key: SourceKey, record: Mapping[str, Any]) -> None:
        """Note whether another id has become the same source key just now."""
        names = self._names.get(_KEY) or self._key_properties
        given = [record.get(name) for name in names]
        before = self._recent_ids.setdefault(key, given)
        if before != given and len(self.merged_ids) < MAX_NAMES:
            self.merged_ids.setdefault(key, (_quoted(before), _quoted(given)))
        if len(self._recent_ids) > RECENT_IDS:
            self._recent_ids.clear()

    def _learn(self, name: str) -> None:
        rule = _BY_FOLDED_NAME.get(folded(name))
        self._rules[name] = rule
        if rule is None:
            self._note_unmapped(name)
            return
        names = self._names.setdefault(rule[0], [])
        names.append(name)
        if len(names) > 1:
            self._rivals.add(rule[0])

    def _says_more(self, name: str) -> bool:
        """Return whether a property holds what its source says of the customer."""
        return name not in self._key_properties and not name.startswith(SINGERS_OWN)

    def _note_unmapped(self, name: str) -> None:
        if self._says_more(name) and len(self.unmapped_properties) < MAX_NAMES:
            self.unmapped_properties.add(name)

    def _resolve_declared(self, stream: str) -> None:
        for target in self._rivals:
            names = self._names[target]
            if target not in names:
                raise MappingError(
                    f"stream {stream!r}: {listed(names)} all match the customer "
                    f"property {target!r}; keep one of them in the stream map, or "
                    f"spell one of them {target!r}"
                )
            for name in names:
                if name != target:
                    self._rules[name] = None
                    self._note_unmapped(name)
        self._rivals.clear()

    def _refuse_hopeless(
        self, stream: str, declared: Sequence[str], *, needs_name: bool
    ) -> None:
        """Say at the SCHEMA message what would fail for every record."""
        if needs_name and "name" not in self._names:
            raise MappingError(
                f"stream {stream!r} has no property 'name', which Upwell needs to "
                "create a customer; add it to the stream map, for example "
                "`name: company_name`"
            )
        if _KEY in self._names:
            return
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
                f"stream {stream!r} can yield no source key: the stream map removes "
                f"its key {listed(absent)}; keep it, or {remedy}"
            )

    def _rules_for(self, record: Mapping[str, Any]) -> Mapping[str, _Rule | None]:
        if not record.keys() <= self._rules.keys():
            if len(self._rules) > len(self._declared_rules) + MAX_NAMES:
                self._forget()
            for name in record.keys() - self._rules.keys():
                if not isinstance(name, str):
                    raise Invalid(f"{kind_of(name)} is no name of a property")
                self._learn(name)
        return self._resolved(record) if self._rivals else self._rules

    def _forget(self) -> None:
        self._rules = dict(self._declared_rules)
        self._names = {
            target: list(names) for target, names in self._declared_names.items()
        }
        self._rivals.clear()

    def _resolved(self, record: Mapping[str, Any]) -> Mapping[str, _Rule | None]:
        """Return the rules for a record that may hold names of the same target."""
        rules = dict(self._rules)
        for target in self._rivals:
            present = [name for name in self._names[target] if name in record]
            if len(present) < 2:  # noqa: PLR2004 - it takes two to differ
                continue
            if target not in present:
                raise Invalid(f"{listed(present)} all match it; keep one", target)
            for name in present:
                if name != target:
                    rules[name] = None
                    self._note_unmapped(name)
        return rules

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
        if mapped or _KEY in self._declared_names:
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
    """Check the properties that the user wrote into a stream map, by their names.

    Args:
        stream: The stream's name, for messages.
        written: The names.
        key_properties: The stream's key properties after its stream map.

    Raises:
        MappingError: One matches no customer property: every record would lose it.
    """
    for name in written:
        if (
            folded(name) in _BY_FOLDED_NAME
            or name in key_properties
            or name.startswith(SINGERS_OWN)
        ):
            continue
        near = nearest(name, _RULES)
        meant = f"did you mean {' or '.join(map(shown, near))}?" if near else ""
        raise MappingError(
            f"stream {stream!r}: {shown(name)} in the stream map is not a customer "
            f"property; {meant or 'remove it, or put it under `metadata`'}"
        )


def _name_in(record: Mapping[str, Any], target: str) -> str | None:
    """Return the name in a record that matches a property, the exact one first."""
    if target in record:
        return target
    wanted = folded(target)
    matching = (n for n in record if isinstance(n, str) and folded(n) == wanted)
    return next(matching, None)


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
