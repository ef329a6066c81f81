"""Settings that a test can change while the sandbox runs, and restore afterwards."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

Settings = TypeVar("Settings", bound=msgspec.Struct)


class Changeable(Generic[Settings]):
    """Settings in force, and those to go back to.

    Attributes:
        settings: The settings in force.
    """

    def __init__(self, settings: Settings) -> None:
        self._kind = type(settings)
        self._start = msgspec.json.encode(settings)
        self.settings = settings

    def change(self, given: dict[str, Any]) -> None:
        """Set the named settings, and leave the others as they are.

        Raises:
            ValueError: When a setting is unknown or out of range; nothing changes.
        """
        present = msgspec.to_builtins(self.settings)
        self.settings = msgspec.convert({**present, **given}, self._kind)

    def restore(self) -> None:
        """Go back to the settings that the sandbox was started with."""
        self.settings = msgspec.json.decode(self._start, type=self._kind)
