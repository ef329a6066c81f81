"""What all tests share."""

from __future__ import annotations

import pytest
from sandbox_server import Sandbox


@pytest.fixture
def sandbox():
    """A sandbox of the test's own, without faults."""
    with Sandbox() as running:
        yield running


@pytest.fixture(scope="session")
def shared_sandbox():
    """A sandbox that many tests share; see `account`."""
    with Sandbox() as running:
        yield running


@pytest.fixture
def account(shared_sandbox):
    """An empty account: a shared sandbox, cleared, which is faster than a new one."""
    shared_sandbox.clear()
    return shared_sandbox
