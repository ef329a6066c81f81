"""A page of the account costs the same however many customers there are."""

from __future__ import annotations

from itertools import chain

import pytest

from target_upwell.sandbox.account.journal import Journal
from target_upwell.sandbox.account.store import Store
from target_upwell.sandbox.page.catalog import PAGE_ROWS, Catalog

MANY = 10_000
LAST_PAGE = MANY // PAGE_ROWS
CUSTOMER = (
    "INSERT INTO customers (number, id, created_at, updated_at, balance,"
    " overdue_balance, overdue_invoice_count, name, source_system,"
    " source_system_id, times_updated, changed_at, found_by)"
    " VALUES (?, ?, '', '', 0, 0, 0, ?, 'T', ?, 0, ?, ?)"
)
REQUEST = (
    "INSERT INTO requests VALUES (?, ?, 'PUT', '/p', '/p', 1, ?, 1, NULL, 1, 0, 1, '')"
)
READ_OF_ARGUMENTS = "SCAN json_each VIRTUAL TABLE INDEX 1:"


@pytest.fixture(scope="module")
def store():
    """An account of many customers, each changed by a request of its own."""
    store = Store()
    numbers = range(1, MANY + 1)
    with store.transaction():
        # 7919 is a prime: the order of change is another than that of creation.
        store.connection.executemany(
            CUSTOMER,
            (
                (n, f"cus_{n}", f"Name {n}", str(n), f"{n * 7919 % MANY:06}", f"{n} n")
                for n in numbers
            ),
        )
        store.connection.executemany(
            REQUEST,
            ((n, f"{n // 50:019}", 400 if n % 1000 == 0 else 200) for n in numbers),
        )
        store.connection.executemany(
            "INSERT INTO changes (request, customer, kind, properties)"
            " VALUES (?, ?, 'updated', '{}')",
            ((n, f"cus_{n}") for n in numbers),
        )
    yield store
    store.close()


@pytest.fixture
def plans(store):
    """Do something, and give the plans of its queries, step by step."""

    def plans(do):
        queries = []
        store.connection.set_trace_callback(queries.append)
        do(Catalog(store))
        store.connection.set_trace_callback(None)
        assert queries
        rows = (store.connection.execute(f"EXPLAIN QUERY PLAN {q}") for q in queries)
        return [row[3] for row in chain.from_iterable(rows)]

    return plans


@pytest.mark.slow
@pytest.mark.parametrize("sought", ["", "9999", "nobody at all", "n 9 8 7"])
@pytest.mark.parametrize("page", [1, LAST_PAGE])
def test_customers_are_read_in_the_order_of_an_index(plans, sought, page):
    steps = plans(lambda catalog: catalog.customers(sought, page))

    assert not any("TEMP B-TREE" in step for step in steps)
    assert all("INDEX" in step for step in steps)
    assert "SCAN customers USING INDEX customers_changed" in steps


def test_a_search_reads_no_more_than_an_index(plans):
    steps = plans(lambda catalog: catalog.customers("nobody", 1))

    assert steps[0] == "SCAN customers USING COVERING INDEX customers_changed"


@pytest.mark.parametrize("page", [1, LAST_PAGE])
@pytest.mark.parametrize("refused", [True, False])
def test_requests_are_read_in_the_order_of_the_table(plans, page, refused):
    steps = plans(lambda catalog: catalog.requests(page, refused=refused))

    index = " USING INDEX requests_refused" if refused else ""
    of_requests = [step for step in steps if not step.startswith("SEARCH refusals")]
    assert of_requests == [f"SCAN requests{index}"] * 2


@pytest.mark.parametrize(
    "do",
    [
        lambda catalog: catalog.history("cus_500", 1),
        lambda catalog: catalog.effects(500, 1),
        lambda catalog: catalog.request(500),
        lambda catalog: catalog.customer("cus_500"),
    ],
)
def test_one_customer_and_one_request_are_looked_up(plans, do):
    steps = plans(do)

    assert any(step.startswith("SEARCH") for step in steps)
    assert {step for step in steps if "SCAN" in step} <= {READ_OF_ARGUMENTS}


def test_the_counts_read_no_request(plans, store):
    steps = plans(lambda _: Journal(store).totals())

    assert not any("requests" in step for step in steps[1:])
    assert "SCAN sums" in steps


def test_the_counts_are_right(store):
    totals = Journal(store).totals()

    assert totals.customers == MANY
    assert totals.requests == totals.updates == MANY
    assert totals.refusals == MANY // 1000


def test_the_pages_hold_every_customer_once_in_order(store):
    catalog = Catalog(store)
    pages = [1, 2, LAST_PAGE // 2, LAST_PAGE]

    for number in pages:
        page = catalog.customers("", number)
        first = MANY - 1 - (number - 1) * PAGE_ROWS
        due = [f"{moment:06}" for moment in range(first, first - PAGE_ROWS, -1)]
        assert [row["changedAt"] for row in page.rows] == due
        assert (page.total, page.last) == (MANY, LAST_PAGE)


def test_a_page_holds_no_more_rows_than_it_has_room_for(store):
    catalog = Catalog(store)

    assert len(catalog.customers("n", 7).rows) == PAGE_ROWS
    assert len(catalog.requests(7, refused=False).rows) == PAGE_ROWS
    assert catalog.customers("9999", 1).total == 1
