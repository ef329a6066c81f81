"""Trying again: how often, and after how long. It knows nothing of HTTP's meanings."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import backoff
from urllib3.util import Retry as HTTPRetry

from target_upwell.exceptions import RetriesExhausted, Stopped

if TYPE_CHECKING:
    import threading

    from target_upwell.exceptions import AmbiguousOutcome

logger = logging.getLogger("target-upwell.retry")

LONGEST_BACKOFF_SECONDS = 60
LONGEST_RETRY_AFTER_SECONDS = 300


class Retry:
    """The retries of one thing, and the wait before each.

    The waits grow from one second, doubling to a minute, each with full jitter, so that
    workers that failed together don't come back together.
    """

    def __init__(self, what: str, retries: int, stop: threading.Event) -> None:
        self._what = what
        self._retries = retries
        self._stop = stop
        self.failures = 0

    def wait(self, failure: AmbiguousOutcome, *, spaced: float = 0.0) -> None:
        """Count a failure and wait for the next retry.

        Args:
            failure: How it failed, and how long the server asks to wait at least.
            spaced: Seconds of the backoff that something else takes care of.
        """
        self.failures += 1
        if self.failures > self._retries:
            times = "once" if self.failures == 1 else f"{self.failures} times"
            raise RetriesExhausted(
                f"{self._what} failed {times}, at last with: {failure}; run it again "
                "later, it goes on where it stopped",
                failure.status,
            )
        again = f"trying again ({self.failures} of {self._retries})"
        logger.warning("%s: %s; %s", self._what, failure, again)
        most = min(2 ** (self.failures - 1), LONGEST_BACKOFF_SECONDS)
        seconds = backoff.full_jitter(most) - spaced
        if self._stop.wait(max(seconds, failure.pause or 0)):
            raise Stopped


def retry_after(value: str | None) -> float | None:
    """Return the seconds of a `Retry-After` header, a number or a date, if it is one.

    They are `LONGEST_RETRY_AFTER_SECONDS` at most.
    """
    if value is None:
        return None
    try:
        seconds = HTTPRetry().parse_retry_after(value)
    except Exception:  # noqa: BLE001 - whatever a server writes there, it's no error
        return None
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER_SECONDS)
