"""Round-trip time over time, as SVG: windows shaded, steps marked, lost probes on a rug below. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from testbed.report.bands import Bands
from testbed.report.formats import ms
from testbed.report.svg import Scale, dots, drawing, line, nice_step, tag, text
from testbed.report.timeline import Mark, Phase
from traffic.samples import StampSample
from traffic.statistics import percentile

WIDTH, HEIGHT = 1160.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 8.0, 22.0, 38.0


@dataclass(frozen=True)
class Point:
    """A probe: seconds since the run's zero, and its round-trip time or None if it was lost."""

    t: float
    rtt_ms: float | None


def points(samples: Sequence[StampSample], zero: float) -> list[Point]:
    """Samples as what a chart shows."""
    return [Point(sample.t - zero, sample.delays.rtt_ms if sample.delays else None) for sample in samples]


def rtt_chart(title: str, probes: Sequence[Point], phases: Sequence[Phase], marks: Sequence[Mark]) -> Markup:
    """The whole run of one probe."""
    end = max((phase.end for phase in phases), default=max((point.t for point in probes), default=1.0))
    bands = Bands(Scale(0.0, end, LEFT, WIDTH - RIGHT), tuple(phases))
    frame = _Frame(0.0, end, probes, HEIGHT + bands.height, top=TOP + bands.height)
    return drawing(
        WIDTH,
        HEIGHT + bands.height,
        *bands.drawn(frame.top, frame.bottom),
        *frame.axes(),
        *(_step_line(frame, mark) for mark in marks),
        *frame.data(),
        title=f"Round-trip time of {title}",
    )


def change_chart(title: str, probes: Sequence[Point], marks: Sequence[Mark], phase: Phase) -> Markup:
    """The moment of a change, close up, with its steps numbered; time counts from the first step."""
    start = max(phase.start, marks[0].t - 0.25)
    end = min(phase.end, marks[-1].t + 0.35)
    frame = _Frame(start, end, probes, HEIGHT + 30, zero=marks[0].t, unit="ms")
    return drawing(
        WIDTH,
        HEIGHT + 30,
        _shade(frame, start, end, "change"),
        *frame.axes(),
        *(_step_line(frame, mark) for mark in marks),
        *_numbers(frame, marks),
        *frame.data(),
        title=f"Round-trip time of {title} during {phase.name}",
    )


class _Frame:
    """Axes and dots of one stretch of time; the vertical axis starts at zero and leaves out rare peaks."""

    def __init__(  # noqa: PLR0913
        self,
        start: float,
        end: float,
        probes: Sequence[Point],
        height: float,
        *,
        top: float = TOP,
        zero: float = 0.0,
        unit: Literal["s", "ms"] = "s",
    ) -> None:
        self.probes = [point for point in probes if start <= point.t <= end]
        self.values = sorted(point.rtt_ms for point in self.probes if point.rtt_ms is not None)
        usual = percentile(self.values, 99) * 1.25 if self.values else 1.0
        self.zero, self.unit, self.factor = zero, unit, 1000 if unit == "ms" else 1
        self.top, self.bottom = top, height - BOTTOM
        self.x = Scale(start, end, LEFT, WIDTH - RIGHT)
        step = nice_step(usual / 4)
        self.y = Scale(0.0, step * -(-usual // step), self.bottom, top)

    def axes(self) -> list[Markup]:
        """Grid, ticks and what they are."""
        drawn: list[Markup] = []
        for value in self.y.ticks(4):
            said = f"{value:g} ms" if value == self.y.high else f"{value:g}"
            drawn += [line(LEFT, self.y(value), WIDTH - RIGHT, self.y(value), "grid")]
            drawn += [text(LEFT - 6, self.y(value) + 4, said, "tick", anchor="end")]
        time = Scale(
            (self.x.low - self.zero) * self.factor, (self.x.high - self.zero) * self.factor, LEFT, WIDTH - RIGHT
        )
        ticks = time.ticks(10)
        for value in ticks:
            said = f"{value:g} {self.unit}" if value == ticks[-1] else f"{value:g}"
            drawn += [text(time(value), self.bottom + 26, said, "tick", anchor="middle")]
        return drawn

    def data(self) -> list[Markup]:
        """The probes: answered ones as dots, lost ones as strokes below the axis, peaks as arrows at the top."""
        answered = [(point.t, point.rtt_ms) for point in self.probes if point.rtt_ms is not None]
        seen = [(self.x(t), self.y(rtt)) for t, rtt in answered if rtt <= self.y.high]
        peaks = [(t, rtt) for t, rtt in answered if rtt > self.y.high]
        lost = [p for p in self.probes if p.rtt_ms is None]
        drawn = [dots(seen, "dot" if self.unit == "s" else "dot large")]
        strokes = "".join(f"M{round(self.x(p.t), 1):g} {self.bottom + 3:g}v9" for p in lost)
        drawn += [tag("path", tag("title", f"{len(lost)} lost"), d=strokes, class_="lost")] if lost else []
        drawn += [_peak(self.x(t), self.top) for t, _ in peaks]
        if peaks:
            highest = max(rtt for _, rtt in peaks)
            said = f"▲ {len(peaks)} above {self.y.high:g} ms, up to {ms(highest)} ms"
            drawn += [text(WIDTH - RIGHT - 6, self.top + 14, said, "note", anchor="end")]
        return drawn


def _shade(frame: _Frame, start: float, end: float, colour: str) -> Markup:
    left, height = frame.x(start), frame.bottom - frame.top
    return tag("rect", x=left, y=frame.top, width=frame.x(end) - left, height=height, class_=f"bg-{colour}")


def _step_line(frame: _Frame, mark: Mark) -> Markup:
    x = frame.x(mark.t)
    hint = tag("title", f"{mark.t:.3f} s: {mark.title}")
    return tag("line", hint, x1=x, y1=frame.top, x2=x, y2=frame.bottom, class_="step")


def _numbers(frame: _Frame, marks: Sequence[Mark]) -> list[Markup]:
    """Numbers above their lines, moved right where they would overlap."""
    drawn: list[Markup] = []
    free = LEFT
    for mark in marks:
        x = max(frame.x(mark.t), free)
        free = x + 15
        drawn += [tag("circle", cx=x, cy=TOP - 9, r=7, class_="badge")]
        drawn += [text(x, TOP - 5.5, mark.number, "badge-text", anchor="middle")]
    return drawn


def _peak(x: float, top: float) -> Markup:
    return tag("path", d=f"M{x:.1f} {top + 1:g}l3 6h-6z", class_="peak")
