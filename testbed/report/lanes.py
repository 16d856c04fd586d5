"""Which transport each demand took over time, as SVG; red below where its SLA did not hold. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from testbed.report.bands import Bands
from testbed.report.overlay import Lane
from testbed.report.svg import Scale, drawing, line, tag, text
from testbed.report.timeline import COLOURS, Phase

WIDTH, TOP, BOTTOM, RIGHT = 1160.0, 22.0, 30.0, 8.0
_LETTER, _ROW, _BAR = 7.0, 26.0, 14.0


def way_colours(lanes: Sequence[Lane]) -> dict[str, str]:
    """Way → class of its colour."""
    ways = sorted({way for lane in lanes for _, _, way in lane.taken})
    return {way: f"c{number % COLOURS}" for number, way in enumerate(ways)}


def lanes_chart(lanes: Sequence[Lane], phases: Sequence[Phase], end: float) -> Markup:
    """The whole run, a lane for each demand."""
    x = Scale(0.0, end, 24.0 + _LETTER * max(len(lane.name) for lane in lanes), WIDTH - RIGHT)
    bands = Bands(x, tuple(phases))
    top = TOP + bands.height
    bottom = top + len(lanes) * _ROW + 6
    colours = way_colours(lanes)
    return drawing(
        WIDTH,
        bottom + BOTTOM,
        *bands.drawn(top, bottom),
        *(mark for number, lane in enumerate(lanes) for mark in _lane(lane, x, top + 6 + number * _ROW, colours)),
        *_ticks(x, bottom),
        title="The transport that each application took",
    )


def _lane(lane: Lane, x: Scale, top: float, colours: Mapping[str, str]) -> Iterator[Markup]:
    yield text(x.start - 10, top + 11.5, lane.name, "tick", anchor="end")
    for start, stop, way in lane.taken:
        hint = tag("title", f"{way}, {start:.3f} to {stop:.3f} s")
        left = x(start)
        yield tag("rect", hint, x=left, y=top, width=x(stop) - left, height=_BAR, class_=f"fill-{colours[way]}")
    strokes = "".join(f"M{x(start):.1f} {top + _BAR + 3:g}H{x(stop):.1f}" for start, stop in lane.violated)
    if strokes:
        yield tag("path", tag("title", "the SLA did not hold"), d=strokes, class_="violated")


def _ticks(x: Scale, bottom: float) -> Iterator[Markup]:
    ticks = x.ticks(10)
    for value in ticks:
        yield line(x(value), bottom, x(value), bottom + 4, "grid")
        yield text(
            x(value), bottom + 18, f"{value:g} s" if value == ticks[-1] else f"{value:g}", "tick", anchor="middle"
        )
