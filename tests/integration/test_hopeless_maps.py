"""A stream map that can't work says so at the first SCHEMA, in one line.

Not at record one million, and never with a STATE that passes records by.
"""

from __future__ import annotations

import pytest
from target_command import record, run_target, schema, state

ERP = schema("number", "company", "email", stream="erp", keys=("number",))
STREAM = [
    ERP,
    record("erp", number="1", company="Acme", email="ap@acme.example"),
    state({"n": 1}),
]
NUMBER = {"__alias__": "customers", "sourceSystemId": "number"}
WHOLE = {**NUMBER, "name": "company"}


@pytest.fixture
def source(request):
    """A source system of the test's own."""
    return request.node.name[:100]


def refused(account, source, stream_map, messages=STREAM, **settings):
    """The one line that a hopeless map ends the run with."""
    result = run_target(
        account,
        messages,
        source_system=source,
        stream_maps={"erp": stream_map},
        **settings,
    )
    assert result.code == 1
    assert result.states == []
    assert "Traceback" not in result.stderr
    (line,) = result.errors
    assert "defect" not in line
    assert [
        c for c in account.customers().values() if c["sourceSystem"] == source
    ] == []
    return line


HOPELESS = {
    "no name": (
        NUMBER,
        ["stream 'erp'", "no property 'name'", "`name: company_name`"],
    ),
    "name removed": (
        {**NUMBER, "name": None},
        ["stream 'erp'", "no property 'name'"],
    ),
    "key removed, and none named": (
        {"__alias__": "customers", "__else__": None, "name": "company"},
        ["stream 'erp'", "'number'", "`__key_properties__`", '["sourceSystemId"]'],
    ),
    "key removed by name": (
        {**WHOLE, "number": None},
        ["stream 'erp'", "'number'", "`__key_properties__`"],
    ),
    "no key at all": (
        {"__alias__": "customers", "__key_properties__": None, "name": "company"},
        ["stream 'erp'", "no source key", "`sourceSystemId: <expression>`"],
    ),
    "a key that is not there": (
        {**WHOLE, "__key_properties__": ["no"]},
        ["stream 'erp'", "'no'", "`__key_properties__`"],
    ),
    "two of one name": (
        {**NUMBER, "NAME": "company", "Name": "email"},
        ["stream 'erp'", "'NAME', 'Name'", "keep one in the stream map"],
    ),
    "no expression": (
        {**WHOLE, "name": "company +"},
        ["stream 'erp'", "name: the expression is not valid: ", "company + >>>"],
    ),
    "no text": (
        {**WHOLE, "name": 5},
        ["stream_maps.erp.name", "must be text"],
    ),
    "nothing": (
        {**WHOLE, "name": ""},
        ["stream 'erp'", "name: the expression is empty; __NULL__ removes it"],
    ),
    "a filter that is none": (
        {**WHOLE, "__filter__": "company =="},
        ["stream 'erp'", "__filter__: the expression is not valid", "company == >>>"],
    ),
    "a column that was renamed": (
        {**WHOLE, "emailAddress": "e_mail.lower()", "customerRule": "{'x': terms}"},
        [
            "stream 'erp'",
            "emailAddress: the stream has no column 'e_mail'; did you mean 'email'?",
            "customerRule: the stream has no column 'terms'; there are 'company', ",
            "(in: {'x': terms})",
        ],
    ),
    "a column that the filter asks for": (
        {**WHOLE, "__filter__": "is_customer"},
        ["stream 'erp'", "__filter__: the stream has no column 'is_customer'"],
    ),
    "a column of the record": (
        {**WHOLE, "emailAddress": "record['emall']"},
        ["emailAddress: the stream has no column 'emall'; did you mean 'email'?"],
    ),
    "a function that there is not": (
        {**WHOLE, "metadata": "{'n': len(email)}"},
        ["metadata: there is no function 'len'; there are bool, ", ", str", " (in: "],
    ),
    "a constant that is quoted once": (
        {**WHOLE, "sourceSystem": "TMSEZ"},
        ["no column 'TMSEZ'", """a constant is quoted twice: "'TMSEZ'" (in"""],
    ),
    "a member of an address in the place of a property": (
        {**WHOLE, "city": "company"},
        ["'city' in the stream map is not", "did you mean 'city' in `addresses`?"],
    ),
    "a member of the rule in the place of a property": (
        {**WHOLE, "due_option": "number"},
        ["did you mean 'dueOption' in `customerRule`?"],
    ),
    "itself, of a column that there is not": (
        {**WHOLE, "emailAddress": "self.lower()"},
        ["no column 'emailAddress', which 'self' stands for", "'email'"],
    ),
    "a mistyped customer property": (
        {**WHOLE, "emailAdress": "email"},
        ["'emailAdress'", "is not a customer property", "'emailAddress'?", "'erp'"],
    ),
    "no sourceSystemId": (
        {
            "__alias__": "customers",
            "__else__": None,
            "__key_properties__": ["sourceSystemId"],
            "name": "company",
        },
        ["stream 'erp'", "'sourceSystemId'", "map `sourceSystemId`, for example"],
    ),
    "an else that there is not": (
        {**WHOLE, "__else__": "keep"},
        ["`__else__` takes only null or `__NULL__`"],
    ),
}


@pytest.mark.parametrize("why", HOPELESS)
def test_a_map_that_no_record_could_pass_is_refused_at_the_schema(
    shared_sandbox, source, tmp_path, why
):
    # However many rejects are allowed.
    stream_map, words = HOPELESS[why]
    rejects = {"max_rejects": -1, "rejects_path": str(tmp_path / "rejects.jsonl")}
    line = refused(shared_sandbox, source, stream_map, messages=[ERP], **rejects)
    for word in words:
        assert word in line


def test_a_map_without_a_name_is_fine_where_nothing_is_created(shared_sandbox, source):
    result = run_target(
        shared_sandbox,
        STREAM,
        source_system=source,
        stream_maps={"erp": NUMBER},
        load_method="update-only",
    )
    assert result.code == 0
    assert result.states == [{"n": 1}]


@pytest.mark.parametrize(
    ("alias", "words"),
    [
        ("Customers", "'erp': its alias is 'Customers'; did you mean 'customers'?"),
        ("customer", "'erp': its alias is 'customer'; did you mean 'customers'?"),
        ("clients", "'erp': its alias is 'clients'; it has to be 'customers'"),
    ],
)
def test_an_alias_that_leaves_no_customers_ends_the_run(
    shared_sandbox, source, alias, words
):
    stream_map = {**WHOLE, "__alias__": alias}
    assert words in refused(shared_sandbox, source, stream_map)


@pytest.mark.parametrize("unknown_streams", ["fail", "ignore"])
def test_a_mistyped_stream_in_stream_maps_is_named(
    shared_sandbox, source, unknown_streams
):
    result = run_target(
        shared_sandbox,
        STREAM,
        source_system=source,
        stream_maps={"erps": WHOLE},
        unknown_streams=unknown_streams,
    )
    assert (result.code, result.states) == (1, [])
    (line,) = result.errors
    assert "`stream_maps` has 'erps', which no stream is named" in line
    assert "'erp'" in line


LISTED = {"number": {}, "company": {}}
OPEN = {
    "no properties": {"properties": {}},
    "more than it lists": {"properties": LISTED, "additionalProperties": True},
    "more of a type": {
        "properties": LISTED,
        "additionalProperties": {"type": ["string", "null"]},
    },
    "more of any type": {"properties": LISTED, "additionalProperties": {}},
    "more by pattern": {"properties": LISTED, "patternProperties": {"^e": {}}},
    "a part elsewhere": {
        "properties": LISTED,
        "allOf": [{"properties": {"email": {}}}],
    },
}


@pytest.mark.parametrize("why", OPEN)
@pytest.mark.parametrize("records", [1, 250])
def test_where_the_schema_is_open_the_first_records_are_asked(
    shared_sandbox, source, tmp_path, why, records
):
    message = schema(stream="erp", keys=("number",))
    message["schema"] = OPEN[why]
    sent = [
        record("erp", number=str(n), company="Acme", email="ap@acme.example")
        for n in range(records)
    ]
    keyed = {**WHOLE, "__key_properties__": ["sourceSystemId"]}
    stream = [message, *sent, state({"n": 1})]
    good = run_target(
        shared_sandbox,
        stream,
        source_system=source,
        stream_maps={"erp": {**keyed, "emailAddress": "email"}},
    )
    assert good.code == 0
    result = run_target(
        shared_sandbox,
        stream,
        source_system=source,
        stream_maps={"erp": {**keyed, "emailAddress": "billing_email"}},
        max_rejects=-1,
        rejects_path=str(tmp_path / "rejects.jsonl"),
    )
    assert (result.code, result.states) == (1, [])
    assert "emailAddress: the stream has no column 'billing_email'" in result.errors[-1]


@pytest.mark.parametrize(
    ("stream_maps", "words"),
    [
        (
            {"erp": WHOLE, "bill_to": {"__source__": "erp", "name": "company"}},
            "stream 'erp': its alias is 'bill_to'; it has to be 'customers'",
        ),
        (
            {
                "erp": {"name": "company"},
                "customers": {"__source__": "erp", "name": "company"},
            },
            "stream 'erp' is not named 'customers'",
        ),
    ],
)
def test_a_second_map_that_leads_nowhere_is_no_matter_of_silence(
    shared_sandbox, source, stream_maps, words
):
    result = run_target(
        shared_sandbox, STREAM, source_system=source, stream_maps=stream_maps
    )
    assert (result.code, result.states) == (1, [])
    assert words in result.errors[0]
    ignoring = run_target(
        shared_sandbox,
        STREAM,
        source_system=source,
        stream_maps=stream_maps,
        unknown_streams="ignore",
    )
    assert (ignoring.code, ignoring.states) == (0, [{"n": 1}])


def test_what_another_map_takes_from_a_stream_need_not_be_removed(
    shared_sandbox, source
):
    stream_maps = {"customers": {"__source__": "erp", "name": "company"}}
    result = run_target(
        shared_sandbox, STREAM, source_system=source, stream_maps=stream_maps
    )
    assert (result.code, result.states) == (0, [{"n": 1}])


def test_columns_that_match_nothing_are_removed_as_the_warning_says(
    shared_sandbox, source
):
    # Not with null, which Meltano drops inside of a map.
    def warnings(**more):
        maps = {"erp": {**WHOLE, **more}}
        return run_target(
            shared_sandbox, STREAM, source_system=source, stream_maps=maps
        ).warnings

    # The column that becomes the name is not lost.
    (line,) = warnings()
    assert "are dropped: 'email'; map them, remove them with __NULL__" in line
    assert warnings(email="__NULL__") == []
    assert warnings(metadata="{'mail': record.get('email')}") == []


def test_a_property_of_ones_own_may_go_under_metadata(shared_sandbox, source):
    result = run_target(
        shared_sandbox,
        STREAM,
        source_system=source,
        stream_maps={"erp": {**WHOLE, "emailAdress": "email"}},
        unmapped_properties="metadata",
    )
    assert result.code == 0


@pytest.mark.parametrize("alias", [{"__alias__": "Customers"}, {}])
def test_it_does_so_at_the_end_where_other_streams_are_ignored(
    shared_sandbox, source, alias
):
    stream_map = {"name": "company", **alias}
    messages = [schema("id", stream="orders"), *STREAM, state({"n": 2})]
    line = refused(
        shared_sandbox, source, stream_map, messages, unknown_streams="ignore"
    )
    assert "no stream named 'customers' arrived" in line
    assert "these did: 'orders', 'erp'" in line


def test_removing_all_streams_ends_the_run_too(shared_sandbox, source):
    line = refused(shared_sandbox, source, "__NULL__")
    assert "no stream named 'customers' arrived; these did: 'erp'" in line


@pytest.mark.parametrize(
    ("properties", "settings", "words"),
    [
        (
            {"type": 5},
            {"validate_records": True},
            "SCHEMA is not a valid JSON schema: properties.company.type: 5",
        ),
        (
            "text",
            {"flattening_enabled": True, "flattening_max_depth": 2},
            "SCHEMA or its stream map can't be used",
        ),
        (5, {}, "SCHEMA or its stream map can't be used"),
    ],
)
def test_a_schema_that_is_none_is_one_line_too(
    shared_sandbox, source, properties, settings, words
):
    message = schema("number", "company", stream="erp", keys=("number",))
    message["schema"]["properties"]["company"] = properties
    messages = [message, *STREAM[1:]]
    assert words in refused(shared_sandbox, source, WHOLE, messages, **settings)
