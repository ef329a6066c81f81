"""What the API answers when it refuses a request: one exception, one body.

It knows the shape of a refusal and nothing of what is being refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


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
        """The JSON body of the answer."""
        return {"path": self.path or "$", "error": self.message, "code": self.code}


class At:
    """Puts a step in front of the path of any refusal raised within its block.

    Args:
        step: A piece of JSONPath, such as `.addresses` or `[3]`.
    """

    __slots__ = ("_step",)

    def __init__(self, step: str) -> None:
        self._step = step

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Lengthen the path; the refusal goes on."""
        if isinstance(error, Refusal):
            error.path = self._step + error.path


def invalid(message: str, path: str = "") -> Refusal:
    """A refusal by the types of the request, before the database is asked."""
    return Refusal(message, "validation-failed", path=path)
