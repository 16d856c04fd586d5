"""SVG elements as escaped text, and the linear scales that charts are drawn with. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup, escape


def tag(name: str, *content: str, **attributes: str | float) -> Markup:
    """`<name a="b">content</name>`; `_` in attribute names becomes `-`, a trailing one goes; text is escaped."""
    pairs = "".join(f' {key.rstrip("_").replace("_", "-")}="{_text(value)}"' for key, value in attributes.items())
    inner = Markup("").join(content)
    return Markup(f"<{name}{pairs}>{inner}</{name}>") if inner else Markup(f"<{name}{pairs}/>")


def drawing(width: float, height: float, *content: str, title: str) -> Markup:
    """A whole `<svg>` that scales with the page; `title` is its text for those who do not see it."""
    box = f"0 0 {_text(width)} {_text(height)}"
    return tag(
        "svg", *content, xmlns="http://www.w3.org/2000/svg", viewBox=box, width="100%", role="img", aria_label=title
    )


def text(x: float, y: float, content: object, class_: str, *, anchor: str = "start") -> Markup:
    """A line of text."""
    return tag("text", str(content), x=x, y=y, class_=class_, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def dots(points: Iterable[tuple[float, float]], class_: str) -> Markup:
    """Round dots as one path; those that would cover each other are drawn once."""
    places = dict.fromkeys((round(x * 2) / 2, round(y * 2) / 2) for x, y in points)
    steps = "".join(f"M{x:g} {y:g}h0" for x, y in places)
    return tag("path", d=steps, class_=class_) if steps else Markup("")


def _text(value: str | float) -> str:
    return str(escape(value)) if isinstance(value, str) else f"{round(value, 1):g}"


@dataclass(frozen=True)
class Scale:
    """Maps `low`…`high` to `start`…`end` pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        return self.start + (value - self.low) / ((self.high - self.low) or 1.0) * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values inside the scale, about that many."""
        step = nice_step((self.high - self.low) / about)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(index * step, 9) for index in range(first, last + 1)]


def nice_step(rough: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not below `rough`."""
    if rough <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999999)
