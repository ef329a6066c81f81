"""The demo's play: four loads into the sandbox, and what may go wrong in them.

Runs under `upwell-sandbox run --`, as `python -m demo` arranges. It checks what it
tells: where something does not hold, a line says so and the exit code is 1.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import psutil

from demo.account import Account, Surprise
from demo.erp import SCHEMA, copy, customers
from demo.postgres import Postgres, PostgresError, postgres
from demo.project import MeltanoError, Project
from demo.words import folded, short, side_by_side

if TYPE_CHECKING:
    from subprocess import Popen

CUSTOMERS = 3000
ADDED = 8
KILLED_AT = 1000
LOST_REPLIES = 2
SLOW_MILLISECONDS = 200
POLL_SECONDS = 0.02
SHOWN = "100004"  # three addresses in one column
BAD = str(100_001 + CUSTOMERS + 2)
MAPPED = (
    "sourceSystemId",
    "name",
    "emailAddress",
    "ccEmailAddresses",
    "addresses",
    "customerRule",
    "metadata",
)
ROW = f"SELECT row_to_json(c) FROM erp.customers c WHERE customer_no = {SHOWN};"  # noqa: S608 - a constant
BREAK = f"UPDATE erp.customers SET country = 'Freedonia' WHERE customer_no = {BAD};"  # noqa: S608 - likewise
CHANGE = """
UPDATE erp.customers
SET email = 'ap@new-owner.example; cfo@new-owner.example',
    terms = 'N45',
    terms_days = 45,
    updated_at = timestamptz '2026-02-02 09:00Z' + customer_no * interval '1 second'
WHERE customer_no % 250 = 4
RETURNING customer_no;
"""


class Pipeline:
    """A Meltano project that loads into the sandbox.

    Attributes:
        project: The project's folder.
    """

    def __init__(self, folder: Path, sqlalchemy_url: str) -> None:
        self.project = folder / "project"
        self._logs = folder
        self._meltano = Project(
            self.project,
            {
                **os.environ,
                "TAP_POSTGRES_SQLALCHEMY_URL": sqlalchemy_url,
                "TARGET_UPWELL_MAX_REJECTS": "20",
                "TARGET_UPWELL_REJECTS_PATH": "rejects.singer",
                "TARGET_UPWELL_SYNC_LOG_PATH": "sync-log.jsonl",
            },
        )

    def install(self) -> None:
        """Install tap and target."""
        self._meltano.run("install", log=self._logs / "install.log")

    def load(self, name: str, *arguments: str) -> dict[str, int]:
        """Run Meltano, and print the target's own summary.

        Args:
            name: The name of this load's log.
            arguments: What follows `meltano`; the pipeline if there is nothing.

        Returns:
            The counts of the summary that are not zero.
        """
        given = arguments or ("run", "tap-postgres", "target-upwell")
        click.echo(f"  $ meltano {' '.join(given)}")
        text = self._meltano.run(*given, log=self._logs / f"{name}.log")
        [summary] = re.findall(r"\d+ records?: .*", text) or [""]
        click.echo(folded(summary))
        pairs = re.findall(
            r"(\d+) (created|updated|unchanged|skipped|rejected)", summary.split(";")[0]
        )
        return {outcome: int(number) for number, outcome in pairs if number != "0"}

    def load_and_kill(self, name: str, account: Account) -> None:
        """Run the pipeline, and kill the target once a third is loaded.

        Raises:
            Surprise: The pipeline ended before.
        """
        click.echo("  $ meltano run tap-postgres target-upwell")
        log = self._logs / f"{name}.log"
        with self._meltano.start(
            "run", "tap-postgres", "target-upwell", log=log
        ) as run:
            while account.created() < KILLED_AT:
                if run.poll() is not None:
                    raise Surprise(f"the load ended before it was killed; see {log}")
                time.sleep(POLL_SECONDS)
            _target_of(run).kill()


def play(folder: Path, account: Account) -> None:
    """Load, kill, resume, change, reject and replay.

    Args:
        folder: Where logs and the Meltano project go.
        account: What the pipeline loads into.
    """
    click.echo(
        f"PostgreSQL starts with an ERP's {CUSTOMERS:,} customers; Meltano installs."
    )
    with postgres() as server:
        server.run(SCHEMA + copy(customers(CUSTOMERS)))
        pipeline = Pipeline(folder, server.sqlalchemy_url)
        pipeline.install()
        killed(pipeline, account)
        resumed(pipeline, account, server)
        changed(pipeline, account, server)
        replayed(pipeline, account)
        _check_account(account, server)


def killed(pipeline: Pipeline, account: Account) -> None:
    """The first load dies."""
    click.echo("\n1. The first load is killed in the middle (kill -9)")
    account.answer_after(SLOW_MILLISECONDS)
    pipeline.load_and_kill("1-killed", account)
    account.answer_after(0)
    held = len(account.customers())
    if not 0 < held < CUSTOMERS:
        raise Surprise(f"Upwell holds {held} customers after the kill")
    click.echo(f"  Upwell holds {held:,} of {CUSTOMERS:,} customers.")


def resumed(pipeline: Pipeline, account: Account, server: Postgres) -> None:
    """The second load finishes it, though replies are lost."""
    click.echo(
        f"\n2. It runs again, and {LOST_REPLIES} replies are lost once Upwell has"
        " stored the customers"
    )
    account.lose_replies(LOST_REPLIES)
    pipeline.load("2-resumed")
    _check("replies that were not lost", account.replies_to_lose(), 0)
    _check_account(account, server)
    _check("customers created in all", account.created(), CUSTOMERS)
    click.echo(
        f"  Upwell holds {CUSTOMERS:,} customers, each once: nothing is lost, nothing"
        " twice.\n\n  A row of the ERP, and the customer that it became:\n"
    )
    row = json.loads(server.run(ROW))
    customer = account.customers()[SHOWN]
    for line in side_by_side(row, {name: customer[name] for name in MAPPED}):
        click.echo(f"  {line}")


def changed(pipeline: Pipeline, account: Account, server: Postgres) -> None:
    """The third load writes what has changed, and keeps a bad record."""
    numbers = sorted(server.run(CHANGE).split())
    server.run(copy(customers(ADDED, start=CUSTOMERS)))
    server.run(BREAK)
    click.echo(
        f"\n3. {len(numbers)} customers change and {ADDED} are new, one of them in a"
        " country that does not exist"
    )
    counts = pipeline.load("3-changed")
    expected = {
        "created": ADDED - 1,
        "updated": len(numbers),
        "unchanged": 1,
        "rejected": 1,
    }
    _check("what became of the records", counts, expected)
    lines = (pipeline.project / "sync-log.jsonl").read_text("utf-8").splitlines()
    logged = [json.loads(line) for line in lines]
    run = [line for line in logged if line["run"] == logged[-1]["run"]]
    by_outcome = {
        outcome: [line for line in run if line["outcome"] == outcome]
        for outcome in ("updated", "created", "unchanged")
    }
    _check(
        "updates in the sync log",
        sorted(line["sourceSystemId"] for line in by_outcome["updated"]),
        numbers,
    )
    updates = by_outcome["updated"]
    [update] = [line for line in updates if line["sourceSystemId"] == SHOWN]
    now = account.customers()[update["sourceSystemId"]]
    click.echo(f"\n  Before and after, of customer {update['sourceSystemId']}:")
    for name, change in update["changes"].items():
        click.echo(
            f"    {name:<17} {short(change['before'])} -> {short(change['after'])}"
        )
        if name in now and name != "customerRule":
            _check(f"{name} in Upwell", now[name], change["after"])
    click.echo("\n  The sync log keeps a line for each customer:")
    for found in by_outcome.values():
        _check("whether the sync log has a line for each outcome", bool(found), True)
        shown = {
            name: found[0][name] for name in ("at", "sourceSystemId", "id", "outcome")
        }
        click.echo(f"    {json.dumps(shown)}")


def replayed(pipeline: Pipeline, account: Account) -> None:
    """The fourth load brings the record that was rejected, once it is fixed."""
    rejects = pipeline.project / "rejects.singer"
    [record] = [
        line
        for line in map(json.loads, rejects.read_text("utf-8").splitlines())
        if line["type"] == "RECORD"
    ]
    click.echo(f"\n4. One record is in the rejects file: {record['reject']['reason']}")
    _check("the rejected customer", record["reject"]["source_system_id"], BAD)
    _check("whether it is in Upwell", BAD in account.customers(), False)
    again = rejects.with_name("again.singer")
    again.write_text(rejects.read_text("utf-8").replace("Freedonia", "USA"), "utf-8")
    click.echo("  Its country is fixed in the file, and the file is loaded")
    counts = pipeline.load(
        "4-replayed", "invoke", "target-upwell", "--input", again.name
    )
    _check("what became of the record", counts, {"created": 1})


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
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        account = Account(os.environ["UPWELL_SANDBOX_URL"])
        play(Path(sys.argv[1]), account)
        click.echo()
        if "--keep" in sys.argv[2:]:
            stay(account.url)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except (MeltanoError, PostgresError, Surprise) as error:
        sys.exit(f"\n{error}")


def _target_of(meltano: Popen[bytes]) -> psutil.Process:
    """Return the target's process.

    Raises:
        Surprise: There is none, or more than one.
    """
    found = [
        process
        for process in psutil.Process(meltano.pid).children(recursive=True)
        if any(word.endswith("/bin/target-upwell") for word in process.cmdline())
    ]
    if len(found) != 1:
        raise Surprise(f"{len(found)} processes of the target were found")
    return found[0]


def _check_account(account: Account, server: Postgres) -> None:
    """See that Upwell holds each customer of the ERP once, but for the bad one."""
    numbers = server.run("SELECT customer_no FROM erp.customers;").split()
    _check("the customers in Upwell", sorted(account.customers()), sorted(numbers))


def _check(what: str, seen: object, expected: object) -> None:
    if seen != expected:
        raise Surprise(f"{what}: {expected} expected, {seen} seen")


if __name__ == "__main__":
    main()
