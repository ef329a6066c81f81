"""Threads that run calls: daemons, so that a stuck request never keeps a dead run."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from target_upwell.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SECONDS_BETWEEN_LOOKS = 0.2
"""No wait is without a bound, though each call tells when it has ended."""


class Workers:
    """A fixed number of threads, started as they are needed."""

    def __init__(self, number: int, name: str, stop: threading.Event) -> None:
        """Make the threads possible.

        Args:
            number: Threads, at most.
            name: What they are for, as a debugger shows it.
            stop: Set as soon as one of several calls fails, so that those under way
                don't go on for long.
        """
        self._number = number
        self._name = name
        self._stop = stop
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def submit(self, call: Callable[[], None]) -> None:
        """Run a call soon, in one of the threads; it must not raise.

        Raises:
            RunError: If there is no thread, and the system allows none.
        """
        self._start_thread(needed=True)
        self._calls.put(call)

    def in_parallel(self, calls: Iterable[Callable[[], None]]) -> None:
        """Run calls at the same time and return when all have ended.

        The calling thread runs them too, so that they end even where the system allows
        no other thread. Once one has failed, those that have not begun are left out.

        Raises:
            Exception: What the first of the calls that failed raised.
        """
        waiting = list(calls)
        waiting.reverse()
        errors: list[Exception] = []
        changed = threading.Condition()
        running = 0

        def run() -> None:
            nonlocal running
            while True:
                with changed:
                    if errors or not waiting:
                        return
                    call = waiting.pop()
                    running += 1
                try:
                    call()
                except Exception as error:  # noqa: BLE001 - raised again below
                    errors.append(error)
                    self._stop.set()
                with changed:
                    running -= 1
                    changed.notify_all()

        for _ in range(min(len(waiting) - 1, self._number)):
            self._start_thread(needed=False)
            self._calls.put(run)
        run()
        # A thread that comes later finds nothing left to do.
        with changed:
            while running:
                changed.wait(SECONDS_BETWEEN_LOOKS)
        if errors:
            raise errors[0]

    def close(self) -> None:
        """End the threads, each after the call that it runs."""
        with self._lock:
            for _ in self._threads:
                self._calls.put(None)
            self._threads.clear()

    def _start_thread(self, *, needed: bool) -> None:
        with self._lock:
            if len(self._threads) >= self._number:
                return
            thread = threading.Thread(
                target=self._work,
                name=f"{self._name}-{len(self._threads) + 1}",
                daemon=True,
            )
            try:
                thread.start()
            except RuntimeError:
                # A container's limit. With one thread at least the run goes on slowly.
                if needed and not self._threads:
                    raise RunError(
                        "the system allows no more threads; raise its limit, or lower "
                        "max_parallel_requests"
                    ) from None
                return
            self._threads.append(thread)

    def _work(self) -> None:
        # Nobody waits for a thread that waits for a call, and none keeps the process.
        for call in iter(self._calls.get, None):
            call()
