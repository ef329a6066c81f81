"""Every exception of the program, under one base.

Messages are for a person: one line that says what happened and what to do, without a
secret and without personal data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class TargetUpwellError(Exception):
    """The base of all exceptions of this package."""


class RunError(TargetUpwellError):
    """The run can't go on; the message is one line for a person."""


class ConfigurationError(TargetUpwellError):
    """The settings can't be used; each problem is a line that says what to do."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class RetriesExhausted(RunError):
    """Something failed once too often, at last with a status; 0 if no answer came."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Stopped(TargetUpwellError):
    """The run is being stopped, so no new request may begin."""


class NotJSON(TargetUpwellError, ValueError):
    """Text that is not valid JSON; the message says where, and quotes none of it."""


class MappingError(TargetUpwellError):
    """A stream as a whole can't be mapped; the message says what to change."""


class Invalid(TargetUpwellError):
    """One record can't be loaded: what was found and what was due, and the property.

    The property comes with index and member, such as `addresses[0].country`.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason, path)
        self.reason = reason
        self.path = path

    def __str__(self) -> str:
        """Return the whole for a person."""
        return f"{self.path}: {self.reason}" if self.path else self.reason

    def under(self, prefix: str) -> Invalid:
        """Return the same finding, seen from one level further up."""
        return Invalid(self.reason, prefix + self.path)


@dataclass(frozen=True)
class Refusal:
    """What Upwell said when it turned a request down.

    Attributes:
        status: The HTTP status.
        code: Upwell's code, such as `constraint-violation`; empty if it gave none.
        message: Upwell's own words; those of HTTP if it gave none.
        row: The index of the input that the error is about, if it names one.
    """

    status: int
    code: str
    message: str
    row: int | None = None

    @property
    def is_uniqueness(self) -> bool:
        """Whether it is about a record that exists already.

        The text is Hasura's (SEEN in Upwell's integration patterns), the code that of
        Upwell's page on error codes. The name of the constraint is not known.
        """
        return (
            self.message.startswith("Uniqueness violation")
            or self.code == "RESOURCE_ALREADY_EXISTS"
            or self.status == HTTPStatus.CONFLICT
        )

    @property
    def constraint(self) -> str:
        """The name of the constraint that it names, or nothing."""
        found = re.search(r"constraint [\"']([^\"']+)[\"']", self.message)
        return found[1] if found else ""

    @property
    def unknown_field(self) -> str:
        """The field that the key may not set, or that does not exist, or nothing.

        Hasura quotes names in one of two ways, by its version (SEEN in its source).
        """
        found = re.match(r"field [\"']([^\"']+)[\"'] not found in type", self.message)
        return found[1] if found else ""

    def __str__(self) -> str:
        """Return it in Upwell's words, with code and status."""
        code = f", {self.code}" if self.code else ""
        return f"Upwell refused it: {self.message} ({self.status}{code})"


class Refused(TargetUpwellError):
    """Upwell turned a request down."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class TooLarge(TargetUpwellError):
    """The body of a request was too large for the server."""


class AmbiguousOutcome(TargetUpwellError):
    """A request may have been carried out or not; the message says why.

    The server may ask to pause for some seconds. The status is 0 if no answer came.
    """

    def __init__(self, why: str, pause: float | None = None, status: int = 0) -> None:
        super().__init__(why)
        self.pause = pause
        self.status = status
