"""SDF filters: flow descriptions (IPFilterRule, RFC 6733 §4.3.1 as narrowed by TS 29.212 §5.4.2) to fast matchers.

    permit out PROTOCOL from [!]ADDRESS [PORTS] to [!]ADDRESS [PORTS]

A description is written as the downlink sees a packet: `permit out ip from <far end> to assigned`. For a PDR whose
packets come from the access side, source and destination change places (TS 29.244 §5.2.1A.2A). Options are refused
and not passed over: a filter without them would take more than was meant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from core_stub.flow import Flow

PortRange = tuple[int, int]

_FORM = '"permit out PROTOCOL from ADDRESS [PORTS] to ADDRESS [PORTS]"'
_REMEMBERED = 1024
"""Descriptions whose filters are kept: those of a network are few, and sessions with the same ones share them."""


class FlowDescriptionError(ValueError):
    """A flow description that cannot be parsed: says where in it and what is wanted."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One side of a filter; `network` None is `any` or `assigned`, no `ports` are all of them.

    `negated`: every address of the same IP version that is *not* in `network`.
    """

    network: IPv4Network | IPv6Network | None = None
    ports: tuple[PortRange, ...] = ()
    negated: bool = False


@dataclass(frozen=True, slots=True)
class FlowFilter:
    """A parsed SDF filter (TS 29.244 §8.2.5); what is None is not looked at. `protocol` None is `ip`.

    `traffic_class` is a value and the mask of the bits that count, for the type of service of IPv4 too.
    """

    protocol: int | None = None
    source: Endpoint = Endpoint()
    destination: Endpoint = Endpoint()
    traffic_class: tuple[int, int] | None = None
    spi: int | None = None
    flow_label: int | None = None

    def swapped(self) -> FlowFilter:
        """The same flow seen in the other direction."""
        return replace(self, source=self.destination, destination=self.source)

    def compile(self) -> FlowMatcher:
        """A matcher for packets in the direction that this filter is written in."""
        return FlowMatcher(self)


class FlowMatcher:
    """Integers and masks worked out once; calling it costs well under a microsecond."""

    __slots__ = ("_destination", "_further", "_ports", "_protocol", "_source", "_version")

    def __init__(self, flow_filter: FlowFilter) -> None:
        source, destination = flow_filter.source, flow_filter.destination
        network = source.network or destination.network
        self._protocol = flow_filter.protocol
        self._version = network.version if network else 0
        self._source, self._destination = _masked(source), _masked(destination)
        self._ports = (source.ports, destination.ports)
        further = (flow_filter.traffic_class, flow_filter.spi, flow_filter.flow_label)
        self._further = further if further != (None, None, None) else None

    def __call__(self, flow: Flow) -> bool:
        """True if `flow` is one that the filter describes."""
        network, mask, negated = self._source
        other_network, other_mask, other_negated = self._destination
        if (
            (self._version and flow.version != self._version)
            or (self._protocol is not None and flow.protocol != self._protocol)
            or (flow.source & mask == network) is negated
            or (flow.destination & other_mask == other_network) is other_negated
        ):
            return False
        source_ports, destination_ports = self._ports
        return (
            (not source_ports or _in(flow.source_port, source_ports))
            and (not destination_ports or _in(flow.destination_port, destination_ports))
            and (self._further is None or _agrees(flow, *self._further))
        )


def _masked(endpoint: Endpoint) -> tuple[int, int, bool]:
    network = endpoint.network
    if network is None:
        return 0, 0, False
    return int(network.network_address), int(network.netmask), endpoint.negated


def _in(port: int, ranges: tuple[PortRange, ...]) -> bool:
    return any(low <= port <= high for low, high in ranges)


def _agrees(flow: Flow, traffic_class: tuple[int, int] | None, spi: int | None, flow_label: int | None) -> bool:
    return (
        (traffic_class is None or not (flow.traffic_class ^ traffic_class[0]) & traffic_class[1])
        and (spi is None or flow.spi == spi)
        and (flow_label is None or (flow.version == 6 and flow.flow_label == flow_label))
    )


@lru_cache(_REMEMBERED)
def parse_flow_description(text: str) -> FlowFilter:
    """The filter that `text` describes, as the downlink sees it; FlowDescriptionError if it does not parse."""
    words = text.split()
    if words[:2] != ["permit", "out"]:
        raise FlowDescriptionError(f'"{text}": want it to begin with "permit out" (TS 29.212 §5.4.2)')
    if len(words) < 7 or words[3] != "from" or "to" not in words[5:]:
        raise FlowDescriptionError(f'"{text}": want {_FORM}')
    to = words.index("to", 5)
    source = _endpoint(text, words[4:to])
    destination = _endpoint(text, words[to + 1 :])
    if source.network and destination.network and source.network.version != destination.network.version:
        raise FlowDescriptionError(f'"{text}": want both addresses of one IP version')
    return FlowFilter(_protocol(text, words[2]), source, destination)


def _protocol(text: str, word: str) -> int | None:
    if word == "ip":
        return None
    if word.isdecimal() and int(word) <= 255:
        return int(word)
    raise FlowDescriptionError(f'"{text}": protocol "{word}"; want "ip" or a number from 0 to 255')


def _endpoint(text: str, words: list[str]) -> Endpoint:
    if len(words) not in (1, 2):
        raise FlowDescriptionError(
            f'"{text}": want an address and at most one list of ports, and no options, got "{" ".join(words)}"'
        )
    ports = _port_ranges(text, words[1]) if len(words) == 2 else ()
    address = words[0].removeprefix("!")
    negated = address != words[0]
    if words[0] in ("any", "assigned"):
        return Endpoint(None, ports)
    try:
        return Endpoint(ip_network(address, strict=False), ports, negated)
    except ValueError:
        raise FlowDescriptionError(
            f'"{text}": address "{words[0]}"; want "any", "assigned" or an IPv4 or IPv6 address or prefix, '
            f'which may have "!" before it'
        ) from None


def _port_ranges(text: str, word: str) -> tuple[PortRange, ...]:
    ranges = []
    for part in word.split(","):
        low, dash, high = part.partition("-")
        if not (low.isdecimal() and (high.isdecimal() or not dash)):
            raise FlowDescriptionError(f'"{text}": ports "{word}"; want numbers and ranges such as "80,8000-8999"')
        first, last = int(low), int(high or low)
        if not first <= last <= 65535:
            raise FlowDescriptionError(f'"{text}": ports "{part}"; want a range that rises, up to 65535')
        ranges.append((first, last))
    return tuple(ranges)
