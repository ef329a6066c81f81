"""The command `target-upwell`: its edge, where every failure becomes one line."""

from __future__ import annotations

import logging
import signal
import sys

import click
from singer_sdk.exceptions import RecordsWithoutSchemaException

from target_upwell.exceptions import RunError
from target_upwell.singer.signals import EXIT_BY_SIGNAL
from target_upwell.target import TargetUpwell

logger = logging.getLogger("target-upwell")


def main() -> None:
    """Run the command, and put each expected failure into one line."""
    command = TargetUpwell.cli
    code = 1
    try:
        code = command.main(standalone_mode=False) or 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except (KeyboardInterrupt, click.Abort):
        # Before the run handles signals itself; there is nothing to save yet.
        code = EXIT_BY_SIGNAL + signal.SIGINT
    except click.ClickException as error:
        logger.error(error.format_message())
    except (RunError, RecordsWithoutSchemaException) as error:
        logger.error("%s", error, exc_info=logger.isEnabledFor(logging.DEBUG))
    except Exception as error:
        place = error.__traceback__
        while place and place.tb_next:
            place = place.tb_next
        logger.error(
            "unexpected %s at %s; this is a defect of target-upwell, please report it "
            "with what LOGLEVEL=DEBUG shows",
            type(error).__name__,
            f"{place.tb_frame.f_code.co_name}:{place.tb_lineno}" if place else "?",
            exc_info=logger.isEnabledFor(logging.DEBUG),
        )
    sys.exit(code)
