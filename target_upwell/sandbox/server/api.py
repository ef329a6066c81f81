"""The operations behind the paths: from variables to the reply object.

Each is one transaction. It knows nothing of HTTP.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from target_upwell.sandbox.account import search
from target_upwell.sandbox.account.customer import shown
from target_upwell.sandbox.account.refusal import At, Refusal, invalid
from target_upwell.sandbox.account.schema import CUSTOMER_COLUMNS, SEARCHABLE
from target_upwell.sandbox.account.store import POSITIONS
from target_upwell.sandbox.account.validation import check_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_upwell.sandbox.account.customer import Stored
    from target_upwell.sandbox.account.journal import Entry
    from target_upwell.sandbox.account.schema import Column, ObjectType
    from target_upwell.sandbox.account.store import Store
    from target_upwell.sandbox.account.validation import Row
    from target_upwell.sandbox.server.changeable import Changeable
    from target_upwell.sandbox.server.faults import Faults
    from target_upwell.sandbox.server.readings import Readings

Variables = dict[str, Any]
Reply = dict[str, Any]
_DEFAULT_LIMIT = 10
_INSERT = "$.selectionSet.insertCustomers.args.objects"
_INSERT_ONE = "$.selectionSet.insertCustomersOne.args.object"
_SET = "$.selectionSet.updateCustomers.args._set"
_RULES_SET = "$.selectionSet.updateCustomerRules.args._set"
_QUERY = "$.selectionSet.customers.args"
_SHOWN_RELATIONS = ("addresses", "customerRule")
_AMOUNTS = {
    "balance": "balance",
    "overdueBalance": "overdue_balance",
    "overdueInvoiceCount": "overdue_invoice_count",
}


class Api:
    """The API's operations on one account.

    Args:
        store: The account.
        faults: Asked for the cap on searches and the names to refuse.
        readings: How it behaves where the documentation leaves it open.
    """

    def __init__(
        self, store: Store, faults: Faults, readings: Changeable[Readings]
    ) -> None:
        self._store = store
        self._faults = faults
        self._readings = readings

    def create_many(self, variables: Variables, entry: Entry) -> Reply:
        """Create customers, all of them or none."""
        inputs = variables["inputs"]
        if not isinstance(inputs, list):
            inputs = [inputs]
        _name_rows(entry, inputs)
        rows, insert_type = [], self._readings.settings.insert_type
        for index, given in enumerate(inputs):
            with At(f"{_INSERT}[{index}]"):
                rows.append(check_object(given, insert_type))
        created = self._create(rows, entry, _INSERT)
        # The API promises no order, so the sandbox never gives the likely one.
        return {"createCustomers": {"returning": created[::-1]}}

    def create_one(self, variables: Variables, entry: Entry) -> Reply:
        """Create a customer."""
        _name_rows(entry, [variables["input"]])
        insert_type = self._readings.settings.insert_type
        row = _checked(variables["input"], insert_type, _INSERT_ONE)
        (created,) = self._create([row], entry, _INSERT_ONE)
        return {"createCustomer": created}

    def update_by_id(self, variables: Variables, entry: Entry) -> Reply:
        """Update the customer with an id; without effect if there is none."""
        entry.rows, entry.sent = 1, [variables]
        returning, rules = self._update("id = ?", [variables["id"]], variables, entry)
        # An empty set is not executed: the reply is an empty object, found or not.
        nobody: Reply | None = None if variables.get("input") else {}
        return {
            "updateCustomer": returning[0] if returning else nobody,
            "updateCustomerRules": {"affectedRows": rules},
        }

    def update_by_source_key(self, variables: Variables, entry: Entry) -> Reply:
        """Update the customer with a source key; without effect if there is none."""
        entry.rows, entry.sent = 1, [variables]
        key = [variables["sourceSystem"], variables["sourceSystemId"]]
        entry.source_system_ids = key[1:]
        returning, rules = self._update(
            "source_system = ? AND source_system_id = ?", key, variables, entry
        )
        return {
            "updateCustomer": {
                "affectedRows": len(returning),
                "returning": returning,
            },
            "updateCustomerRules": {"affectedRows": rules},
        }

    def get_many(self, variables: Variables, _entry: Entry) -> Reply:
        """Return some customers, and aggregates over all of them."""
        limit, offset = _limit(variables), _offset(variables)
        visible = self._visible()
        figures = ", ".join(
            f"avg({column}), sum({column})" for column in _AMOUNTS.values()
        )
        count, *numbers = self._store.connection.execute(
            f"SELECT count(*), {figures} FROM customers WHERE {visible}"  # noqa: S608 - names from here
        ).fetchone()
        return {
            "customers": self._shown(
                self._store.find(f"{visible} LIMIT ? OFFSET ?", [limit, offset])
            ),
            "customersAggregate": {
                "aggregate": {
                    "avg": dict(zip(_AMOUNTS, numbers[::2], strict=True)),
                    "count": count,
                    "sum": dict(zip(_AMOUNTS, numbers[1::2], strict=True)),
                }
            },
        }

    def get_one(self, variables: Variables, _entry: Entry) -> Reply:
        """Return the customer with an id, or null."""
        where = f"id = ? AND {self._visible()}"
        found = self._shown(self._store.find(where, [variables["id"]]))
        return {"customer": found[0] if found else None}

    def search(self, variables: Variables, entry: Entry) -> Reply:
        """Return customers that match a condition, by default ten of them."""
        condition, order = search.Condition(), ""
        if (where := variables.get("where")) is not None:
            with At(f"{_QUERY}.where"):
                condition = search.to_condition(where, self._searchable())
        if (order_by := variables.get("orderBy")) is not None:
            with At(f"{_QUERY}.orderBy"):
                order = search.to_order(order_by)
        entry.source_system_ids = condition.source_system_ids
        entry.rows = len(condition.source_system_ids)
        limit = _limit(variables)
        if (cap := self._faults.settings.search_cap) is not None:
            limit = min(limit, cap)
        order = f" ORDER BY {order}" if order else ""
        sql = f"{self._visible()} AND ({condition.sql}){order} LIMIT ? OFFSET ?"
        found = self._store.find(
            sql, [*condition.parameters, limit, _offset(variables)]
        )
        return {"customers": self._shown(found)}

    def _create(self, rows: Sequence[Row], entry: Entry, path: str) -> list[Reply]:
        with self._store.transaction():
            with At(path):
                if any(row.relations for row in rows):
                    stored, related = self._store.insert_with_relations(
                        rows, entry.number
                    )
                else:
                    stored, related = self._store.insert(rows, entry.number), {}
            self._refuse_names(stored, path)
        entry.created = len(stored)
        return [shown(customer, related) for customer in stored]

    def _update(
        self, where: str, key: Sequence[str], variables: Variables, entry: Entry
    ) -> tuple[list[Reply], int]:
        readings = self._readings.settings
        changes = self._set(variables, "input", readings.set_type, _SET)
        rules_changes = self._set(
            variables, "customerRulesInput", readings.rule_set_type, _RULES_SET
        )
        store = self._store
        affected: list[Stored] = []
        rules = 0
        with store.transaction():
            different: dict[str, Any] = {}
            found = store.find(where, key)
            # An empty set updates nothing, whether or not the customer exists.
            if found and changes:
                different = store.update(found[0], changes)
                affected = store.find("number = ?", [found[0][0]])
                self._refuse_names(affected, "$.selectionSet.updateCustomers.args")
            # The rules are looked up anew: their customer may have a new key now.
            if rules_changes and (owner := store.find(where, key)):
                rules, of_rules = store.update_rules(owner[0], rules_changes)
                different |= of_rules
            if found and (changes or rules):
                store.remember_update(found[0], different, entry.number)
                entry.updated = 1
                entry.source_system_ids = [
                    customer[POSITIONS["sourceSystemId"]] for customer in found
                ]
        if found and readings.empty_set_counts:
            affected = affected or found
            rules = rules or store.count_rules(found[0])
        return self._shown(affected), rules

    def _set(
        self, variables: Variables, name: str, set_type: ObjectType, path: str
    ) -> dict[str, Any]:
        """Return the columns of a set, which may be empty."""
        given = variables.get(name)
        if given is None and self._readings.settings.missing_set_is_empty:
            return {}
        return _checked(given, set_type, path).columns

    def _visible(self) -> str:
        """Return the SQL condition that a customer must meet for reads to show it."""
        hidden = self._readings.settings.search_hides_deleted
        return "deleted_at IS NULL" if hidden else search.TRUE

    def _searchable(self) -> dict[str, Column]:
        if self._readings.settings.search_refuses_deleted_at:
            return SEARCHABLE
        return {**SEARCHABLE, "deletedAt": CUSTOMER_COLUMNS["deletedAt"]}

    def _shown(self, customers: Sequence[Stored]) -> list[Reply]:
        related = self._store.related(customers, *_SHOWN_RELATIONS)
        return [shown(customer, related) for customer in customers]

    def _refuse_names(self, customers: Sequence[Stored], path: str) -> None:
        pattern = self._faults.settings.refuse_name
        if pattern is None:
            return
        place = POSITIONS["name"]
        if any(re.search(pattern, customer[place]) for customer in customers):
            raise Refusal(
                "check constraint of an insert/update permission has failed",
                "permission-error",
                path=path,
            )


def _checked(value: Any, object_type: ObjectType, path: str) -> Row:  # noqa: ANN401 - any JSON value
    with At(path):
        return check_object(value, object_type)


def _name_rows(entry: Entry, inputs: Sequence[Any]) -> None:
    entry.rows = len(inputs)
    entry.sent = inputs
    entry.source_system_ids = [
        name
        for given in inputs
        if isinstance(given, dict)
        and isinstance(name := given.get("sourceSystemId"), str)
    ]


def _limit(variables: Variables) -> int:
    return _natural(variables, "limit", _DEFAULT_LIMIT)


def _offset(variables: Variables) -> int:
    return _natural(variables, "offset", 0)


def _natural(variables: Variables, name: str, default: int) -> int:
    value = variables.get(name)
    if value is None:
        return default
    if value < 0:
        raise invalid("unexpected negative value", f"{_QUERY}.{name}")
    return int(value)
