from __future__ import annotations

from target_upwell.customers.schema import CUSTOMERS


def test_a_resource_can_be_a_key():
    assert {CUSTOMERS: 1}[CUSTOMERS] == 1
