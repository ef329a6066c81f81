"""The definition for Meltano Hub keeps to the Hub's rules, written down here."""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from target_command import COMMAND

ROOT = Path(__file__).resolve().parents[2]
PATH = ROOT / "hub" / "target-upwell.yml"

REQUIRED = {"name", "namespace", "variant", "quality"}
EXPECTED = {
    *("capabilities", "description", "domain_url", "executable", "keywords", "label"),
    *("log_parser", "logo_url", "maintenance_status", "pip_url", "repo", "settings"),
    *("settings_group_validation", "supported_python_versions", "usage"),
}
ALLOWED = (
    REQUIRED
    | EXPECTED
    | {
        *("commands", "definition", "dialect", "docs", "hidden", "next_steps"),
        *("prereq", "python", "requires", "settings_preamble", "target_schema"),
    }
)
ONE_OF = {
    "maintenance_status": {"active", "beta", "development", "inactive", "unknown"},
    "quality": {"gold", "silver", "bronze", "unknown"},
}
CAPABILITIES = {
    *("about", "activate-version", "batch", "datatype-failsafe", "hard-delete"),
    *("schema-flattening", "soft-delete", "stream-maps", "structured-logging"),
    *("target-schema", "validate-records"),
}
SETTING_KEYS = {
    *("aliases", "description", "docs", "documentation", "env", "hidden", "kind"),
    *("label", "name", "oauth", "options", "placeholder", "sensitive", "tooltip"),
    *("value", "value_post_processor", "value_processor"),
}
SETTING_KINDS = {
    *("array", "boolean", "date_iso8601", "decimal", "email", "file", "hidden"),
    *("integer", "oauth", "object", "options", "password", "string"),
}


class Ordered(yaml.SafeLoader):
    """Refuses what the Hub's linter refuses."""


def _mapping(loader, node, deep=False):
    keys = [key.value for key, _ in node.value]
    assert keys == sorted(keys), f"keys are not in order: {keys}"
    assert not node.flow_style or not node.value, "a mapping in braces"
    return yaml.SafeLoader.construct_mapping(loader, node, deep)


Ordered.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


@pytest.fixture(scope="module")
def definition():
    return yaml.load(PATH.read_text("utf-8"), Ordered)


def test_it_has_the_keys_that_the_hub_wants_and_no_others(definition):
    assert definition.keys() >= REQUIRED | EXPECTED
    assert definition.keys() <= ALLOWED


def test_its_names_are_those_of_the_package(definition):
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert f'name = "{definition["pip_url"]}"' in project
    assert f"\n{definition['executable']} = " in project
    assert definition["name"] == "target-upwell"
    assert definition["namespace"] == definition["name"].replace("-", "_")
    assert re.fullmatch(r"[a-z0-9-]+", definition["variant"])


@pytest.mark.parametrize("key", ONE_OF)
def test_what_is_one_of_a_few_values_is_one_of_them(definition, key):
    assert definition[key] in ONE_OF[key]


def test_its_capabilities_are_true_and_known_to_the_hub(definition):
    described = subprocess.run(
        [COMMAND, "--about", "--format", "json"],
        capture_output=True,
        check=True,
    )
    about = json.loads(described.stdout)
    assert definition["capabilities"] == sorted(about["capabilities"])
    assert set(definition["capabilities"]) <= CAPABILITIES
    assert definition["supported_python_versions"] == about["supported_python_versions"]


def test_it_is_found_and_logged_as_a_target_on_the_sdk(definition):
    assert "meltano_sdk" in definition["keywords"]
    assert definition["log_parser"] == "singer-sdk"
    assert "structured-logging" in definition["capabilities"]


def test_its_settings_are_in_order_and_of_known_kinds(definition):
    names = [setting["name"] for setting in definition["settings"]]
    assert names == sorted(names)
    for setting in definition["settings"]:
        assert setting.keys() <= SETTING_KEYS
        assert setting["kind"] in SETTING_KINDS
        assert ("options" in setting) == (setting["kind"] == "options")
        for option in setting.get("options", []):
            assert option.keys() == {"label", "value"}
            assert isinstance(option["value"], str)


def test_every_group_of_required_settings_names_settings(definition):
    names = {setting["name"] for setting in definition["settings"]}
    for group in definition["settings_group_validation"]:
        assert set(group) <= names


def test_python_versions_are_written_as_the_hub_writes_them(definition):
    for version in definition["supported_python_versions"]:
        assert re.fullmatch(r"3\.\d+", version)


def test_its_addresses_are_addresses(definition):
    for key in ("domain_url", "repo"):
        parts = urlsplit(definition[key])
        assert parts.scheme == "https"
        assert parts.hostname


def test_its_logo_is_where_the_hub_keeps_logos(definition):
    assert definition["logo_url"] == "/assets/logos/loaders/upwell.svg"


def test_the_configuration_in_its_text_is_yaml_with_a_key_for_the_customers(definition):
    blocks = re.findall(r"```yaml\n(.*?)```", definition["usage"], re.DOTALL)
    assert blocks
    for block in blocks:
        for stream in yaml.safe_load(block)["stream_maps"].values():
            assert stream["__alias__"] == "customers"
            assert set(stream["__key_properties__"]) <= stream.keys()


def test_its_maintainer_is_its_variant(definition):
    maintainers = yaml.safe_load((ROOT / "hub" / "maintainers.yml").read_text("utf-8"))
    [(key, maintainer)] = maintainers.items()
    assert key == maintainer["name"] == definition["variant"].lower()
    assert maintainer["url"] == definition["repo"].rpartition("/")[0]


def test_its_readme_says_where_each_file_goes():
    readme = (ROOT / "hub" / "README.md").read_text("utf-8")
    for path in (ROOT / "hub").iterdir():
        assert path.name == "README.md" or f"| `{path.name}` |" in readme


@pytest.mark.parametrize("path", ["hub/target-upwell.svg", "docs/images/logo.svg"])
def test_the_logo_is_a_square_drawing_that_loads_nothing(path):
    text = (ROOT / path).read_text("utf-8")
    root = ET.fromstring(text)
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    assert (left, top) == (0, 0)
    assert width == height
    assert "href" not in text
    assert "<script" not in text
    assert len(text) < 4000
