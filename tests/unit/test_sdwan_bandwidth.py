"""Bandwidth: what is free by the counters of switches, and who has to make room for whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.flows import Count, Counters
from controllers.joint.quality import Sla
from controllers.sdwan.bandwidth import SPAN_S, Bandwidth
from controllers.sdwan.network import Application, Overlay, SlaClass
from controllers.sdwan.telemetry import Bound
from controllers.srv6.network import FlowMatch
from tests.support.overlays import DEFAULT, OverlayLab, make_overlay

MBPS = 10**6
BACKUP = SlaClass("backup", 0, ("inet",))
LIVE = SlaClass("live", 34, ("inet", "mpls"), Sla(bandwidth_bps=20 * MBPS))
APPLICATIONS = (
    Application("camera", "live", (FlowMatch(dscp=34),)),
    Application("copies", "backup", (FlowMatch(dscp=8),)),
    Application("other", "default", (FlowMatch(),)),
)
PACKET = 1000


def overlay(limit_bps: int | None = 50 * MBPS) -> Overlay:
    made = make_overlay(
        {"a": ("inet", "mpls"), "b": ("inet", "mpls")}, classes=(LIVE, BACKUP, DEFAULT), applications=APPLICATIONS
    )
    limits = {"inet": limit_bps, "mpls": None}
    return replace(
        made,
        edges=tuple(
            replace(
                edge,
                attachments=tuple(
                    replace(each, up_bps=limits[each.transport], down_bps=limits[each.transport])
                    for each in edge.attachments
                ),
            )
            for edge in made.edges
        ),
    )


class Lab(OverlayLab):
    """Two sites; applications send from a to b at constant rates, and switches count it."""

    def __init__(self, of: Overlay) -> None:
        super().__init__(of)
        self.sent: dict[str, float] = {demand.name: 0.0 for demand in of.demands}
        self.arrived: dict[int, float] = {tunnel.port: 0.0 for tunnel in of.tunnels}
        self.answer()

    def carry(self, seconds: float, **mbps: float) -> None:
        """Everything arrives, and every half second all is counted and judged."""
        for _ in range(round(2 * seconds)):
            for application, rate in mbps.items():
                demand, packets = f"{application}:a>b", rate * MBPS / 16 / PACKET
                tunnels = self.controller.placements[demand].names
                self.sent[demand] += packets
                self.arrived[self.overlay.tunnel[tunnels[0]].port] += packets
            self.now += 0.5
            groups = {
                number: (count(self.sent[demand.name]),)
                for number, demand in enumerate(self.overlay.demands, 1)
                if demand.source == "a"
            }
            ports = {port: count(packets) for port, packets in self.arrived.items()}
            self.run(self.controller.counted(self.overlay.edge["a"].dpid, Counters(groups=groups), self.now))
            self.run(self.controller.counted(self.overlay.edge["b"].dpid, Counters(ports=ports), self.now))
            self.now -= 0.5
            self.windows(1)

    def taken(self, application: str) -> str:
        """The transport."""
        (name,) = self.controller.placements[f"{application}:a>b"].names
        return self.overlay.tunnel[name].transport


def count(packets: float) -> Count:
    return Count(round(packets), round(packets * PACKET))


def test_what_is_free_is_what_others_leave() -> None:
    lab = Lab(overlay())
    lab.carry(10, copies=20)
    tunnel = lab.overlay.tunnel["a>b:inet"]
    carried = 20 * MBPS * (PACKET + 50) / PACKET
    assert lab.controller.bandwidth.free_bps(tunnel) == pytest.approx(50 * MBPS - carried, rel=0.01)
    assert lab.controller.bandwidth.free_bps(lab.overlay.tunnel["b>a:inet"]) == 50 * MBPS, "the other way is empty"
    assert lab.controller.bandwidth.free_bps(lab.overlay.tunnel["a>b:mpls"]) is None, "it has no limit"


def test_what_needs_room_leaves_a_tunnel_that_others_fill_and_comes_back() -> None:
    lab = Lab(overlay())
    lab.carry(10, camera=18, copies=10)
    assert lab.taken("camera") == "inet"
    lab.carry(10, camera=18, copies=35)
    assert lab.taken("camera") == "mpls"
    (decision,) = lab.controller.decisions
    assert "breaks live: " in decision.why  # type: ignore[union-attr]
    assert decision.why.endswith("Mbit/s available, 20 Mbit/s at least")  # type: ignore[union-attr]
    broken = [event.fields["bound"] for event in lab.events if event.kind == "sla_broken"]
    assert broken == [Bound.BANDWIDTH_BPS]
    assert [event.fields["demand"] for event in lab.events if event.kind == "sla_violated"], "until it was moved"
    lab.carry(10, camera=18, copies=35)
    assert lab.taken("camera") == "mpls", "there is as little room as before"
    lab.carry(15, camera=18, copies=10)
    assert lab.taken("camera") == "inet"


@given(camera=st.floats(0, 60), before=st.floats(0, 60))
def test_nothing_is_pushed_out_by_itself(camera: float, before: float) -> None:
    lab = Lab(overlay())
    lab.carry(5, camera=before)
    lab.carry(8, camera=camera)
    assert lab.taken("camera") == "inet"
    assert [event for event in lab.events if event.kind == "sla_violated"] == []


def test_a_transport_without_a_limit_has_room_for_all() -> None:
    lab = Lab(overlay(limit_bps=None))
    lab.carry(10, camera=100, copies=1000)
    assert lab.taken("camera") == "inet"


def test_a_counter_that_begins_anew_is_no_traffic() -> None:
    made = overlay()
    bandwidth = Bandwidth(made)
    tunnel = made.tunnel["a>b:inet"]
    for now, packets in ((0, 10**6), (1, 10**6), (2, 0), (3, 0)):
        bandwidth.counted("b", Counters(ports={tunnel.port: count(packets)}), now)
        assert bandwidth.free_bps(tunnel) == 50 * MBPS


def test_rates_are_of_some_seconds() -> None:
    made = overlay()
    bandwidth = Bandwidth(made)
    tunnel = made.tunnel["a>b:inet"]
    rates: Mapping[int, int] = {0: 0, 1: 1000, **dict.fromkeys(range(2, 10), 1000)}
    free = []
    for now, packets in rates.items():
        bandwidth.counted("b", Counters(ports={tunnel.port: count(packets)}), now)
        free.append(bandwidth.free_bps(tunnel))
    assert free[1] == 50 * MBPS - 8 * 1000 * (PACKET + 50)
    assert free[round(SPAN_S) + 1] == 50 * MBPS
