"""A learning switch in two tables, so that forwarding never waits for the controller.

    table 0, sources:       (in_port, eth_src) known → table 1;   else a copy to the controller, and → table 1
    table 1, destinations:  eth_dst known → its port;             else flood

The controller hears of a host when the host first speaks, when it speaks from another port, and once every AGE_S. It
never carries packets: when it dies, what it learned goes on being forwarded, and what it did not is flooded.
"""

from __future__ import annotations

from dataclasses import dataclass

from controllers.flows import AddFlow, FlowChange, Match, Output, RemoveFlows, ReservedPort

SOURCES, DESTINATIONS = 0, 1

AGE_S = 300
"""How long a host is believed to be where it was seen (IEEE 802.1Q-2018 §8.8.3: 300 s)."""

_OVERLAP_S = 10
"""How much longer a destination lives than its source, so that a host that goes on speaking is never flooded to."""

_SETTLE_S = 1.0
"""Copies of a host's first packets keep coming until its flow is in place; they change nothing."""

_GROUP_BIT = "01:00:00:00:00:00/01:00:00:00:00:00"
_LINK_LOCAL = "01:80:c2:00:00:00/ff:ff:ff:ff:ff:f0"


@dataclass(frozen=True)
class Seen:
    """Where a MAC address was seen, and when (seconds)."""

    port: int
    at: float


class LearningSwitch:
    """(dpid, MAC) → port for any number of switches; each method returns the changes to make to that switch."""

    def __init__(self) -> None:
        # In the order of the last sighting, so that the oldest are in front.
        self._seen: dict[tuple[int, str], Seen] = {}

    def port_of(self, dpid: int, mac: str) -> int | None:
        """The port behind which `mac` was last seen, None if it is not known."""
        seen = self._seen.get((dpid, mac))
        return seen.port if seen else None

    def switch_up(self, dpid: int) -> tuple[FlowChange, ...]:
        """A switch came (back): forget its hosts, and have it send unknown sources up and flood unknown destinations.

        Flows of earlier are left in place: they forward until their hosts are heard of again.
        """
        self._seen = {key: seen for key, seen in self._seen.items() if key[0] != dpid}
        return (
            AddFlow(DESTINATIONS, Match(), actions=(Output(ReservedPort.FLOOD),), priority=0),
            # A group address is never a source (IEEE 802.3-2018 §3.2.3): drop, or each such packet would come up.
            AddFlow(SOURCES, Match(eth_src=_GROUP_BIT), priority=2),
            # What is for the other end of a link only (IEEE 802.1Q-2018 §8.6.3) is not forwarded.
            AddFlow(SOURCES, Match(eth_dst=_LINK_LOCAL), priority=2),
            AddFlow(SOURCES, Match(), actions=(Output(ReservedPort.CONTROLLER),), goto=DESTINATIONS, priority=0),
        )

    def packet_in(self, dpid: int, port: int, eth_src: str, now: float) -> tuple[FlowChange, ...]:
        """A switch does not know `eth_src` at `port`: it is new there, it moved there, or its time was up."""
        self._forget(now)
        last = self._seen.get((dpid, eth_src))
        if last is not None and last.port == port and now - last.at < _SETTLE_S:
            return ()
        self._seen.pop((dpid, eth_src), None)
        self._seen[dpid, eth_src] = Seen(port, now)
        return (
            # Whoever installed it: a source left at another port would hide the host's return there.
            RemoveFlows(SOURCES, Match(eth_src=eth_src)),
            AddFlow(DESTINATIONS, Match(eth_dst=eth_src), actions=(Output(port),), hard_timeout_s=AGE_S + _OVERLAP_S),
            AddFlow(SOURCES, Match(in_port=port, eth_src=eth_src), goto=DESTINATIONS, hard_timeout_s=AGE_S),
        )

    def _forget(self, now: float) -> None:
        while self._seen:
            oldest = next(iter(self._seen))
            if now - self._seen[oldest].at < AGE_S + _OVERLAP_S:
                return
            del self._seen[oldest]
