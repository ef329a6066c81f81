"""Threads that run calls: daemons, so that a stuck request never keeps a dead run."""

from __future__ import annotations

import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING

from target_upwell.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Workers:
    """A fixed number of threads, started as they are needed."""

    def __init__(self, number: int, name: str, stop: threading.Event) -> None:
        """Make the threads possible.

        Args:
            number: Threads, at most.
            name: What they are for, as a debugger shows it.
            stop: Set once one of several calls fails, so that the others end soon.
        """
        self._number = number
        self._name = name
        self._stop = stop
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def submit(self, call: Callable[[], None]) -> None:
        """Run a call soon, in one of the threads; it must not raise.

        Raises:
            RunError: If there is no thread, and the system allows none.
        """
        self._start_thread()
        # With one thread at least the run goes on slowly.
        if not self._threads:
            raise RunError(
                "the system allows no more threads; raise its limit, or lower "
                "max_parallel_requests"
            )
        self._calls.put(call)

    def in_parallel(self, calls: Iterable[Callable[[], None]]) -> None:
        """Run calls at the same time, and return or raise when all have ended.

        The calling thread runs them too, so that they end even where the system allows
        no other thread. Once one has failed, those that have not begun are left out.
        """
        waiting = deque(calls)
        number = len(waiting)
        ended: SimpleQueue[None] = SimpleQueue()
        errors: list[Exception] = []

        def run() -> None:
            while True:
                try:
                    call = waiting.popleft()
                except IndexError:
                    return
                try:
                    if not errors:
                        call()
                except Exception as error:  # noqa: BLE001 - raised again below
                    errors.append(error)
                    self._stop.set()
                ended.put(None)

        for _ in range(min(number - 1, self._number)):
            self._start_thread()
            self._calls.put(run)
        run()
        # Each call has ended or is bound to. A thread that comes later finds none.
        for _ in range(number):
            ended.get()
        if errors:
            raise errors[0]

    def close(self) -> None:
        """End the threads, each after the call that it runs."""
        with self._lock:
            for _ in self._threads:
                self._calls.put(None)
            self._threads.clear()

    def _start_thread(self) -> None:
        """Start one more thread, where there may be more and the system allows it."""
        with self._lock:
            if len(self._threads) >= self._number:
                return
            name = f"{self._name}-{len(self._threads) + 1}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # a container's limit
                return
            self._threads.append(thread)

    def _work(self) -> None:
        # Nobody waits for a thread that waits for a call, and none keeps the process.
        for call in iter(self._calls.get, None):
            call()
