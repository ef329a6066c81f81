"""The commands of `upwell-sandbox` and their options."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from target_upwell.sandbox import run as runner
from target_upwell.sandbox.server.faults import FaultSettings
from target_upwell.sandbox.server.readings import Readings
from target_upwell.sandbox.server.server import Options, is_loopback

_Command = TypeVar("_Command", bound=Callable[..., None])
_PERCENT = click.FloatRange(0, 100)
_DEFAULT_PORT = 8420
_RUN_HELP = """Run COMMAND against a sandbox, and say what the account holds afterwards.

COMMAND runs with these environment variables:

\b
  TARGET_UPWELL_API_URL        the sandbox's address, always
  UPWELL_SANDBOX_URL           the same, always: a target-upwell that would
                               talk to any other address refuses to start
  TARGET_UPWELL_API_KEY        the sandbox's key, where it is not set
  TARGET_UPWELL_SOURCE_SYSTEM  SANDBOX, where it is not set

target-upwell reads them with --config=ENV, and then they override api_url,
api_key and source_system of a configuration file. The exit code is COMMAND's.
"""


class _ServeByDefault(click.Group):
    """A group that serves when no command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["serve", *args]
        return super().parse_args(ctx, args)


def _loopback(_context: click.Context, _option: click.Parameter, host: str) -> str:
    if not is_loopback(host):
        raise click.BadParameter("the sandbox listens on loopback addresses only")
    return host


def _names(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _options(default_port: int, *key_names: str) -> Callable[[_Command], _Command]:
    """Return a decorator that adds the options of both commands."""
    options = [
        click.option(
            "--host",
            default="127.0.0.1",
            show_default=True,
            callback=_loopback,
            help="Loopback address to listen on.",
        ),
        click.option(
            "--port",
            default=default_port,
            show_default=True,
            type=click.IntRange(0, 65535),
            help="Port to listen on; 0 for one that is free.",
        ),
        click.option(
            "--database",
            default=":memory:",
            type=click.Path(dir_okay=False),
            help="SQLite file that keeps the account; in memory if not given.",
        ),
        click.option(
            "--api-key",
            default="sandbox-key",
            show_default=True,
            envvar=["UPWELL_SANDBOX_API_KEY", *key_names],
            show_envvar=True,
            help="Key that requests must carry.",
        ),
        click.option("--seed", type=int, help="Makes the random faults repeatable."),
        click.option(
            "--latency",
            default=0.0,
            type=click.FloatRange(min=0),
            metavar="MS",
            help="Milliseconds that every request waits.",
        ),
        click.option(
            "--rate-limit",
            type=click.IntRange(min=1),
            metavar="N",
            help="Requests let through in any second; the others get a 429.",
        ),
        click.option(
            "--retry-after",
            default="seconds",
            show_default=True,
            type=click.Choice(["seconds", "date", "none"]),
            help="Form of the Retry-After header of a 429.",
        ),
        *(
            click.option(
                f"--fault-{name}", default=0.0, type=_PERCENT, metavar="%", help=text
            )
            for name, text in (
                ("429", "Percent of requests refused as too many."),
                ("500", "Percent of requests that end in an internal error."),
                ("502", "Percent of requests that a proxy answers, in HTML."),
                ("503", "Percent of requests answered as unavailable, in HTML."),
                ("reset", "Percent of connections cut before the request counts."),
                ("lost-reply", "Percent of connections cut after it has counted."),
            )
        ),
        click.option(
            "--search-cap",
            type=click.IntRange(min=0),
            metavar="N",
            help="Customers that a search returns at most, whatever its limit.",
        ),
        click.option(
            "--max-body",
            type=click.IntRange(min=0),
            metavar="BYTES",
            help="Size of the largest body; a larger one gets a 413.",
        ),
        click.option(
            "--refuse-name",
            metavar="REGEX",
            help="Customer names to refuse without saying which row it was.",
        ),
        *(
            click.option(
                f"--{name}", default="", callback=_names, metavar="NAMES", help=text
            )
            for name, text in (
                ("not-insertable", "Properties that the key may not insert: a,b."),
                ("not-updatable", "Columns that the key may not update: a,b."),
                ("rule-not-updatable", "Columns of the rule that it may not update."),
            )
        ),
        *(
            click.option(f"--{name}", is_flag=True, help=text)
            for name, text in (
                (
                    "missing-set-is-empty",
                    "Accept a PUT without input or customerRulesInput.",
                ),
                (
                    "empty-set-counts",
                    "Count a row for an empty set, as a preset column makes it.",
                ),
                (
                    "search-hides-deleted",
                    "Leave deleted customers out of reads.",
                ),
                (
                    "search-refuses-deleted-at",
                    "Refuse conditions on deletedAt in a search.",
                ),
            )
        ),
        click.option(
            "--error-shape",
            default="runtime",
            show_default=True,
            type=click.Choice(["runtime", "documented"]),
            help="Bodies of refusals: as the API was seen to send them, or as its"
            " documentation shows them.",
        ),
    ]

    def decorate(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _to_options(given: dict[str, Any]) -> Options:
    own = {name: given.pop(name) for name in ("host", "port", "database", "api_key")}
    seed = given.pop("seed")
    of_readings = {name: given.pop(name) for name in Readings.__struct_fields__}
    try:
        return Options(
            **own,
            seed=seed,
            faults=FaultSettings(**given),
            readings=Readings(**of_readings),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@click.group(cls=_ServeByDefault)
def cli() -> None:
    """A local stand-in for the customers part of the Upwell API."""


@cli.command()
@_options(_DEFAULT_PORT)
def serve(**given: Any) -> None:  # noqa: ANN401 - the options above
    """Serve until told to stop. This is what happens without a command."""
    sys.exit(asyncio.run(runner.serve(_to_options(given))))


# A key in the environment is the one that the command will send.
@cli.command(help=_RUN_HELP)
@_options(0, "TARGET_UPWELL_API_KEY")
@click.option(
    "--keep",
    is_flag=True,
    help="Leave the sandbox and its page up after COMMAND, until Ctrl-C.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(command: tuple[str, ...], *, keep: bool, **given: Any) -> None:  # noqa: ANN401 - the options above
    """Run COMMAND against a sandbox, and say what the account holds afterwards."""
    sys.exit(asyncio.run(runner.run(_to_options(given), command, keep=keep)))
