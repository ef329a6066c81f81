"""The picture of the flow from record to STATE."""

from __future__ import annotations

from typing import NamedTuple

from drawing import AMBER, GOLD, NAVY, Drawing, Look

_OURS, _OTHERS, _UPWELL = "#ffffff", "#eef3f6", "#fdf3dc"
_TOP, _BOTTOM = 60, 216


class _Box(NamedTuple):
    left: int
    top: int
    width: int
    height: int
    name: str
    lines: tuple[str, ...]
    fill: str = _OURS
    dashed: bool = False


_BOXES = (
    _Box(20, _TOP, 130, 96, "tap", ("SCHEMA, RECORD", "and STATE lines"), _OTHERS),
    _Box(190, _TOP, 150, 96, "stream map", ("your expressions", "name the properties")),
    _Box(
        380,
        _TOP,
        150,
        96,
        "mapping",
        ("record becomes", "customer input,", "checked by a schema"),
    ),
    _Box(
        570,
        _TOP,
        150,
        96,
        "batch",
        ("one is open; full,", "or 30 seconds old,", "it goes to a worker"),
    ),
    _Box(
        570,
        _BOTTOM,
        150,
        150,
        "worker",
        (
            "looks up what exists,",
            "plans,",
            "creates what is new,",
            "updates what changed;",
            "several work",
            "at a time",
        ),
    ),
    _Box(
        770,
        _BOTTOM,
        150,
        150,
        "Upwell",
        ("POST search", "POST bulk-customers", "PUT customers"),
        _UPWELL,
    ),
    _Box(
        380,
        _BOTTOM,
        150,
        66,
        "rejects file",
        ("written before STATE",),
        dashed=True,
    ),
    _Box(
        380,
        _BOTTOM + 84,
        150,
        66,
        "unsynced file",
        ("what can't change",),
        dashed=True,
    ),
    _Box(
        190,
        _BOTTOM,
        150,
        150,
        "checkpoints",
        (
            "a STATE is covered",
            "when every record",
            "before it is in Upwell",
            "or in the rejects file",
        ),
    ),
    _Box(
        20,
        _BOTTOM,
        130,
        150,
        "Meltano",
        ("keeps the STATE;", "the next run starts", "from there"),
        _OTHERS,
    ),
)
_RECORDS = (
    [(150, 108), (187, 108)],
    [(340, 108), (377, 108)],
    [(530, 108), (567, 108)],
    [(645, 156), (645, 213)],
    [(720, 276), (767, 276)],
    [(770, 306), (723, 306)],
    [(570, 249), (533, 249)],
    [(570, 333), (533, 333)],
    [(455, 156), (455, 213)],
)
_STATES = (
    [(85, 156), (85, 186), (265, 186), (265, 213)],
    [(190, 291), (153, 291)],
    [(645, 366), (645, 396), (265, 396), (265, 369)],
)


def draw() -> str:
    """Draw it."""
    drawing = Drawing(
        940,
        430,
        "From record to STATE",
        "Records go from the tap through the stream map and the mapping into a batch. A"
        " worker looks up, plans, creates and updates in Upwell; what is rejected or"
        " can't be changed is written to files. STATE waits at the checkpoints until"
        " every record before it is acknowledged, and then goes out to Meltano.",
    )
    name = Look(size=15, bold=True)
    drawing.text((470, 34), "From record to STATE", name)
    for box in _BOXES:
        edge = GOLD if box.fill == _UPWELL else NAVY
        drawing.box(
            (box.left, box.top),
            (box.width, box.height),
            fill=box.fill,
            edge=edge,
            dashed=box.dashed,
        )
        middle = box.left + box.width / 2
        drawing.text((middle, box.top + 24), box.name, name)
        for place, line in enumerate(box.lines):
            drawing.text((middle, box.top + 44 + 17 * place), line, Look(size=12))
    for points in _RECORDS:
        drawing.line([*points], arrow=True)
    for points in _STATES:
        drawing.line([*points], color=GOLD, dashed=True, arrow=True)
    drawing.text((175, 180), "STATE", Look(AMBER))
    drawing.text((455, 414), "batch acknowledged", Look(AMBER))
    return drawing.svg()
