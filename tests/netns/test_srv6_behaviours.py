"""Each SRv6 behaviour of the kernel that routers use, and some that they could: what is on the wire at every hop."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_network
from itertools import count
from pathlib import Path

import pytest
from scapy.layers.inet6 import IPv6, IPv6ExtHdrSegmentRouting
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from controllers.srv6.fib import ANCHOR, Encap, FibRoute, LocalSid, NextHop
from controllers.srv6.segments import MtuBudget, encapsulation_bytes
from controllers.srv6.sids import Behavior, Flavor
from testbed import netns
from testbed.lab.build import run_ip
from tests.support.srv6_line import PORT, address, line
from traffic.srheader import Headers

pytestmark = [pytest.mark.netns]

_number = count()

END, END_X, BINDING = (IPv6Address(f"fcbb:bb00:b:{function}::") for function in ("0", "e000", "f800"))
SERVICE, RELEASE = (IPv6Address(f"fcbb:bb00:c:{function}::") for function in ("f000", "f001"))
NEXT_CSID, PSP = frozenset({Flavor.NEXT_CSID}), frozenset({Flavor.PSP})
TO_RC = IPv6Address(address(6, 2, 2))
TO_H2: dict[int, IPv4Address | IPv6Address] = {4: IPv4Address(address(4, 3, 2)), 6: IPv6Address(address(6, 3, 2))}
DX4 = LocalSid(Behavior.END_DX4, TO_H2[4])

BACK = IPv6Address("fcbb:bb00:a:f000::")
RETURN = [FibRoute(ip_network(BACK), local=LocalSid(Behavior.END_DX4, IPv4Address(address(4, 0, 1))))]
LISTS = (((SERVICE,), 3), ((END_X, SERVICE), 1))

ROOM = encapsulation_bytes(2)

Srh = tuple[int, tuple[IPv6Address, ...]]
"""Segments left, and the list as it is on the wire."""


@dataclass(frozen=True)
class Case:
    """What ra puts around packets to h2, what rb and rc do, and what is around them where they come in."""

    segments: tuple[IPv6Address, ...]
    at_rb: tuple[IPv6Address, Srh | None]
    at_rc: tuple[IPv6Address, Srh | None]
    rb: dict[str, LocalSid] = field(default_factory=dict)
    service: LocalSid = DX4
    mode: str = "encap.red"
    version: int = 4


def csids(text: str) -> IPv6Address:
    return IPv6Address(f"fcbb:bb00:{text}::")


CASES = {
    "H.Encaps": Case((SERVICE,), (SERVICE, (0, (SERVICE,))), (SERVICE, (0, (SERVICE,))), mode="encap"),
    "H.Encaps.Red of one segment": Case((SERVICE,), (SERVICE, None), (SERVICE, None)),
    "H.Encaps of two segments": Case(
        (END, SERVICE),
        (END, (1, (SERVICE, END))),
        (SERVICE, (0, (SERVICE, END))),
        rb={f"{END}/128": LocalSid(Behavior.END)},
        mode="encap",
    ),
    "H.Encaps.Red and End": Case(
        (END, SERVICE), (END, (1, (SERVICE,))), (SERVICE, (0, (SERVICE,))), rb={f"{END}/128": LocalSid(Behavior.END)}
    ),
    "End with PSP": Case(
        (END, SERVICE),
        (END, (1, (SERVICE,))),
        (SERVICE, None),
        rb={f"{END}/128": LocalSid(Behavior.END, flavors=PSP)},
    ),
    "End with NEXT-CSID": Case(
        (csids("b:c:f000"),),
        (csids("b:c:f000"), None),
        (SERVICE, None),
        rb={f"{END}/48": LocalSid(Behavior.END, flavors=NEXT_CSID)},
    ),
    "End with NEXT-CSID at the end of a container": Case(
        (END, SERVICE),
        (END, (1, (SERVICE,))),
        (SERVICE, (0, (SERVICE,))),
        rb={f"{END}/48": LocalSid(Behavior.END, flavors=NEXT_CSID)},
    ),
    "End.X": Case(
        (END_X, SERVICE),
        (END_X, (1, (SERVICE,))),
        (SERVICE, (0, (SERVICE,))),
        rb={f"{END_X}/128": LocalSid(Behavior.END_X, TO_RC)},
    ),
    "End.X with NEXT-CSID": Case(
        (csids("b:e000:c:f000"),),
        (csids("b:e000:c:f000"), None),
        (SERVICE, None),
        rb={f"{END_X}/64": LocalSid(Behavior.END_X, TO_RC, flavors=NEXT_CSID, csid_bits=32)},
    ),
    "End.DX6": Case(
        (SERVICE,), (SERVICE, None), (SERVICE, None), service=LocalSid(Behavior.END_DX6, TO_H2[6]), version=6
    ),
    "End.DT6": Case(
        (END, SERVICE),
        (END, (1, (SERVICE,))),
        (SERVICE, (0, (SERVICE,))),
        rb={f"{END}/128": LocalSid(Behavior.END)},
        service=LocalSid(Behavior.END_DT6, table=254),
        version=6,
    ),
}


def around(headers: Headers) -> tuple[object, Srh | None]:
    """The active segment, and the SRH if there is one."""
    outer = headers.ip[0]
    return outer.dst, (outer.srh.segments_left, outer.srh.segments) if outer.srh else None


def routes(case: Case) -> dict[str, list[FibRoute | str]]:
    to_h2 = ip_network(f"{address(case.version, 3, 0)}/{24 if case.version == 4 else 64}")
    encap = FibRoute(to_h2, (NextHop(ANCHOR, encap=Encap(case.segments, case.mode)),), metric=1)
    local = [FibRoute(ip_network(prefix), local=sid) for prefix, sid in case.rb.items()]
    return {"ra": [encap], "rb": [*local], "rc": [FibRoute(ip_network(SERVICE), local=case.service)]}


@pytest.mark.parametrize("name", CASES)
def test_behaviour(name: str) -> None:
    case = CASES[name]
    with line(f"sb{next(_number)}", routes(case)) as made:
        seen = made.carry(case.version)
        assert around(seen["rb"]) == case.at_rb
        assert around(seen["rc"]) == case.at_rc
        assert [header.dst for header in seen["h2"].ip] == [TO_H2[case.version]], "nothing is around it any more"
        assert seen["rb"].ip[-1].dst == TO_H2[case.version]


def test_a_binding_sid_puts_another_header_around() -> None:
    case = Case(
        (BINDING, SERVICE),
        (BINDING, (1, (SERVICE,))),
        (RELEASE, (0, (RELEASE,))),
        rb={f"{BINDING}/128": LocalSid(Behavior.END_B6_ENCAPS, segments=(RELEASE,))},
    )
    release = FibRoute(ip_network(RELEASE), local=LocalSid(Behavior.END_DT6, table=254))
    with line("sb-b6", routes(case) | {"rc": [*routes(case)["rc"], release]}) as made:
        seen = made.carry(4)
    assert around(seen["rb"]) == case.at_rb
    assert around(seen["rc"]) == case.at_rc
    assert [header.dst for header in seen["rc"].ip] == [RELEASE, SERVICE, TO_H2[4]]


def test_layer_2_goes_through_as_it_is() -> None:
    encap = f"route replace 10.9.3.0/24 metric 1 encap seg6 mode l2encap.red segs {SERVICE} dev {ANCHOR}"
    out = f"route replace {SERVICE}/128 encap seg6local action End.DX2 oif h2 dev {ANCHOR}"
    with line("sb-l2", {"ra": [encap], "rc": [out]}) as made:
        # The frame keeps the address to which h1 has sent it: h2 has to listen to that one.
        with netns.entered(made.namespaces["ra"]):
            links = json.loads(subprocess.run(["ip", "-j", "link"], capture_output=True, check=True).stdout)
        mac = next(link["address"] for link in links if link["ifname"] == "h1")
        with netns.entered(made.namespaces["h2"]):
            run_ip(f"link set rc address {mac}\n", where="h2")
        seen = made.carry(4)
    assert around(seen["rb"]) == (SERVICE, None)
    assert seen["rb"].ip[0].protocol == 143, "Ethernet (RFC 8986 §10.1)"
    assert [header.dst for header in seen["h2"].ip] == [TO_H2[4]]


def test_both_of_two_weighted_lists_are_taken() -> None:
    hops = tuple(NextHop(ANCHOR, None, weight, Encap(segments)) for segments, weight in LISTS)
    there = {
        "ra": [FibRoute(ip_network("10.9.3.0/24"), hops, metric=1)],
        "rb": [FibRoute(ip_network(END_X), local=LocalSid(Behavior.END_X, TO_RC))],
        "rc": [FibRoute(ip_network(SERVICE), local=DX4)],
    }
    with line("sb-ecmp", there) as made:
        firsts = [around(made.carry(4, source_port=port)["rb"])[0] for port in range(20000, 20200)]
    assert 110 < firsts.count(SERVICE) < 190, "three in four"
    assert firsts.count(END_X) == 200 - firsts.count(SERVICE)


FULL_SIZE = {
    "ra": [FibRoute(ip_network("10.9.3.0/24"), (NextHop(ANCHOR, encap=Encap((END, SERVICE))),), metric=1)],
    "rb": [FibRoute(ip_network(END), local=LocalSid(Behavior.END))],
    "rc": [
        FibRoute(ip_network(SERVICE), local=DX4),
        FibRoute(ip_network("10.9.0.0/24"), (NextHop(ANCHOR, encap=Encap((BACK,))),), metric=1),
    ],
}


def test_tcp_with_full_size_segments() -> None:
    there = FULL_SIZE | {"ra": [*FULL_SIZE["ra"], *RETURN]}
    with line("sb-tcp", there) as made:
        with netns.entered(made.namespaces["h2"]):
            listener = socket.create_server((str(TO_H2[4]), PORT))
        received: list[int] = []
        reader = threading.Thread(target=lambda: received.append(_drained(listener)))
        reader.start()
        with netns.entered(made.namespaces["h1"]):
            sender = socket.create_connection((str(TO_H2[4]), PORT), timeout=5)
        with sender:
            sender.sendall(bytes(3_000_000))
        reader.join(timeout=10)
    assert received == [3_000_000]


def test_a_core_without_room_is_silent_so_the_plan_has_to_leave_some() -> None:
    """Linux puts the outer header on before it looks at the MTU, and then tells itself that the packet is too big."""
    with line("sb-mtu", FULL_SIZE, core_mtu=1500) as made, made.receiver(4) as receiver, made.sender(4) as sender:
        for size in (1472, 1472 - ROOM):
            sender.sendto(bytes(size), (str(TO_H2[4]), PORT))
        assert len(receiver.recv(65536)) == 1472 - ROOM
    assert MtuBudget(1500, 1500 - ROOM).problem(2, 2) == ""
    assert "over the MTU 1500" in MtuBudget(1500, 1500).problem(2, 2)


def _drained(listener: socket.socket) -> int:
    with listener, listener.accept()[0] as connection:
        total = 0
        while data := connection.recv(65536):
            total += len(data)
        return total


def test_scapy_and_tshark_read_the_same(tmp_path: Path) -> None:
    case = CASES["H.Encaps.Red and End"]
    with line("sb-read", routes(case)) as made, made.receiver(4) as receiver, made.sender(4) as sender:
        sender.sendto(b"token of this test", (str(TO_H2[4]), PORT))
        receiver.recv(65536)
        frame = next(frame for frame in made.frames("rb") if b"token of this test" in frame)
    packet = Ether(frame)
    srh = packet[IPv6ExtHdrSegmentRouting]
    assert (packet[IPv6].dst, srh.segleft, srh.addresses) == (str(END), 1, [str(SERVICE)])
    capture = tmp_path / "one.pcap"
    wrpcap(str(capture), [packet])
    wanted = [word for name in ("ipv6.dst", "ipv6.routing.segleft", "ipv6.routing.srh.addr") for word in ("-e", name)]
    argv = ["tshark", "-r", str(capture), "-T", "fields", *wanted]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    assert told == [str(END), "1", str(SERVICE)]
