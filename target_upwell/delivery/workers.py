"""Threads that run calls: daemons, so that a stuck request never keeps a dead run."""

from __future__ import annotations

import queue
import threading
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Workers:
    """A fixed number of threads, started as they are needed."""

    def __init__(self, number: int, name: str) -> None:
        """Make the threads possible.

        Args:
            number: Threads, at most.
            name: What they are for, as a debugger shows it.
        """
        self._number = number
        self._name = name
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0

    def submit(self, call: Callable[[], None]) -> None:
        """Have a call run soon; it must not raise."""
        with self._lock:
            if self._threads < self._number:
                self._threads += 1
                threading.Thread(
                    target=self._work,
                    name=f"{self._name}-{self._threads}",
                    daemon=True,
                ).start()
        self._calls.put(call)

    def in_parallel(self, calls: Iterable[Callable[[], None]]) -> None:
        """Run calls at the same time and return when all have ended.

        Once one has failed those that have not begun are left out: with a server that
        is gone, each would try for minutes before the run could end.

        Raises:
            Exception: What the first of the calls that failed raised.
        """
        errors: list[Exception] = []
        ended = threading.Semaphore(0)

        def run(call: Callable[[], None]) -> None:
            try:
                if not errors:
                    call()
            except Exception as error:  # noqa: BLE001 - raised again below
                errors.append(error)
            finally:
                ended.release()

        number = 0
        for number, call in enumerate(calls, 1):  # noqa: B007 - used after the loop
            self.submit(partial(run, call))
        for _ in range(number):
            ended.acquire()
        if errors:
            raise errors[0]

    def _work(self) -> None:
        while True:
            self._calls.get()()
