"""Counts a user's flow to a service on a link, in the kernel: nftables rules in, counters out. Pure.

The rules sit in a router's forward hook and count every packet that enters or leaves through the link's interface:
plain, inside GTP-U, and either of them inside SRv6. Bytes are those of the outermost IP packet. What a node sends or
receives itself, and what a BPF program redirects past the hook as a UPF's may, is not counted: count on a router next
to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from core_stub.gtpu import PORT as GTPU_PORT

TABLE = "bearerlab"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")

_IPIP = "4-4"
"""IPv4 inside, as a range: nft 1.0.6 aborts where it has to list `l4proto 4` before bits of a payload."""

_IPV4_BITS = 160
"""An IPv4 header without options, which is what GTP-U and users' packets have."""

_IN_UDP = f"@th,72,8 == 17 @th,{_IPV4_BITS + 16},16 == {GTPU_PORT}"
"""UDP to that port, behind such a header."""


@dataclass(frozen=True)
class CountedFlow:
    """The flow between `ue` and `service` on `interface`; `name` names its counters."""

    name: str
    interface: str
    ue: IPv4Address
    service: IPv4Address

    def __post_init__(self) -> None:
        """ValueError for what nftables would not take as a name."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f'name of a counted flow: got "{self.name}"; want letters, digits, "_", "." and "-"')


@dataclass(frozen=True)
class Count:
    """Packets and their bytes."""

    packets: int
    bytes: int


@dataclass(frozen=True)
class FlowCount:
    """Both directions of a flow: `up` from the user to the service."""

    up: Count
    down: Count


def ruleset(flows: Iterable[CountedFlow]) -> str:
    """Input for `nft -f -` in the router's namespace; replaces the rules and counters that an earlier one made."""
    flows = tuple(flows)
    counters = "\n".join(f"  counter {flow.name}_{way} {{ }}" for flow in flows for way in ("up", "down"))
    rules = "\n".join(f"    {rule}" for flow in flows for rule in _rules(flow))
    return (
        f"table inet {TABLE} {{ }}\n"
        f"delete table inet {TABLE}\n"
        f"table inet {TABLE} {{\n"
        f"{counters}\n"
        f"  chain forward {{\n"
        f"    type filter hook forward priority filter; policy accept;\n"
        f"{rules}\n"
        f"  }}\n"
        f"}}\n"
    )


def list_counters_argv() -> tuple[str, ...]:
    """The command, to be run in the router's namespace, whose output `parse_counters` takes."""
    return ("nft", "-j", "list", "counters", "table", "inet", TABLE)


def parse_counters(listing: str) -> dict[str, FlowCount]:
    """Flow name → counts, from the output of `list_counters_argv`; raises ValueError for anything else."""
    try:
        objects = [entry["counter"] for entry in json.loads(listing)["nftables"] if "counter" in entry]
        counts = {counter["name"]: Count(counter["packets"], counter["bytes"]) for counter in objects}
        names = [name.removesuffix("_up") for name in counts if name.endswith("_up")]
        return {name: FlowCount(counts[f"{name}_up"], counts[f"{name}_down"]) for name in names}
    except (ValueError, KeyError, TypeError) as error:
        want = " ".join(list_counters_argv())
        raise ValueError(f'counters: got "{listing[:80]}"; want what `{want}` prints') from error


def _rules(flow: CountedFlow) -> Iterable[str]:
    for way, src, dst in (("up", flow.ue, flow.service), ("down", flow.service, flow.ue)):
        matches = (
            f"ip saddr {src} ip daddr {dst}",
            f"udp dport {GTPU_PORT} {_in_gtpu(0, src, dst)}",
            # In SRv6, behind a segment routing header or without one: `th` is the IPv4 header inside.
            f"meta l4proto {_IPIP} {_in_ipv4(0, src, dst)}",
            f"meta l4proto {_IPIP} {_IN_UDP} {_in_gtpu(_IPV4_BITS, src, dst)}",
        )
        for match in matches:
            for side in ("iifname", "oifname"):
                yield f'{side} "{flow.interface}" {match} counter name {flow.name}_{way}'


def _in_gtpu(udp: int, src: IPv4Address, dst: IPv4Address) -> str:
    """A G-PDU whose header is 8 + 4 + 4 octets, as TS 38.415 makes it: the mandatory part, the optional part with "next
    extension: PDU Session Container", one unit of that container. `udp` is where the UDP header is, in bits.
    """
    return (
        f"@th,{udp + 64},16 & 0xf4ff == 0x34ff "  # version 1, GTP, with extension header; G-PDU
        f"@th,{udp + 152},16 == 0x8501 @th,{udp + 184},8 == 0 {_in_ipv4(udp + 192, src, dst)}"
    )


def _in_ipv4(at: int, src: IPv4Address, dst: IPv4Address) -> str:
    """An IPv4 packet that begins so many bits behind the transport header."""
    return f"@th,{at},4 == 4 @th,{at + 96},32 == {int(src):#x} @th,{at + 128},32 == {int(dst):#x}"
