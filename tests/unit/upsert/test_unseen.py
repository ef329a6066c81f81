"""Which customers this run has set something of that Upwell never shows."""

from __future__ import annotations

import pytest

from target_upwell.delivery.batch import Row, Source
from target_upwell.upsert.diff import merge
from target_upwell.upsert.unseen import Unseen

SOURCE = Source("customers", {})


def entries(source_id, *inputs):
    key = ("S", source_id)
    return merge([Row(SOURCE, {}, "", key, one, b"x", None) for one in inputs])


@pytest.mark.parametrize(
    ("inputs", "noted"),
    [
        ([{"name": "A"}], False),
        ([{"name": "A", "collectorId": None}], False),
        ([{"name": "A", "contacts": {"data": [{"name": "B"}]}}], False),
        ([{"name": "A", "collectorId": "c"}], True),
        ([{"name": "A", "deletedAt": "2026-01-01T00:00:00+00:00"}], True),
        ([{"collectorId": "c"}, {"collectorId": None}], True),
    ],
)
def test_a_customer_is_noted_when_some_version_sets_an_unseen_column(inputs, noted):
    unseen = Unseen()

    unseen.add(entries("1", *inputs))

    assert (("S", "1") in unseen) is noted
    assert ("S", "2") not in unseen
