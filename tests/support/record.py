"""A run directory made by hand: the shipped scenario as it would go, without a network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from testbed.plan.model import Plan
from testbed.plan.planner import plan
from testbed.record import RunRecord
from testbed.scenario.load import load
from testbed.scenario.model import HttpProbe, Scenario
from tests.support.scenario import LOCAL_BREAKOUT, SCENARIOS
from tests.support.traffic_frames import frame, g_pdu, user_packet, write_pcapng
from topologies.catalogue import resolve
from topologies.tiers import PRESETS
from traffic.samples import Delays, HttpSample, StampSample, http_line, stamp_line
from traffic.stamp import Probe, SessionReflector

ZERO = 1_795_000_000.0
WINDOWS = {
    "before": (0.0, 8.0),
    "insertion": (8.0, 10.5),
    "edge": (10.5, 18.5),
    "removal": (18.5, 21.0),
    "after": (21.0, 29.0),
}
UE1, PORTAL = "10.45.0.2", "203.0.113.10"
INSERTED, REMOVED = 8.3, 18.8
"""When the gNB sends uplink to the edge and back."""

_INSERTION = ("open_n9_uplink", "establish_ulcl", "move_downlink_to_ulcl", "switch_n3_to_ulcl", "guard")
_REMOVAL = ("open_n3_uplink", "switch_n3_to_psa", "move_downlink_to_gnb", "guard", "delete_ulcl", "close_n9_uplink")


@cache
def shipped(file: Path = LOCAL_BREAKOUT) -> tuple[Scenario, Plan]:
    """A shipped scenario, local-breakout by default, and its plan."""
    loaded = load(file)
    assert loaded.scenario is not None
    return loaded.scenario, plan(loaded, resolve(loaded.scenario.topology, SCENARIOS), PRESETS)


def local_breakout(directory: Path) -> RunRecord:
    """The record of a run in which everything went well, but for three probes lost during insertion."""
    scenario, planned = shipped()
    record = RunRecord.create(directory)
    record.write_json("scenario.json", scenario.model_dump(mode="json", by_alias=True))
    record.write_json("plan.json", TypeAdapter(Plan).dump_python(planned, mode="json"))
    record.write_json(
        "provenance.json", {"commit": "0123456789abcdef", "kernel": "6.18.0", "engine": "wire", "cpus": 2}
    )
    record.write_json("links.json", [_link(planned, link.name) for link in planned.links])
    _events(record)
    record.event("finished", t=ZERO + 40)
    _captures(record)
    for name, probe in scenario.probes.items():
        moved = probe.source == "ue1" and probe.to == "portal"
        lines = (
            _http_lines(probe, moved=moved) if isinstance(probe, HttpProbe) else _stamp_lines(probe.rate, moved=moved)
        )
        record.samples(name).write_text(lines)
    return record


def _events(record: RunRecord) -> None:
    record.event("started", t=ZERO - 9)
    for number, ue in enumerate(("ue1", "ue2"), start=2):
        fields = {"process": "gnb1", "ue": ue, "ue_ipv4": f"10.45.0.{number}"}
        record.event("pdu_session_established", t=ZERO - 1, **fields)
    for name, (start, end) in WINDOWS.items():
        record.event("window", t=ZERO + end, name=name, start=ZERO + start, end=ZERO + end)
    for t, (packets, octets) in _flow_readings():
        record.event("flow", t=ZERO + t, flow="portal-backbone", bytes=octets, packets=packets)
    for procedure, first, steps in (("ulcl_insertion", 8.02, _INSERTION), ("ulcl_removal", 18.52, _REMOVAL)):
        for index, step in enumerate(steps):
            t = ZERO + first + 0.06 * index
            record.event("step", t=t, process="smf", procedure=procedure, step=step, ue="ue1")
    new = {"teid": 17, "ipv4": "10.1.0.17"}
    record.event("n3_path_switched", t=ZERO + INSERTED - 0.01, process="gnb1", ue="ue1", new=new)
    record.event("host", t=ZERO + 29.5, busy=0.62, steal=0.031)
    record.event("stopped", t=ZERO + 30)


def _flow_readings() -> Iterator[tuple[float, tuple[int, int]]]:
    """Packets and bytes on the backbone: 200 packets a second but for the time at the edge."""
    for t in (0.01, 8.0, 8.01, 10.5, 10.51, 18.5, 18.51, 21.0, 21.01, 29.0):
        central = min(t, INSERTED) + max(0.0, t - REMOVED)
        packets = round(200 * central)
        yield t, (packets, packets * 128)


def _wave(number: int) -> float:
    """Something like jitter, the same each time: 0 to 1."""
    return (math.sin(number * 12.9898) * 43758.5453) % 1.0


def _rtt_ms(t: float, number: int, *, moved: bool) -> float:
    base = 2.6 if moved and INSERTED <= t < REMOVED else 24.3
    return base + 0.8 * _wave(number) ** 4 + (9.0 if number % 997 == 500 else 0.0)


@cache
def _stamp_lines(rate: int, *, moved: bool) -> str:
    return "".join(stamp_line(sample) for sample in _stamp(rate, moved=moved))


def _http_lines(probe: HttpProbe, *, moved: bool) -> str:
    return "".join(http_line(sample) for sample in _http(probe, moved=moved))


def _stamp(rate: int, *, moved: bool) -> Iterator[StampSample]:
    for number in range(29 * rate):
        t = number / rate
        half = _rtt_ms(t, number, moved=moved) / 2
        lost = moved and INSERTED - 0.03 <= t < INSERTED - 0.001
        yield StampSample(number, ZERO + t, None if lost else Delays(half, half, 2 * half, 0.03))


def _http(probe: HttpProbe, *, moved: bool) -> Iterator[HttpSample]:
    for number in range(int(29_000 / probe.interval)):
        t = number * probe.interval / 1000
        rtt = _rtt_ms(t, number, moved=moved)
        host = "mec1" if moved and rtt < 20 else "app1" if probe.to == "portal" else "app2"
        yield HttpSample(number, ZERO + t, rtt, 2 * rtt + 0.4, 3 * rtt + 0.9, probe.bytes, host)


def _captures(record: RunRecord) -> None:
    """What the captures saw of the probes in the middle of the windows `before`, `edge` and `after`."""
    seen: dict[str, list[tuple[float, bytes]]] = {}
    for sequence, at_edge in ((400, False), (1450, True), (2500, False)):
        sent = ZERO + sequence / 100
        probe = Probe(sequence, round(sent * 1e9)).encode()
        answer = SessionReflector().reflect(probe, "any", received=round(sent * 1e9), ttl=64)
        question = user_packet(UE1, PORTAL, 40000, 862, probe)
        reply = user_packet(PORTAL, UE1, 862, 40000, bytes(answer))
        upf, port, lan = ("10.1.0.17", "agg1", "lan-edge") if at_edge else ("10.1.0.19", "pe2", "lan-cloud")
        node = "upf-edge" if at_edge else "upf-cloud"
        delay = 0.0003 if at_edge else 0.0107
        up = frame(g_pdu("10.1.0.0", upf, 0x11 if at_edge else 0x2A, question))
        down = frame(g_pdu(upf, "10.1.0.0", 1, reply, uplink=False))
        for name, packets in {
            "gnb1-csr1": [(0.001, up), (0.0016 + 2 * delay, down)],
            f"{node}-{port}-gnb1": [(0.001 + delay, up), (0.0015 + delay, down)],
            f"{node}-{lan}": [(0.0011 + delay, frame(question)), (0.0014 + delay, frame(reply))],
        }.items():
            seen.setdefault(name, []).extend((sent + after, octets) for after, octets in packets)
    for name, frames in seen.items():
        write_pcapng(record.directory / "captures" / f"{name}.pcapng", frames)


def _link(planned: Plan, name: str) -> dict[str, object]:
    link = planned.link(name)
    profile = {"delay_ms": link.a_to_b.delay_ms, "jitter_ms": link.a_to_b.jitter_ms, "rate_bps": link.a_to_b.rate_bps}
    counters = {"packets": 8123, "bytes": 1_234_567, "dropped_loss": 0, "dropped_queue": 0}
    late = {"lateness_us_p50": 18.0, "lateness_us_p99": 240.0}
    achieved = {"a_to_b": counters | late, "b_to_a": counters | late} if link.emulated else None
    configured = {"a_to_b": profile, "b_to_a": profile}
    engine = "wire" if link.emulated else "veth"
    return {"name": name, "tier": link.tier, "engine": engine, "configured": configured, "achieved": achieved}
