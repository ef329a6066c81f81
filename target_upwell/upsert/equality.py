"""When what Upwell holds is what the source says, of any resource.

A difference that comes back after every update would write its record on every run, so
what a server may well keep in a form of its own counts as equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from target_upwell.resource import Resource


def agree(resource: Resource, name: str, one: Any, other: Any) -> bool:  # noqa: ANN401
    """Return whether two values of a property say the same."""
    if same(one, other) or (is_empty(one) and is_empty(other)):
        return True
    return name in resource.caseless and same(_folded(one), _folded(other))


def is_empty(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Return whether a value says nothing: null, or empty text, list or object."""
    return value is None or value in ("", [], {})


def same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any JSON values
    """Return whether JSON values are equal; 1, 1.0 and 1.00 are, 1 and true are not."""
    if isinstance(one, str):  # almost all values, on every run
        return one == other  # type: ignore[no-any-return]
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(same(value, other[name]) for name, value in one.items())
        )
    if isinstance(one, (list, tuple)):
        return (
            isinstance(other, (list, tuple))
            and len(one) == len(other)
            and all(map(same, one, other))
        )
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def _folded(value: Any) -> Any:  # noqa: ANN401 - text, or a list of it
    if isinstance(value, str):
        return value.casefold()
    return (
        [_folded(one) for one in value] if isinstance(value, (list, tuple)) else value
    )
