"""The page on the architecture names rooms and files that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PACKAGE = ROOT / "target_upwell"


def rows(heading):
    """The rows of the first table under a heading."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_each_thing_to_look_for_names_one_file():
    table = rows("Where do I look for ...")
    assert table
    for what, where in table:
        (named,) = re.findall(r"`([^`]+)`", where)
        assert (ROOT / named).is_file(), what


def test_every_room_and_file_that_it_names_is_there():
    named = re.findall(r"(?<![\w./])[a-z_]+/(?:[a-z_]+\.py)?(?![\w./])", PAGE)
    named += re.findall(r"`([a-z_/]+\.py)`", PAGE)
    assert named
    for path in named:
        places = (ROOT / path, PACKAGE / path)
        assert any(place.exists() for place in places), path


def test_every_room_is_named():
    named = " ".join(what for what, _ in rows("Rooms"))
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms == set(re.findall(r"`([a-z]+)/`", named))
