"""A target's configuration: where settings come from, and whether they are right.

Each override of an underscored method of the SDK says why.
"""

from __future__ import annotations

import copy
import json
import os
from contextlib import suppress
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from dotenv import dotenv_values
from singer_sdk import Target
from singer_sdk.plugin_base import JSONSchemaValidator

from target_upwell import config_checks
from target_upwell.customers import field_policy
from target_upwell.customers.names import surely
from target_upwell.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from singer_sdk.plugin_base import _ConfigInput

_BOOLEANS = dict.fromkeys(("true", "1", "yes", "on"), True) | dict.fromkeys(
    ("false", "0", "no", "off", ""), False
)
"""What the SDK takes in an environment variable, and what else is not mistyped."""


class ConfiguredTarget(Target):
    """A target whose configuration is checked before anything else happens."""

    @classmethod
    def settings_schema(cls) -> dict[str, Any]:
        """Return the JSON schema of all settings, those of the SDK included."""
        schema = copy.deepcopy(cls.config_jsonschema)
        cls.append_builtin_config(schema)
        return schema

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Offer the SDK's settings, without the one that does nothing here."""
        super().append_builtin_config(config_jsonschema)
        properties = config_jsonschema["properties"]
        properties.pop("add_record_metadata", None)
        # The SDK's words are for whoever writes a plugin.
        properties["faker_config"] = {
            **properties["faker_config"],
            "description": (
                "Settings of `fake` (the library Faker) in the expressions of stream "
                "maps. It comes with the extra: install target-upwell[faker]."
            ),
        }

    @classmethod
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> _ConfigInput:
        """Return what the configuration files hold; the last one wins."""
        given = super().cb_config(ctx, param, ())
        for path in value:
            if path == "ENV":
                given.parse_env = True
            else:
                given.config |= _config_file(path)
        return given

    @property
    def _env_var_config(self) -> dict[str, Any]:
        """The settings that the environment and `.env` hold.

        Overridden because the SDK lets `.env` override what is set (0.55), or looks
        for it from its own folder upwards (0.54), and takes a mistyped boolean for
        false.
        """
        variables = dotenv(Path(".env")) | os.environ
        known = self.settings_schema()["properties"]
        if problems := mistyped(variables, known, self._env_var_prefix):
            raise ConfigurationError(problems)
        found: dict[str, Any] = {}
        for name, definition in known.items():
            text = variables.get(f"{self._env_var_prefix}{name.upper()}")
            if text is not None:
                is_boolean = "boolean" in definition.get("type", ())
                found[name] = _BOOLEANS.get(text.lower(), text) if is_boolean else text
        return found

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Return what is wrong with the configuration.

        Overridden because the SDK's messages quote the value, which may be the key.
        """
        schema = self.settings_schema()
        known = schema["properties"]
        typed = {n: _typed(one, known.get(n, {})) for n, one in self._config.items()}
        given = {name: one for name, one in typed.items() if one is not None}
        self._config = given
        try:
            errors = [
                config_checks.worded(error, self._env_var_prefix, os.environ)
                for error in JSONSchemaValidator(schema).iter_errors(given)
            ]
        except AttributeError:
            # The SDK's schema of stream maps is broken in this one place.
            errors = ["stream_maps: `__else__` takes only null or `__NULL__`"]
        errors = errors or [
            *config_checks.problems(given, os.environ.get("UPWELL_SANDBOX_URL", "")),
            *field_policy.problems(
                given.get("field_policy", {}),
                deletes=given["missing_customers"] == "delete",
            ),
        ]
        errors += mistyped(given, known)
        errors += mistyped(os.environ, known, self._env_var_prefix)
        if given.get("faker_config") and not find_spec("faker"):
            errors.append("faker_config: install target-upwell[faker], which it needs")
        if errors and raise_errors:
            raise ConfigurationError(errors)
        for name in sorted(given.keys() - known.keys()):
            self.logger.warning("%s: there is no such setting; it is ignored", name)
        return errors


def _config_file(path: str) -> dict[str, Any]:
    """Return what a configuration file holds; no message quotes any of it."""
    why = "it is not a JSON object"
    try:
        found = json.loads(Path(path).read_text("utf-8-sig"), parse_float=Decimal)
        if isinstance(found, dict):
            return found
    except OSError as error:
        why = error.strerror or type(error).__name__
    except (ValueError, RecursionError):
        why = "it is not valid JSON"
    raise click.ClickException(f"--config: {path!r} can't be read: {why}")


def _typed(value: Any, definition: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """Return a setting, read as JSON if it is text and should be something else.

    Environment variables are text, and Meltano passes as text each setting that a
    project defines without its kind.
    """
    if isinstance(value, str) and "string" not in definition.get("type", "string"):
        with suppress(ValueError, RecursionError):
            return json.loads(value, parse_float=Decimal)
    return value


def dotenv(path: Path) -> dict[str, str]:
    """Return the variables of a `.env` file; none if there is no such file."""
    try:
        found = dotenv_values(path, encoding="utf-8-sig")
    except UnicodeDecodeError:
        why = "it is not UTF-8; save it as UTF-8"
    except OSError as error:
        why = f"it can't be read: {error.strerror}"
    else:
        return {name: value for name, value in found.items() if value is not None}
    raise ConfigurationError([f"{path}: {why}"])


def mistyped(
    names: Iterable[str], known: Collection[str], prefix: str = ""
) -> list[str]:
    """Return a line for each name that must mean a setting and is none.

    A `dryrun` that is only warned about would be a real run.
    """
    found = []
    for name in sorted(names):
        setting = name.removeprefix(prefix)
        if prefix:
            setting = setting.lower()
        # Meltano's variables for members of a setting, such as FAKER_CONFIG_SEED.
        is_member = any(setting.startswith(f"{one}_") for one in known)
        if not name.startswith(prefix) or setting in known or is_member:
            continue
        if meant := surely(setting, known):
            meant = f"{prefix}{meant.upper()}" if prefix else meant
            found.append(f"{name}: there is no such setting; did you mean {meant}?")
    return found
