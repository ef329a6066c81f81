"""A small model of an Upwell account, with what the API shows and what it never shows.

It is written apart from the sandbox, so that an error of the one is not the other's.
"""

from __future__ import annotations

import itertools
import threading

SHOWN = (
    "billToCustomerId",
    "ccEmailAddresses",
    "emailAddress",
    "id",
    "metadata",
    "name",
    "sourceSystem",
    "sourceSystemId",
)
HIDDEN = ("addressesLastUpdatedAt", "collectorId", "contactsLastUpdatedAt", "deletedAt")
COLUMNS = (*SHOWN, *HIDDEN)
RELATIONS = ("addresses", "contacts")
REFUSED = "refused"
"""A name that begins so is refused, as by a check constraint."""
UNIQUE = (
    "Uniqueness violation. duplicate key value violates unique constraint "
    '"customers_source_system_source_system_id_key"'
)


class Refusal(Exception):
    """A request that changed nothing."""

    def __init__(self, error, code="constraint-violation", row=None, status=400):
        super().__init__(error)
        self.status = status
        path = "$.selectionSet.insertCustomers.args.objects"
        row = "" if row is None else f"[{row}]"
        self.body = {"path": f"{path}{row}", "error": error, "code": code}


class AccountModel:
    """Customers by source key; each request is one transaction.

    Args:
        most_found: Customers that a search gives, at most.
    """

    def __init__(self, most_found=1000):
        self.lock = threading.RLock()
        self.customers = {}
        self.created = 0
        self._most_found = most_found
        self._ids = itertools.count(1)

    def bulk(self, body):
        """Create all of them or none."""
        inputs = body["inputs"]
        indexed = any(one.get(name) for one in inputs for name in RELATIONS)
        with self.lock:
            new = {}
            for number, given in enumerate(inputs):
                row = number if indexed else None
                key = given["sourceSystem"], given["sourceSystemId"]
                if key in self.customers or key in new:
                    raise Refusal(UNIQUE, row=row)
                new[key] = self._created(given, row)
            self.customers |= new
            self.created += len(new)
            rows = [self.shown(one) for one in new.values()]
        return {"createCustomers": {"returning": rows}}

    def search(self, body):
        """Find customers by source key."""
        where = body["where"]
        system = where["sourceSystem"]["_eq"]
        ids = where["sourceSystemId"].get("_in") or [where["sourceSystemId"]["_eq"]]
        with self.lock:
            found = [
                self.shown(self.customers[system, one])
                for one in dict.fromkeys(ids)
                if (system, one) in self.customers
            ]
        most = min(self._most_found, body.get("limit") or 10)
        return {"customers": found[:most]}

    def update(self, body):
        """Change one customer and its rule."""
        key = body["sourceSystem"], body["sourceSystemId"]
        columns, rule = body["input"], body["customerRulesInput"]
        with self.lock:
            customer = self.customers.get(key)
            if customer and columns:
                self._check({**customer, **columns}, None)
                for name in columns:
                    if name not in COLUMNS:
                        words = f"field '{name}' not found in type: 'CustomersSetInput'"
                        raise Refusal(words, "validation-failed")
                customer.update(columns)
            ruled = bool(customer and rule and customer["customerRule"])
            if ruled:
                customer["customerRule"].update(rule)
            touched = [self.shown(customer)] if customer and columns else []
        return {
            "updateCustomer": {"affectedRows": len(touched), "returning": touched},
            "updateCustomerRules": {"affectedRows": int(ruled)},
        }

    def _created(self, given, row):
        customer = dict.fromkeys(COLUMNS)
        for name in RELATIONS:
            customer[name] = (given.get(name) or {}).get("data", [])
        rule = (given.get("customerRule") or {}).get("data")
        customer["customerRule"] = dict(rule) if rule else None
        customer |= {name: given[name] for name in COLUMNS if name in given}
        self._check(customer, row)
        customer["id"] = f"cus_{next(self._ids)}"
        return customer

    def _check(self, customer, row):
        if customer["name"] is None:
            words = 'Not-NULL violation. null value in column "name"'
            raise Refusal(words, row=row)
        if customer["name"].startswith(REFUSED):
            words = 'Check constraint violation. new row for relation "customers"'
            raise Refusal(words, "permission-error", row)
        parent = customer["billToCustomerId"]
        if parent and all(one["id"] != parent for one in self.customers.values()):
            raise Refusal("Foreign key violation.", row=row)

    @staticmethod
    def shown(customer):
        """What a reply shows of a customer."""
        rule = customer["customerRule"]
        return {
            **{name: customer[name] for name in SHOWN},
            "addresses": [
                {"id": f"adr_{n}", **one}
                for n, one in enumerate(customer["addresses"], 1)
            ],
            "customerRule": {"id": "rul_1", **rule} if rule else None,
            "balance": 0,
            "overdueBalance": 0,
            "overdueInvoiceCount": 0,
            "createdAt": "2026-01-01T00:00:00.000000+00:00",
            "updatedAt": "2026-01-01T00:00:00.000000+00:00",
        }
