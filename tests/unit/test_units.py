import pytest

from testbed.units import (
    counted,
    fibre_delay_ms,
    format_rate,
    parse_distance_km,
    parse_duration_ms,
    parse_rate,
    parse_ratio,
)


@pytest.mark.parametrize(
    ("text", "bps"), [("10Gbit", 10**10), ("300 Mbit", 3 * 10**8), ("1.5kbps", 1500), ("64bit", 64)]
)
def test_rates(text: str, bps: int) -> None:
    assert parse_rate(text) == bps


@pytest.mark.parametrize("wrong", ["10gb", "10", 10, "-1Mbit", "0bit", "fast", "", None, "1e999Gbit"])
def test_rates_that_are_none(wrong: object) -> None:
    with pytest.raises(ValueError, match="want a rate such as"):
        parse_rate(wrong)


@pytest.mark.parametrize(("text", "ms"), [("9.9ms", 9.9), ("50us", 0.05), ("50µs", 0.05), ("8s", 8000), ("0ms", 0)])
def test_durations(text: str, ms: float) -> None:
    assert parse_duration_ms(text) == pytest.approx(ms)


@pytest.mark.parametrize("wrong", ["-1ms", "5", 5, "nanms", "5 parsecs", True])
def test_durations_that_are_none(wrong: object) -> None:
    with pytest.raises(ValueError, match="want a duration such as"):
        parse_duration_ms(wrong)


def test_a_delay_below_zero_says_so() -> None:
    with pytest.raises(ValueError, match="not below zero"):
        parse_duration_ms("-1ms")


@pytest.mark.parametrize(("text", "share"), [("0.1%", 0.001), ("100%", 1), (0.5, 0.5), (0, 0)])
def test_ratios(text: object, share: float) -> None:
    assert parse_ratio(text) == pytest.approx(share)


@pytest.mark.parametrize("wrong", ["101%", "-1%", 1.5, "half", True])
def test_ratios_that_are_none(wrong: object) -> None:
    with pytest.raises(ValueError, match="want a share"):
        parse_ratio(wrong)


def test_fibre() -> None:
    assert fibre_delay_ms(parse_distance_km("1976km")) == pytest.approx(9.88)


@pytest.mark.parametrize("bps", [64, 1000, 300_000_000, 10**10, 1_500_000])
def test_rates_format_as_they_parse(bps: int) -> None:
    assert parse_rate(format_rate(bps)) == bps


def test_one_is_not_many() -> None:
    assert [counted(number, "step") for number in (0, 1, 1000)] == ["0 steps", "1 step", "1,000 steps"]
    assert [counted(number, "process", "processes") for number in (1, 2)] == ["1 process", "2 processes"]
