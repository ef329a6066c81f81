"""Singer lines as no tap should write them, made at random.

What `survivable` makes costs one record at most; what `fatal` makes may end the run.
"""

from __future__ import annotations

import json
import random

from target_upwell.customers.schema import ADDRESS_MEMBERS, BILL_TO, PROPERTIES

DEEP = 190
"""Nesting that JSON decoders take, and that customers can't have."""

_LIKELY = {
    "name": ["Acme", " Łódź Spedycja 🚚 ", "", 7],
    "emailAddress": ["ap@acme.example", "nobody", "a@b@c", " "],
    "ccEmailAddresses": ["a@x; b@x", ["a@x"], '["a@x"]', ";"],
    "deletedAt": ["2026-01-01", 0, "yesterday", 1e300, "2026-02-30"],
    "customerRule": [{"dueOption": "30"}, {"due_option": 2**31}, '{"dueOption": 1.5}'],
    "addresses": [{"country": "US"}, [None, {"COUNTRY": "Freedonia"}], "[{", {"x": 1}],
    BILL_TO: ["1", 2, None, " "],
    "sourceSystemId": [None, " ", "s-1", {}],
}
_TEXTS = ["", " ", "\x00", "\ud800", "\u202e", "\x1b[31m", "a\nb", '{"a": 1}', "NaN"]
_NUMBERS = ["NaN", "Infinity", "-Infinity", "1e400", "-0.0", "1E+5", "1" * 4000, "1.10"]
_OTHERS = ["data", "NAME", "id", "type", "", "💥"]
_NAMES = [*PROPERTIES, *ADDRESS_MEMBERS, *_OTHERS]
_MESSAGES = {
    "SCHEMA": ("stream", "schema", "key_properties"),
    "RECORD": ("stream", "record"),
    "STATE": ("value",),
    "ACTIVATE_VERSION": ("stream", "version"),
    "BATCH": ("stream", "encoding", "manifest"),
}


class Raw(str):
    """JSON that is written as it is."""

    __slots__ = ()


class HostileLines:
    """Makes lines; the same seed makes the same ones.

    Args:
        seed: What they are made of.
        links: Customers bill to others. As some of these never come, STATE then waits
            for the end.
    """

    def __init__(self, seed: int, *, links: bool = True) -> None:
        self._dice = random.Random(seed)
        self._likely = [name for name in _LIKELY if links or name != BILL_TO]

    def survivable(self) -> bytes:
        """A line that the run has to survive."""
        kind = self._dice.choices(
            ["record", "mapped", "other", "version", "state", "blank", "schema"],
            [60, 20, 6, 2, 2, 1, 1],
        )[0]
        if kind == "blank":
            return self._dice.choice([b"", b"  \t", b"\r"])
        if kind == "schema":
            return self.line(CUSTOMERS)
        return self.line(self._message(kind))

    def fatal(self) -> bytes:
        """A line that may end the run."""
        way = self._dice.choice(
            ["cut", "bytes", "bits", "deep", "long", "type", "lacking", "wrong", "any"]
        )
        line = self.survivable() or b"{}"
        if way == "cut":
            return line[: self._dice.randrange(len(line))] or b"{"
        if way == "bytes":
            return self._dice.randbytes(40).replace(b"\n", b"")
        if way == "bits":
            spoilt = bytearray(line)
            spoilt[self._dice.randrange(len(spoilt))] ^= 1 << self._dice.randrange(8)
            return bytes(spoilt).replace(b"\n", b" ")
        if way in ("deep", "long"):
            value = "[" * 100_000 if way == "deep" else "1" * 5000
            return b'{"type": "STATE", "value": %s}' % value.encode()
        if way == "any":
            return self.line(self.value())
        return self.line(self._wrong(way))

    def good(self, number: int) -> list[bytes]:
        """A record that is right, and the STATE that follows it."""
        name = f"good-{number}"
        value = {"good": number, "other": self.value()}
        return [
            self.line({**_RECORD, "record": {"id": name, "name": name}}),
            self.line({"type": "STATE", "value": value}),
        ]

    def _message(self, kind: str) -> dict:
        if kind == "state":
            return {"type": "STATE", "value": {"other": self.value()}}
        if kind == "version":
            stream = self._dice.choice(["customers", "nowhere"])
            return {
                "type": "ACTIVATE_VERSION",
                "stream": stream,
                "version": self.value(),
            }
        stream = {"record": "customers"}.get(kind, kind)
        message = {"type": "RECORD", "stream": stream, "record": self._record()}
        if self._dice.random() < 0.1:
            message["time_extracted"] = self.value()
        return message

    def _record(self) -> dict:
        found = {"id": self._dice.randrange(2000), "name": "Acme"}
        for name in self._dice.sample(self._likely, self._dice.randrange(4)):
            found[name] = self._dice.choice(_LIKELY[name])
        for _ in range(self._dice.choice([0, 0, 0, 1, 2])):
            found[self._name()] = self.value()
        if self._dice.random() < 0.05:
            del found["id"]
        return found

    def _wrong(self, way: str) -> dict:
        kind = self._dice.choice([*_MESSAGES])
        message = {"type": kind, **{name: self.value() for name in _MESSAGES[kind]}}
        if way == "wrong":
            # Right but for one thing, which is any other.
            message |= {"stream": "customers", "record": {}, "encoding": {}}
            message |= {"schema": {"properties": {"id": {}, "name": {}}}}
            message |= {"key_properties": ["id"], "manifest": ["file:///nowhere"]}
            message[self._dice.choice(_MESSAGES[kind])] = self.value()
            if kind == "SCHEMA" and self._dice.random() < 0.5:
                message |= {"schema": self._schema(), "key_properties": ["id"]}
            if kind == "BATCH" and self._dice.random() < 0.5:
                message["encoding"] = {"format": "jsonl", "compression": self.value()}
        elif way == "lacking":
            del message[self._dice.choice([*message])]
        else:
            message["type"] = self.value()
        return message

    def _schema(self) -> dict:
        properties = {self._name(): self.value(), "id": self.value(), "name": {}}
        return {"properties": properties, "required": self.value()}

    def _name(self) -> str:
        return self._dice.choice([*_NAMES, str(self._dice.random())])

    def value(self, room: int = 3):
        """Any JSON value, and some that are none."""
        many = range(self._dice.randrange(4))
        kind = self._dice.randrange(100 if room else 60)
        if kind >= 80:
            return {self._name(): self.value(room - 1) for _ in many}
        if kind >= 60:
            return [self.value(room - 1) for _ in many]
        if kind >= 40:
            return self._dice.choice([None, True, False, 0, -1, 2**63, 1.5])
        if kind >= 20:
            return Raw(self._dice.choice(_NUMBERS))
        rare = {0: "x" * 300_000, 1: Raw("[" * DEEP + "]" * DEEP)}
        return rare.get(kind, self._dice.choice(_TEXTS))

    def line(self, message) -> bytes:
        """Write a message, now and then with a name twice."""
        return self._written(message).encode()

    def _written(self, value) -> str:
        if isinstance(value, Raw):
            return value
        if isinstance(value, list):
            return f"[{', '.join(map(self._written, value))}]"
        if not isinstance(value, dict):
            # Half a surrogate pair can only be written as an escape.
            plain = value != "\ud800" and self._dice.random() < 0.1
            return json.dumps(value, ensure_ascii=not plain)
        members = [f"{json.dumps(n)}: {self._written(v)}" for n, v in value.items()]
        if members and "type" not in value and self._dice.random() < 0.05:
            members.append(members[0])
        return "{" + ", ".join(members) + "}"


_RECORD = {"type": "RECORD", "stream": "customers"}
_ANY = {name: {} for name in ("id", "name", *PROPERTIES, BILL_TO)}
CUSTOMERS = {
    "type": "SCHEMA",
    "stream": "customers",
    "schema": {"properties": {k: v for k, v in _ANY.items() if k != "sourceSystemId"}},
    "key_properties": ["id"],
}
SCHEMAS = [
    CUSTOMERS,
    {**CUSTOMERS, "stream": "mapped"},
    {**CUSTOMERS, "stream": "other"},
]
STREAM_MAPS = {
    "mapped": {
        "__alias__": "customers",
        "__filter__": "record.get('name')",
        "name": "name.strip() + '!'",
        "addresses": "[{'city': emailAddress.upper(), 'country': 'US'}]",
    },
    "other": None,
}
