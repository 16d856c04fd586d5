"""Quantities as people write them: `"10Gbit"`, `"9.9ms"`, `"0.1%"`, `"1976km"`.

Each parser turns text or a bare number into one canonical unit and raises ValueError saying what is wanted. The
Annotated types do the same inside pydantic models and document themselves in the JSON Schema.
"""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

FIBRE_US_PER_KM = 5.0
"""Propagation delay of light in fibre (ITU-T G.114 §A.2 gives 5 µs/km)."""

_QUANTITY = re.compile(r"^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-zµ%/]*)\s*$")

_RATE_BPS = {
    "bit": 1,
    "kbit": 10**3,
    "mbit": 10**6,
    "gbit": 10**9,
    "bps": 1,
    "kbps": 10**3,
    "mbps": 10**6,
    "gbps": 10**9,
}
_DURATION_MS = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3, "min": 60e3}
_DISTANCE_KM = {"m": 1e-3, "km": 1.0}


def _quantity(value: object, units: dict[str, float] | dict[str, int], want: str) -> float:
    match = _QUANTITY.match(value) if isinstance(value, str) else None
    if match is None or match[2].lower() not in units:
        raise ValueError(f"want {want}")
    number = float(match[1]) * units[match[2].lower()]
    if not math.isfinite(number):
        raise ValueError(f"want {want}")
    if number < 0:
        raise ValueError(f"want {want}, not below zero")
    return number


def parse_rate(value: object) -> int:
    """Bits per second from `"10Gbit"`; ValueError for anything without a unit, negative or zero."""
    rate = round(_quantity(value, _RATE_BPS, 'a rate such as "10Gbit"'))
    if rate == 0:
        raise ValueError('want a rate such as "10Gbit", above zero')
    return rate


def parse_duration_ms(value: object) -> float:
    """Milliseconds from `"9.9ms"`, `"50us"` or `"8s"`; ValueError for anything without a unit or negative."""
    return _quantity(value, _DURATION_MS, 'a duration such as "9.9ms"')


def parse_distance_km(value: object) -> float:
    """Kilometres from `"1976km"`; ValueError for anything without a unit or negative."""
    return _quantity(value, _DISTANCE_KM, 'a distance such as "80km"')


def parse_ratio(value: object) -> float:
    """A share from 0 to 1 out of `"0.1%"`, or a bare number in that range."""
    want = 'a share such as "0.1%", from 0% to 100%'
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = f"{value * 100}%"
    ratio = _quantity(value, {"%": 0.01}, want)
    if ratio > 1:
        raise ValueError(f"want {want}")
    return ratio


def format_rate(bps: int) -> str:
    """`10000000000` as `"10Gbit"`."""
    for unit, factor in (("Gbit", 10**9), ("Mbit", 10**6), ("kbit", 10**3)):
        if bps >= factor:
            return f"{bps / factor:g}{unit}"
    return f"{bps}bit"


def format_delay_us(us: int) -> str:
    """`9900` as `"9.9 ms"`, `200` as `"200 µs"`."""
    return f"{us / 1000:.10g} ms" if us >= 1000 else f"{us} µs"


def fibre_delay_ms(distance_km: float) -> float:
    """Propagation delay of `distance_km` of fibre, in milliseconds."""
    return distance_km * FIBRE_US_PER_KM / 1000


def _schema(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


Rate = Annotated[
    int,
    BeforeValidator(parse_rate),
    PlainSerializer(format_rate, return_type=str),
    _schema(r"^[0-9.]+ ?([kMG]?bit|[kMG]?bps)$", "10Gbit", "300Mbit"),
]
"""Bits per second, written with its unit."""

DurationMs = Annotated[
    float,
    BeforeValidator(parse_duration_ms),
    PlainSerializer(lambda ms: f"{ms:g}ms", return_type=str),
    _schema(r"^[0-9.]+ ?(ns|us|µs|ms|s|min)$", "9.9ms", "50us", "8s"),
]
"""Milliseconds, written with a unit."""

DistanceKm = Annotated[
    float,
    BeforeValidator(parse_distance_km),
    PlainSerializer(lambda km: f"{km:g}km", return_type=str),
    _schema(r"^[0-9.]+ ?k?m$", "1976km"),
]
"""Kilometres, written with a unit."""

Ratio = Annotated[
    float,
    BeforeValidator(parse_ratio),
    PlainSerializer(lambda share: f"{share * 100:g}%", return_type=str),
    _schema(r"^[0-9.]+ ?%$", "0.1%", "0%"),
]
"""A share from 0 to 1, written as a percentage."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 step`, `2 steps`, `1,000 steps`; `plural` is for nouns that take more than an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
