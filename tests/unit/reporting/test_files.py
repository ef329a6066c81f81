"""Files that are only ever appended to, whoever else writes them."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import threading

import pytest

from target_upwell.exceptions import RunError
from target_upwell.reporting import files
from target_upwell.reporting.files import BLOCK_BYTES, AppendedFile

OWN = (b'{"type":"SCHEMA",', b'{"type":"RECORD","stream":')
LINE = b'{"type":"RECORD","stream":"a","record":{}}'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lines.jsonl"


@pytest.fixture
def opened():
    """Opens files, and closes them at the end."""
    made = []

    def open_file(path, setting="rejects_path"):
        made.append(AppendedFile(str(path), setting, OWN))
        return made[-1]

    yield open_file
    for file in made:
        file.close()


def test_neither_making_nor_checking_one_touches_the_disk(path, opened):
    opened(path).check()

    assert not path.exists()


def test_a_new_file_is_for_its_owner_alone(path, opened):
    before = os.umask(0)
    try:
        opened(path).append([b"one"])
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("mode", "warned"), [(0o600, 0), (0o644, 1), (0o640, 1), (0o602, 0)]
)
def test_a_file_that_others_can_read_is_mentioned_once(
    path, opened, caplog, mode, warned
):
    path.touch()
    path.chmod(mode)
    file = opened(path)

    file.check()
    file.append([b"one"])
    file.append([b"two"])

    assert [r.getMessage() for r in caplog.records] == warned * [
        (
            f"rejects_path: other users can read {str(path)!r}, which holds personal "
            f"data; run: chmod 600 {path}"
        )
    ]
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize(
    "content",
    [
        b'{"api_key": "k", "source_system": "TMSEZ"}',
        b'{"api_key": "k", "source_system":',
        b"a note\nby a person",
        b'{"type":"STATE","value":',
        b'{"type": "RECORD", "stream": "a", "rec',
        b"[\n1,\n2",
        LINE + b"\n" + LINE,
        b"\xff\xfe",
        b"\n\n ",
        b"x" * 200_000,
    ],
)
def test_what_stands_in_a_file_stays_and_gets_the_newline_that_it_lacks(
    path, opened, content
):
    path.write_bytes(content)
    file = opened(path)

    file.append([LINE])
    file.append([LINE])

    assert path.read_bytes() == content + b"\n" + LINE + b"\n" + LINE + b"\n"


@pytest.mark.parametrize(
    "torn",
    [
        LINE[:-1],
        LINE[:30],
        b'{"type":"SCHEMA","stream":"a',
        b'{"type":"RE',
        b"{",
        LINE[:30] + b"x" * 200_000,
    ],
)
@pytest.mark.parametrize("before", [b"", b"not\njson\n", LINE + b"\n"])
def test_a_torn_line_of_its_own_is_cut(path, opened, torn, before):
    path.write_bytes(before + torn)

    opened(path).append([LINE])

    assert path.read_bytes() == before + LINE + b"\n"


def test_a_line_that_another_run_tore_meanwhile_is_cut_too(path, opened):
    file = opened(path)
    file.append([LINE])
    with path.open("ab") as other:
        other.write(LINE[:30])

    file.append([LINE])

    assert path.read_bytes() == (LINE + b"\n") * 2


@pytest.mark.parametrize("before", [b"", b"kept\n", b"kept, without a newline"])
@pytest.mark.parametrize("room", [0, 1, 20, 60])
def test_a_write_that_fails_part_of_the_way_is_taken_back(path, opened, before, room):
    path.write_bytes(before)
    file = opened(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + room, hard))
    try:
        with pytest.raises(RunError, match="File too large; free some space"):
            file.append([LINE, LINE])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)

    assert path.read_bytes() == before


def test_after_a_failure_nothing_follows_what_is_missing(path, opened, monkeypatch):
    file = opened(path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", fails_with(errno.ENOSPC))
        with pytest.raises(RunError) as first:
            file.append([b"first"])

    with pytest.raises(RunError) as second:
        file.append([b"second"])

    assert str(second.value) == str(first.value)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_is_called_a_full_disk(path, opened, monkeypatch, code, call):
    path.write_bytes(b"before\n")
    file = opened(path)
    monkeypatch.setattr(os, call, fails_with(code))

    with pytest.raises(RunError) as raised:
        file.append([b"one"])

    assert str(raised.value) == (
        f"rejects_path: {str(path)!r} can't be written: the disk is full; free some "
        "space"
    )
    assert path.read_bytes() == b"before\n"


def test_only_its_own_bytes_are_taken_back(path, opened, monkeypatch):
    write = os.write

    def others_write_too(file, content):
        write(file, content[:3])
        write(file, b"by somebody without the lock\n")
        raise OSError(errno.ENOSPC, "No space left on device")

    file = opened(path)
    monkeypatch.setattr(os, "write", others_write_too)

    with pytest.raises(RunError, match="disk is full"):
        file.append([b"one"])

    assert path.read_bytes() == b"oneby somebody without the lock\n"


def fails_with(code):
    def fail(*_):
        raise OSError(code, os.strerror(code))

    return fail


def test_lines_count_as_written_when_they_are_on_the_disk_once_an_append(
    path, opened, monkeypatch
):
    file = opened(path)
    file.append([b"zero"])
    synced = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(path.read_bytes()))

    file.append([b"one", b"two"])

    assert synced == [b"zero\none\ntwo\n"]


def test_lines_that_wait_for_the_disk_are_on_it_before_a_moved_file_is_left(
    path, opened, monkeypatch
):
    file, synced = opened(path), []
    file.append([b"one"], sync=False)
    moved = path.rename(path.with_suffix(".1"))
    monkeypatch.setattr(os, "fsync", lambda f: synced.append(os.fstat(f).st_ino))

    file.append([b"two"], sync=False)

    assert moved.stat().st_ino in synced
    assert (moved.read_bytes(), path.read_bytes()) == (b"one\n", b"two\n")


def test_what_has_become_no_file_meanwhile_ends_the_run(path, opened):
    file = opened(path)
    file.append([b"one"])
    path.unlink()
    os.mkfifo(path)

    with pytest.raises(RunError, match="not a regular file"):
        file.append([b"two"])


WRITER = """
import sys
from target_upwell.reporting.files import AppendedFile
path, name, number = sys.argv[1:]
file = AppendedFile(path, "rejects_path", (b'{"run":',))
for n in range(int(number)):
    line = b'{"run":"%s","n":%d,"text":"%s"}' % (name.encode(), n, b"x" * 5000)
    file.append([line] * 3)
"""


def test_two_runs_share_a_file_without_losing_a_line(path):
    command = [sys.executable, "-c", WRITER, str(path)]
    runs = [subprocess.Popen([*command, name, "60"]) for name in ("a", "b")]
    assert [run.wait(60) for run in runs] == [0, 0]

    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    for name in ("a", "b"):
        own = [line["n"] for line in lines if line["run"] == name]
        assert own == [n for n in range(60) for _ in range(3)]


def test_a_run_that_begins_cuts_nothing_of_what_another_is_writing(path, opened):
    first = opened(path)
    first.append([LINE])
    # What another run has written of a line, holding the lock.
    other = os.open(path, os.O_RDWR | os.O_APPEND)
    fcntl.flock(other, fcntl.LOCK_EX)
    os.write(other, LINE[:20])
    second = opened(path)
    second.check()
    ended = threading.Event()

    def append():
        second.append([b'{"type":"SCHEMA",}'])
        ended.set()

    thread = threading.Thread(target=append)
    thread.start()
    assert not ended.is_set()
    os.write(other, LINE[20:] + b"\n")
    os.close(other)
    thread.join()

    assert path.read_bytes() == (LINE + b"\n") * 2 + b'{"type":"SCHEMA",}\n'


def test_a_lock_that_is_never_released_ends_the_run(path, opened, monkeypatch):
    monkeypatch.setattr(files, "LOCK_TIMEOUT_SECONDS", 0.0)
    with path.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        with pytest.raises(RunError, match="another program has kept it locked"):
            opened(path).append([b"one"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing/lines", "can't be written: No such file or directory"),
        ("file/lines", "can't be written: Not a directory"),
        ("a\0b", "embedded null"),
        ("\ud800", "can't be written: "),
    ],
)
def test_a_path_where_no_file_can_be_fails_the_check(tmp_path, opened, name, words):
    (tmp_path / "file").touch()

    with pytest.raises(RunError) as raised:
        opened(f"{tmp_path}/{name}").check()

    assert str(raised.value).startswith("rejects_path: ")
    assert words in str(raised.value)


def test_a_relative_path_in_a_deleted_folder_fails_the_check(
    tmp_path, opened, monkeypatch
):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    with pytest.raises(RunError, match="No such file or directory"):
        opened("lines").check()


@pytest.mark.parametrize("content", ["", "\n", "one", "\none\n", "one\ntwo\n\nfour"])
def test_lines_are_read_from_the_end(path, opened, content):
    path.write_text(content)

    lines = list(opened(path).last_lines(1000))

    assert lines == [line.encode() for line in reversed(content.split("\n"))]


def test_lines_of_any_length_are_read_from_the_end(path, opened):
    lengths = [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES]
    lines = [b"a" * length for length in lengths]
    path.write_bytes(b"\n".join(lines))

    assert list(opened(path).last_lines(2**20)) == lines[::-1]


def test_no_more_than_the_tail_is_read(path, opened):
    path.write_bytes(b"first\nsecond\nthird\n")

    assert list(opened(path).last_lines(9)) == [b"", b"third"]


def test_a_file_that_is_not_there_has_no_lines(path, opened):
    assert list(opened(path).last_lines(9)) == []
