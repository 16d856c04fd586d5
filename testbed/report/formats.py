"""Numbers as a reader wants them; None is a dash."""

from __future__ import annotations

NONE = "–"


def ms(value: float | None) -> str:
    """Milliseconds to three digits, at most to the microsecond: `24.9`, `2.71`, `0.031`."""
    if value is None:
        return NONE
    digits = next((digits for digits, least in ((0, 100), (1, 10), (2, 1)) if abs(value) >= least), 3)
    return f"{value:.{digits}f}"


def count(value: float | None) -> str:
    """`12,345`."""
    return NONE if value is None else f"{value:,.0f}"


def percent(value: float | None) -> str:
    """Of a value in percent: `0`, `0.25`, `12.5`."""
    return NONE if value is None else f"{value:.2f}".rstrip("0").rstrip(".")


def share(value: float | None) -> str:
    """Of a share from 0 to 1, in percent."""
    return NONE if value is None else percent(value * 100)


def size(value: float | None) -> str:
    """Octets: `850 B`, `1.2 MB`."""
    if value is None:
        return NONE
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.0f} B"


def quantity(value: float | None, unit: str) -> str:
    """A value with its unit, as expectations have them."""
    if value is None:
        return "not measured"
    if unit == "ms":
        return f"{ms(value)} ms"
    if unit == "s":
        return f"{value:.1f} s"
    if unit == "%":
        return f"{percent(value)} %"
    return size(value) if unit == "B" else count(value)
