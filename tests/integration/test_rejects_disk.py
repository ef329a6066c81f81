"""A rejects file that can't be written stops the run before anything is lost."""

from __future__ import annotations

import resource
import subprocess

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

STREAM = [
    schema("id", "name"),
    record(id="1", name="Good"),
    state(1),
    record(id="2", name=None),
    state(2),
]


def test_a_disk_that_fills_up_midway_keeps_every_state_before_it(account, tmp_path):
    path = tmp_path / "rejects.jsonl"

    def few_bytes():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    # STATE waits while nothing but rejects has come.
    messages = [schema("id", "name"), record(id="0", name="A"), state(0)]
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
    assert path.read_bytes().endswith(b"\n")
    kept = path.read_bytes().count(b'"type":"RECORD"')
    assert 0 < kept < 40
    # Two batches are begun at once, and either may be written first.
    assert kept - 1 <= result.states[-1] <= kept


def test_a_missing_folder_fails_before_anything_is_read(account, tmp_path):
    path = tmp_path / "missing" / "rejects.jsonl"

    result = run_target(account, STREAM, max_rejects=1, rejects_path=str(path))

    assert result.code == 1
    assert result.states == []
    assert len(result.errors) == 1
    assert result.errors[0].startswith(f"rejects_path: {str(path)!r} can't be written")
    assert account.counts()["requests"] == 0
