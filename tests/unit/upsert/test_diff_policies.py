"""A field policy never has anything sent that it withholds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from target_upwell.customers.schema import PROPERTIES, Kind
from target_upwell.upsert.diff import diff
from target_upwell.upsert.equality import is_empty

TEXTS = st.sampled_from([None, "", "a", "b"])
LISTS = st.sampled_from([None, {"data": []}, {"data": [{"city": "A"}]}])
VALUES = {
    Kind.EMAILS: st.sampled_from([None, [], ["a"], ["b"]]),
    Kind.JSON: st.sampled_from([None, {}, {"a": 1}, 0, False]),
    Kind.ADDRESSES: LISTS,
    Kind.OBJECTS: LISTS,
    Kind.SETTINGS: LISTS,
    Kind.RULE: st.sampled_from([None, *({"data": {"dueOption": n}} for n in (1, 2))])
    | st.just({"data": {"dueOption": None}}),
}
KEY = {"sourceSystem": "S", "sourceSystemId": "1"}
NAMES = [name for name in PROPERTIES if name not in KEY]
WANTED = st.fixed_dictionaries(
    {},
    optional={name: VALUES.get(PROPERTIES[name], TEXTS) for name in NAMES},
)
SHOWN = st.fixed_dictionaries(
    {
        "addresses": st.sampled_from([None, [], [{"city": "B"}]]),
        "customerRule": st.sampled_from(
            [None, {}, *({"dueOption": n} for n in (None, 1, 3))]
        ),
        "metadata": VALUES[Kind.JSON],
        "ccEmailAddresses": VALUES[Kind.EMAILS],
    },
    optional=dict.fromkeys(("name", "emailAddress", "billToCustomerId"), TEXTS),
)
POLICIES = st.dictionaries(
    st.sampled_from(NAMES),
    st.sampled_from(["overwrite", "fill_if_empty", "create_only"]),
)


@given(
    WANTED, st.none() | SHOWN, POLICIES, st.sampled_from(["clear", "keep"]), st.data()
)
def test_what_a_policy_withholds_is_never_sent(wanted, shown, policies, nulls, data):
    held = None if shown is None else {"id": "u", **KEY, **shown}
    certain = data.draw(st.booleans())

    change = diff({**KEY, **wanted}, held, nulls, policies, certain=certain)

    for column in change.columns:
        name, _, member = column.partition(".")
        policy = policies.get(name, "overwrite")
        assert policy != "create_only"
        if policy == "fill_if_empty":
            assert held is not None
            own = held.get(name)
            assert is_empty((own or {}).get(member) if member else own)
    sent = {*change.columns}
    withheld = [one.property for one in change.left if one.kind == "policy"]
    assert not sent & set(withheld)
    for name in withheld:
        assert policies[name.partition(".")[0]] != "overwrite"
