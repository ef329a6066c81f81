"""How the seconds of an exchange are shared out, before anything is connected."""

from __future__ import annotations

import socket
import time

import pytest
from urllib3.connection import HTTPConnection

from target_upwell.api.transport import _connect, _Reader


class Connected(Exception):
    """Carries the time-out that the connection would have."""


class Connection(HTTPConnection):
    def connect(self):
        raise Connected(self.timeout)


@pytest.mark.parametrize(("addresses", "share"), [(1, 50), (4, 20)])
def test_all_addresses_of_a_host_and_a_handshake_have_the_seconds_of_the_exchange(
    monkeypatch, addresses, share
):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [None] * addresses)
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    with pytest.raises(Connected) as connected:
        _connect(Connection("upwell.test"), 1100.0)
    assert connected.value.args == (share,)


def test_an_exchange_without_time_left_is_not_begun(monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    with pytest.raises(TimeoutError):
        _connect(Connection("127.0.0.1"), 1000.0)


def test_a_handshake_after_a_proxys_answer_has_only_the_seconds_that_are_left(
    monkeypatch,
):
    clock = iter([1000.0, 1090.0])  # the answer takes 90 seconds of 100
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    one, other = socket.socketpair()
    with one, other, one.makefile("rb", buffering=0) as file:
        other.sendall(b"HTTP/1.1 200 OK")
        _Reader(1100.0, one, file).readinto(bytearray(100))
        assert one.gettimeout() == 10
