"""The sandbox's page, as it is served."""

from __future__ import annotations

from urllib.parse import quote

import pytest
import requests
from page_reader import look

COLUMNS = [
    "Name",
    "Source id",
    "E-mail address",
    "Updated",
    "Last change, UTC",
]
NONE = "\N{EN DASH}"
UNIQUE = (
    "Uniqueness violation. duplicate key value violates unique constraint"
    ' "customers_source_system_source_system_id_key"'
)
TWICE = "2\N{MULTIPLICATION SIGN}"


def given(number, **properties):
    return {
        "name": f"Customer {number}",
        "sourceSystem": "TMS",
        "sourceSystemId": str(number),
        **properties,
    }


def create(account, *inputs):
    """Create customers; their ids in Upwell by sourceSystemId."""
    answer = account.call("POST", "/bulk-customers", {"inputs": list(inputs)})
    assert answer.status_code == 200, answer.text
    returned = answer.json()["createCustomers"]["returning"]
    return {customer["sourceSystemId"]: customer["id"] for customer in returned}


def update(account, number, rules=None, **properties):
    body = {
        "sourceSystem": "TMS",
        "sourceSystemId": str(number),
        "input": properties,
        "customerRulesInput": rules or {},
    }
    answer = account.call("PUT", "/customers", body)
    assert answer.status_code == 200, answer.text


def names(page):
    return [row[0] for row in page.tables[0][1:]]


def test_an_empty_account_says_where_to_load_to(account):
    page = look(account)

    assert page.title == "Customers · Upwell sandbox"
    assert "Nothing has landed yet" in page.headings
    assert f"TARGET_UPWELL_API_URL={account.url}" in page.text


def test_customers_come_by_last_change_with_how_often_they_were_written(account):
    create(account, *(given(n, emailAddress=f"{n}@x.example") for n in (1, 2, 3)))
    update(account, 1, name="Customer 1 renamed")
    update(account, 1, name="Customer 1 renamed twice")

    (table,) = look(account).tables

    assert table[0] == COLUMNS
    assert [row[:4] for row in table[1:]] == [
        ["Customer 1 renamed twice", "1 TMS", "1@x.example", TWICE],
        ["Customer 3", "3 TMS", "3@x.example", NONE],
        ["Customer 2", "2 TMS", "2@x.example", NONE],
    ]


def test_a_change_of_the_rule_alone_is_a_change_of_the_customer(account):
    rule = {"data": {"dueOption": 30}}
    create(account, given(1, customerRule=rule), given(2))
    update(account, 1, rules={"dueOption": 45})

    assert names(look(account)) == ["Customer 1", "Customer 2"]


@pytest.mark.parametrize(
    ("sought", "found"),
    [
        ("sao", ["São Bento Foods"]),
        ("BENTO FOODS", ["São Bento Foods"]),
        ("foods são", ["São Bento Foods"]),
        ("straße", ["Straße & Co"]),
        ("STRASSE", ["Straße & Co"]),
        ("tms-1", ["Straße & Co", "São Bento Foods"]),
        ("MS-10", ["São Bento Foods"]),
        ("100%", ["100% Orchards"]),
        ("0_ ", []),
        ("nobody", []),
    ],
)
def test_customers_are_found_by_name_or_source_id(account, sought, found):
    create(
        account,
        given("TMS-10", name="São Bento Foods"),
        given("TMS-11", name="Straße & Co"),
        given("X", name="100% Orchards"),
    )

    page = look(account, f"/?q={quote(sought)}")

    assert (names(page) if page.tables else []) == found
    noun = "customer" if len(found) == 1 else "customers"
    assert f"{len(found)} {noun} found for" in page.text


def test_a_customer_is_found_by_the_name_it_has_now(account):
    create(account, given(1, name="Before"))
    update(account, 1, name="After")

    assert look(account, "/?q=before").tables == []
    assert names(look(account, "/?q=after")) == ["After"]


def test_a_page_has_fifty_rows(account):
    create(account, *(given(n) for n in range(1, 121)))

    first, second, third = (look(account, f"/?page={n}") for n in (1, 2, 3))

    assert [len(names(page)) for page in (first, second, third)] == [50, 50, 20]
    together = {*names(first), *names(second), *names(third)}
    assert len(together) == 120
    assert "51\N{EN DASH}100 of 120 customers" in second.text
    assert second.links["Previous"] == "/?page=1"
    assert second.links["Next"] == "/?page=3"
    assert "Next" not in third.links
    assert "Previous" not in first.links


@pytest.mark.parametrize(
    ("page", "number"),
    [("0", 1), ("-1", 1), ("x", 1), ("", 1), ("9", 3), ("9" * 5000, 1), ("²", 1)],
)
def test_a_page_that_is_not_there_stands_for_one_that_is(account, page, number):
    create(account, *(given(n) for n in range(1, 121)))

    assert f"Page {number} of 3" in look(account, f"/?page={quote(page)}").text


def test_the_pages_of_what_was_found_stay_with_it(account):
    create(account, *(given(n) for n in range(1, 121)), given("X", name="Other"))

    page = look(account, "/?q=customer")

    assert page.links["Next"] == "/?page=2&q=customer"
    assert len(names(look(account, page.links["Last"]))) == 20


def test_a_customer_is_shown_in_full(account):
    parent = create(account, given(0))["0"]
    rich = given(
        1,
        ccEmailAddresses=["a@x.example", "b@x.example"],
        addresses={"data": [{"city": "Peña Alta", "country": "MX"}]},
        customerRule={"data": {"dueOption": 30}},
        metadata={
            "limit": 12.50,
            "deep": {"er": {"still": {"on": [1, {}]}}},
            "no": None,
        },
        billToCustomerId=parent,
        emailAddress="",
    )
    customer_id = create(account, rich)["1"]

    page = look(account, f"/?customer={customer_id}")

    assert page.title == "Customer 1 · Upwell sandbox"
    assert "1 in TMS. Never updated." in page.text
    facts = dict(page.tables[0][1:])
    assert facts["name"] == "Customer 1"
    assert facts["ccEmailAddresses"] == "a@x.example b@x.example"
    assert facts["emailAddress"] == "empty text"
    assert "city Peña Alta country MX" in facts["addresses"]
    assert "dueOption 30" in facts["customerRule"]
    assert "deep er still on 1 empty object" in facts["metadata"]
    assert "limit 12.5" in facts["metadata"]
    assert "no null" in facts["metadata"]
    assert page.links[parent] == f"/?customer={parent}"
    stored = account.customer("TMS", "1")
    absent = page.text.partition("Not set: ")[2].partition(".")[0].split(", ")
    assert {*facts, *absent} == stored.keys() - {"timesUpdated"}
    assert all(stored[name] in (None, []) for name in absent)


def test_a_customer_tells_which_requests_changed_what(account):
    customer_id = create(account, given(1, emailAddress="old@x.example"))["1"]
    update(account, 1, emailAddress="new@x.example", ccEmailAddresses=["c@x.example"])
    update(account, 1, emailAddress="new@x.example")

    page = look(account, f"/?customer={customer_id}")

    assert page.headings[-3:] == [
        "Version 3, updated",
        "Version 2, updated",
        "Version 1, created",
    ]
    assert "The request sent the values that it already had." in page.text
    _, second, first = page.tables
    assert second == [
        ["Property", "Before", "After"],
        ["emailAddress", "old@x.example", "new@x.example"],
        ["ccEmailAddresses", "null", "c@x.example"],
    ]
    assert ["emailAddress", "old@x.example"] in first
    created, updated, _ = account.requests()
    for request in (created, updated):
        number = request["number"]
        assert page.links[f"Request {number}"] == f"/?request={number}"
        assert f"{request['method']} {request['path']}" in page.text


def test_a_customer_whose_log_was_emptied_says_so(account):
    customer_id = create(account, given(1))["1"]
    account.reset()
    update(account, 1, name="New")

    page = look(account, f"/?customer={customer_id}")

    assert "Version 2, updated" in page.headings
    assert "it holds 1 of 2 versions" in page.text


def test_a_change_shows_while_its_request_is_under_way(account):
    account.hold(before=False)
    answer = account.send_in_background(
        "POST", "/bulk-customers", {"inputs": [given(1)]}
    )
    account.wait_held()

    customer_id = account.customer("TMS", "1")["id"]
    page = look(account, f"/?customer={customer_id}")

    assert "which is still under way" in page.text
    account.release()
    assert answer.result().ok


@pytest.mark.parametrize("what", ["customer", "request"])
@pytest.mark.parametrize("which", ["", "0", "-1", "%00", "9" * 30, "cus_none"])
def test_what_is_not_there_is_not_found(account, what, which):
    page = look(account, f"/?{what}={which}")

    assert page.status == 404
    assert page.headings == [f"No such {what}"]


def test_requests_are_listed_with_what_became_of_them(account):
    create(account, given(1), given(2))
    account.call("POST", "/bulk-customers", {"inputs": [given(1)]})
    account.faults(next=[{"fault": "503"}, {"fault": "reset"}])
    account.call("GET", "/customers")
    with pytest.raises(requests.ConnectionError):
        account.call("GET", "/customers")
    update(account, 1, name="New")

    page = look(account, "/?view=requests")

    (table,) = page.tables
    assert table[0] == [
        "Number",
        "Time, UTC",
        "Request line",
        "Rows",
        "Status",
        "Milliseconds",
        "Outcome",
    ]
    log = account.requests()
    assert [row[0] for row in table[1:]] == [str(r["number"]) for r in log][::-1]
    assert [row[1].split()[1] for row in table[1:]] == [r["at"][11:19] for r in log][
        ::-1
    ]
    bulk, customers = "/api/rest/bulk-customers", "/api/rest/customers"
    assert [row[2:5] + row[6:] for row in table[:0:-1]] == [
        [f"POST {bulk}", "2", "200", "2 created"],
        [f"POST {bulk}", "1", "400", UNIQUE],
        [f"GET {customers}", "0", "503", "injected 503"],
        [f"GET {customers}", "0", "no answer", "injected reset"],
        [f"PUT {customers}", "1", "200", "1 updated"],
    ]
    refused = look(account, page.links["Refused"]).tables[0]
    assert [row[4] for row in refused[1:]] == ["503", "400"]


def test_a_refused_request_shows_why_and_who_was_in_it(account):
    ids = create(account, given(1))
    body = {"inputs": [given(2), given(1), {"name": "Keyless"}]}
    account.call("POST", "/bulk-customers", body)
    number = account.requests()[-1]["number"]

    page = look(account, f"/?request={number}")

    assert page.headings == [
        f"Request {number}",
        "Why it was refused",
        "What was in it",
    ]
    assert UNIQUE in page.text
    assert "constraint-violation" in page.text
    assert page.tables == [
        [
            ["Name", "Source id", "In the account", "Refused for"],
            ["Customer 2", "2 TMS", "not there", "not said"],
            ["Customer 1", "1 TMS", "there now", "not said"],
            ["Keyless", "none", "not there", "not said"],
        ]
    ]
    assert page.links["there now"] == f"/?customer={ids['1']}"


def test_a_refusal_that_names_a_row_shows_what_was_sent_for_it(account):
    address = {"data": [{"city": "Tulsa", "country": "USA"}]}
    body = {"inputs": [given(1), given(2, addresses=address)]}
    account.call("POST", "/bulk-customers", body)
    number = account.requests()[-1]["number"]

    page = look(account, f"/?request={number}")

    sent, at_fault = page.tables
    assert [row[3] for row in sent[1:]] == [NONE, "this one"]
    assert "objects[1].addresses.data[0].country" in page.text
    found = "for type 'CountriesEnum', but found 'USA'"
    assert f"expected one of the values ['AD', 'AE', 'AF', …] {found}" in page.text
    assert f"'ZM', 'ZW'] {found}" in page.text, "the whole text is there too"
    listed = look(account, "/?view=requests").tables[0][1][6]
    assert listed == f"expected one of the values ['AD', 'AE', 'AF', …] {found}"
    assert ["addresses", "data city Tulsa country USA"] in at_fault


def test_a_refused_update_shows_what_was_sent(account):
    create(account, given(1))
    sets = {"input": {"rank": 1}, "customerRulesInput": {}}
    key = {"sourceSystem": "TMS", "sourceSystemId": "1"}
    account.call("PUT", "/customers", {**key, **sets})
    number = account.requests()[-1]["number"]

    page = look(account, f"/?request={number}")

    assert "field 'rank' not found in type: 'CustomersSetInput'" in page.text
    assert page.tables[0][1] == ["no name sent", "1 TMS", "there now", "this one"]
    assert ["input", "rank 1"] in page.tables[1]


def test_a_large_refused_request_shows_its_first_customers(account):
    big = given(1, metadata="x" * 30_000, rank=1)
    account.call("POST", "/bulk-customers", {"inputs": [big] * 250})
    number = account.requests()[-1]["number"]

    page = look(account, f"/?request={number}")

    assert len(page.tables[0]) == 201
    assert "and 50 more" in page.text
    assert "x" * 30_000 not in page.html, "an input so large is not kept"


def test_a_refusal_without_customers_shows_why(account):
    account.call("GET", "/nowhere", key="wrong")

    page = look(account, f"/?request={account.requests()[-1]['number']}")

    assert "Authentication hook unauthorized this request" in page.text
    assert page.tables == []


def test_a_change_of_metadata_is_shown_member_by_member(account):
    before = {"limit": "50", "terms": {"days": 30, "kind": "net"}, "tags": ["a"]}
    after = {"limit": "75", "terms": {"days": 45, "kind": "net"}, "tags": ["b"]}
    customer_id = create(account, given(1, metadata=before))["1"]
    update(account, 1, metadata={**after, "new": True})

    page = look(account, f"/?customer={customer_id}")

    assert page.tables[1] == [
        ["Property", "Before", "After"],
        ["metadata.limit", "50", "75"],
        ["metadata.terms.days", "30", "45"],
        ["metadata.tags", "a", "b"],
        ["metadata.new", "null", "true"],
    ]


def test_a_request_tells_what_it_changed(account):
    ids = create(account, given(1), given(2))
    (request,) = account.requests()

    page = look(account, f"/?request={request['number']}")

    assert page.headings == [
        f"Request {request['number']}",
        "What it changed",
        "Customer 2, created",
        "Customer 1, created",
    ]
    assert page.links["Customer 1"] == f"/?customer={ids['1']}"
    assert page.tables[1][1:] == [
        ["name", "Customer 1"],
        ["sourceSystem", "TMS"],
        ["sourceSystemId", "1"],
    ]


def test_the_counts_stand_at_the_top_of_every_view(account):
    create(account, given(1), given(2))
    update(account, 1, name="New")
    account.call("POST", "/bulk-customers", {"inputs": [given(1)]})

    for address in ("/", "/?view=requests", "/?q=x", "/?customer=x"):
        text = look(account, address).text
        assert "customers 2 update 1 refusal 1 requests 3 Customers" in text
