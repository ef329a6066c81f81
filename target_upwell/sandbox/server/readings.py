"""How the account behaves where Upwell's documentation leaves it open.

The defaults are the stricter reading; the rest rehearses what another account or
another API key may do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import msgspec

from target_upwell.sandbox.account.schema import (
    CUSTOMER,
    CUSTOMER_RULE_SET,
    CUSTOMER_SET,
    ObjectType,
)

if TYPE_CHECKING:
    from collections.abc import Collection


class Readings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Readings of the documentation.

    Attributes:
        not_insertable: Properties that this API key may not insert.
        not_updatable: Columns that it may not update.
        rule_not_updatable: Columns of the rule that it may not update.
        missing_set_is_empty: Whether a PUT without `input` or `customerRulesInput`
            counts as one with an empty set; it is refused otherwise.
        empty_set_counts: Whether an empty set updates a column that the API key
            presets: it counts the row and changes nothing that can be seen.
        search_hides_deleted: Whether reads leave out customers that have `deletedAt`.
        search_refuses_deleted_at: Whether a search refuses conditions on `deletedAt`.
        error_shape: `runtime` for the bodies that the API was seen to send,
            `documented` for those on the documentation's page of error codes.
    """

    not_insertable: list[str] = []
    not_updatable: list[str] = []
    rule_not_updatable: list[str] = []
    missing_set_is_empty: bool = False
    empty_set_counts: bool = False
    search_hides_deleted: bool = False
    search_refuses_deleted_at: bool = False
    error_shape: Literal["runtime", "documented"] = "runtime"

    def __post_init__(self) -> None:
        """Check the names of properties.

        Raises:
            ValueError: With the names.
        """
        for setting, names, whole in (
            ("not_insertable", self.not_insertable, CUSTOMER),
            ("not_updatable", self.not_updatable, CUSTOMER_SET),
            ("rule_not_updatable", self.rule_not_updatable, CUSTOMER_RULE_SET),
        ):
            known = {*whole.columns, *whole.relations}
            if unknown := sorted({*names} - known):
                raise ValueError(
                    f"{setting}: {', '.join(unknown)} not found; use"
                    f" {', '.join(sorted(known))}"
                )

    @property
    def insert_type(self) -> ObjectType:
        """Return the type of a customer that may be inserted."""
        return _without(CUSTOMER, self.not_insertable)

    @property
    def set_type(self) -> ObjectType:
        """Return the type of a customer's changes."""
        return _without(CUSTOMER_SET, self.not_updatable)

    @property
    def rule_set_type(self) -> ObjectType:
        """Return the type of a rule's changes."""
        return _without(CUSTOMER_RULE_SET, self.rule_not_updatable)


def _without(whole: ObjectType, names: Collection[str]) -> ObjectType:
    if not names:
        return whole
    return replace(
        whole,
        columns={n: column for n, column in whole.columns.items() if n not in names},
        relations={n: rel for n, rel in whole.relations.items() if n not in names},
    )
