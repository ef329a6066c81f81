"""What to do about each customer of a batch, with plain values."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest

from target_upwell import json_codec
from target_upwell.customers.schema import CUSTOMERS
from target_upwell.delivery.batch import Row, Source
from target_upwell.delivery.outcomes import DriftEntry
from target_upwell.upsert.diff import (
    body_of,
    diff,
    group_by_depth,
    is_seen_whole,
    merge,
    set_parent,
)
from target_upwell.upsert.equality import same

SOURCE = Source("customers", {})


def row(source_id="1", system="S", **properties):
    customer_input = {
        "sourceSystem": system,
        "sourceSystemId": source_id,
        **properties,
    }
    return Row(
        source=SOURCE,
        record=properties,
        name=f"customers {source_id}",
        key=(system, source_id),
        input=customer_input,
        body=body_of(customer_input),
        invalid=None,
    )


def entry(source_id="1", **properties):
    return merge([row(source_id, **properties)])[0]


def wanted(**properties):
    return {"sourceSystem": "S", "sourceSystemId": "1", **properties}


def held(**properties):
    return {
        "id": "cus_1",
        "sourceSystem": "S",
        "sourceSystemId": "1",
        "name": "Acme",
        "emailAddress": "a@b.example",
        "ccEmailAddresses": ["c@d.example", "e@f.example"],
        "billToCustomerId": None,
        "metadata": {"terms": "NET30"},
        "addresses": [],
        "customerRule": None,
        "balance": 12,
        "updatedAt": "2026-01-01T00:00:00+00:00",
        **properties,
    }


def drift(*difference):
    """The drift of the one customer, in one property."""
    return [DriftEntry(("S", "1"), *difference)]


# What counts as equal


@pytest.mark.parametrize(
    ("name", "sent", "kept"),
    [
        ("emailAddress", "AP@Acme.example", "ap@acme.example"),
        ("ccEmailAddresses", ["AP@Acme.example"], ["ap@acme.example"]),
        ("ccEmailAddresses", [], None),
        ("ccEmailAddresses", None, []),
        ("emailAddress", None, ""),
        ("billToCustomerId", None, ""),
        ("metadata", {}, None),
    ],
)
def test_what_a_server_keeps_in_its_own_form_is_not_sent_on_every_run(name, sent, kept):
    assert not diff(wanted(**{name: sent}), held(**{name: kept}), "clear")


@pytest.mark.parametrize(
    ("name", "sent", "kept"),
    [
        ("name", "ACME", "Acme"),
        ("metadata", {"a": "X"}, {"a": "x"}),
        ("ccEmailAddresses", ["a@b.example"], ["a@b.example", "c@d.example"]),
        ("emailAddress", "a@b.example", None),
        ("metadata", 0, None),
        ("metadata", False, None),
    ],
)
def test_other_differences_are_changes(name, sent, kept):
    change = diff(wanted(**{name: sent}), held(**{name: kept}), "clear")
    assert change.columns == {name: (kept, sent)}


def test_what_a_reply_lacks_is_not_taken_for_empty():
    upwell = held()
    for name in ("emailAddress", "addresses", "customerRule"):
        del upwell[name]
    says = {"addresses": {"data": [{"city": "Bend"}]}, "emailAddress": "a@b.example"}

    change = diff(wanted(**says), upwell, "clear")

    assert change.columns == {"emailAddress": (None, "a@b.example")}
    assert (change.left, change.never_shown) == ([], ["addresses"])
    policy = {"emailAddress": "fill_if_empty"}
    assert not diff(wanted(emailAddress="a@b.example"), upwell, "clear", policy)


# Within a batch


def test_rows_of_one_source_key_become_one_entry_and_the_last_value_wins():
    first = row("1", name="Old", emailAddress="a@b.example")
    other = row("2", name="Other")
    last = row("1", name="New", metadata={"x": 1})
    entries = merge([first, other, last])
    assert [e.key for e in entries] == [("S", "1"), ("S", "2")]
    assert entries[0].rows == [first, last]
    # A row that stands alone is not encoded again.
    assert entries[1].body is other.body
    assert json_codec.decode(entries[0].body) == {
        "sourceSystem": "S",
        "sourceSystemId": "1",
        "name": "New",
        "emailAddress": "a@b.example",
        "metadata": {"x": 1},
    }


def test_the_same_id_in_two_systems_is_two_customers():
    assert len(merge([row("1", system="S"), row("1", system="T")])) == 2


def test_a_later_null_clears_an_earlier_value_and_a_new_customer_goes_without():
    (merged,) = merge([row(name="A", emailAddress="a@b.example"), row(name="A")])
    assert merged.input["emailAddress"] == "a@b.example"
    (merged,) = merge(
        [row(name="A", emailAddress="a@b.example"), row(name="A", emailAddress=None)]
    )
    assert merged.input["emailAddress"] is None
    assert "emailAddress" not in json_codec.decode(merged.body)


def test_a_later_null_that_says_nothing_leaves_an_earlier_value():
    # As it would if the two came in different batches.
    older = row(name="A", emailAddress="a@b.example")
    newer = row(name=None, emailAddress=None)
    (kept,) = merge([older, newer], "keep")
    assert (kept.input["name"], kept.input["emailAddress"]) == ("A", "a@b.example")
    (cleared,) = merge([older, newer], "clear")
    assert (cleared.input["name"], cleared.input["emailAddress"]) == ("A", None)


def test_invalid_rows_are_left_out():
    nobody = Row(SOURCE, {}, "customers ?", None, None, b"", "bad")
    somebody = Row(SOURCE, {}, "customers 1", ("S", "1"), None, b"", "bad")
    valid = row()
    assert [e.rows for e in merge([nobody, somebody, valid])] == [[valid]]


def test_merging_does_not_change_the_rows():
    first, last = row(name="Old"), row(name="New")
    set_parent(merge([first, last])[0], "cus_9")
    assert first.input["name"] == "Old"
    assert "billToCustomerId" not in first.input
    assert "billToCustomerId" not in last.input


@pytest.mark.parametrize(
    ("older", "newer", "kept"),
    [
        ("billToSourceSystemId", "billToCustomerId", "billToCustomerId"),
        ("billToCustomerId", "billToSourceSystemId", "billToSourceSystemId"),
    ],
)
def test_a_later_way_to_name_the_parent_replaces_the_other(older, newer, kept):
    (merged,) = merge([row(**{older: "1"}), row(**{newer: "2"})])
    assert {older, newer} & merged.input.keys() == {kept}


@pytest.mark.parametrize("parent", ["billToSourceSystemId", "billToCustomerId"])
def test_a_parent_stays_where_a_later_row_names_none(parent):
    (merged,) = merge([row(**{parent: "1"}), row(name="New")])
    assert merged.input[parent] == "1"
    (merged,) = merge([row(name="Old"), row(**{parent: "1"})])
    assert merged.input[parent] == "1"


def test_a_link_that_is_found_later_goes_into_the_body():
    child = entry(name="A", billToSourceSystemId="9")
    assert b"billTo" not in child.body
    set_parent(child, "cus_9")
    assert json_codec.decode(child.body)["billToCustomerId"] == "cus_9"


# Equality


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, Decimal("1.00"), True),
        (Decimal("1.10"), Decimal("1.1"), True),
        (Decimal("0.1"), Decimal("0.10000000000000001"), False),
        (2**60, 2**60 + 1, False),
        (Decimal("1e2"), 100, True),
        (1, True, False),
        (0, False, False),
        (False, None, False),
        (None, None, True),
        (None, "", False),
        (1, "1", False),
        ("é", "e\u0301", False),
        ([1, 2], [2, 1], False),
        ([1, [True]], [1, [1]], False),
        ((1, 2), [1, 2], True),
        ({"a": 1, "b": [None]}, {"b": [None], "a": Decimal("1.0")}, True),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ({"a": {"b": 0}}, {"a": {"b": False}}, False),
        ({}, [], False),
        ({}, None, False),
        ([], None, False),
    ],
)
def test_json_values_are_equal_or_not(one, other, equal):
    assert same(one, other) is equal
    assert same(other, one) is equal


# Comparison


def sent_by(change):
    """The columns that a change sets, with their new values."""
    return {name: after for name, (_, after) in change.columns.items()}


def changes(null_handling="clear", held_as=None, **properties):
    change = diff(wanted(**properties), held_as or held(), null_handling)
    rule = {
        name.partition(".")[2]: value
        for name, value in sent_by(change).items()
        if name.startswith("customerRule.")
    }
    return {n: v for n, v in sent_by(change).items() if "." not in n}, rule


@pytest.mark.parametrize(
    ("properties", "columns"),
    [
        ({}, {}),
        ({"name": "Acme", "emailAddress": "a@b.example"}, {}),
        ({"name": "Acme Inc"}, {"name": "Acme Inc"}),
        ({"ccEmailAddresses": ["c@d.example", "e@f.example"]}, {}),
        (
            {"ccEmailAddresses": ["e@f.example", "c@d.example"]},
            {"ccEmailAddresses": ["e@f.example", "c@d.example"]},
        ),
        ({"ccEmailAddresses": []}, {"ccEmailAddresses": []}),
        ({"metadata": {"terms": "NET30"}}, {}),
        ({"metadata": {}}, {"metadata": {}}),
        ({"billToSourceSystemId": "9"}, {}),
        ({"billToCustomerId": "cus_9"}, {"billToCustomerId": "cus_9"}),
        # What Upwell never shows can't be compared.
        ({"collectorId": "col_1"}, {"collectorId": "col_1"}),
        ({"deletedAt": "2026-01-01T00:00:00Z"}, {"deletedAt": "2026-01-01T00:00:00Z"}),
        # Nulls.
        ({"name": None}, {}),
        ({"emailAddress": None}, {"emailAddress": None}),
        ({"billToCustomerId": None}, {}),
        ({"customerRule": None}, {}),
        ({"deletedAt": None, "collectorId": None}, {}),
        ({"deletedAt": None, "name": "New"}, {"deletedAt": None, "name": "New"}),
        (
            {"deletedAt": None, "emailAddress": None},
            {"deletedAt": None, "emailAddress": None},
        ),
    ],
)
def test_only_what_differs_is_changed(properties, columns):
    assert changes(**properties) == (columns, {})


def test_a_null_leaves_the_field_if_that_is_asked_for():
    nulls = dict.fromkeys(("name", "emailAddress", "metadata", "deletedAt"))
    assert changes("keep", **nulls) == ({}, {})
    assert changes("keep", **nulls | {"name": "New"}) == ({"name": "New"}, {})


def test_what_is_sent_is_never_sent_again():
    properties = {
        "name": "New",
        "emailAddress": None,
        "ccEmailAddresses": ["x@y.example"],
        "metadata": {"n": Decimal("1.10"), "list": [1, {"a": False}]},
    }
    columns, _ = changes(**properties)
    assert changes(held_as=held(**columns), **properties) == ({}, {})


def test_a_rule_is_compared_by_the_members_given_and_nothing_else_is_sent():
    rule = {"id": "rul_1", "dueOption": 30, "other": "x"}
    with_rule = held(customerRule=rule)
    same_rule = {"customerRule": {"data": {"dueOption": 30}}}
    new_rule = {"customerRule": {"data": {"dueOption": 45}}}
    assert changes(held_as=with_rule, **same_rule) == ({}, {})
    assert changes(held_as=with_rule, **new_rule) == ({}, {"dueOption": 45})
    assert changes(held_as=with_rule, emailAddress="n@b.example", **new_rule) == (
        {"emailAddress": "n@b.example"},
        {"dueOption": 45},
    )


def test_of_a_rule_each_member_is_compared_by_itself():
    there = held(customerRule={"dueOption": 30, "other": "x"})
    says = {"customerRule": {"data": {"dueOption": 30, "other": "y"}}}
    assert changes(held_as=there, **says) == ({}, {"other": "y"})


def test_a_null_of_the_rule_that_is_not_shown_goes_along_with_another_change():
    there = held(customerRule={"dueOption": 30})
    says = {"customerRule": {"data": {"hidden": None, "dueOption": 45}}}
    assert changes(held_as=there, **says) == ({}, {"hidden": None, "dueOption": 45})


def test_a_rule_without_one_in_upwell_is_a_difference_that_can_not_be_fixed():
    change = diff(wanted(customerRule={"data": {"dueOption": 30}}), held(), "clear")
    assert not change
    assert change.left == drift("customerRule", None, {"dueOption": 30}, "relation")


@pytest.mark.parametrize(
    ("shown", "handling", "sent"),
    [
        ({"dueOption": 30}, "clear", {"dueOption": None}),
        ({"dueOption": 30}, "keep", {}),
        ({"dueOption": None}, "clear", {}),
        ({}, "clear", {}),
        (None, "clear", {}),
    ],
)
def test_a_null_clears_a_column_of_the_rule(shown, handling, sent):
    said = wanted(customerRule={"data": {"dueOption": None}})
    change = diff(said, held(customerRule=shown), handling)
    assert sent_by(change) == {f"customerRule.{n}": v for n, v in sent.items()}
    assert change.left == []


def test_relations_that_differ_are_noted_and_never_sent():
    change = diff(
        wanted(
            addresses={"data": [{"city": "Oslo"}]},
            contacts={"data": [{"name": "Kari"}]},
        ),
        held(addresses=[{"id": "adr_1", "city": "Bergen"}]),
        "clear",
    )
    assert not change
    bergen = [{"id": "adr_1", "city": "Bergen"}]
    assert change.left == drift("addresses", bergen, [{"city": "Oslo"}], "relation")
    assert change.never_shown == ["contacts"]


def test_a_relation_that_upwell_shows_as_null_is_held_as_an_empty_list():
    oslo = [{"city": "Oslo"}]
    change = diff(wanted(addresses={"data": oslo}), held(addresses=None), "clear")
    assert change.left == drift("addresses", [], oslo, "relation")


@pytest.mark.parametrize(
    ("given", "there", "equal"),
    [
        ([{"city": "A"}], [{"id": "1", "city": "A", "country": None}], True),
        ([{"city": "A"}], [{"city": "A "}], True),
        ([{"city": "A"}, {"city": "B"}], [{"city": "B"}, {"city": "A"}], True),
        ([{"city": "A"}], [{"city": "A"}, {"city": "B"}], False),
        ([{"city": "A"}, {"city": "B"}], [{"city": "A"}], False),
        ([{"city": "A"}], [], False),
        ([{"city": "A"}], None, False),
        ([{"city": "A"}], [{"city": None}], False),
        # Upwell shows no telephone number, so none can differ.
        ([{"city": "A", "phoneNumber": "1"}], [{"id": "1", "city": "A"}], True),
    ],
)
def test_addresses_are_compared_as_a_set_on_the_members_given(given, there, equal):
    change = diff(wanted(addresses={"data": given}), held(addresses=there), "clear")
    assert (change.left == []) is equal


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"name": "Acme"}, True),
        ({"name": "Acme", "billToCustomerId": None}, True),
        ({"name": "Other"}, False),
        ({"name": "Acme", "emailAddress": None}, False),
        ({"name": "Acme", "collectorId": "c"}, False),
        ({"name": "Acme", "deletedAt": None}, False),
        ({"name": "Acme", "contacts": {"data": [{"name": "B"}]}}, False),
        ({"name": "Acme", "addresses": {"data": [{"city": "Oslo"}]}}, False),
        ({"name": "Acme", "customerRule": {"data": {"dueOption": 1}}}, False),
    ],
)
def test_a_customer_is_seen_whole_only_where_all_that_is_said_is_shown(
    properties, expected
):
    assert is_seen_whole(wanted(**properties), held()) is expected


def test_what_is_not_shown_is_sent_again_where_nobody_knows_whether_it_is_right():
    says = wanted(name="Acme", deletedAt=None, collectorId="c")
    sure = diff(says, held(), "clear")
    assert sent_by(sure) == {"collectorId": "c", "deletedAt": None}
    says = wanted(name="Acme", deletedAt=None)
    assert not diff(says, held(), "clear")
    assert sent_by(diff(says, held(), "clear", certain=False)) == {"deletedAt": None}


def test_of_a_customer_that_exists_unseen_everything_is_sent():
    says = wanted(
        name="Acme", emailAddress=None, customerRule={"data": {"dueOption": 3}}
    )
    change = diff(says, None, "clear")
    assert sent_by(change) == {
        "name": "Acme",
        "emailAddress": None,
        "customerRule.dueOption": 3,
    }


def test_a_null_in_a_rule_is_sent_where_nobody_knows_what_is_there():
    says = wanted(customerRule={"data": {"dueOption": None}})
    sent = {"customerRule.dueOption": None}
    not_shown = held(customerRule={"id": "r"})
    assert sent_by(diff(says, None, "clear")) == sent
    assert sent_by(diff(says, not_shown, "clear", certain=False)) == sent


def test_relations_that_the_source_leaves_open_hide_no_other_change():
    says = {"addresses": None, "contacts": None, "customerRule": None, "name": "New"}
    assert changes(**says) == ({"name": "New"}, {})


def test_what_upwell_is_not_known_to_show_counts_as_not_shown():
    change = diff(wanted(collectorId="c"), held(collectorId="c"), "clear")
    assert change.columns == {"collectorId": (None, "c")}


# Field policies


@pytest.mark.parametrize(
    ("policy", "shown", "sent"),
    [
        ("overwrite", "old@b.example", True),
        ("fill_if_empty", "old@b.example", False),
        ("fill_if_empty", None, True),
        ("fill_if_empty", "", True),
        ("create_only", "old@b.example", False),
        ("create_only", None, False),
    ],
)
def test_a_field_policy_keeps_what_people_wrote(policy, shown, sent):
    says = wanted(emailAddress="new@b.example")
    change = diff(says, held(emailAddress=shown), "clear", {"emailAddress": policy})
    assert sent_by(change) == ({"emailAddress": "new@b.example"} if sent else {})
    assert change.left == (
        [] if sent else drift("emailAddress", shown, "new@b.example", "policy")
    )


def test_a_field_policy_withholds_the_rule_and_what_is_never_shown():
    policies = {"customerRule": "create_only", "collectorId": "create_only"}
    says = wanted(collectorId="c", customerRule={"data": {"dueOption": 45}})
    with_terms = held(customerRule={"id": "r", "dueOption": 30})
    change = diff(says, with_terms, "clear", policies)
    assert not change
    assert change.left == drift("customerRule.dueOption", 30, 45, "policy")


@pytest.mark.parametrize(
    ("shown", "sent"), [(30, {}), (None, {"customerRule.dueOption": 45})]
)
def test_an_empty_column_of_the_rule_is_filled_and_another_is_kept(shown, sent):
    says = wanted(customerRule={"data": {"dueOption": 45}})
    there = held(customerRule={"dueOption": shown})
    change = diff(says, there, "clear", {"customerRule": "fill_if_empty"})
    assert sent_by(change) == sent
    kept = drift("customerRule.dueOption", 30, 45, "policy")
    assert change.left == ([] if sent else kept)


def test_a_column_of_the_rule_that_is_not_shown_is_not_filled():
    says = wanted(customerRule={"data": {"dueOption": 45}})
    change = diff(
        says, held(customerRule={}), "clear", {"customerRule": "fill_if_empty"}
    )
    assert (change.columns, change.left) == ({}, [])


BERGEN = [{"city": "Bergen"}]


@pytest.mark.parametrize(
    ("policy", "there", "kind"),
    [
        ("overwrite", BERGEN, "relation"),
        ("create_only", BERGEN, "policy"),
        ("create_only", [], "policy"),
        ("fill_if_empty", BERGEN, "policy"),
        ("fill_if_empty", [], "relation"),
    ],
)
def test_a_relation_that_differs_is_withheld_where_a_policy_says_so(
    policy, there, kind
):
    says = wanted(addresses={"data": [{"city": "Oslo"}]})
    change = diff(says, held(addresses=there), "clear", {"addresses": policy})
    assert change.left == drift("addresses", there, [{"city": "Oslo"}], kind)


@pytest.mark.parametrize(
    ("policies", "named"),
    [
        (None, ["contacts"]),
        ({"name": "create_only"}, ["contacts"]),
        ({"contacts": "overwrite"}, ["contacts"]),
        ({"contacts": "create_only"}, []),
    ],
)
def test_a_relation_that_is_never_shown_is_named_unless_a_policy_withholds_it(
    policies, named
):
    says = wanted(contacts={"data": [{"name": "Kari"}]})
    assert diff(says, held(), "clear", policies).never_shown == named


def test_what_is_equal_is_not_withheld():
    policies = dict.fromkeys(("name", "emailAddress"), "create_only")
    says = wanted(name="Acme", emailAddress="a@b.example")
    change = diff(says, held(), "clear", policies)
    assert (bool(change), change.left) == (False, [])


# What an update changes


def test_a_change_tells_what_was_there_before():
    says = wanted(name="New", collectorId="c", customerRule={"data": {"dueOption": 45}})
    change = diff(says, held(customerRule={"dueOption": 30}), "clear")
    assert change.columns == {
        "name": ("Acme", "New"),
        "collectorId": (None, "c"),
        "customerRule.dueOption": (30, 45),
    }


def test_only_what_held_something_counts_as_emptied():
    says = wanted(
        name="New",
        emailAddress=None,
        ccEmailAddresses=[],
        metadata=None,
        deletedAt=None,
    )
    change = diff(says, held(metadata={}), "clear", certain=False)
    assert sorted(change.cleared()) == ["ccEmailAddresses", "emailAddress"]


def test_a_customer_is_known_by_its_source_key():
    assert CUSTOMERS.key_of(held()) == ("S", "1")


# Order


def ids(groups):
    return [[e.key[1] for e in group] for group in groups]


def test_customers_without_parents_are_one_group():
    assert ids(group_by_depth([entry("1"), entry("2")])) == [["1", "2"]]
    assert ids(group_by_depth([])) == []


def test_parents_come_before_their_children_in_any_order_of_arrival():
    family = [
        entry("child", billToSourceSystemId="parent"),
        entry("parent", billToSourceSystemId="grandparent"),
        entry("grandparent"),
    ]
    for order in itertools.permutations(family):
        assert ids(group_by_depth(order)) == [["grandparent"], ["parent"], ["child"]]


def test_a_parent_outside_the_batch_holds_nobody_up():
    assert ids(group_by_depth([entry("1", billToSourceSystemId="9")])) == [["1"]]


@pytest.mark.parametrize("parents", [{"1": "1"}, {"1": "2", "2": "3", "3": "1"}])
def test_those_that_bill_each_other_in_a_circle_go_together(parents):
    circle = [entry(c, billToSourceSystemId=p) for c, p in parents.items()]
    assert ids(group_by_depth(circle)) == [list(parents)]


def test_an_upwell_id_needs_no_parent_in_the_batch():
    child = entry("1", billToSourceSystemId="2", billToCustomerId="cus_9")
    assert ids(group_by_depth([child, entry("2")])) == [["1", "2"]]
