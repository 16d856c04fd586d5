"""The overlay on real switches: who reaches whom, what is on the wire, and where flows go when transports fail."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import doctor, netns
from tests.support.overlay_lab import (
    AF11,
    EF,
    HOSTS,
    PORTAL,
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


def inside_vxlan(capture: Path, *fields: str, also: str = "") -> set[tuple[str, ...]]:
    """The different values of these fields in what tenants sent in VXLAN; of two headers both."""
    wanted = "vxlan and vxlan.vni != 0xffffff" + (f" and {also}" if also else "")
    argv = ["tshark", "-r", str(capture), "-Y", wanted, "-T", "fields", *(w for f in fields for w in ("-e", f))]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    return {tuple(line.split("\t")) for line in lines}


def transfer(lab: OverlayLab, source: str, sink: str, size: int) -> int:
    """TCP from a host to the portal that is another; how many bytes came."""
    with netns.entered(lab.namespace(sink)):
        listener = socket.create_server((PORTAL, PORT))
    with netns.entered(lab.namespace(source)):
        client = socket.socket()
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
        client.connect((PORTAL, PORT))
        client.sendall(bytes(size))
        client.shutdown(socket.SHUT_WR)
        thread.join()
    return sum(came)


@pytest.mark.parametrize(
    ("source", "target"), [("red-a", "red-b"), ("red-b", "red-c"), ("red-c", "red-a"), ("blue-a", "blue-c")]
)
def test_hosts_of_a_tenant_reach_each_other_with_packets_as_large_as_they_may_send(
    lab: OverlayLab, source: str, target: str
) -> None:
    assert ping(lab, source, lab.address(target))
    assert ping(lab, source, lab.address(target), "-M", "do", "-s", str(lab.mtu(source) - 28))


@pytest.mark.parametrize("edge", HOSTS)
def test_what_vxlan_leaves_by_takes_packets_as_large_as_the_transport(lab: OverlayLab, edge: str) -> None:
    links = {each["ifname"]: each for each in json.loads(lab.run(edge, "ip", "-j", "link").stdout)}
    assert [links[f"wan.{number}"]["mtu"] for number in (1, 2)] == [links[name]["mtu"] for name in TRANSPORTS]


@pytest.mark.parametrize(("source", "target"), [("red-a", "blue-c"), ("blue-a", "red-b"), ("blue-c", "red-c")])
def test_hosts_of_another_tenant_are_not_to_be_reached(lab: OverlayLab, source: str, target: str) -> None:
    assert not ping(lab, source, lab.address(target))


def test_two_tenants_have_the_same_address_and_each_its_own_host(lab: OverlayLab) -> None:
    for source, sink, other in (("red-a", "red-b", "blue-c"), ("blue-a", "blue-c", "red-b")):
        with lab.traffic(source, sink) as sent, lab.traffic(source, other) as elsewhere:
            sent.blast(20)
            assert len(sent.arrivals(20)) == 20
            assert elsewhere.arrivals(1) == []


def test_udp_goes_marked_in_the_network_of_its_tenant_over_the_private_transport(lab: OverlayLab) -> None:
    seen = ("vxlan.vni", "ip.src", "ip.dst", "ip.dsfield.dscp", "ip.ttl")
    with lab.captured("cpe-a") as captures:
        for source, sink in (("red-a", "red-b"), ("blue-a", "blue-c")):
            with lab.traffic(source, sink) as sent:
                sent.blast(20)
                assert len(sent.arrivals(20)) == 20
    ends = {edge: lab.wan_address(edge, "private") for edge in HOSTS}
    assert inside_vxlan(captures["private"], *seen, also="udp.dstport == 9000") == {
        (
            str(VNI[tenant]),
            f"{ends['cpe-a']},{lab.address(f'{tenant}-a')}",
            f"{ends[to]},{PORTAL}",
            f"{EF},{EF}",
            "64,64",
        )
        for tenant, to in (("red", "cpe-b"), ("blue", "cpe-c"))
    }
    assert inside_vxlan(captures["internet"], *seen, also="udp.dstport == 9000") == set()


def test_tcp_goes_in_full_segments_over_the_internet_and_back(lab: OverlayLab) -> None:
    with lab.captured("cpe-a") as captures:
        assert transfer(lab, "red-a", "red-b", 2_000_000) == 2_000_000
    assert inside_vxlan(captures["private"], "vxlan.vni", also="tcp") == set()
    found = inside_vxlan(captures["internet"], "vxlan.vni", "ip.dsfield.dscp", "ip.len", also="tcp")
    assert {(vni, dscp) for vni, dscp, _ in found} == {("100", f"{AF11},{AF11}")}
    assert max(int(length.split(",")[1]) for _, _, length in found) == lab.mtu("red-a")


def test_a_transport_that_goes_dark_is_left_within_its_time_and_taken_again(lab: OverlayLab) -> None:
    with Stream(lab.traffic("red-a", "red-b"), per_second=200) as stream:
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
