"""The demo's play: load, change a little, load again, tell what was written.

Runs under `upwell-sandbox run --`, as `python -m demo` arranges. It checks what it
tells: where anything but the changes was written, a line says so and the exit code
is 1.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path

import click

from demo.account import Account, Surprise, describe
from demo.erp import SCHEMA, copy, customers
from demo.postgres import PostgresError, postgres
from demo.project import MeltanoError, Project

CUSTOMERS = 3000
ADDED = 8
UNTOUCHED = "100004"  # three addresses in one column
CHANGE = """
UPDATE erp.customers
SET email = 'ap@new-owner.example; cfo@new-owner.example',
    terms = 'N45',
    terms_days = 45,
    updated_at = timestamptz '2026-02-02 09:00Z' + customer_no * interval '1 second'
WHERE customer_no % 250 = 3
RETURNING customer_no;
"""


class Pipeline:
    """A Meltano project that loads into the sandbox."""

    def __init__(self, folder: Path, account: Account, sqlalchemy_url: str) -> None:
        environment = {**os.environ, "TAP_POSTGRES_SQLALCHEMY_URL": sqlalchemy_url}
        self._account = account
        self._folder = folder
        self._project = Project(folder / "project", environment)

    def load(self, title: str, **expected: int) -> list[str]:
        """Run it, tell what the target and the API counted, and check that.

        Args:
            title: The name of this load.
            expected: What should become of how many records.

        Returns:
            The source ids of the customers that were updated, sorted.

        Raises:
            MeltanoError: The pipeline failed.
            Surprise: Something else became of the records.
        """
        click.echo(f"\n{title}: meltano run tap-postgres target-upwell")
        log = self._folder / f"{title.lower().replace(' ', '-')}.log"
        began = time.monotonic()
        text = self._project.run("run", "tap-postgres", "target-upwell", log=log)
        seconds = time.monotonic() - began
        counts = _counts(text)
        requests = self._account.new_requests()
        created = sum(request["created"] for request in requests)
        updated = [
            source_id
            for request in requests
            if request["updated"]
            for source_id in request["sourceSystemIds"]
        ]
        told = ", ".join(f"{number} {fate}" for fate, number in counts.items())
        click.echo(
            f"  the target counted  {told}\n"
            f"  the API answered    {len(requests)} requests; {created} customers"
            f" created, {len(updated)} updated\n"
            f"  Meltano took        {seconds:.0f} s; its log is {os.path.relpath(log)}"
        )
        became = {fate: number for fate, number in counts.items() if number}
        _check(f"{title}, records by what became of them", became, expected)
        for fate, number in (("created", created), ("updated", len(updated))):
            what = f"{title}, customers {fate} in Upwell"
            _check(what, number, expected.get(fate, 0))
        return sorted(updated)


def play(folder: Path, account: Account) -> None:
    """Load, change, load again.

    Args:
        folder: Where logs and the Meltano project go.
        account: What the pipeline loads into.
    """
    click.echo(f"PostgreSQL starts, with an ERP of {CUSTOMERS} customers.")
    with postgres() as server:
        server.run(SCHEMA + copy(customers(CUSTOMERS)))
        pipeline = Pipeline(folder, account, server.sqlalchemy_url)
        pipeline.load("First load", created=CUSTOMERS)

        changed = server.run(CHANGE).split()
        server.run(copy(customers(ADDED, start=CUSTOMERS)))
        newest = server.run("SELECT max(customer_no) FROM erp.customers;").strip()
        click.echo(f"\nIn the ERP {len(changed)} customers change and {ADDED} are new.")
        updated = pipeline.load(
            "Second load", created=ADDED, updated=len(changed), unchanged=1
        )
        _check("Second load, updated customers", updated, sorted(changed))
    click.echo(
        "  Only the changes were written. The tap sent the record at its bookmark\n"
        "  again, as it does on every run: unchanged, and no write.\n"
        "\nThree customers as Upwell now holds them:"
    )
    for story, number in (
        ("as the first load left it", UNTOUCHED),
        ("changed since", changed[0]),
        ("new", newest),
    ):
        click.echo(f"\n  {number}, {story}")
        click.echo(describe(account.customer(number)))
    click.echo()


def stay(url: str) -> None:
    """Leave the sandbox up until Enter or Ctrl-C.

    Without a terminal there is nobody to look or to end it, and a scheduled run would
    hang for ever: the sandbox does not stay then.

    Args:
        url: Where the sandbox is.
    """
    if not sys.stdin.isatty():
        click.echo("There is no terminal to end the sandbox from, so it doesn't stay.")
        return
    try:
        click.echo(f"The sandbox stays up at {url}/\nEnter or Ctrl-C ends it.")
        sys.stdin.readline()
    except KeyboardInterrupt:
        click.echo()


def main() -> None:
    """Play; with `--keep`, leave the sandbox up to be looked at."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        account = Account(os.environ["UPWELL_SANDBOX_URL"])
        click.echo(f"What lands in the sandbox can be seen at {account.url}/")
        play(Path(sys.argv[1]), account)
        if "--keep" in sys.argv[2:]:
            stay(account.url)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except (MeltanoError, PostgresError, Surprise) as error:
        sys.exit(f"\n{error}")


def _counts(log: str) -> dict[str, int]:
    """Read the target's summary, the last line of its kind in the log."""
    lines = re.findall(r"\d+ records?: (.*)", log)
    if not lines:
        raise Surprise("the target's summary isn't in the log")
    pairs = re.findall(r"(\d+) (created|updated|unchanged|skipped|rejected)", lines[-1])
    return {fate: int(number) for number, fate in pairs}


def _check(what: str, seen: object, expected: object) -> None:
    if seen != expected:
        raise Surprise(f"{what}: {expected} expected, {seen} seen")


if __name__ == "__main__":
    main()
