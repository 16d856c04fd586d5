"""The windows of a run above a chart: each name over the middle of its window, in as many rows as it takes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from testbed.report.svg import Scale, line, tag, text
from testbed.report.timeline import Phase

_LETTER, _GAP, ROW = 7.4, 10.0, 15.0


@dataclass(frozen=True)
class Bands:
    """Names of phases, placed; `x` has seconds. The first row is the lowest."""

    x: Scale
    phases: tuple[Phase, ...]

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """Of each name: no two touch, so it is the lowest that has room for it."""
        ends: list[float] = []
        rows = []
        for phase in self.phases:
            left, right = self.extent(phase)
            row = next((number for number, end in enumerate(ends) if end + _GAP <= left), len(ends))
            ends[row : row + 1] = [right]
            rows.append(row)
        return tuple(rows)

    @property
    def height(self) -> float:
        """What the rows above the first one take."""
        return max(self.rows, default=0) * ROW

    def drawn(self, top: float, bottom: float) -> Iterator[Markup]:
        """Names above `top`, those of higher rows with a line down to it, and the windows' shades below."""
        for phase, row in zip(self.phases, self.rows, strict=True):
            left, right = self.x(phase.start), self.x(phase.end)
            yield tag("rect", x=left, y=top, width=right - left, height=bottom - top, class_=f"bg-{phase.colour}")
            yield line(left, top, left, bottom, "edge")
            if row:
                middle = (left + right) / 2
                yield line(middle, top - 4 - row * ROW, middle, top, "guide")
        for phase, row in zip(self.phases, self.rows, strict=True):
            left, right = self.extent(phase)
            at = (left + right) / 2
            yield text(at, top - 8 - row * ROW, phase.name, f"band ink-{phase.colour}", anchor="middle")

    def extent(self, phase: Phase) -> tuple[float, float]:
        """From where to where its name goes, inside the drawing."""
        width = _LETTER * len(phase.name)
        left = min(self.x((phase.start + phase.end) / 2) - width / 2, self.x.end - width)
        left = max(left, self.x.start)
        return left, left + width
