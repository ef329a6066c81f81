"""The settings: what is wrong with a configuration, in words, and never the key."""

from __future__ import annotations

import sys
from decimal import Decimal
from importlib.metadata import metadata, requires
from itertools import combinations

import pytest
from jsonschema import Draft7Validator

from target_upwell.config import CONFIG_SCHEMA, Settings, is_loopback
from target_upwell.config_checks import problems, worded
from target_upwell.customers import field_policy
from target_upwell.exceptions import ConfigurationError
from target_upwell.target import TargetUpwell

KEY = "uk_live_4711secret"
PREFIX = "TARGET_UPWELL_"
DEFAULTS = {
    name: definition["default"]
    for name, definition in CONFIG_SCHEMA["properties"].items()
    if "default" in definition
}


def config(**settings):
    return {**DEFAULTS, "api_key": KEY, "source_system": "TMSEZ", **settings}


def found(**settings):
    return problems(config(**settings))


def schema_errors(given, environ=None):
    errors = Draft7Validator(CONFIG_SCHEMA).iter_errors(given)
    return [worded(error, PREFIX, environ or {}) for error in errors]


def test_nothing_is_wrong_with_the_least_that_is_needed():
    assert schema_errors({"api_key": KEY, "source_system": "TMSEZ"}) == []
    assert found() == []


def test_each_setting_has_a_title_and_a_description_and_a_type():
    for name, definition in CONFIG_SCHEMA["properties"].items():
        assert definition["title"], name
        assert definition["description"].endswith("."), name
        assert definition["type"], name


def test_each_setting_reaches_the_program():
    # A target that was made in this process has added the SDK's own.
    the_sdks = ("stream_map", "faker_", "flattening_")
    own = {
        name for name in CONFIG_SCHEMA["properties"] if not name.startswith(the_sdks)
    }
    assert own == set(Settings.__dataclass_fields__)


def test_only_the_key_is_a_secret():
    secrets = [
        name
        for name, definition in CONFIG_SCHEMA["properties"].items()
        if definition.get("secret")
    ]
    assert secrets == ["api_key"]


def test_settings_never_show_the_key():
    settings = Settings.of(config(stream_maps={}))
    assert KEY not in repr(settings)
    assert KEY not in str(settings)
    assert settings.api_key == KEY


def test_a_whole_number_may_be_written_with_a_point():
    assert schema_errors(config(batch_size_rows=50.0)) == []
    settings = Settings.of(config(batch_size_rows=50.0, max_retries=Decimal("3.0")))
    assert (settings.batch_size_rows, settings.max_retries) == (50, 3)
    assert type(settings.batch_size_rows) is type(settings.max_retries) is int


def test_all_that_is_missing_is_named_with_the_variable_that_sets_it():
    messages = schema_errors({})
    assert [message.split(":")[0] for message in messages] == [
        "api_key",
        "source_system",
    ]
    assert "TARGET_UPWELL_SOURCE_SYSTEM" in messages[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api_key", 7),
        ("api_key", [KEY]),
        ("source_system", 7),
        ("api_url", 7),
        ("load_method", "overwrite"),
        ("load_method", "UPSERT"),
        ("batch_size_rows", 0),
        ("batch_size_rows", -1),
        ("batch_size_rows", 1.5),
        ("batch_size_rows", "200"),
        ("batch_size_bytes", 999),
        ("max_parallel_requests", 0),
        ("max_parallel_requests", 65),
        ("request_timeout", 0),
        ("max_retries", -1),
        ("null_handling", "drop"),
        ("unmapped_properties", ""),
        ("unknown_streams", "warn"),
        ("max_rejects", -2),
        ("rejects_path", 1),
        ("drift_path", False),
        ("sync_log_path", 1),
        ("field_policy", []),
        ("field_policy", {"name": "never"}),
        ("max_updated_percent", 101),
        ("max_cleared_percent", -1),
        ("missing_customers", "forget"),
        ("max_deletes", -1),
        ("dry_run", "yes"),
        ("validate_records", 1),
    ],
)
def test_a_value_of_the_wrong_kind_is_worded_with_its_setting(name, value):
    (message,) = schema_errors({"api_key": KEY, "source_system": "T", name: value})
    assert message.split(":")[0].split(".")[0] == name
    assert KEY not in message
    assert len(message) < 250


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("batch_size_rows", "many", "batch_size_rows: must be a whole number"),
        ("batch_size_rows", 1.5, "batch_size_rows: must be a whole number"),
        ("batch_size_rows", 0, "batch_size_rows: must be at least 1"),
        ("max_cleared_percent", 101, "max_cleared_percent: must be at most 100"),
        ("dry_run", "yes", "dry_run: must be true or false"),
        ("source_system", 7, "source_system: must be text"),
        ("field_policy", "x", "field_policy: must be an object"),
        (
            "field_policy",
            {"name": "never"},
            "field_policy.name: must be overwrite, fill_if_empty or create_only",
        ),
        (
            "load_method",
            "overwrite",
            "load_method: must be upsert, append-only or update-only",
        ),
    ],
)
def test_what_is_due_is_said_in_words(name, value, message):
    given = {"api_key": KEY, "source_system": "T", name: value}
    assert schema_errors(given) == [message]


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ("x", "stream_maps: must be an object"),
        ({"customers": "x"}, "stream_maps.customers: must be an object"),
        (
            {"customers": {"__alias__": 1}},
            "stream_maps.customers.__alias__: must be text",
        ),
    ],
)
def test_a_stream_map_that_is_no_object_is_told_so(maps, message):
    schema = TargetUpwell.settings_schema()
    given = {"api_key": KEY, "source_system": "T", "stream_maps": maps}
    errors = Draft7Validator(schema).iter_errors(given)
    assert [worded(error, PREFIX, {}) for error in errors] == [message]


def test_an_option_for_all_streams_that_there_is_not_is_named():
    message = "stream_maps: there is no __esle__; __else__ is for all other streams"
    assert found(stream_maps={"__esle__": None, "__else__": None}) == [message]


@pytest.mark.parametrize(
    "name", [n for n in CONFIG_SCHEMA["properties"] if n != "api_key"]
)
def test_a_key_that_was_put_into_another_setting_is_not_quoted(name):
    given = config(**{name: KEY})
    messages = schema_errors(given) or problems(given)
    assert messages
    assert all(KEY not in message for message in messages)


def test_what_is_set_in_an_environment_that_is_not_read_is_pointed_out():
    environ = {"TARGET_UPWELL_API_KEY": KEY}
    key, source_system = schema_errors({}, environ)
    assert key == (
        "api_key: TARGET_UPWELL_API_KEY is set in the environment; add --config=ENV"
    )
    assert "it is missing" in source_system


@pytest.mark.parametrize(
    "key",
    ["", " ", f"{KEY}\n", f" {KEY}", "two words", "schlüssel", "a\x00b", "tab\tkey"],
)
def test_a_key_that_can_not_be_a_header_is_refused_without_being_shown(key):
    (message,) = found(api_key=key)
    assert message.startswith("api_key: ")
    assert not key.strip() or key.strip() not in message


@pytest.mark.parametrize("source_system", ["", "  ", "\t", "a\x00b", "a\ud800"])
def test_a_source_system_needs_text(source_system):
    assert [m.split(":")[0] for m in found(source_system=source_system)] == [
        "source_system"
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://api.upwell.com/api/rest",
        "https://api.upwell.com/api/rest/",
        "https://upwell.example:8443",
        "http://127.0.0.1:8420/api/rest",
        "http://localhost:8420/api/rest",
        "http://[::1]:8420/api/rest",
        "http://127.8.9.10",
    ],
)
def test_an_address_is_https_or_on_this_machine(url):
    assert found(api_url=url) == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "https"),
        ("api.upwell.com/api/rest", "https"),
        ("ftp://api.upwell.com", "https"),
        ("https://", "https"),
        ("https:///api/rest", "https"),
        (KEY, "https"),
        ("http://api.upwell.com/api/rest", "in the clear"),
        ("http://10.0.0.5:8420", "in the clear"),
        ("http://0.0.0.0:8420", "in the clear"),
        ("http://127.0.0.1.evil.example", "in the clear"),
        ("http://localhost.evil.example", "in the clear"),
        (f"https://user:{KEY}@api.upwell.com", "user name"),
        (f"https://{KEY}@api.upwell.com", "user name"),
        (f"https://api.upwell.com/?key={KEY}", "without ?"),
        (f"https://api.upwell.com/#{KEY}", "without ?"),
        ("https://api.upwell.com:port", "can't be read"),
        ("https://api.upwell.com:99999", "can't be read"),
        ("https://[::1", "can't be read"),
    ],
)
def test_any_other_address_is_refused_and_shows_no_key(url, words):
    (message,) = found(api_url=url)
    assert message.startswith("api_url: ")
    assert words in message
    assert KEY not in message


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:1", True),
        ("http://LOCALHOST", True),
        ("http://[::1]", True),
        ("http://[::ffff:127.0.0.1]", True),
        ("http://[::ffff:128.0.0.1]", False),
        ("http://128.0.0.1", False),
        ("http://", False),
    ],
)
def test_loopback_is_told_from_the_rest_of_the_world(url, expected):
    assert is_loopback(url) is expected


@pytest.mark.parametrize("max_rejects", [1, 50, -1])
def test_rejects_need_a_file_to_go_to(max_rejects):
    (message,) = found(max_rejects=max_rejects)
    assert "rejects_path" in message
    assert found(max_rejects=max_rejects, rejects_path="r.jsonl") == []


FILES = ("rejects_path", "drift_path", "sync_log_path")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/dev/null", "a device"),
        ("/dev/stdout", ""),
        ("{tmp}", "a folder"),
        ("{tmp}/", "a folder"),
        ("{tmp}/new/", "ends with a slash"),
        ("{tmp}/a\x00b", "no path can hold"),
        ("{tmp}/a\ud800", "no path can hold"),
    ],
    ids=repr,
)
def test_a_path_that_is_no_file_is_refused(tmp_path, name, path, words):
    (message,) = found(**{name: path.format(tmp=tmp_path)})
    assert message.startswith(f"{name}: ")
    assert words in message


@pytest.mark.parametrize("name", FILES)
def test_a_path_of_a_file_that_is_there_or_may_be_made_is_fine(tmp_path, name):
    there = tmp_path / "there"
    there.touch()
    assert found(**{name: str(there)}) == []
    assert found(**{name: str(tmp_path / "new")}) == []
    assert found(**{name: ""}) == []


@pytest.mark.parametrize(("one", "other"), [*combinations(FILES, 2)])
@pytest.mark.parametrize("how", ["same", "spelled", "symlink", "hardlink", "folder"])
def test_two_files_must_not_be_one(tmp_path, one, other, how):
    path = tmp_path / "f"
    if how != "same":
        path.touch()
    (tmp_path / "symlink").symlink_to(path)
    (tmp_path / "folder").symlink_to(tmp_path)
    if how == "hardlink":
        (tmp_path / "hardlink").hardlink_to(path)
    its = {
        "same": path,
        "spelled": f"{tmp_path}/../{tmp_path.name}/f",
        "folder": tmp_path / "folder" / "f",
    }.get(how, tmp_path / how)
    (message,) = found(**{one: str(path), other: str(its)})
    assert message == f"{other}: it is the same file as {one}; name another"


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"emailAdress": "overwrite"}, "did you mean 'emailAddress'?"),
        ({"email_address": "create_only"}, "did you mean 'emailAddress'?"),
        ({"quux": "overwrite"}, "'quux' is not a customer property"),
        ({"deletedAt": "fill_if_empty"}, "never shows"),
        ({"contacts": "fill_if_empty"}, "never shows"),
        ({"sourceSystemId": "create_only"}, "identifies a customer"),
        (
            {"billToSourceSystemId": "overwrite", "billToCustomerId": "create_only"},
            "'billToSourceSystemId' and 'billToCustomerId' are one property",
        ),
    ],
    ids=str,
)
def test_a_field_policy_that_can_not_be_kept_is_refused(policy, words):
    (message,) = field_policy.problems(policy)
    assert message.startswith("field_policy: ")
    assert words in message


def test_a_field_policy_may_be_for_parents_and_rules_too():
    policy = {
        "billToSourceSystemId": "fill_if_empty",
        "customerRule": "fill_if_empty",
        "deletedAt": "create_only",
        "emailAddress": "fill_if_empty",
        "contacts": "overwrite",
    }
    assert list(field_policy.problems(policy)) == []
    assert Settings.of(config(field_policy=policy)).field_policy == policy


def test_all_that_is_wrong_is_said_at_once():
    assert len(found(api_key="", source_system="", api_url="x", max_rejects=1)) == 4


@pytest.mark.parametrize(
    ("url", "sandbox", "same"),
    [
        ("http://127.0.0.1:8420/api/rest", "http://127.0.0.1:8420", True),
        ("http://localhost:8420/api/rest", "http://127.0.0.1:8420", True),
        ("http://127.0.0.1:8421/api/rest", "http://127.0.0.1:8420", False),
        ("https://api.upwell.com/api/rest", "http://127.0.0.1:8420", False),
        ("https://box.example/api/rest", "https://box.example", True),
        ("https://box.example:444/api/rest", "https://box.example", False),
        ("https://box.example/api/rest", "https://other.example", False),
        ("https://box.example/api/rest", "http://[::1", False),
    ],
)
def test_a_rehearsal_talks_to_the_sandbox_only(url, sandbox, same):
    messages = problems(config(api_url=url), sandbox)
    assert [m.split(":")[0] for m in messages] == ([] if same else ["api_url"])
    assert problems(config(api_url=url)) == []


def test_fake_comes_with_an_extra_of_the_same_name_as_the_sdks(monkeypatch):
    (needed,) = [line for line in requires("target-upwell") if "faker" in line]
    assert needed.startswith("singer-sdk[faker]; extra ==")
    assert "faker" in metadata("singer-sdk").get_all("Provides-Extra")
    monkeypatch.setitem(sys.modules, "faker", None)
    with pytest.raises(ConfigurationError, match=r"install target-upwell\[faker\]"):
        TargetUpwell(config=config(faker_config={"seed": 1}))
