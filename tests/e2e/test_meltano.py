"""The pipeline of `meltano.yml`: PostgreSQL, Meltano's own commands, the sandbox.

One project for all of it: making one takes longer than all its runs together. So what
is tested are chapters of one story, told in order.
"""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sandbox_server import Sandbox
from test_docs import MELTANO, PAGES, blocks, commands, without_variables

from demo.erp import SCHEMA, copy, customers
from demo.postgres import postgres
from demo.project import MeltanoError, Project, clean_environment

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(sys.executable).parent
NUMBER = 40
STATE_ID = "sandbox:tap-postgres-to-target-upwell"
CHANGE = """
UPDATE erp.customers
SET email = 'ap@new-owner.example', updated_at = timestamptz '2026-02-02 09:00Z'
WHERE customer_no IN (100003, 100010);
"""
BREAK = """
UPDATE erp.customers
SET updated_at = timestamptz '2026-02-03 09:00Z' + customer_no * interval '1 second'
WHERE customer_no > 100040;
UPDATE erp.customers SET email = 'nobody' WHERE customer_no = 100042;
"""
FIX = """
UPDATE erp.customers
SET email = 'ap@fixed.example', updated_at = timestamptz '2026-02-05 09:00Z'
WHERE customer_no = 100042;
"""
LEAVE = """
DELETE FROM erp.customers c
WHERE NOT EXISTS (SELECT FROM erp.customers WHERE bill_to = c.customer_no)
  AND customer_no IN (
    SELECT max(customer_no) FROM erp.customers o
    WHERE NOT EXISTS (SELECT FROM erp.customers WHERE bill_to = o.customer_no)
    GROUP BY customer_no % 3)
RETURNING customer_no;
"""
FAIL = """
ALTER TABLE erp.customers RENAME TO healthy;
CREATE VIEW erp.customers AS
SELECT h.*, 1 / (customer_no - (SELECT max(customer_no) FROM erp.healthy)) AS broken
FROM erp.healthy h;
"""
HEAL = "DROP VIEW erp.customers; ALTER TABLE erp.healthy RENAME TO customers;"
FULL_TABLE = {
    "replication-method: INCREMENTAL": "replication-method: FULL_TABLE",
    "filter_schemas: [erp]": (
        "filter_schemas: [erp]\n        emit_activate_version_messages: true"
    ),
}
REJECT = """
UPDATE erp.customers
SET email = 'nobody', updated_at = timestamptz '2026-02-06 09:00Z'
WHERE customer_no = 100005;
"""
HUB_ADDRESS = re.compile(r"--from-ref https://\S+/hub/target-upwell\.yml")
NO_WRITE = {"POST": 0, "PUT": 0}


class Run:
    """The project, its database and the account that it loads into."""

    def __init__(self, folder, server, sandbox):
        self.folder = folder
        self.server = server
        self.sandbox = sandbox
        self.ran = set()
        self.gone = set()
        self.environment = {
            **clean_environment(),
            "TAP_POSTGRES_SQLALCHEMY_URL": server.sqlalchemy_url,
            "TARGET_UPWELL_API_URL": sandbox.url,
            "TARGET_UPWELL_API_KEY": sandbox.api_key,
            "TARGET_UPWELL_SOURCE_SYSTEM": "TMSEZ",
            "PATH": f"{SCRIPTS}:{clean_environment()['PATH']}",
        }
        self._project = Project(folder, self.environment)

    def meltano(self, *arguments):
        """Run a Meltano command; what it printed."""
        self.ran.add(" ".join(["meltano", *arguments]))
        return self._project.run(*arguments, log=self.folder / "log")

    def load(self, *options):
        """Run the pipeline; the target's counts, and how many requests wrote."""
        self.sandbox.reset()
        text = self.meltano("run", *options, "tap-postgres", "target-upwell")
        summary = re.findall(r"\d+ records?: .*", text)[-1]
        outcomes = re.findall(
            r"([1-9]\d*) (created|updated|unchanged|skipped|rejected)\b", summary
        )
        writes = {
            "POST": sum(bool(r["created"]) for r in self.sandbox.requests()),
            "PUT": sum(bool(r["updated"]) for r in self.sandbox.requests()),
        }
        return {outcome: int(number) for number, outcome in outcomes}, writes

    def edit(self, replaced):
        """Edit the project's file."""
        file = self.folder / "meltano.yml"
        text = file.read_text("utf-8")
        for old, new in replaced.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        file.write_text(text, "utf-8")

    def missing_customers(self, mode, most=0):
        """Edit what becomes of missing customers; the places are where it stands."""
        file = self.folder / "meltano.yml"
        text = re.sub(r" *(missing_customers|max_deletes): .*\n", "", file.read_text())
        found = "      config:\n        stream_maps:\n"
        assert text.count(found) == 1
        settings = f"        missing_customers: {mode}\n        max_deletes: {most}\n"
        file.write_text(text.replace(found, found.replace("\n", f"\n{settings}", 1)))

    def deleted(self):
        """The source ids of the customers that are marked as deleted."""
        stored = self.sandbox.customers().values()
        return {one["sourceSystemId"] for one in stored if one["deletedAt"]}

    def log(self):
        """The log of the last command."""
        return (self.folder / "log").read_text("utf-8")

    def kept_state(self):
        """What Meltano keeps, without the seconds that its command takes."""
        database = self.folder / ".meltano" / "meltano.db"
        with closing(sqlite3.connect(database)) as connection:
            return connection.execute(
                "SELECT completed_state, partial_state FROM state WHERE state_id = ?",
                [STATE_ID],
            ).fetchone()

    def shell(self, command, **variables):
        """Run a command of the documentation as somebody would type it."""
        environment = {**self._project._environment, **variables}
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env={name: value for name, value in environment.items() if value},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout + done.stderr


@pytest.fixture
def pipeline(tmp_path):
    """A pipeline that has not run yet."""
    with postgres() as server, Sandbox() as sandbox:
        server.run(SCHEMA + copy(customers(NUMBER)))
        yield Run(tmp_path / "project", server, sandbox)


def the_first_run_loads_every_customer(pipeline):
    counts, _ = pipeline.load()
    assert counts == {"created": NUMBER}
    assert len(pipeline.sandbox.customers()) == NUMBER


def meltano_state_get_shows_the_newest_change(pipeline):
    text = pipeline.meltano("state", "get", STATE_ID)
    kept = json.loads(text.strip().splitlines()[-1])
    bookmark = kept["singer_state"]["bookmarks"]["erp-customers"]
    newest = pipeline.server.run(
        "SELECT to_char(max(updated_at), 'YYYY-MM-DD\"T\"HH24:MI:SS')"
        " FROM erp.customers;"
    )
    assert bookmark["replication_key_value"].startswith(newest.strip())


def a_second_run_writes_nothing(pipeline):
    assert pipeline.load() == ({"unchanged": 1}, NO_WRITE)


def an_incremental_run_writes_what_has_changed_and_only_that(pipeline):
    before = pipeline.kept_state()
    pipeline.server.run(CHANGE)
    counts, writes = pipeline.load()
    assert (counts["updated"], writes) == (2, {"POST": 0, "PUT": 2})
    for number in ("100003", "100010"):
        held = pipeline.sandbox.customers()[number]
        assert held["emailAddress"] == "ap@new-owner.example"
    assert pipeline.kept_state() != before


def a_full_refresh_compares_every_customer_and_writes_none(pipeline):
    assert pipeline.load("--full-refresh") == ({"unchanged": NUMBER}, NO_WRITE)


def a_run_that_fails_keeps_the_state_and_says_why(pipeline):
    pipeline.server.run(copy(customers(5, start=NUMBER)) + BREAK)
    before = pipeline.kept_state()
    with pytest.raises(MeltanoError, match="exit code 1"):
        pipeline.load()
    assert re.search(
        r"\[error +\] target-upwell .*100042: emailAddress", pipeline.log()
    )
    assert pipeline.kept_state()[0] == before[0]


def the_log_comes_to_meltano_as_structure_and_not_as_lines_of_json(pipeline):
    assert re.search(r"\[info +\] target-upwell target-upwell \d", pipeline.log())
    assert re.search(r"METRIC +metric_name=http_request_count", pipeline.log())
    assert '"message"' not in pipeline.log()


def the_next_run_resumes_with_every_customer_once_and_right(pipeline):
    pipeline.server.run(FIX)
    counts, writes = pipeline.load()
    assert (counts["created"], writes) == (1, {"POST": 1, "PUT": 0})
    assert len(pipeline.sandbox.customers()) == NUMBER + 5
    held = pipeline.sandbox.customers()["100042"]
    assert held["emailAddress"] == "ap@fixed.example"


def meltano_invoke_reaches_the_command(pipeline):
    text = pipeline.meltano("invoke", "target-upwell", "--about", "--format=json")
    about = json.loads(text[text.index("\n{") :])
    assert about["name"] == "target-upwell"


def customers_that_leave_the_erp_go_unnoticed_by_an_incremental_stream(pipeline):
    pipeline.gone = set(pipeline.server.run(LEAVE).split())
    assert len(pipeline.gone) == 3
    pipeline.missing_customers("delete", 9)
    pipeline.load()
    assert pipeline.log().count("missing_customers does not apply: stream") == 1
    assert pipeline.deleted() == set()


def a_full_table_stream_reports_them(pipeline):
    pipeline.edit(FULL_TABLE)
    pipeline.missing_customers("report")
    assert pipeline.load("--full-refresh") == ({"unchanged": NUMBER + 2}, NO_WRITE)
    words = "3 customers are in Upwell and no longer in the source"
    assert f"{words}: {', '.join(sorted(pipeline.gone))}" in pipeline.log()


def a_full_table_stream_whose_state_stays_the_same_says_how_to_run_it(pipeline):
    # The tap sends its STATE at the start, and not again where it has not changed.
    pipeline.load()
    pipeline.load()
    assert "--full-refresh" in pipeline.log()
    assert pipeline.deleted() == set()


def more_than_are_allowed_fail_the_pipeline(pipeline):
    pipeline.missing_customers("delete", 2)
    with pytest.raises(MeltanoError, match="exit code 1"):
        pipeline.load("--full-refresh")
    assert "and max_deletes allows 2" in pipeline.log()
    assert pipeline.deleted() == set()


def an_extract_that_breaks_deletes_nothing(pipeline):
    pipeline.missing_customers("delete", 1000)
    pipeline.server.run(FAIL)
    with pytest.raises(MeltanoError, match="exit code 1"):
        pipeline.load("--full-refresh")
    pipeline.server.run(HEAL)
    assert "division by zero" in pipeline.log()
    assert "ended as one does that is cut short" in pipeline.log()
    assert pipeline.deleted() == set()


def a_full_table_stream_marks_them_as_deleted(pipeline):
    pipeline.missing_customers("delete", 3)
    counts, writes = pipeline.load("--full-refresh")
    assert (counts["unchanged"], writes) == (NUMBER + 2, {"POST": 0, "PUT": 3})
    assert pipeline.deleted() == pipeline.gone
    assert pipeline.load("--full-refresh") == ({"unchanged": NUMBER + 2}, NO_WRITE)
    pipeline.missing_customers("ignore")
    pipeline.edit({new: old for old, new in FULL_TABLE.items()})


def rejects_are_kept_where_git_ignores_them_and_can_be_replayed(pipeline):
    pipeline.server.run(REJECT)
    (pipeline.folder / "output").mkdir()  # as `meltano init` and the repository do
    production = ["--environment=production", "run", "tap-postgres", "target-upwell"]
    assert "1 rejected (1 invalid)" in pipeline.meltano(*production)
    rejects = Path("output", "rejects.singer")
    ignored = subprocess.run(["git", "check-ignore", rejects], cwd=ROOT, check=False)
    assert ignored.returncode == 0

    text = (pipeline.folder / rejects).read_text("utf-8")
    again = text.replace("nobody", "ap@again.example")
    (pipeline.folder / "again.singer").write_text(again, "utf-8")
    before = pipeline.kept_state()
    told = pipeline.meltano("invoke", "target-upwell", "--input", "again.singer")
    assert "1 record: 0 created, 1 updated" in told
    assert pipeline.kept_state() == before
    held = pipeline.sandbox.customers()["100005"]
    assert held["emailAddress"] == "ap@again.example"
    pipeline.server.run(REJECT.replace("nobody", "ap@again.example"))


CHAPTERS = (
    the_first_run_loads_every_customer,
    meltano_state_get_shows_the_newest_change,
    a_second_run_writes_nothing,
    an_incremental_run_writes_what_has_changed_and_only_that,
    a_full_refresh_compares_every_customer_and_writes_none,
    a_run_that_fails_keeps_the_state_and_says_why,
    the_next_run_resumes_with_every_customer_once_and_right,
    the_log_comes_to_meltano_as_structure_and_not_as_lines_of_json,
    customers_that_leave_the_erp_go_unnoticed_by_an_incremental_stream,
    a_full_table_stream_reports_them,
    a_full_table_stream_whose_state_stays_the_same_says_how_to_run_it,
    more_than_are_allowed_fail_the_pipeline,
    an_extract_that_breaks_deletes_nothing,
    a_full_table_stream_marks_them_as_deleted,
    meltano_invoke_reaches_the_command,
    rejects_are_kept_where_git_ignores_them_and_can_be_replayed,
)


@pytest.mark.timeout(600)  # some twenty runs of Meltano, one after the other
def test_a_pipeline_lives_and_every_documented_command_of_meltano_works(
    pipeline, subtests
):
    for chapter in CHAPTERS:
        with subtests.test(chapter.__name__.replace("_", " ")):
            chapter(pipeline)
    for command in documented():
        if command not in pipeline.ran:
            with subtests.test(command):
                run_documented(pipeline, command)


def documented():
    """The Meltano commands of the documentation, in its order."""
    found = [
        command
        for page in PAGES
        for block in blocks(page)
        if block.language == "sh"
        for command in commands(block)
        if without_variables(command).startswith(MELTANO)
    ]
    return list(dict.fromkeys(found))


def run_documented(pipeline, command):
    before = pipeline.kept_state()
    if "meltano add " in command:
        # From this checkout, and into a project that has no such plugin yet.
        local = f"--no-install --from-ref {ROOT / 'hub' / 'target-upwell.yml'}"
        command, changed = HUB_ADDRESS.subn(local, command)
        assert changed == 1
        (pipeline.folder / "other").mkdir()
        (pipeline.folder / "other" / "meltano.yml").write_text(
            "default_environment: x\n"
        )
        pipeline.shell(f"cd other && {command}")
    elif command.startswith("upwell-sandbox"):
        told = pipeline.shell(
            command, TARGET_UPWELL_API_URL="", TARGET_UPWELL_API_KEY=""
        )
        assert "The sandbox's account holds" in told
    else:
        assert re.search(r"\d+ records?: |✔", pipeline.shell(command))
    if "--no-state-update" in command or "DRY_RUN" in command:
        assert pipeline.kept_state() == before
