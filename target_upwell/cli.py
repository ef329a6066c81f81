"""The command `target-upwell`: its edge, where every failure becomes one line.

It imports the rest only once a Ctrl-C can no longer end in a traceback.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import traceback
from typing import NoReturn

from target_upwell.printable import one_line

MOST_LOGGED_CHARACTERS = 10_000
"""Of a line: a dry run shows values whole."""

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

logger = logging.getLogger("target-upwell")


def command() -> NoReturn:
    """Run the command as a process of its own, and end it at once.

    A signal may leave threads behind that still wait for an answer. Where one of them
    is about to log, Python can't end in peace; and all that matters is written.
    """
    code: object = 1
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    for stream in (sys.stdout, sys.stderr):
        # Whoever read it may have gone, or there was none from the start.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else 1)


def main() -> NoReturn:
    """Run the command, and put each expected failure into one line."""
    # While modules are imported there is nothing to save; the run has its own handler.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        code = _run()
    finally:
        signal.signal(signal.SIGINT, before)
    sys.exit(code)


def _run() -> int:
    import click  # noqa: PLC0415

    from target_upwell.exceptions import (  # noqa: PLC0415
        ConfigurationError,
        TargetUpwellError,
    )
    from target_upwell.target import TargetUpwell  # noqa: PLC0415

    wrong_level = _wrong_level()
    try:
        # Sets up logging.
        command = TargetUpwell.cli
        for handler in logging.getLogger().handlers:
            handler.addFilter(in_one_line)
        if wrong_level:
            raise ConfigurationError([wrong_level])
        return command.main(standalone_mode=False) or 0
    except click.ClickException as error:
        logger.error("%s", error.format_message())
    except ConfigurationError as error:
        for problem in error.problems:
            logger.error("%s", problem)
    except TargetUpwellError as error:
        logger.error("%s", error, exc_info=logger.isEnabledFor(logging.DEBUG))
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        logger.error(
            "unexpected %s at %s; this is a defect of target-upwell, please report it "
            "with what LOGLEVEL=DEBUG shows",
            type(error).__name__,
            f"{place.name}:{place.lineno}",
            exc_info=logger.isEnabledFor(logging.DEBUG),
        )
    return 1


def _wrong_level() -> str:
    """Return what is wrong with the log level; the level is the default's then."""
    own = "TARGET_UPWELL_LOGLEVEL"
    variable = own if os.environ.get(own) else "LOGLEVEL"
    if os.environ.get(variable, "INFO").upper() in (*_LEVELS, ""):
        return ""
    del os.environ[variable]
    return f"{variable}: must be {', '.join(_LEVELS[:-1])} or {_LEVELS[-1]}"


def in_one_line(record: logging.LogRecord) -> bool:
    """Make whatever is logged one short printable line, the SDK's own lines too."""
    message = record.getMessage()
    line = one_line(message, MOST_LOGGED_CHARACTERS)
    # What is one already stays: structured logs take a metric from its arguments.
    if line != message:
        record.msg, record.args = line, None
    return True
