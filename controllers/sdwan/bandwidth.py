"""What is free on tunnels, from what switches count.

A tunnel carries what arrives at its far end: Open vSwitch in user space counts twice what leaves by a tunnel. What is
free is what is left of both attachments: of all that the near one sends, of all that the far one gets. For a class its
own packets are left out, so that it is not pushed out by itself; they are counted by the buckets of groups.

Open vSwitch renews the counters of tunnels every half second, so rates are those of some seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from controllers.flows import Count, Counters
from controllers.sdwan.network import Attachment, Overlay, OverlayTunnel
from controllers.sdwan.steering import Placement

SPAN_S = 4.0
"""Rates are means over so long, at least once that has passed."""

_AROUND = 50
"""Octets that VXLAN puts around a packet over IPv4 (RFC 7348 §5)."""


class _Rate:
    """Of one counter, in bit/s."""

    def __init__(self) -> None:
        self._counted: deque[tuple[float, int]] = deque()

    def count(self, octets: int, now: float) -> None:
        if self._counted and octets < self._counted[-1][1]:
            self._counted.clear()
        self._counted.append((now, octets))
        while len(self._counted) > 2 and now - self._counted[1][0] >= SPAN_S:
            self._counted.popleft()

    @property
    def bps(self) -> float:
        """0 before it was counted twice."""
        (began, before), (ended, after) = self._counted[0], self._counted[-1]
        return 8 * (after - before) / (ended - began) if ended > began else 0.0


class Bandwidth:
    """All counters of an overlay."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._arrived: dict[str, _Rate] = {}
        """By tunnel."""
        self._sent: dict[tuple[str, int], _Rate] = {}
        """By demand and bucket."""
        self._from: dict[tuple[str, str], list[OverlayTunnel]] = {}
        self._to: dict[tuple[str, str], list[OverlayTunnel]] = {}
        for tunnel in overlay.tunnels:
            self._from.setdefault((tunnel.source, tunnel.transport), []).append(tunnel)
            self._to.setdefault((tunnel.target, tunnel.transport), []).append(tunnel)

    def counted(self, edge: str, counters: Counters, now: float) -> None:
        """What the switch of an edge has counted."""
        for tunnel in self._overlay.tunnels:
            # The tunnel from the other edge comes in where the one to it goes out.
            if tunnel.target == edge and (count := counters.ports.get(self._port_back(tunnel))):
                self._arrived.setdefault(tunnel.name, _Rate()).count(_carried(count), now)
        for number, demand in enumerate(self._overlay.demands, 1):
            if demand.source == edge:
                for bucket, count in enumerate(counters.groups.get(number, ())):
                    self._sent.setdefault((demand.name, bucket), _Rate()).count(_carried(count), now)

    def free_bps(self, tunnel: OverlayTunnel, own_bps: float = 0.0) -> float | None:
        """What is left of the attachments of a tunnel, beside `own_bps` that it carries; None without a limit."""
        ends = (
            (self._attachment(tunnel.source, tunnel.transport).up_bps, self._from[tunnel.source, tunnel.transport]),
            (self._attachment(tunnel.target, tunnel.transport).down_bps, self._to[tunnel.target, tunnel.transport]),
        )
        own = min(own_bps, self._carried(tunnel))
        left = [limit - sum(map(self._carried, tunnels)) + own for limit, tunnels in ends if limit is not None]
        return max(0.0, min(left)) if left else None

    def available_bps(self, tunnel: OverlayTunnel, sla_class: str, placements: Mapping[str, Placement]) -> float | None:
        """What a class has, or would have, of a tunnel; None without a limit."""
        return self.free_bps(tunnel, sum(self._own(tunnel.name, sla_class, placements)))

    def _own(self, tunnel: str, sla_class: str, placements: Mapping[str, Placement]) -> Iterator[float]:
        for demand in self._overlay.demands:
            names = placements[demand.name].names
            if tunnel in names and self._overlay.class_of[demand.application].name == sla_class:
                rate = self._sent.get((demand.name, names.index(tunnel)))
                yield rate.bps if rate else 0.0

    def _carried(self, tunnel: OverlayTunnel) -> float:
        rate = self._arrived.get(tunnel.name)
        return rate.bps if rate else 0.0

    def _port_back(self, tunnel: OverlayTunnel) -> int:
        back = self._overlay.way_back.get(tunnel.name)
        return self._overlay.tunnel[back].port if back else -1

    def _attachment(self, edge: str, transport: str) -> Attachment:
        return next(each for each in self._overlay.edge[edge].attachments if each.transport == transport)


def _carried(count: Count) -> int:
    """Octets on the way, with what the tunnel puts around each packet."""
    return count.octets + _AROUND * count.packets
