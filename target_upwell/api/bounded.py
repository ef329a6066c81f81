"""Connections that keep to a budget of time and bytes, whatever a server does.

The time-outs of `requests` begin anew with each byte that arrives, and nothing limits
how many arrive. Here an exchange has one budget for all of it: reading the answer's
head, `100 Continue` again and again, and the length of each chunk included.
"""

from __future__ import annotations

import io
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from target_upwell.exceptions import UnreadableAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer
    from urllib3.poolmanager import PoolManager


class Budget:
    """What is left to one exchange; one thread has one, and begins it anew each time.

    Attributes:
        out_of_bytes: Whether more came than was allowed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing.

        Args:
            clock: Tells the time in seconds.
        """
        self._clock = clock
        self._ends = clock()
        self._bytes = 0
        self.out_of_bytes = False

    def begin(self, seconds: float, most_bytes: int) -> None:
        """Allow an exchange so much."""
        self._ends = self._clock() + seconds
        self._bytes = most_bytes
        self.out_of_bytes = False

    def seconds(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimeoutError: If there are none.
        """
        left = self._ends - self._clock()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def take(self, number: int) -> None:
        """Count bytes that came.

        Raises:
            UnreadableAnswer: If they are more than there may be.
        """
        self._bytes -= number
        if self._bytes < 0:
            self.out_of_bytes = True
            raise UnreadableAnswer("more bytes than an answer may have")


class BoundedAdapter(HTTPAdapter):
    """Connects `requests` by way of connections that keep to a budget."""

    def __init__(self, budget: Budget) -> None:
        """Connect.

        Args:
            budget: That of the thread whose session this is.
        """
        self._budget = budget  # before the base makes its pools
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self._bound(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:  # noqa: ANN401
        """Return the pools of connections by way of a proxy."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        self._bound(manager)
        return manager

    def _bound(self, manager: PoolManager) -> None:
        budget = self._budget

        class Plain(HTTPConnectionPool):
            ConnectionCls = staticmethod(partial(_Plain, budget))  # type: ignore[assignment]

        class Encrypted(HTTPSConnectionPool):
            ConnectionCls = staticmethod(partial(_Encrypted, budget))  # type: ignore[assignment]

        manager.pool_classes_by_scheme = {"http": Plain, "https": Encrypted}


class _Plain(HTTPConnection):
    def __init__(self, budget: Budget, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._budget = budget

    def _new_conn(self) -> socket.socket:
        self.timeout = _seconds_to_connect(self, self._budget)
        return super()._new_conn()

    def connect(self) -> None:
        super().connect()
        self.sock = _bounded(self.sock, self._budget)


class _Encrypted(HTTPSConnection):
    def __init__(self, budget: Budget, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._budget = budget

    def _new_conn(self) -> socket.socket:
        # There is no other place between connecting and the handshake, which as a
        # whole obeys the time-out of the socket.
        self.timeout = _seconds_to_connect(self, self._budget)
        sock = super()._new_conn()
        sock.settimeout(self._budget.seconds())
        return sock

    def connect(self) -> None:
        super().connect()
        self.sock = _bounded(self.sock, self._budget)


def _seconds_to_connect(connection: HTTPConnection, budget: Budget) -> float:
    """Return what each address of a host may take, since all of them are tried."""
    try:
        addresses = socket.getaddrinfo(
            connection.host, connection.port, type=socket.SOCK_STREAM
        )
    except OSError:
        return budget.seconds()  # the attempt to connect finds the same, and says so
    return budget.seconds() / max(1, len(addresses))


def _bounded(sock: object, budget: Budget) -> socket.socket:
    return cast("socket.socket", _Socket(cast("socket.socket", sock), budget))


class _Socket:
    """A connected socket that reads and writes within a budget."""

    def __init__(self, sock: socket.socket, budget: Budget) -> None:
        self._sock = sock
        self._budget = budget

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a socket has
        return getattr(self._sock, name)

    def sendall(self, data: Buffer) -> None:
        self._sock.settimeout(self._budget.seconds())
        self._sock.sendall(data)

    def makefile(self, *_: object) -> io.BufferedReader:
        """Return the file that `http.client` reads an answer from."""
        return io.BufferedReader(_Reader(self._sock, self._budget))


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, budget: Budget) -> None:
        self._sock = sock
        # It keeps the socket open for as long as an answer is read.
        self._file = sock.makefile("rb", buffering=0)
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        self._sock.settimeout(self._budget.seconds())
        number = self._file.readinto(buffer) or 0
        self._budget.take(number)
        return number

    def close(self) -> None:
        self._file.close()
        super().close()
