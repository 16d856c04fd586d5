"""The overlay on real switches: who reaches whom, what is on the wire, and where flows go when transports fail."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from testbed import doctor, netns
from tests.support.overlay_lab import (
    AF11,
    EF,
    HOSTS,
    PORTAL,
    PORTAL6,
    TRANSPORTS,
    VNI,
    OverlayLab,
    Stream,
    overlay_lab,
)
from tests.support.polling import PATIENCE_S

pytestmark = [pytest.mark.netns, pytest.mark.ovs]

PORT = 5001
VOICE = "plc:cpe-a>cpe-b"
VERSIONS = pytest.mark.parametrize("version", [4, 6])
PORTALS = pytest.mark.parametrize("portal", [PORTAL, PORTAL6])
HEADERS = {4: 20, 6: 40}
OUTER = ("ip.src", "ip.dst", "ip.dsfield.dscp", "ip.ttl")
INNER = {4: OUTER, 6: ("ipv6.src", "ipv6.dst", "ipv6.tclass.dscp", "ipv6.hlim")}


@pytest.fixture(scope="module", params=["system", "netdev"])
def overlay(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OverlayLab]:
    if request.param == "system" and not doctor.present("ovs-kernel"):
        pytest.skip("openvswitch: this kernel does not have the module")
    with overlay_lab(tmp_path_factory.mktemp("overlay"), request.param) as lab:
        yield lab


@pytest.fixture
def lab(overlay: OverlayLab) -> Iterator[OverlayLab]:
    """The lab, every transport of which is as it was at first; and again for whoever comes next."""
    yield overlay
    for transport in TRANSPORTS:
        for edge in HOSTS:
            overlay.reset(f"{transport}-{edge}")
    overlay.await_transport(VOICE, "private", within=90)


def ping(lab: OverlayLab, source: str, address: str, *more: str) -> bool:
    return lab.run(source, "ping", "-q", "-c", "3", "-i", "0.05", "-W", "2", *more, address).returncode == 0


def inside_vxlan(capture: Path, *fields: str, also: str = "", outer: bool = False) -> set[tuple[str, ...]]:
    """The different values of these fields in what tenants sent in VXLAN: of two headers of a kind the inner one's."""
    wanted = "vxlan and vxlan.vni != 0xffffff" + (f" and {also}" if also else "")
    which = f"occurrence={'f' if outer else 'l'}"
    named = (argument for field in fields for argument in ("-e", field))
    argv = ["tshark", "-r", str(capture), "-Y", wanted, "-T", "fields", "-E", which, *named]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    return {tuple(line.split("\t")) for line in lines}


def transfer(lab: OverlayLab, source: str, sink: str, portal: str, size: int) -> int:
    """TCP from a host to the portal that is another; how many bytes came."""
    family = socket.AF_INET6 if ":" in portal else socket.AF_INET
    with netns.entered(lab.namespace(sink)):
        listener = socket.create_server((portal, PORT), family=family)
    with netns.entered(lab.namespace(source)):
        client = socket.socket(family)
    came: list[int] = []

    def serve() -> None:
        connected, _ = listener.accept()
        with connected:
            connected.settimeout(PATIENCE_S)
            while chunk := connected.recv(1 << 16):
                came.append(len(chunk))

    with listener, client:
        listener.settimeout(PATIENCE_S)
        client.settimeout(PATIENCE_S)
        thread = threading.Thread(target=serve)
        thread.start()
        client.connect((portal, PORT))
        client.sendall(bytes(size))
        client.shutdown(socket.SHUT_WR)
        thread.join()
    return sum(came)


@VERSIONS
@pytest.mark.parametrize(
    ("source", "target"), [("red-a", "red-b"), ("red-b", "red-c"), ("red-c", "red-a"), ("blue-a", "blue-c")]
)
def test_hosts_of_a_tenant_reach_each_other_with_packets_as_large_as_they_may_send(
    lab: OverlayLab, source: str, target: str, version: int
) -> None:
    assert ping(lab, source, lab.address(target, version))
    largest = lab.mtu(source) - HEADERS[version] - 8
    assert ping(lab, source, lab.address(target, version), "-M", "do", "-s", str(largest))
    assert not ping(lab, source, lab.address(target, version), "-M", "do", "-s", str(largest + 1))


@VERSIONS
def test_on_its_way_a_packet_has_one_hop_less_to_live(lab: OverlayLab, version: int) -> None:
    assert " ttl=63 " in lab.run("red-a", "ping", "-c", "1", lab.address("red-b", version)).stdout


@pytest.mark.parametrize("edge", HOSTS)
def test_what_vxlan_leaves_by_takes_packets_as_large_as_the_transport(lab: OverlayLab, edge: str) -> None:
    links = {each["ifname"]: each for each in json.loads(lab.run(edge, "ip", "-j", "link").stdout)}
    assert [links[f"wan.{number}"]["mtu"] for number in (1, 2)] == [links[name]["mtu"] for name in TRANSPORTS]


@VERSIONS
@pytest.mark.parametrize(("source", "target"), [("red-a", "blue-c"), ("blue-a", "red-b"), ("blue-c", "red-c")])
def test_hosts_of_another_tenant_are_not_to_be_reached(lab: OverlayLab, source: str, target: str, version: int) -> None:
    assert not ping(lab, source, lab.address(target, version))


@PORTALS
def test_two_tenants_have_the_same_address_and_each_its_own_host(lab: OverlayLab, portal: str) -> None:
    for source, sink, other in (("red-a", "red-b", "blue-c"), ("blue-a", "blue-c", "red-b")):
        with lab.traffic(source, sink, portal) as sent, lab.traffic(source, other, portal) as elsewhere:
            sent.blast(20)
            assert len(sent.arrivals(20)) == 20
            assert elsewhere.arrivals(1) == []


@PORTALS
def test_udp_goes_marked_in_the_network_of_its_tenant_over_the_private_transport(lab: OverlayLab, portal: str) -> None:
    version, only = ip_address(portal).version, "udp.dstport == 9000"
    with lab.captured("cpe-a") as captures:
        for source, sink in (("red-a", "red-b"), ("blue-a", "blue-c")):
            with lab.traffic(source, sink, portal) as sent:
                sent.blast(20)
                assert len(sent.arrivals(20)) == 20
    private, ends = captures["private"], {edge: lab.wan_address(edge, "private") for edge in HOSTS}
    assert inside_vxlan(private, "vxlan.vni", *INNER[version], also=only) == {
        (str(vni), lab.address(f"{tenant}-a", version), portal, str(EF), "64") for tenant, vni in VNI.items()
    }
    assert inside_vxlan(private, "vxlan.vni", *OUTER, also=only, outer=True) == {
        (str(VNI[tenant]), ends["cpe-a"], ends[to], str(EF), "64")
        for tenant, to in (("red", "cpe-b"), ("blue", "cpe-c"))
    }
    assert inside_vxlan(captures["internet"], "vxlan.vni", also=only) == set()


@PORTALS
def test_tcp_goes_in_full_segments_over_the_internet_and_back(lab: OverlayLab, portal: str) -> None:
    with lab.captured("cpe-a") as captures:
        assert transfer(lab, "red-a", "red-b", portal, 2_000_000) == 2_000_000
    version = ip_address(portal).version
    dscp, length = INNER[version][2], {4: "ip.len", 6: "ipv6.plen"}[version]
    assert inside_vxlan(captures["private"], "vxlan.vni", also="tcp") == set()
    found = inside_vxlan(captures["internet"], "vxlan.vni", dscp, length, also="tcp")
    assert {(vni, dscp) for vni, dscp, _ in found} == {("100", str(AF11))}
    assert inside_vxlan(captures["internet"], OUTER[2], also="tcp", outer=True) == {(str(AF11),)}
    # IPv6 does not count its own header.
    assert max(int(length) for _, _, length in found) + {4: 0, 6: 40}[version] == lab.mtu("red-a")


@PORTALS
def test_a_transport_that_goes_dark_is_left_within_its_time_and_taken_again(lab: OverlayLab, portal: str) -> None:
    with Stream(lab.traffic("red-a", "red-b", portal), per_second=200) as stream:
        stream.await_sent(100)
        lab.cut("private-cpe-a")
        lab.await_transport(VOICE, "internet")
        moved = stream.sent
        stream.await_sent(100)
        lab.reset("private-cpe-a")
        lab.await_transport(VOICE, "private")
        stream.await_sent(100)
    missing = {*range(stream.sent)} - {arrival.sequence for arrival in stream.arrivals}
    print(f"\n{len(missing)} packets of {stream.sent} lost, at 200 a second")
    assert missing, "some were on their way, or sent before it was noticed"
    assert max(missing) <= moved, "none after it was left"
    assert max(missing) - min(missing) == len(missing) - 1, "one gap"


def test_a_lossy_transport_is_left_and_taken_again_once(lab: OverlayLab) -> None:
    before = lab.moves(VOICE)
    lab.change("private-cpe-a", loss=0.3)
    lab.await_transport(VOICE, "internet")
    with Stream(lab.traffic("red-a", "red-b"), per_second=100) as stream:
        stream.await_sent(200)
    assert stream.lost == 0
    lab.reset("private-cpe-a")
    lab.await_transport(VOICE, "private")
    with Stream(lab.traffic("red-a", "red-b"), per_second=100) as stream:
        stream.await_sent(200)
    assert stream.lost == 0
    private, internet = "cpe-a>cpe-b:private", "cpe-a>cpe-b:internet"
    assert lab.moves(VOICE)[len(before) :] == [(private, internet), (internet, private)]


def test_a_move_loses_and_repeats_no_packet(lab: OverlayLab) -> None:
    with Stream(lab.traffic("red-a", "red-b"), per_second=1000) as slow:
        slow.await_sent(200)
        lab.change("private-cpe-a", delay_ms=30.0)
        lab.await_transport(VOICE, "internet")
        slow.await_sent(200)
    lab.reset("private-cpe-a")
    with Stream(lab.traffic("red-a", "red-b"), per_second=1000) as back:
        lab.await_transport(VOICE, "private")
        back.await_sent(200)
    for name, stream in (("from a slower tunnel", slow), ("to one as fast", back)):
        print(f"\n{name}: {stream.out_of_order} of {stream.sent} packets came out of order")
        assert (stream.lost, stream.repeated) == (0, 0), name
