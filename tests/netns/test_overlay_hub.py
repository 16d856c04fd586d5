"""An overlay with a hub, on real switches, that sends UDP twice: IPv4 and IPv6 on each of their hops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_address

import pytest

from testbed import doctor
from tests.support.overlay_lab import (
    EF,
    INNER,
    PORTAL,
    PORTAL6,
    TRANSPORTS,
    VNI,
    OverlayLab,
    Stream,
    inside_vxlan,
    overlay_lab,
)

pytestmark = [pytest.mark.netns, pytest.mark.ovs]

PORTALS = pytest.mark.parametrize("portal", [PORTAL, PORTAL6])
WAY = ("cpe-a", "cpe-b", "cpe-c")
CONTROL = "plc:cpe-a>cpe-b"
TWICE = {"dscp": EF, "transports": list(TRANSPORTS), "forwarding": "duplicate"}


@pytest.fixture(scope="module", params=["system", "netdev"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OverlayLab]:
    if request.param == "system" and not doctor.present("ovs-kernel"):
        pytest.skip("openvswitch: this kernel does not have the module")
    classes = {"control": TWICE, "bulk": {"transports": ["internet"]}}
    with overlay_lab(tmp_path_factory.mktemp("hub"), request.param, hubs=["cpe-b"], classes=classes) as running:
        yield running


@PORTALS
def test_each_packet_goes_twice_on_each_hop_and_comes_once(lab: OverlayLab, portal: str) -> None:
    """Blue has no LAN at the hub."""
    with ExitStack() as captured:
        captures = {edge: captured.enter_context(lab.captured(edge)) for edge in WAY}
        with lab.traffic("blue-a", "blue-c", portal) as sent:
            sent.paced(20, per_second=100)
            assert [arrival.sequence for arrival in sent.arrivals(40)] == [*range(20)]
    version = ip_address(portal).version
    wanted = {(str(VNI["blue"]), lab.address("blue-a", version), portal, str(EF), "64")}
    for edge in WAY:
        for transport in TRANSPORTS:
            file = captures[edge][transport]
            found = inside_vxlan(file, "vxlan.vni", *INNER[version], "data.data", also="udp.dstport == 9000")
            assert len(found) == 20, f"all over {transport} at {edge}"
            assert {each[:-1] for each in found} == wanted


@PORTALS
def test_what_goes_twice_does_not_notice_that_a_transport_goes_dark_on_a_hop(lab: OverlayLab, portal: str) -> None:
    for link in ("private-cpe-a", "internet-cpe-c"):
        with Stream(lab.traffic("blue-a", "blue-c", portal), per_second=200) as stream:
            stream.await_sent(50)
            lab.cut(link)
            stream.await_sent(150)
        lab.reset(link)
        lab.await_transport("plc:cpe-b>cpe-c", "private internet")
        lab.await_transport(CONTROL, "private internet")
        assert (stream.lost, stream.repeated, stream.out_of_order) == (0, 0, 0), link


@pytest.mark.parametrize("version", [4, 6])
def test_what_goes_once_goes_by_way_of_the_hub_with_one_hop_less_to_live(lab: OverlayLab, version: int) -> None:
    with ExitStack() as captured:
        captures = {edge: captured.enter_context(lab.captured(edge)) for edge in WAY}
        echo = lab.run("red-c", "ping", "-c", "3", "-i", "0.05", lab.address("red-a", version)).stdout
    assert echo.count(" ttl=63 ") == 3
    ends = (lab.address("red-a", version), lab.address("red-c", version))
    protocol = "icmp" if version == 4 else "icmpv6"
    for edge in WAY:
        found = [
            inside_vxlan(captures[edge][transport], "vxlan.vni", *INNER[version][:2], also=protocol)
            for transport in TRANSPORTS
        ]
        assert {(str(VNI["red"]), *ends), (str(VNI["red"]), *reversed(ends))} in found, edge
        assert set() in found, edge
