import pytest

from testbed.scenario.expectation import METRICS, UNITS, Expectation, MetricPath, parse


def test_a_bound_with_its_unit() -> None:
    text = "before.ue1-portal.rtt_ms.p50 > 20 ms"
    assert parse(text) == Expectation(text, MetricPath("before", "ue1-portal", "rtt_ms.p50"), ">", 20.0)


def test_another_metric_as_the_bound() -> None:
    expectation = parse("edge.web.ttfb_ms.p50 < before.web.ttfb_ms.p50")
    assert expectation.bound == MetricPath("before", "web", "ttfb_ms.p50")
    assert [str(path) for path in expectation.paths] == ["edge.web.ttfb_ms.p50", "before.web.ttfb_ms.p50"]


def test_within_a_tolerance() -> None:
    expectation = parse("after.p.rtt_ms.p50 within 10% of before.p.rtt_ms.p50")
    assert expectation.op == "within"
    assert expectation.tolerance == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("before.p.rtt_ms.p50 > 20", "want a bound in ms"),
        ("before.p.rtt_ms.p50 > 20 %", "want a bound in ms"),
        ("before.p.loss < 1 ms", "want a bound in %"),
        ("before.p.sent > 1 ms", "want a bound without a unit"),
        ("before.p.rtt_ms.p50 is small", 'want "WINDOW.NAME.METRIC OP BOUND"'),
        ("before > 1", 'want "WINDOW.NAME.METRIC OP BOUND"'),
        ("", 'want "WINDOW.NAME.METRIC OP BOUND"'),
    ],
)
def test_what_is_no_expectation(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_every_metric_has_a_unit() -> None:
    paths = {path.partition(".")[0] for metrics in METRICS.values() for path in metrics}
    assert paths == UNITS.keys()
