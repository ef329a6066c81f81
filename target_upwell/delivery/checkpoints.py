"""Which STATE may go out: the newest with everything before it dealt with.

This is promise 1, never lost, in its smallest form. A batch is *opened* when its first
record arrives and is held from then on; every link that is still to be set holds it
once more. A checkpoint stands for everything opened before it, so it is covered when
none of that is held. The class knows neither threads nor clocks nor what a STATE
means; its owner locks it.
"""

from __future__ import annotations

from collections import deque

# More checkpoints than this need not be told apart while one batch holds them up: a
# newer one stands for the older ones, so dropping some costs nothing but fineness.
MOST_WAITING = 1024


class Checkpoints:
    """The STATE messages that wait for the records before them."""

    def __init__(self) -> None:
        self._opened = 0
        # In ascending order, since a sequence number is only added when it is opened.
        self._holds: dict[int, int] = {}
        self._waiting: deque[tuple[int, bytes]] = deque()

    def open(self) -> int:
        """Open a batch, hold it, and return its sequence number."""
        self._opened += 1
        self._holds[self._opened] = 1
        return self._opened

    def hold(self, sequence: int, times: int = 1) -> None:
        """Put more holds on a batch, or take some off if `times` is negative.

        A `KeyError` if it is not held: STATE may be out.
        """
        self._holds[sequence] += times
        if not self._holds[sequence]:
            del self._holds[sequence]

    def release(self, sequence: int) -> None:
        """Take one hold off a batch; a `KeyError` if it has none."""
        self.hold(sequence, -1)

    def note(self, state: bytes) -> None:
        """Take a STATE, as JSON: it stands for all that has been opened up to now."""
        if self._waiting and self._waiting[-1][0] == self._opened:
            self._waiting.pop()
        self._waiting.append((self._opened, state))
        if len(self._waiting) > MOST_WAITING:
            newest_first = list(reversed(self._waiting))
            self._waiting = deque(reversed(newest_first[::2]))

    def take(self) -> bytes | None:
        """Return the newest covered STATE, once, or None; drop those before it."""
        first_held = next(iter(self._holds), self._opened + 1)
        state = None
        while self._waiting and self._waiting[0][0] < first_held:
            state = self._waiting.popleft()[1]
        return state
