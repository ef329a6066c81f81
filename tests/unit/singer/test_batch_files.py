"""The records of BATCH messages."""

from __future__ import annotations

import gzip
import json
import os
import tracemalloc
from decimal import Decimal

import pytest

from target_upwell.exceptions import RunError
from target_upwell.singer.batch_files import batch_records
from target_upwell.singer.lines import MOST_LINE_BYTES

LINES = b'{"id": 1, "n": 1.10}\n{"id": 2}\n'
ENCODING = {"format": "jsonl", "compression": "none"}
GZIP = {"format": "jsonl", "compression": "gzip"}
PACKED = gzip.compress(LINES, mtime=0)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def read(root):
    def read(encoding, *manifest):
        return list(batch_records(str(root), encoding, list(manifest)))

    return read


@pytest.fixture
def file(root):
    def write(name, content):
        path = root / name
        path.write_bytes(content)
        return path

    return write


def refusal(read, *manifest, encoding=ENCODING):
    """The one line that a file is refused with."""
    with pytest.raises(RunError) as caught:
        read(encoding, *manifest)
    words = str(caught.value)
    assert "secret" not in words
    assert words.isprintable()
    assert len(words) < 600
    return words


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("compression", [None, "none", "gzip", "absent"])
def test_records_are_read_from_each_form_of_file_whatever_is_declared(
    read, file, compression, packed
):
    path = file("a", gzip.compress(LINES, mtime=0) if packed else LINES)
    encoding = {"format": "jsonl", "compression": compression}
    if compression == "absent":
        del encoding["compression"]
    wanted = [{"id": 1, "n": Decimal("1.10")}, {"id": 2}]
    assert read(encoding, str(path)) == wanted
    assert read(encoding, f"file://{path}") == wanted


def test_files_are_read_in_the_order_of_the_manifest(read, file):
    paths = [str(file(name, b'{"id": "%s"}' % name.encode())) for name in "ba"]
    assert [record["id"] for record in read(ENCODING, *paths)] == ["b", "a"]


def test_records_are_read_one_by_one(file):
    path = file("a", LINES + b"broken")
    records = batch_records(str(path.parent), ENCODING, [str(path)])
    assert next(records)["id"] == 1


def test_no_files_are_no_records(read):
    assert read(ENCODING) == []


@pytest.mark.parametrize(
    ("encoding", "content", "words"),
    [
        ({"format": "parquet"}, LINES, "'parquet'"),
        ({"format": "jsonl", "compression": "zstd"}, LINES, "'zstd'"),
        ({"format": "jsonl", "compression": ["x" * 99]}, LINES, "compression ['xxx"),
        ({}, LINES, "None"),
        (GZIP, b"", "is empty"),
        (ENCODING, b"", "is empty"),
        (GZIP, b"\x1f", "not valid JSON"),
        (GZIP, b"\x1f\x8b", "not a whole gzip file"),
        (GZIP, PACKED[:10], "not a whole gzip file"),
        (GZIP, PACKED[:-9], "not a whole gzip file"),
        (GZIP, PACKED[:-1], "not a whole gzip file"),
        (ENCODING, PACKED[:-1], "not a whole gzip file"),
        (GZIP, PACKED[:12] + b"\0\0\0", "not a whole gzip file"),
        (GZIP, PACKED + b"more", "not a whole gzip file"),
        (GZIP, PACKED[:-5] + b"\0" + PACKED[-4:], "not a whole gzip file"),
        (ENCODING, LINES + b'{"id": "secret', "line 3"),
        (ENCODING, b"[1]\n", "line 1"),
        (ENCODING, b'"secret"\n', "line 1"),
        (ENCODING, b"\xff\n", "line 1"),
    ],
)
def test_what_can_not_be_read_is_one_line(read, file, encoding, content, words):
    path = file("a", content)
    assert words in refusal(read, str(path), encoding=encoding)


def test_the_records_before_a_break_come_before_the_error(file):
    rows = b"".join(b'{"id": %d}\n' % number for number in range(50_000))
    path = file("a", gzip.compress(rows, mtime=0)[:-1000])
    records = batch_records(str(path.parent), GZIP, [str(path)])
    seen = []
    with pytest.raises(RunError, match="not a whole gzip file"):
        seen.extend(record["id"] for record in records)
    assert seen == list(range(len(seen)))


def test_files_of_several_gzip_members_are_read_to_the_end(read, file):
    path = file("a", PACKED + gzip.compress(b'{"id": 3}\n', mtime=0))
    assert [record["id"] for record in read(GZIP, str(path))] == [1, 2, 3]


def test_without_a_folder_every_batch_message_is_refused(file):
    path = str(file("a", LINES))
    with pytest.raises(RunError, match="set batch_root"):
        list(batch_records(None, ENCODING, [path]))


def test_a_file_that_is_not_there_is_one_line_that_names_it(read, root):
    words = refusal(read, str(root / "none.jsonl"))
    assert "none.jsonl' can't be read: No such file" in words


def test_a_folder_that_is_not_there_is_one_line(file, tmp_path):
    path = str(file("a", LINES))
    with pytest.raises(RunError, match="can't be read: No such file"):
        list(batch_records(str(tmp_path / "gone"), ENCODING, [path]))


@pytest.mark.parametrize(
    "address",
    [
        "s3://bucket/a",
        "http://127.0.0.1:9/a",
        "HTTP://127.0.0.1:9/a",
        "https://user:secret@host/a?token=secret",
        "file://host/a",
        "file:///a?token=secret",
        "file:///a#secret",
        "simplecache::{path}",
        "reference://::{path}",
        "file://{path}::http://127.0.0.1:9/secret@x",
        "memory://a",
        "nosuch://a/b",
        "file://",
        "",
        7,
        None,
        ["/a"],
    ],
)
def test_nothing_but_plain_paths_and_file_addresses_is_opened(read, file, address):
    path = file("a", LINES)
    if isinstance(address, str):
        address = address.replace("{path}", str(path))
    words = refusal(read, address)
    assert "only plain paths and addresses that begin with file:/// may" in words


def test_a_file_outside_the_folder_is_refused_however_it_is_named(
    read, root, tmp_path, monkeypatch
):
    outside = tmp_path / "outside.jsonl"
    outside.write_bytes(LINES)
    sibling = tmp_path / "root-of-another"
    sibling.mkdir()
    (sibling / "a").write_bytes(LINES)
    (root / "link").symlink_to(outside)
    (root / "folder").symlink_to(sibling)
    monkeypatch.chdir(root)
    for address in (
        str(outside),
        outside.as_uri(),
        str(sibling / "a"),
        f"{root}/../outside.jsonl",
        f"file://{root}/%2e%2e/outside.jsonl",
        "../outside.jsonl",
        str(root / "link"),
        str(root / "folder" / "a"),
        "/dev/zero",
        "/proc/self/environ",
    ):
        words = refusal(read, address)
        assert "it is not in the folder that batch_root names" in words


def test_the_folder_may_be_named_by_a_link(root, tmp_path):
    (root / "a").write_bytes(LINES)
    link = tmp_path / "link"
    link.symlink_to(root)
    for address in (link / "a", root / "a"):
        records = batch_records(str(link), ENCODING, [str(address)])
        assert len(list(records)) == 2


def test_what_is_in_the_folder_and_not_a_file_is_refused_without_a_wait(read, root):
    os.mkfifo(root / "fifo")
    (root / "folder").mkdir()
    for name in ("fifo", "folder"):
        assert "it is not a file" in refusal(read, str(root / name))


@pytest.mark.parametrize("name", ["a\0b", "a\ud800", "x" * 5000])
def test_a_path_that_can_not_be_is_one_line(read, root, name):
    assert "can't be read" in refusal(read, f"{root}/{name}")


def test_a_relative_path_after_the_working_folder_was_deleted_is_one_line(
    read, tmp_path, monkeypatch
):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert "can't be read: No such file" in refusal(read, "a")


@pytest.mark.parametrize("packed", [True, False])
def test_a_line_without_an_end_is_refused_by_its_number(read, file, packed):
    content = LINES + b" " * (MOST_LINE_BYTES + 1)
    path = file("a", gzip.compress(content, mtime=0) if packed else content)
    assert "line 3 of BATCH file" in refusal(read, str(path))


@pytest.mark.slow
def test_a_file_that_unpacks_to_a_thousand_times_its_size_is_read_as_a_stream(file):
    path = file("a", gzip.compress((b'{"id": 1}' + b" " * 999 + b"\n") * 50_000))
    tracemalloc.start()
    try:
        records = batch_records(str(path.parent), GZIP, [str(path)])
        assert sum(1 for _ in records) == 50_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def test_blank_lines_between_records_are_passed_over(read, file):
    path = file("a", b'{"id": 1}\n\n{"id": 2}\n  \n')
    assert read(ENCODING, str(path)) == [{"id": 1}, {"id": 2}]


def test_a_record_decodes_as_it_would_in_a_message(read, file):
    record = {"id": 1, "metadata": {"a": [1, None, "ü"]}}
    assert read(ENCODING, str(file("a", json.dumps(record).encode()))) == [record]
