from __future__ import annotations

import pytest

WHERE = "$.selectionSet.customers.args.where"


@pytest.fixture
def search(sandbox):
    def search(where=None, **more):
        body = more if where is None else {"where": where, **more}
        response = sandbox.call("POST", "/customers/search", body)
        assert response.status_code == 200, response.text
        return [one["sourceSystemId"] for one in response.json()["customers"]]

    return search


@pytest.fixture
def twelve(create):
    more = ["Dray", "Eagle", "Fleet", "Gulf", "Haul", "Inland", "Jet", "Kilo"]
    return create(
        *(
            {
                "name": name,
                "sourceSystem": "TMSEZ",
                "sourceSystemId": str(number),
                "emailAddress": f"{name[0]}@x.example" if number % 2 else None,
            }
            for number, name in enumerate(["Apex", "apex", "Bolt", "Cargo%", *more])
        )
    )


@pytest.mark.usefixtures("twelve")
def test_a_search_gives_ten_customers_unless_told(search):
    assert len(search()) == 10
    assert len(search(limit=None)) == 10
    assert len(search(limit=12)) == 12
    assert len(search(limit=0)) == 0
    assert len(search(limit=12, offset=9)) == 3


@pytest.mark.usefixtures("twelve")
def test_limit_and_offset_may_come_by_query(sandbox):
    response = sandbox.call(
        "POST", "/customers/search", params={"limit": 3, "offset": 11}
    )

    assert len(response.json()["customers"]) == 1


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({}, {str(number) for number in range(12)}),
        ({"sourceSystemId": {"_eq": "3"}}, {"3"}),
        (
            {"sourceSystem": {"_eq": "TMSEZ"}, "sourceSystemId": {"_in": ["1", "x"]}},
            {"1"},
        ),
        ({"sourceSystem": {"_eq": "OTHER"}, "sourceSystemId": {"_in": ["1"]}}, set()),
        ({"sourceSystemId": {"_in": []}}, set()),
        ({"sourceSystemId": {"_in": "7"}}, {"7"}),
        ({"_and": [{"name": {"_gte": "H"}}, {"name": {"_lt": "J"}}]}, {"8", "9"}),
        ({"_or": [{"name": {"_eq": "Jet"}}, {"name": {"_eq": "Gulf"}}]}, {"10", "7"}),
        ({"_or": []}, set()),
        ({"_and": [], "name": {"_eq": "Jet"}}, {"10"}),
        ({"_not": {"sourceSystemId": {"_nin": ["4", "5"]}}}, {"4", "5"}),
        ({"emailAddress": {"_isNull": False}, "name": {"_gt": "J"}}, {"1", "11"}),
        ({"emailAddress": {"_isNull": True}, "name": {"_gt": "H", "_lte": "J"}}, {"8"}),
        ({"emailAddress": {"_neq": "K@x.example"}, "name": {"_gt": "K"}}, {"1"}),
        ({"name": {"_like": "%pex"}}, {"0", "1"}),
        ({"name": {"_like": "A%"}}, {"0"}),
        ({"name": {"_ilike": "a___"}}, {"0", "1"}),
        ({"name": {"_like": "%\\%"}}, {"3"}),
        ({"overdueInvoiceCount": {"_gt": 0}}, set()),
        ({"createdAt": {"_gt": "2999-01-01"}}, set()),
        ({"createdAt": {"_gt": "2020-01-01"}, "name": {"_eq": "Jet"}}, {"10"}),
        ({"metadata": {"_isNull": False}}, set()),
    ],
)
@pytest.mark.usefixtures("twelve")
def test_a_condition_finds(search, where, found):
    assert set(search(where, limit=100)) == found


@pytest.mark.usefixtures("twelve")
def test_the_values_of_a_condition_are_no_sql(search):
    assert search({"name": {"_eq": "' OR 1 --"}}) == []
    assert search({"sourceSystemId": {"_in": ["1') OR (1"]}}) == []


@pytest.mark.usefixtures("twelve")
def test_a_condition_of_thousands_of_parts_is_answered(search):
    parts = [
        {"sourceSystem": {"_eq": "TMSEZ"}, "sourceSystemId": {"_eq": str(number)}}
        for number in range(3000)
    ]

    assert len(search({"_or": parts}, limit=3000)) == 12
    ids = [str(number) for number in range(50_000)]
    assert len(search({"sourceSystemId": {"_in": ids}}, limit=50_000)) == 12


@pytest.mark.usefixtures("twelve")
def test_the_order_is_as_asked(search):
    where = {"sourceSystemId": {"_in": ["1", "2", "3"]}}

    assert search(where, orderBy=[{"name": "ASC"}]) == ["2", "3", "1"]
    assert search(where, orderBy={"name": "DESC"}) == ["1", "3", "2"]
    assert search(where, orderBy=[{"emailAddress": "DESC"}])[0] == "2"
    assert search(where, orderBy=[{"emailAddress": "DESC_NULLS_LAST"}])[-1] == "2"


@pytest.mark.parametrize(
    ("body", "path", "error"),
    [
        (
            {"where": {"foo": {"_eq": 1}}},
            f"{WHERE}.foo",
            "field 'foo' not found in type: 'CustomersBoolExp'",
        ),
        (
            {"where": {"collectorId": {"_eq": "x"}}},
            f"{WHERE}.collectorId",
            "field 'collectorId' not found in type: 'CustomersBoolExp'",
        ),
        (
            {"where": {"_and": [{}, {"name": {"_equals": "x"}}]}},
            f"{WHERE}._and[1].name._equals",
            "field '_equals' not found in type: 'StringComparisonExp'",
        ),
        (
            {"where": {"name": "x"}},
            f"{WHERE}.name",
            "expected an object for type 'StringComparisonExp', but found a string",
        ),
        (
            {"where": {"sourceSystemId": {"_in": ["1", 2]}}},
            f"{WHERE}.sourceSystemId._in[1]",
            "expected a string for type 'String', but found a number",
        ),
        (
            {"where": {"name": {"_eq": None}}},
            f"{WHERE}.name._eq",
            "expected a string for type 'String', but found null",
        ),
        (
            {"where": {"_not": []}},
            f"{WHERE}._not",
            "expected an object for type 'CustomersBoolExp', but found a list",
        ),
        (
            {"where": {"name": {"_isNull": "no"}}},
            f"{WHERE}.name._isNull",
            "expected a boolean for type 'Boolean', but found a string",
        ),
        (
            {"orderBy": [{"foo": "ASC"}]},
            "$.selectionSet.customers.args.orderBy[0].foo",
            "field 'foo' not found in type: 'CustomersOrderBy'",
        ),
        (
            {"limit": -1},
            "$.selectionSet.customers.args.limit",
            "unexpected negative value",
        ),
        ({"first": 1}, "$", "Unexpected variable first"),
    ],
)
def test_a_bad_search_is_refused(sandbox, body, path, error):
    response = sandbox.call("POST", "/customers/search", body)

    assert response.status_code == 400
    assert (response.json()["path"], response.json()["error"]) == (path, error)


def test_an_order_that_is_no_member_is_refused(sandbox):
    response = sandbox.call("POST", "/customers/search", {"orderBy": {"name": "asc"}})

    assert response.json()["error"].startswith("expected one of the values ['ASC', ")


def test_one_customer_is_read_by_its_id(sandbox, twelve):
    reply = sandbox.call("GET", f"/customers/{twelve['3']['id']}").json()

    assert reply == {"customer": twelve["3"]}


def test_an_unknown_id_reads_null(sandbox):
    response = sandbox.call("GET", "/customers/cus_nobody")

    assert (response.status_code, response.json()) == (200, {"customer": None})


@pytest.mark.usefixtures("twelve")
def test_a_list_has_ten_customers_and_figures_of_all(sandbox):
    reply = sandbox.call("GET", "/customers").json()

    zero = {"balance": 0, "overdueBalance": 0, "overdueInvoiceCount": 0}
    assert len(reply["customers"]) == 10
    assert reply["customersAggregate"]["aggregate"] == {
        "avg": zero,
        "count": 12,
        "sum": zero,
    }
    rest = sandbox.call("GET", "/customers", params={"limit": 50, "offset": 10}).json()
    assert len(rest["customers"]) == 2
