"""The files of a run, as the sandbox's page shows them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from html import escape

import pytest

from target_upwell.sandbox.page import files
from target_upwell.sandbox.run_files import known_files


def written(path, *lines):
    path.write_text("".join(f"{line}\n" for line in lines))
    return files.read(str(path), 1)


def test_the_files_are_those_of_the_environment_and_the_configuration(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "config.json"
    settings = {"rejects_path": "out/rejects.jsonl", "drift_path": "/var/drift.jsonl"}
    config.write_text(json.dumps(settings))
    environ = {
        "TARGET_UPWELL_DRIFT_PATH": "drift.jsonl",
        "TARGET_UPWELL_SYNC_LOG_PATH": "/var/sync.jsonl",
    }
    both = {
        "rejects": str(tmp_path / "out/rejects.jsonl"),
        "drift": str(tmp_path / "drift.jsonl"),
        "sync log": "/var/sync.jsonl",
    }

    for arguments in (["--config", str(config)], [f"--config={config}"]):
        command = ["target-upwell", "--config=ENV", *arguments]
        assert known_files(command, environ) == both
    assert known_files(["target-upwell", "--config", "ENV"], {}) == {}


@pytest.mark.parametrize("content", ["{", "[]", '{"rejects_path": 1}', "\xff"])
def test_a_configuration_that_cannot_be_read_names_no_file(tmp_path, content):
    config = tmp_path / "config.json"
    config.write_bytes(content.encode("latin-1"))

    for path in (config, tmp_path / "none.json", tmp_path):
        assert known_files(["target-upwell", "--config", str(path)], {}) == {}
    assert known_files(["target-upwell", "--config"], {}) == {}


def test_the_last_line_comes_first_and_what_is_not_json_stays_text(tmp_path):
    found = written(tmp_path / "f", '{"a": 1}', "torn {", "[" * 9999)

    assert found["page"].rows == [
        {"text": "[" * 9999},
        {"text": "torn {"},
        {"content": {"a": 1}},
    ]
    assert (found["why"], found["cut"]) == (None, False)


def test_of_a_large_file_the_end_is_read_and_a_long_line_cut(tmp_path):
    long = "x" * (files.MOST_LINE_BYTES + 1)
    found = written(tmp_path / "f", *(f"{n:0999}" for n in range(3000)), long)

    first = found["page"].rows[0]["text"]
    assert first == long[:-1] + "\N{HORIZONTAL ELLIPSIS}"
    assert found["cut"]
    assert found["page"].total < 1000
    assert len(found["page"].rows) == 50
    last = files.read(str(tmp_path / "f"), 10**9)["page"]
    assert last.number == last.last
    assert len(last.rows[-1]["text"]) == 999


def test_what_is_not_a_regular_file_is_not_read(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    for path in (pipe, "/dev/zero"):
        assert files.read(str(path), 1)["why"] == "it is not a regular file"
    assert files.read(str(tmp_path), 1)["why"] == "Is a directory"
    assert files.read(str(tmp_path / "none"), 1)["why"] == "No such file or directory"


LOOK = """
import os, sys, urllib.request
root = os.environ["UPWELL_SANDBOX_URL"]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for address in sys.argv[1:]:
    try:
        print(opener.open(root + address).read().decode())
    except OSError as error:
        print(error)
"""


def looked_at(tmp_path, *addresses):
    """What the page shows to a command whose rejects file is in the folder."""
    path = str(tmp_path / "rejects.jsonl")
    sandbox = [sys.executable, "-m", "target_upwell.sandbox", "run", "--"]
    done = subprocess.run(
        [*sandbox, sys.executable, "-c", LOOK, *addresses],
        capture_output=True,
        check=True,
        env={**os.environ, "TARGET_UPWELL_REJECTS_PATH": path},
        text=True,
        timeout=60,
    )
    return done.stdout


def test_the_page_shows_the_file_of_a_run_and_no_other(tmp_path):
    hostile = "<script>alert(1)</script>{{ 7919*7907 }}"
    line = json.dumps({"record": {hostile: [hostile]}})
    (tmp_path / "rejects.jsonl").write_text(f"{line}\n{hostile}\n")

    shown = looked_at(tmp_path, "/", "/?file=rejects")

    assert '<a href="/?file=rejects">Rejects</a>' in shown
    assert "<script" not in shown
    assert shown.count(escape(hostile)) == 3
    assert "62615533" not in shown
    others = ("drift", "sync%20log", "/etc/passwd", "..%2Frejects.jsonl", "")
    refused = looked_at(tmp_path, *(f"/?file={other}" for other in others))
    assert refused == "HTTP Error 404: Not Found\n" * len(others)


def test_a_file_that_is_not_there_yet_says_so(tmp_path):
    shown = looked_at(tmp_path, "/?file=rejects")

    assert "Nothing to show" in shown
    assert "No such file or directory." in shown
