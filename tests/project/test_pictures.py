"""The pictures of the documentation are made by a command, and can be made again."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

# The scripts are no package.
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import flow
import throughput

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"
RESULTS = {
    "latency_ms": 100,
    "batch": 200,
    "customers": 40_000,
    "new": {"100 ms": {"plain, flat map": {"rows_per_second": 1500}}},
    "at_once": [
        {"parallel": 1, "rows_per_second": 1800},
        {"parallel": 4, "rows_per_second": 6400},
        {"parallel": 16, "rows_per_second": 12_000},
    ],
}


@pytest.fixture(params=[flow.draw, lambda: throughput.draw(RESULTS)])
def picture(request):
    return request.param()


def words(picture):
    return [text.text for text in ET.fromstring(picture).iter(f"{SVG}text")]


def test_the_flow_is_the_one_that_the_command_draws():
    kept = (ROOT / "docs" / "images" / "flow.svg").read_text("utf-8")

    assert kept == flow.draw(), "run `make pictures`"


def test_the_throughput_is_the_one_of_the_last_benchmark():
    kept = (ROOT / "docs" / "images" / "throughput.svg").read_text("utf-8")
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text("utf-8"))

    assert kept == throughput.draw(results), "run `make pictures`"


def test_a_picture_has_a_title_and_a_description(picture):
    root = ET.fromstring(picture)

    ids = root.attrib["aria-labelledby"].split()
    assert root.attrib["role"] == "img"
    assert [child.attrib["id"] for child in root[:2]] == ids
    assert all(child.text for child in root[:2])


def test_a_picture_brings_its_own_ground_and_loads_nothing(picture):
    root = ET.fromstring(picture)

    width, height = root.attrib["viewBox"].split()[2:]
    ground = root[2].attrib
    assert (ground["width"], ground["height"]) == (width, height)
    assert ground["fill"] == "#ffffff"
    assert re.search(r"href|url\(|@import|<script", picture) is None


def test_text_stands_out_from_the_ground(picture):
    for text in ET.fromstring(picture).iter(f"{SVG}text"):
        assert contrast_with_white(text.attrib["fill"]) >= 4.5


def contrast_with_white(color):
    shares = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares
    ]
    light = sum(w * s for w, s in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return 1.05 / (light + 0.05)


def test_the_throughput_shows_the_benchmarks_own_figures():
    shown = words(throughput.draw(RESULTS))

    assert {"1,800", "6,400", "12,000: target-upwell,"} <= {*shown}
    assert "1,500: a plain target" in shown
    assert "up to 8.0 times as many" in shown
    assert "40,000 customers, 200 in a request, each answered after 100 ms" in " ".join(
        shown
    )


def test_the_limit_is_a_batch_a_request_for_each_that_is_under_way():
    description = ET.fromstring(throughput.draw(RESULTS))[1].text

    assert "1 at once: 1,800 of at most 2,000." in description
    assert "16 at once: 12,000 of at most 32,000." in description


def test_everything_lies_within_the_picture(picture):
    root = ET.fromstring(picture)
    width, height = map(float, root.attrib["viewBox"].split()[2:])

    for text in root.iter(f"{SVG}text"):
        assert 0 < float(text.attrib["x"]) < width
        assert 0 < float(text.attrib["y"]) < height
    for line in root.iter(f"{SVG}polyline"):
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height
