"""The path that one STAMP probe took, proven from captures. Pure.

All capture points read one machine's clock, so the hops of a probe are in the order of their time stamps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from traffic import stamp
from traffic.dissect import Address, Datagram, Tunnel, dissect
from traffic.pcapng import Packet

Direction = Literal["up", "down"]


@dataclass(frozen=True)
class CapturePoint:
    """Where packets were captured: `name` is shown, such as `N3 gnb1`; `node` is the topology's."""

    name: str
    node: str


@dataclass(frozen=True)
class ProbeId:
    """One probe of the user at `ue` to the reflector at `service`."""

    ue: Address
    service: Address
    sequence: int
    port: int = stamp.PORT


@dataclass(frozen=True)
class Hop:
    """One sighting at `t` (Unix seconds): `up` is the probe, `down` its reply.

    `tunnel` is None outside GTP-U, `vni` outside VXLAN.
    """

    point: str
    node: str
    t: float
    direction: Direction
    tunnel: Tunnel | None
    vni: int | None = None

    def __str__(self) -> str:
        """`N3 gnb1 (10.1.0.0 → 10.1.0.9 TEID 0x1234 QFI 1)`."""
        if self.tunnel is None:
            return self.point
        qfi = "" if self.tunnel.qfi is None else f" QFI {self.tunnel.qfi}"
        return f"{self.point} ({self.tunnel.src} → {self.tunnel.dst} TEID {self.tunnel.teid:#x}{qfi})"


def hops(probe: ProbeId, captures: Iterable[tuple[CapturePoint, Iterable[Packet]]]) -> tuple[Hop, ...]:
    """Every sighting of the probe and of its reply, in the order of time."""
    sequence = probe.sequence.to_bytes(4)
    sightings: list[tuple[int, Hop]] = []
    for point, packets in captures:
        for packet in packets:
            if sequence not in packet.frame:  # spares nearly all frames the dissection
                continue
            datagram = dissect(packet.frame)
            direction = _direction(probe, datagram) if datagram else None
            if datagram and direction:
                hop = Hop(point.name, point.node, packet.at / 1e9, direction, datagram.tunnel, datagram.vni)
                sightings.append((packet.at, hop))
    return tuple(hop for _, hop in sorted(sightings, key=lambda sighting: sighting[0]))


def describe(path: Iterable[Hop], *, ue: str, reflector: str) -> str:
    """`ue1 → N3 gnb1 (…) → … → app1 → … → ue1`; ends at the last sighting if no reply was seen."""
    path = tuple(path)
    up = [str(hop) for hop in path if hop.direction == "up"]
    down = [str(hop) for hop in path if hop.direction == "down"]
    return " → ".join([ue, *up, *([reflector, *down, ue] if down else [])])


def _direction(probe: ProbeId, datagram: Datagram) -> Direction | None:
    try:
        if (datagram.src, datagram.dst, datagram.dst_port) == (probe.ue, probe.service, probe.port):
            return "up" if stamp.Probe.decode(datagram.payload).sequence == probe.sequence else None
        if (datagram.src, datagram.src_port, datagram.dst) == (probe.service, probe.port, probe.ue):
            return "down" if stamp.Reply.decode(datagram.payload).probe.sequence == probe.sequence else None
    except stamp.MalformedPacketError:
        pass
    return None
