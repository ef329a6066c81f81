from __future__ import annotations

import pytest

from target_upwell.customers.collisions import REMEMBERED, Collisions

KEY = ("TMS", "7")


def collisions(*seen):
    found = Collisions()
    for key, name, origin in seen:
        found.see(key, name, origin)
    return str(found)


def test_records_of_two_streams_under_different_names_collide():
    assert collisions((KEY, "Acme", ("us", 7)), (KEY, "Beta", ("mx", 7))) == (
        "'7' from us 7 and mx 7"
    )


def test_records_of_one_stream_with_different_keys_collide():
    assert collisions(
        (KEY, "Acme", ("erp", "01", 7)), (KEY, "Beta", ("erp", "02", 7))
    ) == ("'7' from erp '01':7 and erp '02':7")


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        pytest.param("ACME, Inc.", ("mx", 7), id="parts-of-one-customer"),
        pytest.param("Beta", ("us", 7), id="a-record-that-changed"),
    ],
)
def test_one_name_or_one_record_does_not(name, origin):
    assert not collisions((KEY, "Acme Inc", ("us", 7)), (KEY, name, origin))


def test_the_first_few_are_named_and_the_rest_is_counted():
    seen = [(("TMS", str(n)), s, (s, n)) for s in ("us", "mx") for n in range(8)]
    assert collisions(*seen).endswith("'4' from us 4 and mx 4 and 3 more")


def test_a_key_may_hold_anything():
    assert collisions((KEY, "A", ("us", [7], None)), (KEY, "B", ("us", {}, None)))


def test_memory_is_bounded_for_each_stream_and_a_later_one_has_room():
    many = [(("TMS", str(n)), "Us", ("us", n)) for n in range(REMEMBERED + 1)]
    late = (("TMS", str(REMEMBERED)), "Mx", ("mx", 1))
    assert not collisions(*many, late)
    assert collisions(*many, late, (late[0], "Ca", ("ca", 1)))
