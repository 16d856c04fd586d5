"""One packet followed through routers under the real controller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv6Address, ip_address
from pathlib import Path

import pytest

from controllers.srv6.controller import Controller
from controllers.srv6.policy import CandidatePath, ExplicitPath, SegmentList, SrPolicy
from controllers.srv6.segments import NodeSegment
from controllers.srv6.sids import Behavior
from tests.support.srv6_rig import SQUARE, Rig, srv6_rig
from traffic.tracer import Probe, sightings
from traffic.trail import Trail, follow

pytestmark = pytest.mark.netns

BY_R2 = CandidatePath(ExplicitPath((SegmentList((NodeSegment("r2"), NodeSegment("r3"))),)))
POLICY = SrPolicy("r1", 5, "r3", (BY_R2,))
DX4, DT6 = (Behavior.END_DX4, "blue 10.2.0.2"), (Behavior.END_DT6, "blue")


@pytest.fixture(params=[True, False], ids=["micro-SIDs", "SRH"])
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    """The square with h1 at r1 and h2 at r3, whose routes have the color of a policy by r2."""
    with srv6_rig(tmp_path, SQUARE, {"h1": "r1", "h2": "r3"}, compressed=request.param, policies=(POLICY,)) as plain:
        colored = tuple(replace(tenant, color=5) for tenant in plain.network.tenants)
        rig = replace(plain, network=replace(plain.network, tenants=colored))
        with rig.controller():
            yield rig


def trace(rig: Rig, destination: str) -> Trail:
    return follow(sightings(rig.namespaces, "h1", Probe(ip_address(destination)), frozenset({"h2"})), {"h2"})


def around(trail: Trail) -> list[tuple[object, int | None, tuple[IPv6Address, ...]]]:
    """Destination, segments left and list of the outermost header, as it leaves each node."""
    outer = [hop.on_the_wire.headers.ip[0] for hop in trail.hops]
    return [
        (header.dst, header.srh.segments_left, header.srh.segments) if header.srh else (header.dst, None, ())
        for header in outer
    ]


@pytest.mark.parametrize(("destination", "service"), [("10.2.0.2", DX4), ("fd02:2::2", DT6)])
def test_a_packet_is_seen_at_every_hop(rig: Rig, destination: str, service: tuple[Behavior, str]) -> None:
    table = Controller(rig.network).table
    sid, end = table.find("r3", *service), table.end("r2").address
    trail = trace(rig, destination)
    assert trail.end == "arrived at h2"
    assert [hop.node for hop in trail.hops] == ["h1", "r1", "r2", "r3", "h2"]
    plain = (ip_address(destination), None, ())
    if rig.network.compressed:
        both = IPv6Address(f"fcbb:bb00:2:3:{sid.function:x}::")
        assert around(trail) == [plain, (both, None, ()), (sid.address, None, ()), plain, plain]
    else:
        rest = (sid.address,)
        assert around(trail) == [plain, (end, 1, rest), (sid.address, 0, rest), plain, plain]
    assert trail.hops[1].on_the_wire.headers.ip[-1].dst == ip_address(destination)


def test_a_packet_that_is_lost_is_seen_until_there(rig: Rig) -> None:
    rig.run("r3", "ip", "link", "set", "h2", "down")
    trail = trace(rig, "10.2.0.2")
    assert not trail.arrived
    assert trail.end == "lost in r3"


def test_a_customer_does_not_speak_to_sids(rig: Rig) -> None:
    """RFC 8754 §5.1: or it would get into other tenants' networks."""
    end = Controller(rig.network).table.end("r2").address
    assert trace(rig, str(end)).end == "lost in r1"
