"""The budget of an exchange: seconds and bytes, over all of its parts."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from target_upwell.api import bounded
from target_upwell.api.bounded import Budget
from target_upwell.exceptions import UnreadableAnswer


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_the_seconds_of_an_exchange_run_out_once_for_all_its_parts():
    clock = Clock()
    budget = Budget(clock)
    budget.begin(60, 10)
    clock.now += 59
    assert budget.seconds() == 1
    clock.now += 1
    with pytest.raises(TimeoutError):
        budget.seconds()
    budget.begin(60, 10)
    assert budget.seconds() == 60


def test_the_bytes_of_an_exchange_run_out_once_for_all_its_parts():
    budget = Budget()
    budget.begin(60, 10)
    budget.take(6)
    budget.take(4)
    assert not budget.out_of_bytes
    with pytest.raises(UnreadableAnswer):
        budget.take(1)
    assert budget.out_of_bytes
    budget.begin(60, 10)
    assert not budget.out_of_bytes


@pytest.mark.parametrize(("addresses", "share"), [(0, 60), (1, 60), (4, 15)])
def test_all_addresses_of_a_host_together_have_the_seconds_of_the_exchange(
    monkeypatch, addresses, share
):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [None] * addresses)
    budget = Budget(Clock())
    budget.begin(60, 10)
    connection = SimpleNamespace(host="upwell.test", port=443)
    assert bounded._seconds_to_connect(connection, budget) == share


def test_a_host_without_an_address_is_left_to_the_attempt_to_connect(monkeypatch):
    def fails(*_, **__):
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    budget = Budget(Clock())
    budget.begin(60, 10)
    connection = SimpleNamespace(host="upwell.test", port=443)
    assert bounded._seconds_to_connect(connection, budget) == 60
