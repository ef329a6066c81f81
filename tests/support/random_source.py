"""A source of customers for a random test: what it sends, and what has to come of it.

Each record is a change of a customer, and no two values of a property are the same, so
that it shows which version of each property an account holds.

What the API never shows can't be compared, and a null in it is sent only along with a
change that can be seen. So a customer here either gets nulls there, and a new name in
each record; or it gets none, and changes that nobody can see.
"""

from __future__ import annotations

from account_model import REFUSED
from target_command import record, schema, state

BILL_TO = "billToSourceSystemId"
SHOWN = ("name", "emailAddress", "metadata", "ccEmailAddresses", BILL_TO)
HIDDEN = ("collectorId", "deletedAt")
NAMES = ("id", *SHOWN, *HIDDEN, "customerRule", "addresses", "contacts")
SCHEMA = schema(**{name: {} for name in NAMES})


class RandomSource:
    """Writes a log of messages that grows.

    Args:
        dice: What it is made of.
        customers: How many there are.

    Attributes:
        log: The records, each a dictionary, and the STATEs, each its own place.
    """

    def __init__(self, dice, customers):
        self.log = []
        self._dice = dice
        self._ids = [f"c{number}" for number in range(customers)]
        self._known = set()
        self._names = {}

    def grow(self, records):
        """Write more records, with STATEs among them and one at the end."""
        if self._dice.random() < 0.3:
            ids = [self._dice.choice(self._ids) for _ in range(records)]
        else:
            ids = self._new_and_old(records)
        parents = sorted(self._known | set(ids))
        for one in ids:
            if self._dice.random() < 0.02:
                place = len(self.log)
                self.log.append({"id": f"bad{place}", "name": f"{REFUSED} {place}"})
            self.log.append(self._record(one, parents))
            if self._dice.random() < 0.05:
                self.log.append({**self._dice.choice(self._repeats())})
            if self._dice.random() < 0.1:
                self.log.append(len(self.log))
        self.log.append(len(self.log))

    def _new_and_old(self, records):
        """New customers, and then others: after only new ones a target may guess."""
        first = len(self._ids)
        new = [f"c{first + number}" for number in range(records // 2)]
        old = self._dice.sample(self._ids[::2], min(records // 2, first // 2))
        self._ids += new
        return [*new, *old]

    def messages(self, place):
        """The messages after a STATE, as a tap sends them."""
        return [
            SCHEMA,
            *(
                state(one) if isinstance(one, int) else record(**one)
                for one in self.log[place:]
            ),
        ]

    def versions(self, place):
        """What may be held of each customer once the records before a place are.

        Returns:
            By id and property, the value at the place and all later ones.
        """
        allowed = {}
        for number, one in enumerate(self.log):
            if isinstance(one, int):
                continue
            customer = allowed.get(one["id"])
            if customer is None:
                if number >= place:
                    continue
                customer = allowed[one["id"]] = {name: [None] for name in NAMES[1:]}
            for name, value in one.items():
                if name != "id" and number < place:
                    customer[name] = [value]
                elif name != "id":
                    customer[name].append(value)
        return allowed

    def _repeats(self):
        """The last record of each customer: a tap sends those at its bookmark again."""
        last = {one["id"]: one for one in self.log if not isinstance(one, int)}
        return list(last.values())

    def _record(self, one, parents):
        place, dice = len(self.log), self._dice
        quiet = int(one[1:]) % 2 == 0
        sent = {"id": one}
        values = {
            "name": f"name {place}",
            "emailAddress": f"a{place}@b.example",
            "metadata": {"place": place},
            "ccEmailAddresses": [f"cc{place}@b.example"],
            BILL_TO: dice.choice([p for p in parents if p != one] or [None]),
            "collectorId": f"col{place}",
            "deletedAt": f"2026-01-01T00:00:00.{place:06}+00:00",
        }
        for name, value in values.items():
            if dice.random() < 0.4:
                null = dice.random() < 0.3 and not (quiet and name in HIDDEN)
                sent[name] = None if null else value
        if one not in self._known or not quiet:
            sent["name"] = values["name"]
        elif sent.get("name", "") is None or dice.random() < 0.7:
            # A change that nobody can see.
            seen = {"id": one, "name": self._names[one]}
            sent = {**seen, "collectorId": values["collectorId"]}
        if sent.get("name", "") is None:
            del sent["name"]
        self._names[one] = sent.get("name", self._names.get(one))
        if int(one[1:]) % 3 == 0 and (one not in self._known or dice.random() < 0.3):
            sent["customerRule"] = {"dueOption": place}
        if one not in self._known and dice.random() < 0.3:
            sent["addresses"] = [{"city": f"City {place}", "country": "US"}]
            sent["contacts"] = [{"name": f"Contact {place}"}]
        self._known.add(one)
        return sent
