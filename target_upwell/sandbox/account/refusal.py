"""What the API answers when it refuses a request: one exception, one body.

It knows the shape of a refusal and nothing of what is being refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

# The documentation shows the codes of 401, 400 and 404; the others are made alike.
_DOCUMENTED = {
    401: "INVALID_API_KEY",
    403: "FORBIDDEN",
    404: "RESOURCE_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    429: "RATE_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
}


class Refusal(Exception):
    """A request that is refused, wholly and without effect.

    Attributes:
        message: The sentence under `error`.
        code: The kebab-case word under `code`.
        path: Where in the request the fault lies, in JSONPath from `$`.
        status: The HTTP status.
    """

    def __init__(
        self, message: str, code: str, *, path: str = "", status: int = 400
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.path = path
        self.status = status

    def body(self) -> dict[str, str]:
        """Return the JSON body of the answer, as the API was seen to send it."""
        return {"path": self.path or "$", "error": self.message, "code": self.code}

    def documented_body(self, timestamp: str) -> dict[str, Any]:
        """Return the JSON body of the answer, as the documentation shows it.

        Args:
            timestamp: The present, RFC 3339.
        """
        error: dict[str, Any] = {
            "code": _DOCUMENTED.get(self.status, "VALIDATION_ERROR"),
            "message": self.message,
        }
        if self.path:
            error["details"] = [{"field": self.path, "message": self.message}]
        return {"error": error, "status": "error", "timestamp": timestamp}


class At:
    """Puts a step in front of the path of any refusal raised within its block.

    Args:
        step: A piece of JSONPath, such as `.addresses` or `[3]`.
    """

    __slots__ = ("_step",)

    def __init__(self, step: str) -> None:
        self._step = step

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put the step in front of the path; the refusal goes on."""
        if isinstance(error, Refusal):
            error.path = self._step + error.path


def invalid(message: str, path: str = "") -> Refusal:
    """Return a refusal by the types of the request, before the database is asked."""
    return Refusal(message, "validation-failed", path=path)
