"""The log: whoever writes to it, each message is one short printable line."""

from __future__ import annotations

import logging

from target_upwell.printable import one_line

MOST_CHARACTERS = 10_000
"""Of a line: a dry run shows values whole."""


class OneLine(logging.Filter):
    """Has whatever is logged pass through `one_line`, the SDK's own lines too."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return true, with the message in one line."""
        message = record.getMessage()
        line = one_line(message, MOST_CHARACTERS)
        # What is one already stays: structured logs take a metric from its arguments.
        if line != message:
            record.msg, record.args = line, None
        return True
