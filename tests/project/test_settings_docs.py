"""What the documentation says of settings is what the target says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from singer_sdk.plugin_base import JSONSchemaValidator

from target_upwell.customers.schema import SCHEMA
from target_upwell.singer.configuration import dotenv
from target_upwell.target import TargetUpwell

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "settings_docs.py"


def schema():
    return TargetUpwell.settings_schema()


def loader():
    project = yaml.safe_load((ROOT / "meltano.yml").read_text("utf-8"))
    return project["plugins"]["loaders"][0]


def hub():
    return yaml.safe_load((ROOT / "hub" / "target-upwell.yml").read_text("utf-8"))


@pytest.fixture(params=[loader, hub], ids=["meltano.yml", "hub"])
def plugin(request):
    """The two definitions of the plugin."""
    return request.param()


def test_what_make_docs_writes_is_current():
    checked = subprocess.run(
        [sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_make_docs_runs_the_script():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(
        r"^docs:.*\n\t.*scripts/settings_docs\.py$", makefile, re.MULTILINE
    )


def test_meltano_knows_every_setting(plugin):
    names = [setting["name"] for setting in plugin["settings"]]
    faker = {"faker_config.locale", "faker_config.seed"}
    own = {*schema()["properties"], *faker} - {"faker_config"}
    assert sorted(names) == sorted(own)


def test_only_the_key_is_sensitive(plugin):
    sensitive = [s["name"] for s in plugin["settings"] if s.get("sensitive")]
    assert sensitive == ["api_key"]


def test_the_required_settings_are_one_group(plugin):
    assert plugin["settings_group_validation"] == [["api_key", "source_system"]]


def test_the_defaults_are_valid_and_the_programs_own(plugin):
    values = {s["name"]: s["value"] for s in plugin["settings"] if "value" in s}
    own = {
        name: definition["default"]
        for name, definition in schema()["properties"].items()
        if "default" in definition
    }
    assert values == own
    given = values | {"api_key": "key", "source_system": "TMSEZ"}
    assert not list(JSONSchemaValidator(schema()).iter_errors(given))


def test_options_are_the_values_that_are_allowed(plugin):
    for setting in plugin["settings"]:
        allowed = schema()["properties"].get(setting["name"], {}).get("enum")
        if allowed:
            assert [option["value"] for option in setting["options"]] == allowed
            assert all(option["label"] for option in setting["options"])


def test_the_example_of_an_env_file_has_every_setting_and_can_be_read(monkeypatch):
    text = (ROOT / ".env.example").read_text("utf-8")
    switched_on = re.sub(r"^# (?=TARGET_)", "", text, flags=re.MULTILINE)
    path_of_all = {
        f"TARGET_UPWELL_{name.upper()}": name for name in schema()["properties"]
    }
    lines = re.findall(r"^(TARGET_UPWELL_\w+)=(.*)$", switched_on, re.MULTILINE)
    assert [name for name, _ in lines] == list(path_of_all)
    given = {name: value.strip("'") for name, value in lines if value}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    needed = {"api_key": "key", "source_system": "TMSEZ"}
    target = TargetUpwell(config=needed, parse_env_config=True)
    assert set(target.config) >= {path_of_all[name] for name in given}


def test_nothing_is_switched_on_in_the_example_of_an_env_file():
    # An empty variable would win over what the project sets.
    assert dotenv(ROOT / ".env.example") == {}


def test_the_page_on_settings_describes_every_setting():
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    for name in schema()["properties"]:
        assert f"`{name}`" in page


def test_settings_that_make_no_sense_here_are_explained_and_not_offered():
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    section = page.split("## Settings of other targets")[1]
    explained = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    assert explained == {"add_record_metadata", "hard_delete", "default_target_schema"}
    assert not explained & schema()["properties"].keys()


def test_every_property_is_described_with_an_example_or_why_there_is_none():
    page = (ROOT / "docs" / "mapping.md").read_text("utf-8")
    for name in SCHEMA["properties"]:
        row = re.search(rf"^\| `{name}` \|(.*)\|$", page, re.MULTILINE)
        assert row
        assert all(cell.strip() for cell in row[1].split("|")), name
