from __future__ import annotations

import re

import pytest

OBJECTS = "$.selectionSet.insertCustomers.args.objects"


def acme(number="1", **more):
    return {
        "name": f"Acme {number}",
        "sourceSystem": "TMSEZ",
        "sourceSystemId": number,
        **more,
    }


def test_a_reply_shows_fifteen_properties_and_hides_the_rest(sandbox, create):
    given = acme(
        emailAddress="ar@acme.example",
        ccEmailAddresses=["a@acme.example", "b@acme.example"],
        metadata={"tier": 1},
        collectorId="col_1",
        deletedAt="2024-01-02T03:04:05",
        addressesLastUpdatedAt="2024-01-02T03:04:05Z",
        contacts={"data": [{"name": "Ada"}]},
        customerRule={"data": {"dueOption": 30}},
        addresses={
            "data": [
                {
                    "streetLine1": "1 Main St",
                    "city": "Tulsa",
                    "country": "US",
                    "type": "ADDRESS_BOOK",
                    "phoneNumber": "555",
                }
            ]
        },
    )

    shown = create(given)["1"]

    assert re.fullmatch(r"cus_\w+", shown.pop("id"))
    assert shown["addresses"][0].pop("id")
    assert shown["customerRule"].pop("id")
    assert shown.pop("createdAt") == shown.pop("updatedAt")
    assert shown == {
        "addresses": [
            {
                "city": "Tulsa",
                "country": "US",
                "stateOrProvince": None,
                "streetLine1": "1 Main St",
                "streetLine2": None,
                "type": "ADDRESS_BOOK",
                "zipOrPostalCode": None,
            }
        ],
        "balance": 0,
        "billToCustomerId": None,
        "ccEmailAddresses": ["a@acme.example", "b@acme.example"],
        "customerRule": {"dueOption": 30},
        "emailAddress": "ar@acme.example",
        "metadata": {"tier": 1},
        "name": "Acme 1",
        "overdueBalance": 0,
        "overdueInvoiceCount": 0,
        "sourceSystem": "TMSEZ",
        "sourceSystemId": "1",
    }
    stored = sandbox.customer("TMSEZ", "1")
    assert stored["contacts"][0]["name"] == "Ada"
    assert stored["collectorId"] == "col_1"
    assert stored["deletedAt"] == "2024-01-02T03:04:05"
    assert stored["addressesLastUpdatedAt"] == "2024-01-02T03:04:05+00:00"
    assert stored["addresses"][0]["phoneNumber"] == "555"


def test_the_reply_does_not_follow_the_order_of_the_inputs(sandbox):
    reply = sandbox.call(
        "POST", "/bulk-customers", {"inputs": [acme("1"), acme("2"), acme("3")]}
    ).json()

    ids = [one["sourceSystemId"] for one in reply["createCustomers"]["returning"]]
    assert sorted(ids) == ["1", "2", "3"]
    assert ids != ["1", "2", "3"]


def test_one_customer_is_created_by_its_own_path(sandbox):
    reply = sandbox.call("POST", "/customers", {"input": acme()}).json()

    assert reply["createCustomer"]["name"] == "Acme 1"
    assert list(sandbox.customers()) == ["1"]


def test_no_inputs_create_nothing(sandbox):
    response = sandbox.call("POST", "/bulk-customers", {"inputs": []})

    assert response.status_code == 200
    assert response.json() == {"createCustomers": {"returning": []}}


def test_numbers_in_metadata_keep_their_spelling(sandbox):
    numbers = '{"rate":1.10,"big":123456789012345678901234567890,"small":1.5e-300}'
    body = f'{{"inputs":[{{"name":"A","metadata":{numbers}}}]}}'

    reply = sandbox.call("POST", "/bulk-customers", data=body)

    assert f'"metadata":{numbers}' in reply.text
    search = sandbox.call("POST", "/customers/search", {})
    assert f'"metadata":{numbers}' in search.text


def test_relations_that_are_null_or_empty_count_as_absent(create):
    shown = create(acme(addresses=None, contacts={"data": []}, customerRule=None))

    assert shown["1"]["addresses"] == []
    assert shown["1"]["customerRule"] is None


def test_a_customer_may_lack_its_source_key(sandbox):
    for _ in range(2):
        response = sandbox.call("POST", "/bulk-customers", {"inputs": [{"name": "A"}]})
        assert response.status_code == 200

    assert sandbox.counts()["customers"] == 2


def test_an_existing_source_key_refuses_the_whole_batch(sandbox, create):
    create(acme("2"))

    response = sandbox.call(
        "POST", "/bulk-customers", {"inputs": [acme("1"), acme("2"), acme("3")]}
    )

    assert response.status_code == 400
    assert response.json() == {
        "path": OBJECTS,
        "error": "Uniqueness violation. duplicate key value violates unique constraint"
        ' "customers_source_system_source_system_id_key"',
        "code": "constraint-violation",
    }
    assert list(sandbox.customers()) == ["2"]
    assert len(sandbox.changes()) == 1


def test_a_source_key_twice_in_a_batch_refuses_it(refused):
    assert refused(acme("1"), acme("1"))["error"].startswith("Uniqueness violation. ")


def test_the_same_id_of_another_system_is_another_customer(sandbox, create):
    create(acme("1"), acme("1", sourceSystem="OTHER"))

    assert sandbox.counts()["customers"] == 2


@pytest.mark.parametrize(
    "relation",
    [
        {"addresses": {"data": [{"city": "Tulsa"}]}},
        {"contacts": {"data": [{"anything": "goes"}]}},
        {"customerRule": {"data": {}}},
    ],
)
def test_a_relation_anywhere_in_the_batch_gives_the_path_an_index(refused, relation):
    refusal = refused(acme("1", **relation), acme("2"), acme("1"))

    assert refusal["error"].startswith("Uniqueness violation. ")
    assert refusal["path"] == f"{OBJECTS}[2]"


def test_empty_relations_give_the_path_no_index(refused):
    refusal = refused(acme("1", addresses={"data": []}), acme("1", contacts=None))

    assert refusal["path"] == OBJECTS


def test_a_missing_name_is_for_the_database_to_refuse(refused):
    assert refused(acme(), {"sourceSystem": "TMSEZ", "sourceSystemId": "2"}) == {
        "path": OBJECTS,
        "error": 'Not-NULL violation. null value in column "name" of relation'
        ' "customers" violates not-null constraint',
        "code": "constraint-violation",
    }


@pytest.mark.parametrize(
    "half", [{"sourceSystem": "TMSEZ"}, {"sourceSystemId": "1", "sourceSystem": None}]
)
def test_half_a_source_key_is_refused(refused, half):
    refusal = refused({"name": "Acme", **half})

    assert refusal["code"] == "permission-error"
    assert refusal["error"].startswith("Check constraint violation. new row for")


def test_a_customer_bills_to_one_that_exists(create):
    parent = create(acme("1"))["1"]

    child = create(acme("2", billToCustomerId=parent["id"]))["2"]

    assert child["billToCustomerId"] == parent["id"]


def test_a_parent_that_does_not_exist_refuses_the_batch(refused):
    assert refused(acme("1"), acme("2", billToCustomerId="cus_nobody")) == {
        "path": OBJECTS,
        "error": 'Foreign key violation. insert or update on table "customers" violates'
        ' foreign key constraint "customers_bill_to_customer_id_fkey"',
        "code": "constraint-violation",
    }


@pytest.mark.parametrize("name", ["emailAddress", "name", "billToCustomerId"])
def test_text_cannot_hold_the_null_character(refused, name):
    refusal = refused(acme() | {name: "a\x00b"})

    assert refusal["code"] == "data-exception"
    assert refusal["error"] == 'invalid byte sequence for encoding "UTF8": 0x00'
    assert refusal["path"] == OBJECTS


@pytest.mark.parametrize("metadata", ["\x00", {"a": ["\x00"]}, {"\x00": 1}])
def test_json_cannot_hold_the_null_character_either(refused, metadata):
    refusal = refused(acme(metadata=metadata))

    assert refusal["code"] == "data-exception"


def test_a_backslash_before_u0000_is_no_null_character(create):
    assert create(acme(metadata="\\u0000"))["1"]["metadata"] == "\\u0000"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("soon", 'invalid input syntax for type timestamp with time zone: "soon"'),
        ("", 'invalid input syntax for type timestamp with time zone: ""'),
        ("2024-13-01", 'date/time field value out of range: "2024-13-01"'),
        ("2024-02-30T00:00:00Z", "date/time field value out of range: "),
    ],
)
def test_a_bad_timestamp_is_for_the_database_to_refuse(refused, given, error):
    refusal = refused(acme("1"), acme("2", contactsLastUpdatedAt=given))

    assert refusal["code"] == "data-exception"
    assert refusal["error"].startswith(error)
    assert refusal["path"] == OBJECTS


def test_a_bad_value_in_a_batch_with_relations_is_found_by_its_index(refused):
    refusal = refused(
        acme("1", contacts={"data": [{}]}), acme("2", contactsLastUpdatedAt="soon")
    )

    assert refusal["path"] == f"{OBJECTS}[1]"


def test_a_bad_value_in_a_relation_is_found_by_its_name(refused):
    refusal = refused(acme("1"), acme("2", addresses={"data": [{"city": "a\x00"}]}))

    assert refusal["path"] == f"{OBJECTS}[1].addresses.data"


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("2024-01-02T03:04:05.678901+00:00", "2024-01-02T03:04:05.678901+00:00"),
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05+00:00"),
        ("2024-01-02 03:04:05-05:30", "2024-01-02T08:34:05+00:00"),
        ("2024-01-02 03:04:05+05", "2024-01-01T22:04:05+00:00"),
        ("2024-01-02", "2024-01-02T00:00:00+00:00"),
        (None, None),
    ],
)
def test_timestamps_are_kept_in_utc(sandbox, create, given, stored):
    create(acme(contactsLastUpdatedAt=given))

    assert sandbox.customer("TMSEZ", "1")["contactsLastUpdatedAt"] == stored


def test_deleted_at_has_no_zone(sandbox, create):
    create(acme(deletedAt="2024-01-02T03:04:05+05:00"))

    assert sandbox.customer("TMSEZ", "1")["deletedAt"] == "2024-01-02T03:04:05"


def test_a_refused_batch_with_relations_leaves_nothing_behind(sandbox, create):
    create(acme("9"))

    response = sandbox.call(
        "POST",
        "/bulk-customers",
        {"inputs": [acme("1", addresses={"data": [{"city": "Tulsa"}]}), acme("9")]},
    )

    assert response.status_code == 400
    assert list(sandbox.customers()) == ["9"]
    again = create(acme("1"))
    assert again["1"]["addresses"] == []


def test_a_large_batch_is_stored_whole(sandbox, create):
    created = create(*(acme(str(number)) for number in range(5000)))

    assert len({customer["id"] for customer in created.values()}) == 5000
    assert sandbox.counts()["customers"] == 5000


def test_the_path_of_a_single_customer_has_no_index(sandbox, create):
    create(acme())

    refusal = sandbox.call("POST", "/customers", {"input": acme()}).json()

    assert refusal["path"] == "$.selectionSet.insertCustomersOne.args.object"
