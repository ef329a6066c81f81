"""Trying again: how often, and after how long. It knows nothing of HTTP's meanings."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING

import backoff
from urllib3.util import Retry

from target_upwell.exceptions import RunError, Stopped

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

logger = logging.getLogger("target-upwell.attempts")

LONGEST_BACKOFF_SECONDS = 60
LONGEST_RETRY_AFTER_SECONDS = 300


class Attempts:
    """The attempts at one thing, and the waits between them.

    The waits grow from one second, doubling to a minute, each with full jitter, so that
    workers that failed together don't come back together.
    """

    def __init__(self, what: str, retries: int, stop: threading.Event) -> None:
        self._what = what
        self._retries = retries
        self._stop = stop
        self._waits: Iterator[float] = itertools.islice(
            backoff.expo(base=2, factor=1, max_value=LONGEST_BACKOFF_SECONDS), 1, None
        )
        self._made = 0

    def next_wait(self, why: str) -> float:
        """Count a failed attempt.

        Args:
            why: How it failed, for the message when there were too many.

        Returns:
            The seconds to wait before the next one.

        Raises:
            RunError: If there is to be no next one.
        """
        self._made += 1
        if self._made > self._retries:
            times = "once" if self._made == 1 else f"{self._made} times"
            raise RunError(
                f"{self._what} failed {times}, at last with: {why}; run it again "
                "later, it goes on where it stopped"
            )
        seconds = backoff.full_jitter(next(self._waits))
        logger.warning(
            "%s: %s; trying again (%d of %d)",
            self._what,
            why,
            self._made,
            self._retries,
        )
        return seconds

    def wait(self, why: str, pause: float | None = None) -> None:
        """Count a failed attempt and wait for the next one.

        Args:
            why: How it failed.
            pause: Seconds that the server asks to wait, if it said so.

        Raises:
            RunError: If there is to be no next one.
            Stopped: If the run is stopped meanwhile.
        """
        seconds = self.next_wait(why)
        if self._stop.wait(seconds if pause is None else pause):
            raise Stopped


def retry_after(value: str | None) -> float | None:
    """Read a `Retry-After` header, in seconds or as a date.

    Returns:
        Seconds, at most `LONGEST_RETRY_AFTER_SECONDS`; none if it can't be read.
    """
    if value is None:
        return None
    try:
        seconds = Retry().parse_retry_after(value)
    except Exception:  # noqa: BLE001 - whatever a server writes there, it's no error
        return None
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER_SECONDS)
