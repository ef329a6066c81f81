"""Injected faults: which of them a request meets, and when.

The settings, a seed and the clock decide. How a fault shows on the wire is up to the
server.
"""

from __future__ import annotations

import math
import random
import re
import time
from collections import deque
from email.utils import formatdate
from typing import Annotated, Literal

import msgspec

from target_upwell.sandbox.server.changeable import Changeable

Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Fault = Literal["429", "500", "502", "503", "504", "reset", "lost-reply"]
_WINDOW_S = 1.0


class NextFault(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A fault that one coming request meets.

    Attributes:
        fault: Which; `lost-reply` and `after` let the request take effect first.
        method: Only a request of this method; any if absent.
        path: Only a request to this path; any if absent.
        after: Whether a status is sent in place of the answer to a request that
            has taken effect.
    """

    fault: Fault
    method: str | None = None
    path: str | None = None
    after: bool = False


class FaultSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The faults that are injected.

    Attributes:
        latency: Milliseconds that every request waits.
        rate_limit: Requests let through in any second; None for any number.
        retry_after: The form of `Retry-After` with a 429.
        fault_429: Percent of requests refused as too many.
        fault_500: Percent answered with an internal error, without effect.
        fault_502: Percent answered by a proxy, in HTML, without effect.
        fault_503: Percent answered as unavailable, without effect.
        fault_reset: Percent whose connection is cut before they take effect.
        fault_lost_reply: Percent whose connection is cut after they took effect.
        search_cap: Customers that a search gives at most; None for any number.
        max_body: Bytes of the largest body; None for any size.
        refuse_name: Regular expression of names that the database refuses without
            saying which row it was; None for none.
        next: Faults for coming requests, each used up by one.
    """

    latency: Annotated[float, msgspec.Meta(ge=0)] = 0
    rate_limit: Annotated[int, msgspec.Meta(ge=1)] | None = None
    retry_after: Literal["seconds", "date", "none"] = "seconds"
    fault_429: Percent = 0
    fault_500: Percent = 0
    fault_502: Percent = 0
    fault_503: Percent = 0
    fault_reset: Percent = 0
    fault_lost_reply: Percent = 0
    search_cap: Annotated[int, msgspec.Meta(ge=0)] | None = None
    max_body: Annotated[int, msgspec.Meta(ge=0)] | None = None
    refuse_name: str | None = None
    next: list[NextFault] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        """Check what the types don't.

        Raises:
            ValueError: For percentages above 100 together, or a bad expression.
        """
        if sum(self.percentages().values()) > 100:  # noqa: PLR2004 - percent
            raise ValueError("the percentages of the faults add up to more than 100")
        if self.refuse_name is not None:
            try:
                re.compile(self.refuse_name)
            except re.error as error:
                raise ValueError(
                    f"refuse_name is not a valid regular expression: {error}"
                ) from None

    def percentages(self) -> dict[Fault, float]:
        """Return the random faults with their percentages."""
        return {
            "429": self.fault_429,
            "500": self.fault_500,
            "502": self.fault_502,
            "503": self.fault_503,
            "reset": self.fault_reset,
            "lost-reply": self.fault_lost_reply,
        }


class Faults(Changeable[FaultSettings]):
    """Chooses the fault of each request.

    Args:
        settings: What to begin with.
        seed: The same seed gives the same faults to the same order of requests.
    """

    def __init__(self, settings: FaultSettings, seed: int | None = None) -> None:
        super().__init__(settings)
        self._random = random.Random(seed)  # noqa: S311 - to be repeatable
        self._passed: deque[float] = deque()

    def choose(self, method: str, path: str) -> NextFault | None:
        """Choose the fault of a request that has just come in.

        Returns:
            The fault, or None.
        """
        # One draw for every request, so that the faults of a seed do not depend
        # on which of them are switched on.
        drawn = self._random.random() * 100
        for position, coming in enumerate(self.settings.next):
            if coming.method in (None, method) and coming.path in (None, path):
                return self.settings.next.pop(position)
        for fault, percent in self.settings.percentages().items():
            drawn -= percent
            if drawn < 0:
                return NextFault(fault=fault)
        return None

    def over_the_limit(self) -> float | None:
        """Count a request against the rate limit.

        Returns:
            The seconds until there is room again when it has to be refused; None
            when it may pass.
        """
        limit = self.settings.rate_limit
        if limit is None:
            return None
        now = time.monotonic()
        while self._passed and self._passed[0] <= now - _WINDOW_S:
            self._passed.popleft()
        if len(self._passed) < limit:
            self._passed.append(now)
            return None
        return self._passed[-limit] + _WINDOW_S - now

    def retry_after(self, wait: float) -> dict[str, str]:
        """Return the header of a 429 that asks to wait for some seconds, if any."""
        seconds = math.ceil(wait)
        if self.settings.retry_after == "seconds":
            return {"Retry-After": str(seconds)}
        if self.settings.retry_after == "date":
            # A date has whole seconds only, and must not lie too early.
            return {"Retry-After": formatdate(time.time() + seconds + 1, usegmt=True)}
        return {}
