"""Serves until a signal comes, or for as long as a command runs."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from target_upwell.sandbox.run_files import known_files
from target_upwell.sandbox.server.server import Options, Server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_upwell.sandbox.account.journal import Journal

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_CANNOT_START = 1
_NOT_EXECUTABLE = 126
_NOT_FOUND = 127
_NO_REQUEST = "The command sent no request to the sandbox."
_HOW_IT_FINDS_US = (
    " target-upwell takes the sandbox's address from its environment with --config=ENV."
)


async def serve(options: Options) -> int:
    """Serve until SIGINT or SIGTERM.

    Returns:
        The exit code.
    """
    stopped = _on_signal()
    try:
        async with Server(options) as server:
            _warn_about(options.database)
            print(f"upwell-sandbox listening on {server.url}", flush=True)  # noqa: T201 - the command's output
            print(f"See what landed: {server.root}/", flush=True)  # noqa: T201 - likewise
            await stopped.wait()
    except (OSError, sqlite3.Error) as error:
        return _say_cannot_start(error)
    return 0


async def run(options: Options, command: Sequence[str], *, keep: bool = False) -> int:
    """Run a command against a sandbox, and sum up on stderr what it did.

    Args:
        options: How the sandbox is set up.
        command: The command and its arguments.
        keep: Whether to serve on after the command, until SIGINT or SIGTERM.

    Returns:
        The command's exit code, or 128 + the signal that ended it; 127 or 126 when
        there is no such command.
    """
    try:
        files = known_files(command, os.environ)
        async with Server(replace(options, files=files)) as server:
            _warn_about(options.database)
            before = server.journal.totals().requests
            try:
                code = await _run(command, _environment(options, server))
            except OSError as error:
                _say(f"upwell-sandbox: can't run {command[0]}: {error.strerror}")
                missing = isinstance(error, FileNotFoundError)
                return _NOT_FOUND if missing else _NOT_EXECUTABLE
            _say(account(server.journal))
            if server.journal.totals().requests == before:
                told = any(word.endswith("ENV") for word in command)
                _say(_NO_REQUEST + ("" if told else _HOW_IT_FINDS_US))
            if keep:
                _say(f"See what landed, until Ctrl-C: {server.root}/")
                await _on_signal().wait()
    except (OSError, sqlite3.Error) as error:
        return _say_cannot_start(error)
    return code if code >= 0 else 128 - code


def _on_signal() -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set from now on."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stopped.set)
    return stopped


def account(journal: Journal) -> str:
    """Return what the account holds and what was done to it, for a person."""
    counts = journal.counts()
    summary = (
        f"The sandbox's account holds {_many(counts['customers'], 'customer')}:"
        f" {_many(counts['creates'], 'create')}, {_many(counts['updates'], 'update')},"
        f" {_many(counts['refusals'], 'refusal')}"
        f" in {_many(counts['requests'], 'request')}."
    )
    answers = counts["requests_by_answer"].items()
    return "\n".join([summary, *(f"{count:>8}  {answer}" for answer, count in answers)])


async def _run(command: Sequence[str], environment: dict[str, str]) -> int:
    """Run the command, pass signals on to it, and return its return code.

    Raises:
        OSError: When it can't be started.
    """
    loop = asyncio.get_running_loop()
    process: asyncio.subprocess.Process | None = None
    early: list[int] = []

    def send(number: int) -> None:
        if process is None:
            early.append(number)
        # It may have ended without having been waited for.
        elif process.returncode is None:
            process.send_signal(number)

    for number in _SIGNALS:
        loop.add_signal_handler(number, send, number)
    if _in_foreground():
        # Ctrl-C reaches the command as well; a second signal would end it at once.
        loop.add_signal_handler(signal.SIGINT, lambda: None)
    process = await asyncio.create_subprocess_exec(*command, env=environment)
    for came_early in early:
        send(came_early)
    return await process.wait()


def _environment(options: Options, server: Server) -> dict[str, str]:
    """Return the command's environment: what is set stays, but for the address.

    Otherwise a trial run with the real address exported would write to Upwell.
    """
    return {
        "TARGET_UPWELL_API_KEY": options.api_key,
        "TARGET_UPWELL_SOURCE_SYSTEM": "SANDBOX",
        **os.environ,
        "TARGET_UPWELL_API_URL": server.url,
        "UPWELL_SANDBOX_URL": server.root,
    }


def _warn_about(database: str) -> None:
    """Warn if others can read an existing database."""
    try:
        mode = stat.S_IMODE(os.stat(database).st_mode)  # noqa: PTH116 - may be ":memory:"
    except OSError:
        return
    if mode & 0o077:
        _say(f"upwell-sandbox: others can read {database}; chmod 600 {database}")


def _in_foreground() -> bool:
    """Return whether a terminal sends its signals to this process and its children."""
    try:
        terminal = os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the command's output


def _say_cannot_start(error: Exception) -> int:
    reason = error.strerror if isinstance(error, OSError) else error
    _say(f"upwell-sandbox can't start: {reason}")
    return _CANNOT_START
