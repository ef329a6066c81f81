from __future__ import annotations

import pytest


@pytest.fixture
def sandbox(account):
    """An empty sandbox, without faults."""
    return account


@pytest.fixture
def create(sandbox):
    """Create customers and give them by sourceSystemId, as the reply shows them."""

    def create(*inputs):
        response = sandbox.call("POST", "/bulk-customers", {"inputs": list(inputs)})
        assert response.status_code == 200, response.text
        return {
            customer["sourceSystemId"]: customer
            for customer in response.json()["createCustomers"]["returning"]
        }

    return create


@pytest.fixture
def refused(sandbox):
    """Send inputs that are refused, and give the body of the refusal."""

    def refused(*inputs, status=400):
        response = sandbox.call("POST", "/bulk-customers", {"inputs": list(inputs)})
        assert response.status_code == status, response.text
        assert sandbox.control("GET", "/customers") == []
        return response.json()

    return refused
