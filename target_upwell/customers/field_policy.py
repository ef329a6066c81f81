"""`field_policy`: what an update may do to a customer's properties."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from target_upwell.customers.names import meant
from target_upwell.customers.schema import (
    BILL_TO,
    CUSTOMERS,
    PARENT,
    PROPERTIES,
    READABLE,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Policy = TypeVar("Policy", bound=str)

_NAMES = [*PROPERTIES, BILL_TO]
_SHOWN = {*READABLE, BILL_TO}


def in_force(field_policy: Mapping[str, Policy]) -> dict[str, Policy]:
    """Return the policies by the properties that they are for.

    A parent may be named by its id in the source as well.
    """
    return {PARENT if n == BILL_TO else n: one for n, one in field_policy.items()}


def problems(
    field_policy: Mapping[str, str], *, deletes: bool = False
) -> Iterator[str]:
    """Find names that no policy can be for, and policies that can't be kept.

    Args:
        field_policy: The policy of each property.
        deletes: Whether missing customers are to be marked as deleted.

    Yields:
        One sentence for each problem: the property, what is wrong, what to do.
    """
    if {BILL_TO, PARENT} <= field_policy.keys():
        yield f"field_policy: {BILL_TO!r} and {PARENT!r} are one property; keep one"
    for name, policy in field_policy.items():
        if name not in _NAMES:
            hint = meant(name, _NAMES) or "remove it"
            yield f"field_policy: {name[:40]!r} is not a customer property; {hint}"
        elif name in CUSTOMERS.key:
            yield f"field_policy: {name!r} identifies a customer and is never updated"
        elif policy == "fill_if_empty" and name not in _SHOWN:
            yield (
                f"field_policy: {name!r} can't be fill_if_empty, since Upwell never "
                "shows whether it is empty; use create_only or overwrite"
            )
        elif deletes and name == CUSTOMERS.deleted and policy != "overwrite":
            yield (
                f"field_policy: {name!r} can't be {policy} where missing_customers is "
                "delete, which sets it; use overwrite, or report"
            )
