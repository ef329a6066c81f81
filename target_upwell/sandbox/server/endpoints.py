"""The paths of the API, and how a request's parts become an operation's variables.

The API is a set of stored queries behind paths: whatever comes by path, query or
body is a variable, and the body is not reported as bad when it can't be read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_upwell.sandbox.account.customer import decode
from target_upwell.sandbox.account.refusal import Refusal, invalid
from target_upwell.sandbox.account.validation import check_integer, check_text

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE = "/api/rest"
_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")


@dataclass(frozen=True)
class Endpoint:
    """A method on a path.

    Attributes:
        method: The HTTP method.
        path: The path below the base, with `{id}` for a part of it.
        operation: The name of the operation that answers.
        variables: Its variables' GraphQL types; those that end in `!` are needed.
    """

    method: str
    path: str
    operation: str
    variables: Mapping[str, str]

    def match(self, path: str) -> dict[str, str] | None:
        """Return the variables in a path below the base, or None if it differs."""
        given, own = path.split("/"), self.path.split("/")
        if len(given) != len(own):
            return None
        found = {}
        for step, name in zip(given, own, strict=True):
            if name.startswith("{"):
                found[name[1:-1]] = step
            elif step != name:
                return None
        return found


ENDPOINTS = (
    Endpoint(
        "POST",
        "/bulk-customers",
        "create_many",
        {"inputs": "[CustomersInsertInput!]!"},
    ),
    Endpoint("POST", "/customers", "create_one", {"input": "CustomersInsertInput!"}),
    Endpoint(
        "PUT",
        "/customers",
        "update_by_source_key",
        {
            "sourceSystem": "String!",
            "sourceSystemId": "String!",
            "input": "CustomersSetInput",
            "customerRulesInput": "CustomerRulesSetInput",
        },
    ),
    Endpoint("GET", "/customers", "get_many", {"limit": "Int", "offset": "Int"}),
    # Before the path with an id, which would match it too.
    Endpoint(
        "POST",
        "/customers/search",
        "search",
        {
            "where": "CustomersBoolExp",
            "orderBy": "[CustomersOrderBy!]",
            "limit": "Int",
            "offset": "Int",
        },
    ),
    Endpoint("GET", "/customers/{id}", "get_one", {"id": "String!"}),
    Endpoint(
        "PUT",
        "/customers/{id}",
        "update_by_id",
        {
            "id": "String!",
            "input": "CustomersSetInput",
            "customerRulesInput": "CustomerRulesSetInput",
        },
    ),
)


def match(method: str, path: str) -> tuple[Endpoint, dict[str, str]]:
    """Find the endpoint of a request.

    Args:
        method: The HTTP method.
        path: The whole path, decoded.

    Returns:
        The endpoint, and the variables in the path.

    Raises:
        Refusal: 404 for an unknown path, 405 for a known one's other methods.
    """
    allowed = []
    if path.startswith(f"{BASE}/"):
        for endpoint in ENDPOINTS:
            found = endpoint.match(path[len(BASE) :])
            if found is None:
                continue
            if endpoint.method == method:
                return endpoint, found
            allowed.append(endpoint.method)
    if allowed:
        raise Refusal(
            f"Allowed methods: {', '.join(allowed)}", "method-not-allowed", status=405
        )
    raise Refusal("Endpoint not found", "not-found", status=404)


def variables(
    endpoint: Endpoint, body: bytes, query: Mapping[str, str], path: Mapping[str, str]
) -> dict[str, Any]:
    """Gather an operation's variables.

    Args:
        endpoint: The endpoint that was asked.
        body: The body as it came.
        query: The parameters after the question mark.
        path: The variables in the path, which win over the others.

    Returns:
        The variables that were given, scalars checked.

    Raises:
        Refusal: For a variable that is unknown, missing or of the wrong type.
    """
    # The later wins, and a name that GraphQL doesn't allow is dropped without a word.
    gathered = {
        name: value for name, value in _object(body).items() if _NAME.fullmatch(name)
    }
    for name, text in (*query.items(), *path.items()):
        if _NAME.fullmatch(name):
            gathered[name] = _from_text(name, text, endpoint.variables.get(name, ""))
    for name in gathered:
        if name not in endpoint.variables:
            raise Refusal(f"Unexpected variable {name}", "bad-request")
    for name, kind in endpoint.variables.items():
        if name in gathered:
            gathered[name] = _checked(gathered[name], kind)
        elif kind.endswith("!"):
            raise invalid(f'expecting a value for non-nullable variable: "{name}"')
    return gathered


def _from_text(name: str, text: str, kind: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a variable that came by path or query."""
    if kind.startswith("["):
        raise Refusal(
            "List variables are not currently supported in URL or Query parameters."
            f' (Variable {name}, with value "{text}")',
            "bad-request",
        )
    if not text and not kind.endswith("!"):
        return None
    if kind.startswith("Int"):
        try:
            return decode(text)
        except ValueError:
            return text
    return text


def _checked(value: Any, kind: str) -> Any:  # noqa: ANN401 - any JSON value
    if value is None:
        if kind.endswith("!"):
            raise invalid(f'null value found for non-nullable type: "{kind}"')
    elif kind.startswith("String"):
        check_text(value)
    elif kind.startswith("Int"):
        return check_integer(value)
    return value


def _object(body: bytes) -> dict[str, Any]:
    """Return the body's object; anything else counts as an empty one."""
    try:
        value = decode(body)
    # Nesting deeper than the reader goes is unreadable too.
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
