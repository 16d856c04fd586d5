"""For tests of PFCP: two endpoints on a bad link under a manual clock, and pcap files."""

from __future__ import annotations

import struct
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from itertools import chain, cycle
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from core_stub.pfcp import codec
from core_stub.pfcp.endpoint import Endpoint
from core_stub.pfcp.events import Event, RequestReceived, Settings
from core_stub.pfcp.ies import (
    ApplyAction,
    Cause,
    CreateFar,
    FSeid,
    NodeId,
)
from core_stub.pfcp.messages import (
    Message,
    SessionEstablishmentRequest,
    SessionEstablishmentResponse,
)
from core_stub.pfcp.transactions import Address
from tests.support.pfcp_samples import DOWNLINK_PDR, SMF_NODE, UPF_NODE

SMF: Address = ("10.0.0.1", 8805)
UPF: Address = ("10.0.0.2", 8805)


def only(datagram: bytes) -> Message:
    """The message of a datagram that has one."""
    (frame,) = codec.frames(datagram)
    return codec.decode(frame)


def establishment(number: int) -> SessionEstablishmentRequest:
    """A session request that `number` tells from others."""
    return SessionEstablishmentRequest(
        0, SMF_NODE, FSeid(number, IPv4Address(SMF[0])), (DOWNLINK_PDR,), (CreateFar(1, ApplyAction.FORW),)
    )


def endpoint(node: NodeId, *, started: int = 1, first_sequence: int = 0xFFFFFE, **settings: Any) -> Endpoint:
    """An endpoint; its first sequence number is such that it soon wraps."""
    return Endpoint(Settings(node_id=node, recovery_time_stamp=started, **settings), first_sequence=first_sequence)


@dataclass
class FakeLink:
    """An SMF and a UPF, and what becomes of each datagram between them: "." arrives, "x" is lost, "2" comes twice,
    "~" comes after what is sent later. `fates` is used up from the left; then all arrive.

    `others` are more nodes on the same link. `served` are the session requests, all of which are accepted.
    """

    smf: Endpoint
    upf: Endpoint
    fates: str = ""
    repeat: bool = False
    now: float = 0.0
    events: list[Event] = field(default_factory=list)
    served: list[SessionEstablishmentRequest] = field(default_factory=list)
    others: dict[Address, Endpoint] = field(default_factory=dict)
    wire: list[tuple[float, Address, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._fate = cycle(self.fates) if self.repeat else chain(self.fates, cycle("."))

    def run(self, seconds: float) -> None:
        """Let time pass, stopping at every timer."""
        end = self.now + seconds
        self.settle()
        while (due := self._next_timer()) is not None and due <= end:
            self.now = max(due, self.now)
            for node in self.nodes.values():
                node.handle_timer(self.now)
            self.settle()
        self.now = end

    @property
    def nodes(self) -> dict[Address, Endpoint]:
        """Everybody on the link."""
        return {SMF: self.smf, UPF: self.upf, **self.others}

    def _next_timer(self) -> float | None:
        timers = (node.get_timer() for node in self.nodes.values())
        return min((timer for timer in timers if timer is not None), default=None)

    def sent(self, by: Address) -> list[bytes]:
        """Everything that one of them put on the wire."""
        return [datagram for _, sender, datagram in self.wire if sender == by]

    def settle(self) -> None:
        """Deliver until nobody has anything to say."""
        late: list[tuple[bytes, Address, Address]] = []
        self._take_events()
        while batch := self._outgoing() or late:
            if batch is late:
                late = []
                for datagram in batch:
                    self._deliver(*datagram)
                continue
            for datagram in batch:
                self.wire.append((self.now, datagram[1], datagram[0]))
                fate = next(self._fate)
                if fate == "~":
                    late.append(datagram)
                for _ in range({".": 1, "2": 2}.get(fate, 0)):
                    self._deliver(*datagram)

    def _outgoing(self) -> list[tuple[bytes, Address, Address]]:
        return [(data, at, to) for at, node in self.nodes.items() for data, to in node.datagrams_to_send()]

    def _deliver(self, data: bytes, sender: Address, receiver: Address) -> None:
        node = self.nodes[receiver]
        node.receive_datagram(data, sender, self.now)
        self._take_events_of(node)

    def _take_events(self) -> None:
        for node in self.nodes.values():
            self._take_events_of(node)

    def _take_events_of(self, node: Endpoint) -> None:
        while (event := node.next_event()) is not None:
            self._on_event(node, event)

    def _on_event(self, end: Endpoint, event: Event) -> None:
        if not isinstance(event, RequestReceived):
            self.events.append(event)
            return
        assert isinstance(event.message, SessionEstablishmentRequest)
        self.served.append(event.message)
        seid = event.message.cp_f_seid.seid
        up_f_seid = FSeid(seid + 1000, IPv4Address(UPF[0]))
        answer = SessionEstablishmentResponse(seid, UPF_NODE, Cause.REQUEST_ACCEPTED, up_f_seid=up_f_seid)
        end.respond(event.peer, event.token, answer)


# -- pcap files -------------------------------------------------------------------------------------------------------

_LITTLE_ENDIAN = 0xA1B2C3D4
_RAW_IP = 101
_LINK_HEADERS = {1: 14, _RAW_IP: 0, 113: 16, 276: 20}
"""Octets before the IP header: Ethernet, raw, and Linux cooked captures, by link type."""


def udp_payloads(path: Path, port: int = 8805) -> Iterator[bytes]:
    """What the UDP datagrams of a capture carry from or to a port, over IPv4."""
    capture = path.read_bytes()
    magic, link = struct.unpack_from("<I16xI", capture)
    assert magic == _LITTLE_ENDIAN, f"{path}: not a pcap file that this reads"
    at = 24
    while at < len(capture):
        (size,) = struct.unpack_from("<8xI", capture, at)
        packet = capture[at + 16 + _LINK_HEADERS[link] : at + 16 + size]
        at += 16 + size
        if packet[0] >> 4 == 4 and packet[9] == 17:
            udp = packet[(packet[0] & 0xF) * 4 :]
            source, destination, length = struct.unpack_from("!HHH", udp)
            if port in (source, destination):
                yield udp[8:length]


def write_pcap(path: Path, datagrams: Iterable[bytes]) -> None:
    """A capture of PFCP datagrams, a millisecond apart."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", _LITTLE_ENDIAN, 2, 4, 0, 0, 65535, _RAW_IP))
        for number, payload in enumerate(datagrams):
            udp = struct.pack("!HHHH", 8805, 8805, 8 + len(payload), 0) + payload
            ends = IPv4Address(SMF[0]).packed + IPv4Address(UPF[0]).packed
            packet = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), number, 0, 64, 17, 0) + ends + udp
            file.write(struct.pack("<IIII", 0, number * 1000, len(packet), len(packet)) + packet)


def dissect(path: Path, datagrams: Iterable[bytes]) -> list[Counter[tuple[str, str]]]:
    """How often tshark finds each field with each value, datagram by datagram; `path` is where the capture goes."""
    write_pcap(path, datagrams)
    tshark = subprocess.run(["tshark", "-r", str(path), "-T", "pdml"], capture_output=True, check=True)
    found = []
    for packet in ElementTree.fromstring(tshark.stdout).iter("packet"):
        fields = [(field.get("name", ""), field.get("show", "")) for field in packet.iter("field")]
        protocols = [(protocol.get("name", ""), "") for protocol in packet.iter("proto")]
        found.append(Counter(item for item in fields + protocols if item[0].startswith(("pfcp", "_ws."))))
    return found
