"""The check of records against the schema that the tap sent, for `validate_records`.

The SDK's own quotes values, which may be personal data, fails on schemas that taps do
send, and fetches what a `$ref` names over the network.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

from jsonschema import (
    Draft4Validator,
    Draft7Validator,
    SchemaError,
    ValidationError,
)
from jsonschema.exceptions import best_match
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from target_upwell.exceptions import Invalid, MappingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MAX_DUE_CHARACTERS = 100

_EXACT = Context(prec=1000, traps=[])
"""Wide enough for a number of a database by the 1e-38 that tap-postgres writes."""


def _multiple_of(
    _validator: Any,  # noqa: ANN401 - untyped in jsonschema
    due: Decimal | float,
    value: object,
    _schema: object,
) -> Iterator[ValidationError]:
    """Check without rounding; jsonschema's own fails on tiny or odd divisors."""
    if not isinstance(value, int | float | Decimal) or isinstance(value, bool):
        return
    # Not a number where either is none, or where they are too far apart to tell.
    rest = _EXACT.remainder(_exact(value), _exact(due))
    if rest.is_finite() and rest:
        yield ValidationError("it is not a multiple")


def _exact(number: Decimal | float) -> Decimal:
    return Decimal(str(number)).copy_abs()


_DRAFTS = [
    extend(draft, {"multipleOf": _multiple_of})  # type: ignore[no-untyped-call]
    for draft in (Draft7Validator, Draft4Validator)
]
"""What a schema may be; taps of databases write `"exclusiveMaximum": true`."""


def _is_valid(schema: Mapping[str, Any], draft: Any) -> bool:  # noqa: ANN401 - likewise
    try:
        draft.check_schema(schema)
    except (SchemaError, ArithmeticError, RecursionError):
        return False
    return True


class TapSchema:
    """Checks the records of one stream."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Check the schema itself.

        Raises:
            MappingError: If no record can be checked by it.
        """
        drafts = (draft for draft in _DRAFTS if _is_valid(schema, draft))
        draft = next(drafts, None)
        if draft is None:
            raise MappingError(
                "validate_records: the tap's SCHEMA is not a valid JSON schema, so "
                "that no record can be checked by it"
            )
        # A registry of its own, so that nothing is fetched.
        self._validator = draft(schema, registry=Registry())

    def check(self, record: Mapping[str, Any]) -> None:
        """Check a record.

        Raises:
            Invalid: If it does not fit; the reason quotes no value of it.
            MappingError: If the schema refers to what is not there.
        """
        try:
            error = best_match(self._validator.iter_errors(record))
        except Unresolvable as unresolvable:
            reference = str(unresolvable.ref)[:_MAX_DUE_CHARACTERS]
            raise MappingError(
                f"validate_records: the tap's SCHEMA refers to {reference!r}, which it "
                "does not hold, so that no record can be checked by it"
            ) from None
        except RecursionError:
            raise Invalid("the record: it is nested too deeply to be checked") from None
        if error:
            path = ".".join(map(str, error.absolute_path)) or "the record"
            due = str(error.validator_value)[:_MAX_DUE_CHARACTERS]
            raise Invalid(
                f"{path}: does not fit the tap's schema: {error.validator} is {due}"
            )
