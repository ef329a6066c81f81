"""Make the pictures of the documentation again.

`make pictures` runs it. The page needs Chromium, the throughput the results of
`make bench`; where one is not there, its picture stays as it is and a line says so.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import browser
import sandbox_page
import throughput

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
RESULTS = ROOT / "benchmarks" / "results.json"


def main() -> None:
    """Make them all.

    Raises:
        SystemExit: With 1 when a picture could not be made.
    """
    missing = []
    if RESULTS.exists():
        results = json.loads(RESULTS.read_text("utf-8"))
        throughput.draw(results, IMAGES / "throughput.svg")
    else:
        missing.append("throughput.svg: `make bench` was not run")
    if reason := browser.why_missing():
        missing.append(f"sandbox.png: {reason}")
    else:
        sandbox_page.draw(IMAGES / "sandbox.png")
    for line in missing:
        print(f"not made, {line}", file=sys.stderr)
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
