"""The environment and `.env`: what is read of them, and how mistakes are worded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from target_upwell.exceptions import ConfigurationError
from target_upwell.singer.configuration import dotenv, mistyped
from target_upwell.target import TargetUpwell

PREFIX = "TARGET_UPWELL_"
SETTINGS = TargetUpwell.settings_schema()["properties"]


@pytest.fixture
def read(monkeypatch):
    """Makes a target of a variable and what is needed; returns the setting's value."""

    def configured(**variables):
        needed = {"api_key": "key", "source_system": "TMSEZ"}
        for name, value in {**needed, **variables}.items():
            monkeypatch.setenv(f"{PREFIX}{name.upper()}", value)
        target = TargetUpwell(config={}, parse_env_config=True)
        return {name: target.config[name] for name in variables}

    return configured


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("max_retries", "x", "a whole number"),
        ("max_retries", "", "a whole number"),
        ("max_retries", "9" * 5000, "a whole number"),
        ("dry_run", "ture", "true or false"),
        ("stream_maps", "{", "an object"),
        ("stream_maps", "", "an object"),
        ("stream_maps", "[" * 100_000, "an object"),
        ("field_policy", "name", "an object"),
        ("load_method", "overwrite", "upsert, append-only or update-only"),
    ],
    ids=lambda value: value[:20],
)
def test_a_variable_that_can_not_be_read_is_named(read, name, value, words):
    with pytest.raises(ConfigurationError) as error:
        read(**{name: value})
    assert error.value.problems == (
        f"{name}: the environment variable {PREFIX}{name.upper()} must be {words}",
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("max_retries", "1.5", "a whole number"), ("dry_run", "2", "true or false")],
)
def test_a_variable_of_another_type_is_told_by_its_setting(read, name, value, words):
    with pytest.raises(ConfigurationError) as error:
        read(**{name: value})
    assert error.value.problems == (f"{name}: must be {words}",)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("max_retries", "8", 8),
        ("max_rejects", "0", 0),
        ("dry_run", "True", True),
        ("dry_run", "on", True),
        ("dry_run", "false", False),
        ("dry_run", "0", False),
        ("dry_run", "", False),
        ("stream_maps", '{"erp": null}', {"erp": None}),
        ("field_policy", '{"name": "create_only"}', {"name": "create_only"}),
        ("api_url", "https://api.example", "https://api.example"),
        ("rejects_path", "", ""),
        ("source_system", "7", "7"),
        ("max_retries", "null", 8),
    ],
)
def test_a_variable_is_read_as_what_its_setting_is(read, name, value, expected):
    assert read(**{name: value}) == {name: expected}


def test_all_variables_that_can_not_be_read_are_named_at_once(read):
    with pytest.raises(ConfigurationError) as error:
        read(max_retries="x", dry_run="x")
    assert len(error.value.problems) == 2


def test_a_dotenv_is_read_as_utf_8_and_changes_no_environment(tmp_path):
    file = tmp_path / ".env"
    file.write_text(
        "# a comment\nTARGET_UPWELL_SOURCE_SYSTEM='TMS É'\nexport OTHER=1\nBARE\n",
        "utf-8-sig",
    )
    before = dict(os.environ)
    assert dotenv(file) == {"TARGET_UPWELL_SOURCE_SYSTEM": "TMS É", "OTHER": "1"}
    assert dict(os.environ) == before


def test_no_dotenv_and_a_folder_of_that_name_hold_nothing(tmp_path):
    assert dotenv(tmp_path / ".env") == {}
    assert dotenv(tmp_path) == {}


def test_a_dotenv_that_is_not_utf_8_is_named(tmp_path):
    file = tmp_path / ".env"
    file.write_bytes("NAME=É".encode("latin-1"))
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        dotenv(file)


def test_a_dotenv_that_can_not_be_read_is_named(tmp_path):
    memory = Path("/proc/self/mem")
    if not memory.exists():
        pytest.skip("this system has no file that everybody may open and nobody read")
    file = tmp_path / ".env"
    file.symlink_to(memory)
    with pytest.raises(ConfigurationError, match="can't be read"):
        dotenv(file)


def test_the_environment_wins_over_the_working_folders_dotenv_and_no_other_counts(
    tmp_path, monkeypatch
):
    (tmp_path / ".env").write_text("TARGET_UPWELL_API_URL=https://parent.example\n")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / ".env").write_text(
        "TARGET_UPWELL_API_KEY=of-the-file\nTARGET_UPWELL_SOURCE_SYSTEM=of-the-file\n"
    )
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if "UPWELL" in name]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TARGET_UPWELL_SOURCE_SYSTEM", "exported")

    target = TargetUpwell(config={}, parse_env_config=True)

    assert target.settings.api_key == "of-the-file"
    assert target.settings.source_system == "exported"
    assert target.settings.api_url == "https://api.upwell.com/api/rest"
    assert os.environ["TARGET_UPWELL_SOURCE_SYSTEM"] == "exported"
    assert "TARGET_UPWELL_API_KEY" not in os.environ


def test_text_in_a_configuration_is_read_as_what_its_setting_is(tmp_path):
    # As Meltano gives it for settings that a project defines without a kind.
    given = {
        "api_key": "12345678",
        "source_system": "7",
        "max_rejects": "5",
        "rejects_path": str(tmp_path / "rejects.jsonl"),
        "dry_run": "true",
        "field_policy": '{"name": "create_only"}',
        "stream_maps": '{"erp": {"__alias__": "customers"}}',
    }
    target = TargetUpwell(config=given)
    settings = target.settings
    assert (settings.api_key, settings.source_system) == ("12345678", "7")
    assert (settings.max_rejects, settings.dry_run) == (5, True)
    assert settings.field_policy == {"name": "create_only"}
    assert target.mapper.stream_maps_dict == {"erp": {"__alias__": "customers"}}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("dry_run", "yes", "dry_run: must be true or false"),
        ("max_retries", "many", "max_retries: must be a whole number"),
        ("stream_maps", "clients", "stream_maps: must be an object"),
        ("field_policy", "[]", "field_policy: must be an object"),
    ],
)
def test_text_that_can_not_be_read_is_told_what_it_must_be(name, value, message):
    with pytest.raises(ConfigurationError) as error:
        TargetUpwell(config={"api_key": "k", "source_system": "T", name: value})
    assert error.value.problems == (message,)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("dryrun", "dry_run"),
        ("max_reject", "max_rejects"),
        ("sourcesystem", "source_system"),
        ("DRY_RUN", "dry_run"),
    ],
)
def test_a_name_that_must_mean_a_setting_is_told_of(name, meant):
    words = "there is no such setting; did you mean"
    assert mistyped([name], SETTINGS) == [f"{name}: {words} {meant}?"]
    variable = f"{PREFIX}{name.upper()}"
    expected = [f"{variable}: {words} {PREFIX}{meant.upper()}?"]
    assert mistyped([variable], SETTINGS, PREFIX) == (
        [] if name.lower() in SETTINGS else expected
    )


@pytest.mark.parametrize(
    "name", ["colour", "hard_delete", "LOGLEVEL", "_LOAD_SCHEMA", "FAKER_CONFIG_SEED"]
)
def test_a_name_that_means_something_else_is_not(name):
    assert mistyped([f"{PREFIX}{name}"], SETTINGS, PREFIX) == []
    assert mistyped(["DRYRUN", "TARGET_OTHER_DRYRUN"], SETTINGS, PREFIX) == []


def test_a_mistyped_setting_ends_the_run_wherever_it_stands(monkeypatch, tmp_path):
    needed = {"api_key": "k", "source_system": "T"}
    with pytest.raises(ConfigurationError, match=r"^dryrun: .* mean dry_run\?$"):
        TargetUpwell(config={**needed, "dryrun": True})
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("TARGET_UPWELL_DRYRUN=true\n")
    with pytest.raises(ConfigurationError, match=r"DRYRUN: .* mean .*_DRY_RUN\?$"):
        TargetUpwell(config=needed, parse_env_config=True)
    # Meltano leaves its environment to what it runs.
    monkeypatch.setenv("TARGET_UPWELL_DRYRUN", "true")
    with pytest.raises(ConfigurationError, match=r"DRYRUN: .* mean .*_DRY_RUN\?$"):
        TargetUpwell(config=needed)
