"""What all tests share."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from answering_server import AnsweringServer
from sandbox_server import Sandbox

# A shell that runs the tests in the background has them ignore Ctrl-C, which the
# commands under test would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


E2E = Path(__file__).parent / "e2e"


def pytest_collection_modifyitems(items):
    """Mark what stands in `e2e/`."""
    for item in items:
        if E2E in item.path.parents:
            item.add_marker("e2e")


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


@pytest.fixture(scope="session")
def shared_server():
    """A server that many tests share; see `server`."""
    with AnsweringServer() as running:
        yield running


@pytest.fixture
def server(shared_server):
    """A server that answers as it is told, and was asked nothing yet."""
    shared_server.forget()
    return shared_server
