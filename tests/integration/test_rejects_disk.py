"""A rejects file that can't be written stops the run before anything is lost."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path

import pytest
from target_command import (
    COMMAND,
    DEADLINE_S,
    Result,
    encoded,
    environment,
    record,
    run_target,
    schema,
    state,
)

from target_upwell.exceptions import RunError
from target_upwell.reporting.files import AppendedFile

STREAM = [
    schema("id", "name"),
    record(id="1", name="Good"),
    state(1),
    record(id="2", name=None),
    state(2),
]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_stops_the_run_and_state_does_not_pass(account):
    result = run_target(
        account, STREAM, batch_size_rows=1, max_rejects=-1, rejects_path="/dev/full"
    )

    assert result.code == 1
    assert result.states == [1]
    assert result.errors[-1] == (
        "rejects_path: '/dev/full' can't be written: No space left on device; free "
        "some space"
    )


def test_a_disk_that_fills_up_midway_keeps_every_state_before_it(account, tmp_path):
    path = tmp_path / "rejects.jsonl"

    def few_bytes():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    messages = [schema("id", "name")]
    for number in range(1, 41):
        messages += [record(id=str(number), name=None), state(number)]
    run = subprocess.run(
        [COMMAND, "--config=ENV"],
        input=encoded(messages),
        capture_output=True,
        env=environment(
            account,
            batch_size_rows=1,
            max_parallel_requests=1,
            max_rejects=-1,
            rejects_path=str(path),
        ),
        preexec_fn=few_bytes,
        timeout=DEADLINE_S,
        check=False,
    )

    result = Result(run.returncode, run.stdout.decode(), run.stderr.decode())
    assert result.code == 1
    assert "File too large" in result.errors[-1]
    kept = path.read_bytes().count(b'"type":"RECORD"') - (
        not path.read_bytes().endswith(b"\n")
    )
    assert 0 < kept < 40
    # Two batches are begun at once, and either may be written first.
    assert kept - 1 <= result.states[-1] <= kept


@pytest.mark.parametrize("name", ["missing/rejects.jsonl", "."])
def test_a_path_that_cannot_be_written_fails_before_anything_is_read(
    account, tmp_path, name
):
    path = tmp_path / name

    result = run_target(account, STREAM, max_rejects=1, rejects_path=str(path))

    assert result.code == 1
    assert result.states == []
    assert len(result.errors) == 1
    assert result.errors[0].startswith(f"rejects_path: {str(path)!r} can't be written")
    assert account.counts()["requests"] == 0


def test_nothing_follows_a_line_that_may_be_torn(tmp_path):
    path = tmp_path / "lines"
    file = AppendedFile(str(path), "rejects_path")
    descriptor = file._file
    file._file = os.open("/", os.O_RDONLY)  # can't be written
    with pytest.raises(RunError, match="can't be written"):
        file.append([b"first"])
    os.close(file._file)
    file._file = descriptor

    with pytest.raises(RunError, match="can't be written"):
        file.append([b"second"])

    os.close(descriptor)
    assert path.read_bytes() == b""


def test_lines_count_as_written_only_when_they_are_on_the_disk(tmp_path, monkeypatch):
    synced = []
    path = tmp_path / "lines"
    file = AppendedFile(str(path), "rejects_path")
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(path.read_bytes()))

    file.append([b"one", b"two"])

    assert synced == [b"one\ntwo\n"]
