"""A drawing that is written down as SVG, on a ground of its own.

The ground keeps it legible on a dark page and on a light one.
"""

from __future__ import annotations

from html import escape
from typing import Literal, NamedTuple

INK = "#22333f"
NAVY = "#10324a"
AMBER = "#8a6200"
GOLD = "#b5830f"
GREY = "#5b6b76"
PALE = "#dde3e7"

Point = tuple[float, float]


class Look(NamedTuple):
    """How a line of text looks.

    Attributes:
        color: Of the letters.
        size: Of the letters.
        bold: Whether they are bold.
        anchor: Which part of the line lies where the text is put.
        halo: Whether the ground shows around the letters, over what lies below.
    """

    color: str = INK
    size: int = 13
    bold: bool = False
    anchor: Literal["start", "middle", "end"] = "middle"
    halo: bool = False


class Drawing:
    """Shapes in the order they are drawn.

    Args:
        width: The width in units of the drawing.
        height: Likewise.
        title: What the picture is called.
        description: What it shows, for who can't see it.
    """

    def __init__(self, width: int, height: int, title: str, description: str) -> None:
        self._size = (width, height)
        self._title = title
        self._description = description
        self._shapes: list[str] = []

    def text(self, at: Point, words: str, look: Look | None = None) -> None:
        """Write a line of text; its base line starts at `at`, or as it is anchored."""
        look = look or Look()
        self._add(
            "text",
            words,
            x=at[0],
            y=at[1],
            font_size=look.size,
            font_weight=600 if look.bold else 400,
            fill=look.color,
            text_anchor=look.anchor,
            stroke="#ffffff" if look.halo else None,
            stroke_width=5 if look.halo else None,
            paint_order="stroke" if look.halo else None,
        )

    def box(
        self,
        corner: Point,
        size: Point,
        *,
        fill: str = "#ffffff",
        edge: str = NAVY,
        dashed: bool = False,
    ) -> None:
        """Draw a box with round corners."""
        self._add(
            "rect",
            x=corner[0],
            y=corner[1],
            width=size[0],
            height=size[1],
            rx=8,
            fill=fill,
            stroke=edge,
            stroke_width=1.5,
            stroke_dasharray="5 4" if dashed else None,
        )

    def line(
        self,
        points: list[Point],
        *,
        color: str = NAVY,
        width: float = 1.8,
        dashed: bool = False,
        arrow: bool = False,
    ) -> None:
        """Draw a line from point to point, with the head of an arrow or without."""
        if arrow:
            self._head(points[-2], points[-1], color)
        self._add(
            "polyline",
            points=" ".join(f"{x:g},{y:g}" for x, y in points),
            fill="none",
            stroke=color,
            stroke_width=width,
            stroke_linejoin="round",
            stroke_dasharray="6 4" if dashed else None,
        )

    def dot(self, at: Point, color: str = NAVY) -> None:
        """Draw a dot."""
        self._add("circle", cx=at[0], cy=at[1], r=4, fill=color)

    def svg(self) -> str:
        """Write it down."""
        width, height = self._size
        attributes = _attributes(
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {width} {height}",
            role="img",
            aria_labelledby="title description",
            font_family="system-ui, sans-serif",
        )
        lines = [
            f"<svg{attributes}>",
            f'  <title id="title">{escape(self._title)}</title>',
            f'  <desc id="description">{escape(self._description)}</desc>',
            f'  <rect width="{width}" height="{height}" rx="10" fill="#ffffff"/>',
            *self._shapes,
            "</svg>",
        ]
        return "\n".join(lines) + "\n"

    def _head(self, before: Point, end: Point, color: str) -> None:
        """Draw the head of an arrow along one of the axes."""
        (x, y), ahead = end, 1
        if before[0] == x:
            ahead = 1 if y > before[1] else -1
            base = [(x - 4.5, y - 9 * ahead), (x + 4.5, y - 9 * ahead)]
        else:
            ahead = 1 if x > before[0] else -1
            base = [(x - 9 * ahead, y - 4.5), (x - 9 * ahead, y + 4.5)]
        points = " ".join(f"{x:g},{y:g}" for x, y in (end, *base))
        self._add("polygon", points=points, fill=color)

    def _add(
        self, shape: str, words: str | None = None, **given: str | float | None
    ) -> None:
        end = "/>" if words is None else f">{escape(words, quote=False)}</{shape}>"
        self._shapes.append(f"  <{shape}{_attributes(**given)}{end}")


def _attributes(**given: str | float | None) -> str:
    """Write attributes, their hyphens given as underscores, without those of None."""
    texts = {
        name.replace("_", "-"): value if isinstance(value, str) else f"{value:g}"
        for name, value in given.items()
        if value is not None
    }
    return "".join(f' {name}="{escape(text)}"' for name, text in texts.items())
