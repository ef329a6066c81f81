"""The picture of the throughput against requests at once, from the benchmark's figures.

Both axes are logarithmic: the API's limit, a batch a request, is a straight line there.
"""

from __future__ import annotations

import math
from typing import Any

from drawing import AMBER, GOLD, GREY, NAVY, PALE, Drawing, Look, Point

_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 670, 96, 384


def draw(results: dict[str, Any]) -> str:
    """Draw it.

    Args:
        results: What `make bench` wrote.
    """
    latency, batch = results["latency_ms"], results["batch"]
    plain = results["new"][f"{latency} ms"]["plain, flat map"]["rows_per_second"]
    measured = {row["parallel"]: row["rows_per_second"] for row in results["at_once"]}
    limit = {at_once: batch * at_once * 1000 / latency for at_once in measured}
    scale = _Scale([*measured], [plain, *measured.values(), *limit.values()])
    drawing = Drawing(
        920,
        450,
        "Throughput against requests at once",
        f"New customers a second with answers after {latency} ms. "
        + " ".join(
            f"{at_once} at once: {rows:,} of at most {limit[at_once]:,.0f}."
            for at_once, rows in measured.items()
        )
        + f" A plain target from the SDK's template, one at a time: {plain:,}.",
    )
    heading = Look(size=17, bold=True, anchor="start")
    drawing.text((_LEFT, 36), "New customers a second", heading)
    drawing.text(
        (_LEFT, 58),
        f"{results['customers']:,} customers, {batch} in a request, each answered"
        f" after {latency} ms; both axes double",
        Look(GREY, anchor="start"),
    )
    _axes(drawing, scale, [*measured])
    last = max(measured)
    _curve(drawing, scale, limit, GOLD, dashed=True)
    end = scale.point(last, limit[last])
    _label(drawing, end, ["the API's limit"], AMBER)

    _curve(drawing, scale, dict.fromkeys(measured, plain), GREY, dashed=True)
    drawing.dot(scale.point(min(measured), plain), GREY)
    words = [
        f"{plain:,}: a plain target",
        "from the SDK's template,",
        "one request at a time",
    ]
    _label(drawing, scale.point(last, plain), words, GREY)

    _curve(drawing, scale, measured, NAVY)
    for at_once, rows in measured.items():
        x, y = scale.point(at_once, rows)
        drawing.dot((x, y))
        if at_once != last:
            below = Look(NAVY, anchor="start", halo=True)
            drawing.text((x + 9, y + 17), f"{rows:,}", below)
    words = [
        f"{measured[last]:,}: target-upwell,",
        f"up to {max(measured.values()) / plain:.1f} times as many",
    ]
    _label(drawing, scale.point(last, measured[last]), words, NAVY)
    return drawing.svg()


class _Scale:
    """Where a value lies in the picture."""

    def __init__(self, at_once: list[int], rows: list[float]) -> None:
        self._least, self._most = min(at_once), max(at_once)
        self.low = math.floor(math.log2(min(rows) / 1000))
        self.high = math.ceil(math.log2(max(rows) / 1000))

    def point(self, at_once: float, rows: float) -> Point:
        across = math.log2(at_once / self._least) / math.log2(self._most / self._least)
        up = (math.log2(rows / 1000) - self.low) / (self.high - self.low)
        return (
            round(_LEFT + 20 + across * (_RIGHT - _LEFT - 20), 1),
            round(_BOTTOM - up * (_BOTTOM - _TOP), 1),
        )


def _axes(drawing: Drawing, scale: _Scale, at_once: list[int]) -> None:
    for step in range(scale.low, scale.high + 1):
        rows = 1000 * 2.0**step
        _, y = scale.point(at_once[0], rows)
        drawing.line([(_LEFT, y), (_RIGHT, y)], color=PALE, width=1)
        drawing.text((_LEFT - 10, y + 4.5), f"{rows:,.0f}", Look(GREY, anchor="end"))
    for number in at_once:
        x, _ = scale.point(number, 1000)
        drawing.text((x, _BOTTOM + 24), str(number), Look(GREY))
    middle = (_LEFT + _RIGHT) / 2
    drawing.text((middle, _BOTTOM + 48), "requests at once", Look(GREY))


def _curve(
    drawing: Drawing,
    scale: _Scale,
    values: dict[int, float],
    color: str,
    *,
    dashed: bool = False,
) -> None:
    points = [scale.point(at_once, rows) for at_once, rows in values.items()]
    drawing.line(points, color=color, width=2, dashed=dashed)


def _label(drawing: Drawing, end: Point, lines: list[str], color: str) -> None:
    """Name a curve at its right end, the first line in bold."""
    for place, words in enumerate(lines):
        look = Look(color, bold=place == 0, anchor="start")
        drawing.text((end[0] + 14, end[1] + 4 + 17 * place), words, look)
