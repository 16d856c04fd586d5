"""What an expectation wants, in words that fit a table cell."""

from __future__ import annotations

from testbed.report.formats import percent, quantity
from testbed.report.result import ExpectationResult
from testbed.scenario.expectation import parse

_SIGNS = {"<=": "≤", ">=": "≥", "==": "="}


def wanted(expectation: ExpectationResult) -> str:
    """`> 20.0 ms`, `within 10 % of 24.9 ms`."""
    parsed = parse(expectation.expr)
    if isinstance(parsed.bound, float):
        bound = f"{parsed.bound:g} {expectation.unit}".rstrip()
    else:
        bound = quantity(expectation.bound, expectation.unit)
    if parsed.op == "within":
        return f"within {percent(parsed.tolerance * 100)} % of {bound}"
    return f"{_SIGNS.get(parsed.op, parsed.op)} {bound}"
