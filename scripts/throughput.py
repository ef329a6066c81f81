"""The chart of the throughput against requests at once, from the benchmark's figures.

Both axes are logarithmic: the API's limit, a batch a request, is a straight line there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from benchmarks.readme import cpu_limits_from

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

_NAVY, _AMBER, _GREY, _PALE = "#10324a", "#8a6200", "#5b6b76", "#dde3e7"
_SIZE_INCHES = (9.2, 4.6)


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw the chart.

    Args:
        results: What `make bench` wrote.
        path: The SVG file to write.
    """
    latency, batch = results["latency_ms"], results["batch"]
    plain = results["new"][f"{latency} ms"]["plain, flat map"]["rows_per_second"]
    measured = {row["parallel"]: row["rows_per_second"] for row in results["at_once"]}
    limit = {at_once: batch * at_once * 1000 / latency for at_once in measured}
    # The same figures give the same file.
    with mpl.rc_context({"svg.hashsalt": "throughput", "font.size": 10}):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained", facecolor="white")
        axes = figure.add_subplot()
        _set_up(axes, [*measured])
        axes.set_title("New customers a second", loc="left", weight="bold", pad=28)
        axes.annotate(
            f"{results['customers']:,} customers, {batch} in a request, each"
            f" answered after {latency} ms; both axes double",
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, 12),
            textcoords="offset points",
            color=_GREY,
        )
        _curve(axes, limit, _AMBER, "if only the API limited", dashed=True)
        words = f"{plain:,}: a plain target\nfrom the SDK's template,\none at a time"
        _curve(axes, dict.fromkeys(measured, plain), _GREY, words, dashed=True)
        last = measured[max(measured)]
        times = max(measured.values()) / plain
        words = f"{last:,}: target-upwell,\nup to {times:.1f} times as many"
        full = cpu_limits_from(results)
        if full:
            words += f";\nfrom {full} on the CPU limits"
        _curve(axes, measured, _NAVY, words)
        for at_once, rows in list(measured.items())[:-1]:
            _label(axes, (at_once, rows), f"{rows:,}", _NAVY, (10, -7))
        figure.savefig(path, metadata={"Date": None})
    # A file of text without white space at the ends of its lines.
    lines = path.read_text("utf-8").splitlines()
    path.write_text("".join(f"{line.rstrip()}\n" for line in lines), "utf-8")


def _set_up(axes: Axes, at_once: list[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set_xticks(at_once, [str(number) for number in at_once])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda rows, _: f"{rows:,.0f}"))
    axes.set_yticks([1000 * 2**step for step in range(6)])
    axes.set_ylim(bottom=1000)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("requests at once", color=_GREY)
    axes.grid(axis="y", color=_PALE)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_GREY, length=0)
    axes.spines[:].set_visible(False)


def _curve(
    axes: Axes,
    values: dict[int, float],
    color: str,
    words: str,
    *,
    dashed: bool = False,
) -> None:
    """Draw a curve and name it at its right end."""
    style, marker = ("--", "") if dashed else ("-", "o")
    axes.plot([*values], [*values.values()], style, marker=marker, color=color)
    end = max(values)
    _label(axes, (end, values[end]), words, color, (12, 0))


def _label(
    axes: Axes,
    at: tuple[float, float],
    words: str,
    color: str,
    offset_points: tuple[float, float],
) -> None:
    axes.annotate(
        words,
        at,
        xytext=offset_points,
        textcoords="offset points",
        color=color,
        va="center",
        annotation_clip=False,
    )
