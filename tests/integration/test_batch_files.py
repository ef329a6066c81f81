"""The records of BATCH messages."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal

import pytest

from target_upwell.exceptions import RunError
from target_upwell.singer import batch_files

LINES = b'{"id": 1, "n": 1.10}\n{"id": 2}\n'
ENCODING = {"format": "jsonl", "compression": "none"}
GZIP = {"format": "jsonl", "compression": "gzip"}


def read(encoding, *manifest):
    return list(batch_files.records(encoding, list(manifest)))


@pytest.fixture
def file(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("compression", [None, "none", "gzip", "absent"])
def test_records_are_read_from_each_form_of_file(file, compression):
    path = file("a", gzip.compress(LINES, mtime=0) if compression == "gzip" else LINES)
    encoding = {"format": "jsonl", "compression": compression}
    if compression == "absent":
        del encoding["compression"]
    wanted = [{"id": 1, "n": Decimal("1.10")}, {"id": 2}]
    assert read(encoding, str(path)) == wanted
    assert read(encoding, f"file://{path}") == wanted


def test_files_are_read_in_the_order_of_the_manifest(file):
    paths = [str(file(name, b'{"id": "%s"}' % name.encode())) for name in "ba"]
    assert [record["id"] for record in read(ENCODING, *paths)] == ["b", "a"]


def test_records_are_read_one_by_one(file):
    path = file("a", LINES + b"broken")
    records = batch_files.records(ENCODING, [str(path)])
    assert next(records)["id"] == 1


def test_no_files_are_no_records():
    assert read(ENCODING) == []


@pytest.mark.parametrize(
    ("encoding", "content", "words"),
    [
        ({"format": "parquet"}, LINES, "'parquet'"),
        ({"format": "jsonl", "compression": "zstd"}, LINES, "'zstd'"),
        ({"format": "jsonl", "compression": ["x" * 99]}, LINES, "compression ['xxx"),
        ({}, LINES, "None"),
        (GZIP, LINES, "can't be read"),
        (GZIP, gzip.compress(LINES, mtime=0)[:-9], "can't be read"),
        (GZIP, gzip.compress(LINES, mtime=0)[:12] + b"\0\0\0", "can't be read"),
        (ENCODING, LINES + b'{"id": "secret', "line 3"),
        (ENCODING, b"[1]\n", "line 1"),
        (ENCODING, b'"secret"\n', "line 1"),
        (ENCODING, b"\xff\n", "line 1"),
    ],
)
def test_what_can_not_be_read_is_one_line(file, encoding, content, words):
    path = file("a", content)
    with pytest.raises(RunError) as caught:
        read(encoding, str(path))
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["/nowhere/a", "nosuch://a/b", "s3://bucket/a", 7])
def test_a_file_that_is_not_there_is_one_line_that_names_it(url):
    with pytest.raises(RunError, match="can't be read") as caught:
        read(ENCODING, url)
    assert str(url) in str(caught.value)


def test_blank_lines_between_records_are_passed_over(file):
    path = file("a", b'{"id": 1}\n\n{"id": 2}\n  \n')
    assert read(ENCODING, str(path)) == [{"id": 1}, {"id": 2}]


def test_a_record_decodes_as_it_would_in_a_message(file):
    record = {"id": 1, "metadata": {"a": [1, None, "ü"]}}
    assert read(ENCODING, str(file("a", json.dumps(record).encode()))) == [record]
