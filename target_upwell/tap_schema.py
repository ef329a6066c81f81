"""The check of records against the schema that the tap sent, for `validate_records`.

The SDK's own quotes values, which may be personal data, fails on schemas that taps do
send, and fetches what a `$ref` names over the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jsonschema_rs import Draft4Validator, Draft7Validator, ValidationError

from target_upwell.exceptions import Invalid, MappingError
from target_upwell.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_DUE_CHARACTERS = 100

_DRAFTS = (Draft7Validator, Draft4Validator)
"""What a schema may be; taps of databases write `"exclusiveMaximum": true`."""


class TapSchema:
    """Checks the records of one stream."""

    def __init__(self, schema: dict[str, Any]) -> None:
        """Check the schema itself.

        Raises:
            MappingError: If no record can be checked by it.
        """
        self._schema = schema
        problems = []
        for draft in _DRAFTS:
            try:
                self._validator = draft(
                    schema, validate_formats=False, retriever=_not_fetched
                )
            except ValidationError as error:
                problems.append(f"{_path(error)}: {error.message}".removeprefix(": "))
            except ValueError as error:
                problems.append(str(error))
            else:
                return
        raise MappingError(
            "validate_records: the tap's SCHEMA is not a valid JSON schema: "
            + one_line(problems[0])
        )

    def check(self, record: Mapping[str, Any]) -> None:
        """Check a record.

        Raises:
            Invalid: If it does not fit; the reason quotes no value of it.
        """
        try:
            error = next(self._validator.iter_errors(record), None)
        except ValueError:
            # Half a surrogate pair, say.
            raise Invalid("the record: it holds what no schema can check") from None
        if error:
            due: Any = self._schema
            try:
                for step in error.schema_path:
                    due = due[step]
            except (LookupError, TypeError):
                due = "not met"  # the path is that of an inner schema with an `$id`
            raise Invalid(
                f"{_path(error) or 'the record'}: does not fit the tap's schema: "
                f"{error.schema_path[-1]} is {str(due)[:_MAX_DUE_CHARACTERS]}"
            )


def _path(error: ValidationError) -> str:
    return ".".join(map(str, error.instance_path))


def _not_fetched(_uri: str) -> None:
    raise ValueError("it is not in the SCHEMA, and nothing is fetched")
