"""Where the names of cities go on the map: beside their dot, clear of links, other dots and other names. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

XY = tuple[float, float]
Frame = tuple[float, float, float, float]

LETTER, LINE = 6.9, 15.0


@dataclass(frozen=True)
class CityLabel:
    """A name at a place; `anchor` as in SVG."""

    text: str
    x: float
    y: float
    anchor: str


_SIDES = (
    ((0.0, -1.0), (0.0, -14.0), "middle"),
    ((0.0, 1.0), (0.0, 24.0), "middle"),
    ((1.0, 0.0), (13.0, 4.0), "start"),
    ((-1.0, 0.0), (-13.0, 4.0), "end"),
)
"""Direction from the city, offset of the name, its anchor."""


def city_labels(
    names: Mapping[str, str], places: Mapping[str, XY], neighbours: Mapping[str, Sequence[str]]
) -> tuple[CityLabel, ...]:
    """Labels for the cities of `names` (node → what it is called), those first in it first; where none fits, none."""
    taken = [(x - 7, y - 7, x + 7, y + 7) for x, y in (places[name] for name in names)]
    found = []
    for node, said in names.items():
        for label in _candidates(said, places[node], [places[peer] for peer in neighbours[node]]):
            frame = _frame(label)
            if not any(_overlap(frame, other) for other in taken):
                taken.append(frame)
                found.append(label)
                break
    return tuple(found)


def _candidates(said: str, place: XY, peers: Iterable[XY]) -> list[CityLabel]:
    """The four sides, the one farthest from the directions in which links leave first."""
    ways = [(x - place[0], y - place[1]) for x, y in peers]
    unit = [(dx / (math.hypot(dx, dy) or 1), dy / (math.hypot(dx, dy) or 1)) for dx, dy in ways]

    def crowding(side: tuple[XY, XY, str]) -> float:
        (across, down), _, _ = side
        return round(max((across * dx + down * dy for dx, dy in unit), default=0.0), 1)

    return [
        CityLabel(said, place[0] + dx, place[1] + dy, anchor) for _, (dx, dy), anchor in sorted(_SIDES, key=crowding)
    ]


def _frame(label: CityLabel) -> Frame:
    width = LETTER * len(label.text)
    left = label.x - {"start": 0.0, "middle": width / 2, "end": width}[label.anchor]
    return left, label.y - LINE + 3, left + width, label.y + 3


def _overlap(one: Frame, other: Frame) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
