"""Write what the documentation says of settings and properties, from the target itself.

`make docs` runs it. The settings come from `target-upwell --about --format json`, the
tables of properties from `property_docs.py`, so that no table is kept by hand. With
`--check` it writes nothing and names the files that are not current.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from markdown_table import table
from property_docs import property_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[1]
COMMAND = Path(sys.executable).with_name("target-upwell")
PREFIX = "TARGET_UPWELL_"
LINE_WIDTH = 88

SDK_SETTINGS = re.compile("stream_map|faker|flattening")
"""Settings that every target built on the SDK has."""

SPLIT = {"faker_config": {"locale": "array", "seed": "string"}}
"""Settings that Meltano gets member by member, of these kinds, as other targets do."""

OPTION_LABELS = {
    "load_method": {
        "upsert": "Create and update",
        "append-only": "Only create",
        "update-only": "Only update",
    },
    "missing_customers": {
        "ignore": "Leave them",
        "report": "List them as drift",
        "delete": "Mark them as deleted",
    },
    "null_handling": {
        "clear": "A null clears the field",
        "keep": "A null leaves the field",
    },
    "unmapped_properties": {
        "ignore": "Drop them with a warning",
        "metadata": "Put them under metadata",
        "reject": "Reject the record",
    },
    "unknown_streams": {
        "fail": "Stop the run",
        "ignore": "Drop their records",
    },
}
"""What a person reads in Meltano beside a value of a setting."""


class Folded(str):
    """Text that YAML writes over several lines, as one paragraph."""

    __slots__ = ()


class Literal(str):
    """Text that YAML writes line by line."""

    __slots__ = ()


class Dumper(yaml.SafeDumper):
    """Writes YAML with the two styles of text."""


class IndentingDumper(Dumper):
    """Writes lists one level further in than the name that they belong to."""

    def increase_indent(
        self,
        flow: bool = False,
        indentless: bool = False,  # noqa: ARG002 - the base class's signature
    ) -> None:
        """Go one level further in."""
        super().increase_indent(flow, indentless=False)


def _styled(style: str) -> Callable[[Dumper, str], yaml.ScalarNode]:
    def represent(dumper: Dumper, text: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style=style)

    return represent


Dumper.add_representer(Folded, _styled(">"))
Dumper.add_representer(Literal, _styled("|"))


def about() -> dict[str, Any]:
    """Ask the target what it is."""
    described = subprocess.run(  # noqa: S603 - the command of this environment
        [COMMAND, "--about", "--format", "json"],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(described.stdout)
    return found


def kind_of(definition: dict[str, Any]) -> str:
    """Name the kind of a setting as Meltano does.

    Raises:
        ValueError: If Meltano has none for it.
    """
    if "enum" in definition:
        return "options"
    kinds = [name for name in definition["type"] if name != "null"]
    known = {"string", "integer", "boolean", "object", "array"}
    if len(kinds) != 1 or kinds[0] not in known:
        raise ValueError(f"Meltano has no kind for {definition['type']}")
    return str(kinds[0])


def meltano_setting(name: str, definition: dict[str, Any]) -> dict[str, Any]:
    """Describe a setting as Meltano wants it."""
    setting: dict[str, Any] = {
        "name": name,
        "label": definition["title"],
        "description": Folded(definition["description"]),
        "kind": kind_of(definition),
    }
    if definition.get("secret"):
        setting["sensitive"] = True
    if "default" in definition:
        setting["value"] = definition["default"]
    if "enum" in definition:
        labels = OPTION_LABELS[name]
        setting["options"] = [
            {"label": labels[value], "value": value} for value in definition["enum"]
        ]
    return setting


def meltano_settings(description: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the settings as Meltano wants them, in the order of the target's."""
    for name, definition in settings_of(description).items():
        members = definition.get("properties", {})
        for member, found in members.items() if name in SPLIT else ():
            kind = SPLIT[name][member]
            yield meltano_setting(f"{name}.{member}", {**found, "type": [kind]})
        if name not in SPLIT:
            yield meltano_setting(name, definition)


def settings_of(description: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Give the settings by name, in the order in which the target tells them."""
    found: dict[str, dict[str, Any]] = description["settings"]["properties"]
    return found


# The files


def with_meltano_settings(text: str, description: dict[str, Any]) -> str:
    """Put the settings into `meltano.yml`."""
    block = {
        "settings_group_validation": [description["settings"]["required"]],
        "settings": list(meltano_settings(description)),
    }
    indent = " " * 6
    written = yaml.dump(
        block,
        Dumper=IndentingDumper,
        sort_keys=False,
        allow_unicode=True,
        width=LINE_WIDTH - len(indent),
    )
    return _between(
        text,
        f"{indent}# settings: made by scripts/settings_docs.py\n",
        f"{indent}# settings: end\n",
        textwrap.indent(written, indent),
    )


def with_hub_definition(text: str, description: dict[str, Any]) -> str:
    """Put settings and capabilities into the definition for Meltano Hub.

    The rest of the file is kept, in the Hub's order and style.
    """
    definition: dict[str, Any] = yaml.safe_load(text)
    definition["capabilities"] = sorted(description["capabilities"])
    definition["description"] = description["description"]
    definition["settings_group_validation"] = [description["settings"]["required"]]
    definition["supported_python_versions"] = description["supported_python_versions"]
    definition["settings"] = sorted(
        meltano_settings(description), key=lambda setting: setting["name"]
    )
    for name in ("next_steps", "settings_preamble", "usage"):
        if definition.get(name):
            definition[name] = Literal(definition[name])
    return yaml.dump(
        definition, Dumper=Dumper, sort_keys=True, allow_unicode=True, width=LINE_WIDTH
    )


def env_example(description: dict[str, Any]) -> str:
    """Write the environment variables of the settings, as `.env` takes them."""
    lines = [
        "# Settings of target-upwell. Copy this file to .env in the folder that you",
        "# run it in (a Meltano project's root), and take the # off the lines that you",
        "# fill in. Keep .env out of version control: it holds your API key. What is",
        "# set in the environment wins over it. Made by scripts/settings_docs.py.",
    ]
    for name, definition in settings_of(description).items():
        told = f"{definition['title']}: {definition['description']}"
        lines += ["", *(f"# {line}" for line in textwrap.wrap(told, LINE_WIDTH - 2))]
        lines.append(f"# {PREFIX}{name.upper()}={_env_value(definition)}")
    return "\n".join(lines) + "\n"


def _env_value(definition: dict[str, Any]) -> str:
    default = definition.get("default")
    if default is None:
        return "'{}'" if "object" in definition["type"] else ""
    return default if isinstance(default, str) else json.dumps(default)


def with_settings_table(text: str, description: dict[str, Any]) -> str:
    """Put the table of settings into the page on settings."""
    required = description["settings"]["required"]
    rows = []
    for name, definition in settings_of(description).items():
        if SDK_SETTINGS.match(name):
            continue
        if "enum" in definition:
            kind = ", ".join(f"`{value}`" for value in definition["enum"])
        else:
            kind = kind_of(definition) + (
                ", secret" if definition.get("secret") else ""
            )
        default = definition.get("default")
        shown = "required" if name in required else "none"
        if default is not None:
            text_of = default if isinstance(default, str) else json.dumps(default)
            shown = f"`{text_of}`"
        rows.append((f"`{name}`", kind, shown, definition["description"]))
    others = [
        f"`{name}`" for name in settings_of(description) if SDK_SETTINGS.match(name)
    ]
    made = table(("Setting", "Kind", "Default", "What it does"), rows)
    told = textwrap.fill(
        f"The Meltano SDK adds {', '.join(others[:-1])} and {others[-1]}.", LINE_WIDTH
    )
    return _between_comments(text, "settings", f"{made}\n{told}\n")


def with_property_tables(text: str, _description: dict[str, Any]) -> str:
    """Put the tables of properties and of examples into the page on mapping."""
    for name, made in property_tables().items():
        text = _between_comments(text, name, made)
    return text


def _between_comments(text: str, name: str, content: str) -> str:
    begin = f"<!-- {name}: made by scripts/settings_docs.py -->\n"
    return _between(text, begin, f"<!-- {name}: end -->\n", f"\n{content}\n")


def _between(text: str, begin: str, end: str, content: str) -> str:
    """Replace what stands between two lines.

    Raises:
        ValueError: If one of them is missing or comes twice.
    """
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"there should be one line {begin.strip()!r}, and its end")
    before, rest = text.split(begin)
    return f"{before}{begin}{content}{end}{rest.split(end)[1]}"


FILES: dict[str, Callable[[str, dict[str, Any]], str]] = {
    "docs/settings.md": with_settings_table,
    "meltano.yml": with_meltano_settings,
    "hub/target-upwell.yml": with_hub_definition,
    "docs/mapping.md": with_property_tables,
    ".env.example": lambda _text, description: env_example(description),
}


def main() -> int:
    """Write the files, or check them.

    Returns:
        The exit code: 1 if a file was not current.
    """
    check = sys.argv[1:] == ["--check"]
    description = about()
    stale = 0
    for name, rewritten in FILES.items():
        path = ROOT / name
        present = path.read_text("utf-8") if path.exists() else ""
        wanted = rewritten(present, description)
        if wanted == present:
            continue
        stale += 1
        if check:
            print(f"{name} is not current; run `make docs`")
        else:
            path.write_text(wanted, "utf-8")
            print(f"{name} written")
    return int(bool(check and stale))


if __name__ == "__main__":
    sys.exit(main())
