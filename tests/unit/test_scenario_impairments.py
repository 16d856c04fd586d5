"""Links as scenarios write them: what profiles they become, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from testbed.errors import InputError
from testbed.links.profile import Distribution, GilbertElliott, LinkProfile, Queue, QueueDiscipline
from testbed.links.trace import AtEnd, Trace, TracePoint
from testbed.plan.describe import describe
from testbed.plan.model import Plan, PlannedLink
from tests.support.pair import planned
from topologies.tiers import NAMED, PRESETS


def link(folder: Path, **override: Any) -> PlannedLink:
    return planned(folder, {"override": [{"link": "h1-h2", **override}]}).link("h1-h2")


def complaint(folder: Path, **override: Any) -> str:
    with pytest.raises(InputError) as caught:
        link(folder, **override)
    return str(caught.value).replace(f"{folder / 'scenario.yml'}: ", "")


def test_every_parameter_of_a_profile(tmp_path: Path) -> None:
    profile = link(
        tmp_path,
        delay="20ms",
        jitter="2ms",
        distribution="pareto",
        reorder=True,
        loss={"p": "1%", "r": "25%", "loss_bad": "80%", "loss_good": "0.1%"},
        duplicate="0.2%",
        corrupt="0.01%",
        rate="50Mbit",
        queue="100 packets",
        queue_discipline="codel-ecn",
    ).a_to_b
    assert profile == LinkProfile(
        delay_ms=20,
        jitter_ms=2,
        distribution=Distribution.PARETO,
        reorder=True,
        loss_bursts=GilbertElliott(0.01, 0.25, 0.8, 0.001),
        duplicate=0.002,
        corrupt=0.0001,
        rate_bps=50_000_000,
        queue=Queue(packets=100, discipline=QueueDiscipline.CODEL_ECN),
    )


@pytest.mark.parametrize(
    ("text", "queue"),
    [
        ("50ms", Queue(ms=50)),
        ("1 packet", Queue(packets=1)),
        ("64kB", Queue(bytes=64_000)),
        ("9999B", Queue(bytes=9999)),
    ],
)
def test_queues(tmp_path: Path, text: str, queue: Queue) -> None:
    assert link(tmp_path, queue=text).a_to_b.queue == queue


def test_a_queue_without_a_rate_in_a_tier(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'links\.tiers\.access\.queue: got "9ms" without a rate; want a `rate`'):
        planned(tmp_path, {"tiers": {"access": {"preset": "datacentre", "queue": "9ms"}}})


def test_up_and_down_differ(tmp_path: Path) -> None:
    found = link(tmp_path, delay="5ms", up={"rate": "10Mbit"}, down={"rate": "90Mbit", "delay": "6ms"})
    assert (found.a_to_b.rate_bps, found.a_to_b.delay_ms) == (10_000_000, 5)
    assert (found.b_to_a.rate_bps, found.b_to_a.delay_ms) == (90_000_000, 6)


def test_a_tier_changes_the_equipment_and_fibre_comes_on_top(tmp_path: Path) -> None:
    found = planned(tmp_path, {"tiers": {"access": {"delay": "2ms"}}}).link("h1-h2")
    assert found.a_to_b.delay_ms == pytest.approx(2 + 1)


@pytest.mark.parametrize("name", NAMED)
def test_named_presets(tmp_path: Path, name: str) -> None:
    found = link(tmp_path, preset=name)
    preset = NAMED[name]
    assert found.a_to_b.rate_bps == preset.up.rate_bps
    assert found.a_to_b.delay_ms == pytest.approx(preset.up.delay_ms + 200 * preset.us_per_km / 1000)
    assert found.b_to_a.rate_bps == (preset.down or preset.up).rate_bps


def test_a_geostationary_satellite_is_as_far_as_rfc_2488_says(tmp_path: Path) -> None:
    assert 239.6 <= link(tmp_path, preset="geo-satellite").a_to_b.delay_ms <= 300


def test_a_preset_is_the_base_of_what_else_is_given(tmp_path: Path) -> None:
    found = link(tmp_path, preset="leo-satellite", loss="1%")
    assert (found.a_to_b.loss, found.a_to_b.loss_bursts) == (0.01, None)
    assert found.a_to_b.rate_bps == NAMED["leo-satellite"].up.rate_bps
    assert found.mtu == PRESETS.mtus[found.tier]


def test_files(tmp_path: Path) -> None:
    (tmp_path / "jitter.txt").write_text("# measured\n-0.5\n0\n\n1.5 # tail\n")
    (tmp_path / "loss.txt").write_text("0 0 1\n01\n")
    (tmp_path / "rate.txt").write_text("10Mbit\n5Mbit 30ms\n1Mbit 40ms 2%\n")
    trace = {"file": "rate.txt", "interval": "200ms", "at_end": "hold"}
    found = link(tmp_path, jitter_table="jitter.txt", loss={"trace": "loss.txt"}, up={"trace": trace})
    assert found.a_to_b.jitter_table == (-0.5, 0, 1.5)
    assert found.a_to_b.distribution is Distribution.TABLE
    assert found.a_to_b.loss_trace == (False, False, True, False, True)
    points = (TracePoint(10_000_000), TracePoint(5_000_000, 30), TracePoint(1_000_000, 40, 0.02))
    assert found.a_to_b_trace == Trace("rate.txt", points, 200, AtEnd.HOLD)
    assert found.b_to_a_trace is None


def test_a_trace_makes_a_plain_link_an_emulated_one(tmp_path: Path) -> None:
    (tmp_path / "rate.txt").write_text("10Mbit\n")
    plan = planned(tmp_path, {"tiers": {"access": {"preset": "datacentre", "trace": {"file": "rate.txt"}}}})
    assert plan.link("h1-h2").emulated


def test_a_plan_with_all_of_it_survives_json(tmp_path: Path) -> None:
    (tmp_path / "rate.txt").write_text("10Mbit\n5Mbit 30ms\n")
    override = {"link": "h1-h2", "trace": {"file": "rate.txt"}, "loss": {"p": "1%", "r": "5%"}, "queue": "9 packets"}
    ramp = {"links": ["h1-h2"], "delay": {"from": "1ms", "to": "3ms"}, "over": "1s", "steps": 2}
    plan = planned(tmp_path, {"override": [override]}, [{"ramp": ramp, "as": "slower"}])
    adapter = TypeAdapter(Plan)
    assert adapter.validate_json(adapter.dump_json(plan)) == plan


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"loss": {"trace": "x", "p": 0.1}}, "links.override[0].loss: got {'p': 0.1, 'trace': 'x'}; want one model"),
    ({"loss": {"p": 0.1, "r": 0}}, "links.override[0].loss.r: got 0; want a share above 0%"),
    ({"loss": {"p": 2, "r": 0.1}}, "links.override[0].loss.p: got 2; want a share"),
    ({"loss": float("nan")}, "links.override[0].loss: got nan; want a share"),
    ({"delay": "2min"}, 'links.override[0].delay: got "2min"; want a duration of at most "60s"'),
    ({"up": {"delay": "-1ms"}}, 'links.override[0].up.delay: got "-1ms"; want a duration'),
    ({"rate": "1bit"}, 'links.override[0].rate: got "1bit"; want a rate from "1kbit"'),
    ({"queue": "5 cows"}, 'links.override[0].queue: got "5 cows"; want a queue such as "50ms"'),
    ({"queue": "0 packets"}, 'links.override[0].queue: got "0 packets"; want a queue such as "50ms"'),
    ({"queue": "9000MB"}, 'links.override[0].queue: got "9000MB"; want a queue such as "50ms"'),
    ({"distribution": "table"}, 'links.override[0].distribution: got "table"; want `table` together with'),
    ({"jitter": "1ms", "jitter_table": "x"}, 'links.override[0].jitter_table: got "x"; want either'),
    ({"distribution": "gamma"}, "links.override[0].distribution: got \"gamma\"; want 'uniform', 'normal'"),
    ({"preset": "geo"}, 'links.override[0].preset: got "geo"; want a preset'),
    ({"trace": {"file": "no"}}, 'links.override[0].trace.file: got "no": No such file or directory; want a readable'),
    ({"trace": {"file": "empty"}}, 'links.override[0].trace.file: got "empty", 0 values; want at least a line'),
    ({"trace": {"file": "bad"}}, 'links.override[0].trace.file: got "bad", line 2; want a rate such as'),
    ({"trace": {"file": "bytes"}}, 'links.override[0].trace.file: got "bytes": bytes that are not UTF-8; want a text'),
    ({"trace": {"file": "."}}, 'links.override[0].trace.file: got ".": Is a directory; want a readable file'),
    ({"up": {"jitter_table": "bad"}}, 'links.override[0].up.jitter_table: got "bad", line 1; want a deviation'),
    ({"loss": {"trace": "bad"}}, 'links.override[0].loss.trace: got "bad", line 1; want only 0 and 1'),
    (
        {"preset": "datacentre", "queue": "9ms"},
        'links.override[0].queue: got "9ms" without a rate; want a `rate` with it',
    ),
    ({"queue": "9kB"}, 'links.override[0].queue: got "9000B"; want at least one frame: 9014B at MTU 9000'),
    (
        {"down": {"rate": "1kbit", "queue": "100 packets"}},
        'links.override[0].down.queue: got "100 packets", which takes 7,211 s at this rate; want a queue of at most',
    ),
    ({"preset": "datacentre", "up": {"queue_discipline": "codel"}}, "links.override[0].up.queue_discipline: got"),
    ({"up": {"colour": "red"}}, "links.override[0].up.colour: got an unknown key; want one of corrupt, delay,"),
]


@pytest.mark.parametrize(("override", "expected"), WRONG, ids=[str(case[0]) for case in WRONG])
def test_problem(tmp_path: Path, override: dict[str, Any], expected: str) -> None:
    (tmp_path / "empty").write_text("# nothing\n")
    (tmp_path / "bad").write_text("1Mbit\n2cows\n")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert complaint(tmp_path, **override).startswith(expected)


@pytest.mark.parametrize("line", ["1Mbit 2ms 3% 4", "1Mbit 2%", "0Mbit", "1Mbit -2ms", "nan"])
def test_a_wrong_line_of_a_trace(tmp_path: Path, line: str) -> None:
    (tmp_path / "rate.txt").write_text(f"1Mbit\n{line}\n")
    assert 'got "rate.txt", line 2; want' in complaint(tmp_path, trace={"file": "rate.txt"})


def test_in_words(tmp_path: Path) -> None:
    found = link(tmp_path, delay="20ms", jitter="1ms", up={"rate": "10Mbit", "queue": "64kB"}, down={"loss": "1%"})
    assert describe(found.behaviour) == (
        "up: 20 ms ± 1 ms normal, 10Mbit, queue 64000B; down: 20 ms ± 1 ms normal, loss 1%, 1Gbit, queue 50ms"
    )


def test_the_shipped_trace_says_that_it_is_synthetic() -> None:
    path = Path(__file__).parents[2] / "scenarios" / "traces" / "uplink-5g-synthetic.txt"
    assert "SYNTHETIC" in path.read_text()
